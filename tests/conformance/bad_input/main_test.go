// Package badinput is a table of what nobody should send, to the real process: command lines and data folders that cannot
// be started on, requests that are none, frames that break the protocol, and clients that mean harm. Each row has an input
// and the exit code, gRPC code or HTTP code that comes of it, with its text; the real etcd gets the same and is the
// control. After each row another client must be served, and the server's memory must be what it was.
package badinput

import (
	"os"
	"strings"
	"testing"
	"time"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

func TestMain(m *testing.M) {
	code := counters.Main(m, "rows", "rows that etcd was asked too", "rows of the command line", "servers that went on to serve",
		"planted outcomes found")
	server.EndShared()
	os.Exit(code)
}

// row is one input to a server that runs. do sends it and says in a line what came back.
type row struct {
	input string
	do    func(t *testing.T, s *server.Server) string
	want  string
	etcd  string // what etcd says where that is something else; notAsked where it is not asked
}

const (
	notAsked       = "not asked"
	servesWithin   = 20 * time.Second
	mayGrow        = 200 << 20 // bytes that any row may leave behind or need
	memoryPatience = 30 * time.Second
)

// judge says what is wrong with the outcomes of a row. A want that ends with … is how the outcome begins.
func judge(r row, tested, etcd string) (complaints []string) {
	wantEtcd := r.want
	if r.etcd != "" {
		wantEtcd = r.etcd
	}
	want := r.want
	if !server.IsRegent() {
		want = wantEtcd
	}
	if !agrees(tested, want) && want != notAsked {
		complaints = append(complaints, "got  "+tested+"\nwant "+want)
	}
	if wantEtcd != notAsked && !agrees(etcd, wantEtcd) {
		complaints = append(complaints, "etcd says "+etcd+"\nwant      "+wantEtcd)
	}
	return complaints
}

// agrees compares an outcome with one of those that are allowed: what a peer sees of a broken connection is a matter of
// time.
func agrees(got, want string) bool {
	for _, allowed := range strings.Split(want, " | ") {
		if start, open := strings.CutSuffix(allowed, "…"); got == allowed || open && strings.HasPrefix(got, start) {
			return true
		}
	}
	return false
}

func TestAnotherOutcomeIsFound(t *testing.T) {
	plain := row{want: "grpc 3 no"}
	for _, planted := range []struct {
		row          row
		tested, etcd string
		complaints   int
	}{
		{plain, "grpc 3 no", "grpc 3 no", 0},
		{plain, "grpc 13 no", "grpc 3 no", 1},
		{plain, "grpc 3 nono", "grpc 3 no", 1},
		{plain, "grpc 3 no", "grpc 0 ", 1},
		{plain, "silence", "silence", 2},
		{row{want: "grpc 3 n…"}, "grpc 3 no", "grpc 3 nn", 0},
		{row{want: "a | b"}, "b", "a", 0},
		{row{want: "a | b"}, "c", "a", 1},
	} {
		if got := judge(planted.row, planted.tested, planted.etcd); len(got) != planted.complaints {
			t.Errorf("%v %q %q: %q", planted.row, planted.tested, planted.etcd, got)
		}
		counters.Add("planted outcomes found", planted.complaints)
	}
}

// run sends every row to a server of the test's own and to etcd, one after the other.
func run(t *testing.T, rows []row, flags ...string) {
	tested, etcd := server.Start(t, flags...), server.StartEtcd(t, flags...)
	serves(t, tested)
	serves(t, etcd)
	for _, r := range rows {
		t.Run(r.input, func(t *testing.T) {
			before := tested.Process().ResidentBytes()
			got, reference := notAsked, notAsked
			if server.IsRegent() || r.etcd != notAsked {
				got = r.do(t, tested)
			}
			if r.etcd != notAsked {
				reference = r.do(t, etcd)
				counters.Add("rows that etcd was asked too", 1)
			}
			for _, complaint := range judge(r, got, reference) {
				t.Error(complaint)
			}
			serves(t, tested)
			if server.IsRegent() {
				staysSmall(t, tested, before)
			}
			counters.Add("rows", 1)
		})
	}
}

// serves: another client writes and reads.
func serves(t *testing.T, s *server.Server) {
	t.Helper()
	started := time.Now()
	c := s.Client(t)
	defer c.Close()
	if _, err := c.Put(server.Context(t), "served", "1"); err != nil {
		t.Errorf("another client is not served: %v", err)
		return
	}
	if answer, err := c.Get(server.Context(t), "served"); err != nil || len(answer.Kvs) != 1 {
		t.Errorf("another client reads %v: %v", answer, err)
		return
	}
	if took := time.Since(started); took > servesWithin {
		t.Errorf("another client waits %v", took)
	}
	counters.Add("servers that went on to serve", 1)
}

// staysSmall waits until the memory is about what it was.
func staysSmall(t *testing.T, s *server.Server, before int64) {
	t.Helper()
	for end := time.Now().Add(memoryPatience); ; time.Sleep(50 * time.Millisecond) {
		grown := s.Process().ResidentBytes() - before
		if grown <= mayGrow {
			return
		}
		if time.Now().After(end) {
			t.Errorf("the server is %d MB larger", grown>>20)
			return
		}
	}
}
