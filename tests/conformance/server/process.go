// Package server starts the server under test as a user would, with etcd's flags, and ends it. The same tests run against
// any binary that the environment's SERVER names: the real etcd is the control.
package server

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a child in its own process group whose output goes to a file. It dies with the test binary, however that
// ends.
type Process struct {
	Command string
	Log     string
	exited  chan struct{}
	command *exec.Cmd
}

// Launch starts the program. The log file is appended to, so that a restarted server keeps its history.
func Launch(log string, environment []string, program string, arguments ...string) (*Process, error) {
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		return nil, err
	}
	output, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	process := &Process{
		Command: program + " " + strings.Join(arguments, " "),
		Log:     log,
		exited:  make(chan struct{}),
		command: exec.Command(program, arguments...),
	}
	fmt.Fprintf(output, "# %s\n", process.Command)
	process.command.Stdout, process.command.Stderr = output, output
	process.command.Env = append(os.Environ(), environment...)
	process.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The signal on the parent's death is sent when this thread ends, so the thread stays until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer output.Close()
		err := process.command.Start()
		started <- err
		if err == nil {
			_ = process.command.Wait()
			close(process.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	return process, nil
}

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// ExitCode is -1 while the process runs and when a signal has ended it.
func (p *Process) ExitCode() int {
	select {
	case <-p.exited:
		return p.command.ProcessState.ExitCode()
	default:
		return -1
	}
}

// ResidentBytes is what the kernel says the process holds in memory, 0 when it is gone.
func (p *Process) ResidentBytes() int64 {
	var pages, resident int64
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.command.Process.Pid))
	if err != nil {
		return 0
	}
	fmt.Sscan(string(text), &pages, &resident)
	return resident * int64(os.Getpagesize())
}

// Kill ends the process group as a crash would, and waits.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	<-p.exited
}

// Terminate asks the process to end and waits; it reports whether the process did so in time. One that did not is killed.
func (p *Process) Terminate(patience time.Duration) bool {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return true
	case <-time.After(patience):
		p.Kill()
		return false
	}
}

func (p *Process) signal(signal syscall.Signal) {
	select {
	case <-p.exited: // the id may belong to somebody else by now
	default:
		_ = syscall.Kill(-p.command.Process.Pid, signal)
	}
}

// Tail is the end of the log, for the message of a failure.
func (p *Process) Tail() string {
	text, _ := os.ReadFile(p.Log)
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if len(lines) > 15 {
		lines = lines[len(lines)-15:]
	}
	return strings.Join(lines, "\n")
}

// Repository is the root of the working copy.
func Repository() string {
	_, file, _, _ := runtime.Caller(0)
	for _, start := range []string{workingFolder(), filepath.Dir(file)} {
		for folder := start; folder != "/" && folder != "."; folder = filepath.Dir(folder) {
			if _, err := os.Stat(filepath.Join(folder, "tests", "conformance", "go.mod")); err == nil {
				return folder
			}
		}
	}
	panic("the tests run outside the repository")
}

func workingFolder() string {
	folder, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return folder
}

// Artefacts is the folder that keeps what a test leaves behind: of the run that CONFORMANCE_ARTEFACTS names, or of a bare
// `go test`.
func Artefacts(test string) string {
	run := os.Getenv("CONFORMANCE_ARTEFACTS")
	if run == "" {
		run = filepath.Join(Repository(), "out", "conformance", "go-test")
	}
	return filepath.Join(run, filepath.FromSlash(test))
}

// Tool is the path of one of the real tools: etcdctl, kube-apiserver, kubectl.
func Tool(t testing.TB, name string) string {
	folder := os.Getenv("ETCD_TOOLS")
	if folder == "" {
		folder = filepath.Join(Repository(), "out", "tools")
	}
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; tests/tools/build makes it", err)
	}
	return path
}

// Binary is the server to test.
func Binary() string {
	path := os.Getenv("SERVER")
	if path == "" {
		path = filepath.Join("build", "release", "server", "regent")
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(Repository(), path)
	}
	return path
}

// IsRegent says whether the server under test is Regent. If not, it is the real etcd: the control.
var IsRegent = sync.OnceValue(func() bool {
	version, err := exec.Command(Binary(), "--version").Output()
	return err == nil && strings.HasPrefix(string(version), "regent")
})
