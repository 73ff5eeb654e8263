// Package etcdctl drives the server with the real etcdctl as a user does, and looks at its JSON and its exit codes.
package etcdctl

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

func TestMain(m *testing.M) {
	code := counters.Main(m, "etcdctl calls", "etcdctl failures")
	server.EndShared()
	os.Exit(code)
}

// result is what one call of etcdctl left behind.
type result struct {
	stdout, stderr string
	code           int
}

// call runs etcdctl against the server; input goes to its standard input.
func call(t *testing.T, s *server.Server, input string, arguments ...string) result {
	t.Helper()
	command := exec.CommandContext(server.Context(t), server.Tool(t, "etcdctl"), arguments...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr, command.Stdin = &stdout, &stderr, strings.NewReader(input)
	command.Env = append(os.Environ(), "ETCDCTL_ENDPOINTS="+s.Endpoint)
	if err := command.Run(); err != nil && command.ProcessState == nil {
		t.Fatal(err)
	}
	counters.Add("etcdctl calls", 1)
	return result{stdout.String(), stderr.String(), command.ProcessState.ExitCode()}
}

// succeed runs etcdctl and wants exit code 0.
func succeed(t *testing.T, s *server.Server, arguments ...string) string {
	t.Helper()
	got := call(t, s, "", arguments...)
	if got.code != 0 {
		t.Fatalf("etcdctl %s: exit code %d\n%s%s", strings.Join(arguments, " "), got.code, got.stdout, got.stderr)
	}
	return got.stdout
}

// fail runs etcdctl and wants the exit code and the text on stderr.
func fail(t *testing.T, s *server.Server, code int, text string, arguments ...string) {
	t.Helper()
	got := call(t, s, "", arguments...)
	if got.code != code || !strings.Contains(got.stderr, text) {
		t.Errorf("etcdctl %s: exit code %d, want %d with %q\n%s%s", strings.Join(arguments, " "), got.code, code, text, got.stdout, got.stderr)
	}
	counters.Add("etcdctl failures", 1)
}

// answer has what the tests look at in the JSON of any answer.
type answer struct {
	Header     header
	Kvs        []keyValue
	Count      int64
	More       bool
	Deleted    int64
	PrevKvs    []keyValue `json:"prev_kvs"`
	PrevKv     *keyValue  `json:"prev_kv"`
	Succeeded  bool
	Members    []member
	Alarms     []map[string]any
	ID         int64 `json:"id"`
	TTL        int64 `json:"ttl"`
	GrantedTTL int64 `json:"granted-ttl"`
	Keys       []string
	Leases     []struct {
		ID int64 `json:"id"`
	}
	Version      string
	DbSize       int64
	Leader       uint64
	RaftTerm     uint64
	Events       []event
	Health       bool
	CompactError string
}

type header struct {
	ClusterID uint64 `json:"cluster_id"`
	MemberID  uint64 `json:"member_id"`
	Revision  int64
	RaftTerm  uint64 `json:"raft_term"`
}

type keyValue struct {
	Key, Value     base64Text
	CreateRevision int64 `json:"create_revision"`
	ModRevision    int64 `json:"mod_revision"`
	Version        int64
	Lease          int64
}

type member struct {
	ID         uint64
	Name       string
	PeerURLs   []string
	ClientURLs []string
}

type event struct {
	Type   int
	Kv     keyValue
	PrevKv *keyValue `json:"prev_kv"`
}

// base64Text decodes itself.
type base64Text string

func (b *base64Text) UnmarshalText(text []byte) error {
	decoded, err := base64.StdEncoding.DecodeString(string(text))
	*b = base64Text(decoded)
	return err
}

// inJSON runs etcdctl with -w json.
func inJSON[T any](t *testing.T, s *server.Server, arguments ...string) T {
	t.Helper()
	text := succeed(t, s, append([]string{"-w", "json"}, arguments...)...)
	var decoded T
	if err := json.Unmarshal([]byte(text), &decoded); err != nil {
		t.Fatalf("etcdctl %s: %v in %s", strings.Join(arguments, " "), err, text)
	}
	return decoded
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
