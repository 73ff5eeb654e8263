// Package commandline compares how the server under test and the real etcd take the same command lines, variables and
// configuration files: exit codes and the essential words. It also looks at what flags do.
package commandline

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

func TestMain(m *testing.M) {
	code := counters.Main(m, "command lines", "servers started", "quotas compared")
	server.EndShared()
	os.Exit(code)
}

const (
	starts   = -1 // in the place of an exit code: the server starts
	patience = 20 * time.Second
)

// outcome is what became of a process.
type outcome struct {
	code int // or starts
	text string
}

// output collects what a process writes and tells when it says that it serves.
type output struct {
	mutex sync.Mutex
	text  bytes.Buffer
	ready chan struct{}
}

func (o *output) Write(data []byte) (int, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	before := bytes.Contains(o.text.Bytes(), []byte("ready to serve client requests"))
	o.text.Write(data)
	if !before && bytes.Contains(o.text.Bytes(), []byte("ready to serve client requests")) {
		close(o.ready)
	}
	return len(data), nil
}

func (o *output) String() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.text.String()
}

// run starts the program in an empty folder and waits until it has ended or serves.
func run(t *testing.T, program string, line commandLine) outcome {
	t.Helper()
	counters.Add("command lines", 1)
	folder := t.TempDir()
	arguments := append([]string{}, line.arguments...)
	if line.file != nil {
		path := filepath.Join(folder, "config.yml")
		if err := os.WriteFile(path, []byte(*line.file), 0o644); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, "--config-file="+path)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, program, arguments...)
	command.Dir = folder
	command.Env = append([]string{"PATH=" + os.Getenv("PATH")}, line.environment...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out := &output{ready: make(chan struct{})}
	command.Stdout, command.Stderr = out, out
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(ended)
	}()
	result := outcome{code: starts}
	select {
	case <-out.ready:
		counters.Add("servers started", 1)
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		<-ended
	case <-ended:
		result.code = command.ProcessState.ExitCode()
		if ctx.Err() != nil {
			t.Errorf("%s neither ended nor served within %v\n%s", program, patience, out)
		}
	}
	result.text = out.String()
	return result
}

// isRegent says whether the server under test is Regent; the real etcd is the control.
var isRegent = sync.OnceValue(func() bool {
	version, err := exec.Command(server.Binary(), "--version").Output()
	return err == nil && strings.HasPrefix(string(version), "regent")
})
