package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	startPatience = 60 * time.Second
	stopPatience  = 20 * time.Second
	// CallPatience bounds one call of a test. It is far above what any call needs, for machines that do other things.
	CallPatience = 30 * time.Second
)

// Server is one member of its own, on a loopback address of its own: a client that keeps dialling while the server is
// down can then never occupy the server's port by connecting to itself.
type Server struct {
	// Endpoint is where clients connect, as etcd's tools take it.
	Endpoint string
	// Metrics is the base URL of --listen-metrics-urls.
	Metrics string
	// Peer is the URL advertised to other members.
	Peer string
	// DataDir is gone when the test ends.
	DataDir string

	name    string
	program string
	flags   []string
	process *Process
	mayEnd  bool
	// As --name and --initial-cluster have them.
	member, initialCluster string
}

// Start starts a member for the test alone. It answers requests when Start returns, and it is gone when the test ends.
func Start(t testing.TB, flags ...string) *Server {
	t.Helper()
	server, err := start(t.Name(), "", flags)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.end(t) })
	return server
}

// StartEtcd is Start of the real etcd, whatever server is under test: for comparisons.
func StartEtcd(t testing.TB, flags ...string) *Server {
	t.Helper()
	server, err := startProgram(Tool(t, "etcd"), t.Name()+"/etcd", "", flags)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.end(t) })
	return server
}

// StartOnUnixSocket is Start with a client listener on a socket in the file system.
func StartOnUnixSocket(t testing.TB, flags ...string) *Server {
	t.Helper()
	folder, err := os.MkdirTemp("", "socket")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	server, err := start(t.Name(), "unix://"+filepath.Join(folder, "s.sock"), flags)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.end(t) })
	return server
}

var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Shared is the member that all tests of a package use which need no server of their own. Its tests run one after the
// other and keep to the keys under their own names; nobody compacts it or changes its members.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.once.Do(func() { shared.server, shared.err = start("shared", "", nil) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("server: %s\nlog: %s", shared.server.process.Command, shared.server.process.Log)
		}
	})
	return shared.server
}

// EndShared ends the shared member, if there is one. The package's TestMain calls it.
func EndShared() {
	if shared.server != nil {
		shared.server.process.Terminate(stopPatience)
		os.RemoveAll(shared.server.DataDir)
	}
}

func start(test, endpoint string, flags []string) (*Server, error) {
	return startProgram(Binary(), test, endpoint, flags)
}

func startProgram(program, test, endpoint string, flags []string) (*Server, error) {
	_ = os.Remove(filepath.Join(Artefacts(test), "server.log"))
	var err error
	// Between looking for a free port and using it somebody else can take it.
	for range 5 {
		server := &Server{name: test, program: program, flags: flags, Endpoint: endpoint, member: "conformance"}
		if err = server.allocate(); err != nil {
			return nil, err
		}
		server.initialCluster = "conformance=" + server.Peer
		if err = server.launch(); err == nil {
			return server, nil
		}
		server.process.Kill()
		os.RemoveAll(server.DataDir)
		if !strings.Contains(server.process.Tail(), "address already in use") {
			break
		}
	}
	return nil, err
}

func (s *Server) allocate() error {
	host := LoopbackHost()
	ports, err := FreePorts(host, 3)
	if err != nil {
		return err
	}
	if s.Endpoint == "" {
		s.Endpoint = fmt.Sprintf("http://%s:%d", host, ports[0])
	}
	s.Peer = fmt.Sprintf("http://%s:%d", host, ports[1])
	s.Metrics = fmt.Sprintf("http://%s:%d", host, ports[2])
	s.DataDir, err = os.MkdirTemp("", "conformance")
	return err
}

// launch starts the process and waits until it answers a linearizable read.
func (s *Server) launch() error {
	if err := s.spawn(); err != nil {
		return err
	}
	return s.awaitReady()
}

func (s *Server) spawn() error {
	advertised := s.Endpoint
	if strings.HasPrefix(advertised, "unix:") {
		advertised = s.Peer
	}
	arguments := append([]string{
		"--name=" + s.member,
		"--data-dir=" + filepath.Join(s.DataDir, "data"),
		"--listen-client-urls=" + s.Endpoint,
		"--advertise-client-urls=" + advertised,
		"--listen-peer-urls=" + s.Peer,
		"--initial-advertise-peer-urls=" + s.Peer,
		"--initial-cluster=" + s.initialCluster,
		"--listen-metrics-urls=" + s.Metrics,
		"--log-level=warn",
	}, s.flags...)
	var err error
	s.process, err = Launch(filepath.Join(Artefacts(s.name), "server.log"), nil, s.program, arguments...)
	if err != nil {
		s.process = &Process{exited: closed(), Log: os.DevNull, Command: s.program}
	}
	return err
}

func (s *Server) awaitReady() error {
	client, err := NewClient(s.Endpoint)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	go func() {
		select {
		case <-s.process.Exited():
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		attempt, done := context.WithTimeout(ctx, 5*time.Second)
		_, err := client.Get(attempt, "health")
		done()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the server does not answer: %w\n%s\n%s", err, s.process.Command, s.process.Tail())
		}
	}
}

// Kill ends the server as a crash does.
func (s *Server) Kill() { s.process.Kill() }

// Stop ends the server with SIGTERM and reports whether it went by itself.
func (s *Server) Stop() bool { return s.process.Terminate(stopPatience) }

// Restart starts an ended server again on the same data, ports and flags, and waits until it answers.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.launch(); err != nil {
		t.Fatal(err)
	}
}

// MayHaveEnded says that the test has given the server a reason to end by itself.
func (s *Server) MayHaveEnded() { s.mayEnd = true }

// Process is the running server.
func (s *Server) Process() *Process { return s.process }

func (s *Server) end(t testing.TB) {
	select {
	case <-s.process.Exited():
		if code := s.process.ExitCode(); code > 0 && !s.mayEnd {
			t.Errorf("the server ended by itself with exit code %d\n%s", code, s.process.Tail())
		}
	default:
	}
	s.process.Kill()
	os.RemoveAll(s.DataDir)
	if t.Failed() {
		t.Logf("server: %s\nlog: %s", s.process.Command, s.process.Log)
	}
}

// Client is an official client that ends with the test.
func (s *Server) Client(t testing.TB) *clientv3.Client {
	t.Helper()
	return clientOf(t, s.Endpoint)
}

// Context bounds the calls of a test that each must be answered soon.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeoutCause(t.Context(), CallPatience, errors.New("no answer in time"))
	t.Cleanup(cancel)
	return ctx
}

// LoopbackHost picks an address of 127.0.0.0/8 that hardly anybody else uses.
func LoopbackHost() string {
	return fmt.Sprintf("127.%d.%d.%d", 16+rand.IntN(200), rand.IntN(256), 1+rand.IntN(254))
}

// FreePorts finds ports that nobody listens on at this moment.
func FreePorts(host string, count int) ([]int, error) {
	var ports []int
	for range count {
		listener, err := net.Listen("tcp", host+":0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func closed() chan struct{} {
	channel := make(chan struct{})
	close(channel)
	return channel
}
