package inspect

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

// peakBytes is the most memory that the running process has ever held.
func peakBytes(t testing.TB, id int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", id))
	if err != nil {
		t.Fatal(err)
	}
	var kilobytes int64
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	fmt.Sscan(after, &kilobytes)
	return kilobytes << 10
}

func commandOf(t testing.TB, words ...string) *exec.Cmd {
	return exec.CommandContext(server.Context(t), server.Binary(), append([]string{"inspect"}, words...)...)
}

// stopped is the data folder of a node with some keys, versions, a lease and a compaction behind it, which has ended in
// good order.
func stopped(t *testing.T) (folder string, kvs *clientv3.GetResponse) {
	t.Helper()
	s := server.Start(t)
	client, ctx := s.Client(t), server.Context(t)
	lease, err := client.Grant(ctx, 1000)
	if err != nil {
		t.Fatal(err)
	}
	do := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 40 {
		do(client.Put(ctx, fmt.Sprintf("key\x00%02d", i%20), fmt.Sprint(i), clientv3.WithLease(lease.ID)))
	}
	do(client.Delete(ctx, "key\x0000"))
	do(client.Compact(ctx, 25, clientv3.WithCompactPhysical()))
	kvs, err = client.Get(ctx, "", clientv3.WithPrefix())
	do(kvs, err)
	if !s.Stop() {
		t.Fatal("the server does not stop")
	}
	return copyOf(t, filepath.Join(s.DataDir, "data")), kvs
}

func TestTheRowsOfTheStoreAreWhatClientsSee(t *testing.T) {
	folder, kvs := stopped(t)
	before := hash(t, folder)
	got := inspect(t, "store", folder)
	if got.code != 0 || got.errors != "" {
		t.Errorf("exit code %d: %s", got.code, got.errors)
	}
	newest, rows := map[string]object{}, map[any]int{}
	var counters_ object
	for _, row := range lines(t, got.out) {
		rows[row["row"]]++
		kv, _ := row["kv"].(object)
		key, _ := row["key"].(string)
		if kv != nil {
			key, _ = kv["key"].(string)
		}
		if _, passed := newest[key]; row["row"] == "version" && !passed {
			newest[key] = kv // nil for a tombstone
		}
		if row["row"] == "counters" {
			counters_ = row
		}
		counters.Add("store rows compared", 1)
	}
	live := 0
	for key, kv := range newest {
		if kv == nil {
			continue
		}
		live++
		found := false
		for _, seen := range kvs.Kvs {
			want := written{"kv", seen}.request(t)["kv"]
			found = found || len(differences([]object{kv}, []object{want.(object)})) == 0
		}
		if !found {
			t.Errorf("no client has seen %s: %v", key, kv)
		}
	}
	if live != len(kvs.Kvs) || live == 0 {
		t.Errorf("%d keys are live, clients see %d", live, len(kvs.Kvs))
	}
	if counters_["revision"] != number(kvs.Header.Revision) || counters_["compacted"] != number(25) {
		t.Errorf("the counters are %v", counters_)
	}
	if rows["lease"] != 1 || rows["lease_key"] != live || rows["event"] == 0 || rows["count"] == 0 || rows["purge"] != 1 {
		t.Errorf("the rows are %v", rows)
	}
	summary := parse(t, inspect(t, "store", folder, "--summary", "--json").out)
	for name, want := range map[string]any{"revision": kvs.Header.Revision, "compacted": 25, "purged_through": 25, "keys": live,
		"versions": rows["version"], "events": rows["event"], "leases": 1, "lease_keys": live} {
		if summary[name] != number(want) {
			t.Errorf("the summary has %s %v, want %v", name, summary[name], want)
		}
	}
	table := inspect(t, "store", folder, "--summary").out
	if !strings.Contains(table, "\napplied index") || !strings.Contains(table, fmt.Sprint(summary["digest"])) {
		t.Errorf("the table is\n%s", table)
	}
	if hash(t, folder) != before {
		t.Error("looking has changed the folder")
	}
}

// As a user who may only read: nothing of the folder can be changed then.
func TestReadingIsEnough(t *testing.T) {
	folder, _ := stopped(t)
	place, err := os.MkdirTemp("/tmp", "inspect") // where every user can go
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exec.Command("chmod", "-R", "u+w", place).Run(); os.RemoveAll(place) })
	for _, words := range [][]string{{"cp", "-r", folder, place + "/data"}, {"cp", server.Binary(), place + "/regent"},
		{"chmod", "-R", "a=rX", place}} {
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	before := hash(t, place+"/data")
	for _, what := range []string{"log", "store"} {
		for _, more := range []string{"", "--summary"} {
			command := exec.CommandContext(server.Context(t), place+"/regent", strings.Fields("inspect "+what+" "+place+"/data "+more)...)
			command.Dir = "/"
			if os.Geteuid() == 0 { // whom no mode keeps from writing
				command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			}
			if got := run(t, command); got.code != 0 || got.errors != "" || got.out == "" {
				t.Errorf("%s %s: exit code %d: %s", what, more, got.code, got.errors)
			}
		}
	}
	if hash(t, place+"/data") != before {
		t.Error("looking has changed the folder")
	}
}

func TestARunningNodeIsLeftAlone(t *testing.T) {
	s := server.Start(t)
	if _, err := s.Client(t).Put(server.Context(t), "k", "v"); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(s.DataDir, "data")
	for _, what := range []string{"log", "store"} {
		got := inspect(t, what, data)
		if got.code != 1 || got.out != "" || !strings.Contains(got.errors, "is in use") || !strings.Contains(got.errors, "copy") {
			t.Errorf("%s: exit code %d: %s", what, got.code, got.errors)
		}
	}
	if got := inspect(t, "log", copyOf(t, data)); got.code != 0 || !strings.Contains(got.out, `{"put":{"key":"aw==","value":"dg=="}}`) {
		t.Errorf("a copy: exit code %d: %s", got.code, got.errors)
	}
}

// damaged is a byte of a file and the words that must name it.
type damaged struct {
	what, file string
	offset     int64
	says       string
	code       int
}

func TestADamagedByteIsNamedWithItsFile(t *testing.T) {
	folder, _ := stopped(t)
	end, err := number(parse(t, inspect(t, "log", folder, "--summary", "--json").out)["segments"].([]any)[0].(object)["end"]).Int64()
	if err != nil {
		t.Fatal(err)
	}
	only := func(pattern string) string {
		found, err := filepath.Glob(filepath.Join(folder, "member", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v %v", pattern, found, err)
		}
		return strings.TrimPrefix(found[len(found)-1], folder+"/")
	}
	segment, table, manifest := only("wal/*.log"), only("store-*/*.sst"), only("store-*/MANIFEST-*")
	for _, row := range []damaged{
		{"log", segment, 20, " at offset 0, index ", 1},     // the segment's header
		{"log", segment, 4096 + 10, " at offset 4096, ", 1}, // the header of a batch
		{"log", segment, 4096 + 70, " at offset 4096, ", 1}, // the header of a record
		{"log", segment, end - 512 + 20, "torn tail: ", 0},  // the last batch, of which nothing says that it was synced
		{"log", "member/wal/term-and-vote-1", 41, "term-and-vote-1 at offset 0: ", 1},
		{"log", "member/wal/term-and-vote-2", 5, "term-and-vote-2 at offset 0: ", 1},
		{"log", "member/identity", 60, "identity is damaged at offset 0: ", 1},
		{"store", "member/identity", 60, "identity is damaged at offset 0: ", 1},
		{"store", "member/store-current", 8, "store-current is damaged at offset 0: ", 1},
		{"store", table, 5, " offset 0 ", 1},
		{"store", table, -150, filepath.Base(table), 1},
		{"store", table, -600, filepath.Base(table), 1},
		{"store", table, -1, filepath.Base(table), 1},
		{"store", manifest, 8, " at offset 0: ", 1},
		{"store", manifest, 4, " at offset 0: ", 1}, // a length that reaches too far
		{"store", manifest, -9, " at offset ", 1},
		{"store", filepath.Dir(manifest) + "/CURRENT", 3, "CURRENT is damaged at offset 0: ", 1},
	} {
		t.Run(fmt.Sprint(row.what, " ", filepath.Base(row.file), " ", row.offset), func(t *testing.T) {
			broken := copyOf(t, folder)
			flip(t, filepath.Join(broken, row.file), row.offset)
			before := hash(t, broken)
			for _, words := range [][]string{{row.what, broken}, {row.what, broken, "--summary"}, {row.what, broken, "--summary", "--json"}} {
				got := inspect(t, words...)
				if got.code != row.code || !strings.Contains(got.errors, row.says) || !strings.Contains(got.errors, filepath.Base(row.file)) {
					t.Errorf("%v: exit code %d: %s", words[2:], got.code, got.errors)
				}
			}
			if hash(t, broken) != before {
				t.Error("looking has changed the folder")
			}
			counters.Add("places damaged", 1)
		})
	}
}

func TestWhatStandsBeforeTheDamageIsShown(t *testing.T) {
	folder, _ := stopped(t)
	whole := inspect(t, "log", folder).out
	segments, _ := filepath.Glob(folder + "/member/wal/*.log")
	content, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	flip(t, segments[0], int64(strings.Index(string(content), "key\x0010")))
	got := inspect(t, "log", folder)
	if got.code != 1 || !strings.Contains(got.errors, segments[0]+" at offset ") || got.out == "" || !strings.HasPrefix(whole, got.out) || got.out == whole {
		t.Errorf("exit code %d: %s\n%s", got.code, got.errors, got.out)
	}
	counters.Add("places damaged", 1)
}

func TestWordsThatCannotBeUnderstood(t *testing.T) {
	etcds := t.TempDir()
	if err := os.MkdirAll(etcds+"/member/snap", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(etcds+"/member/snap/db", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		words string
		code  int
		says  string
	}{
		{"", 2, "log or store"}, {"snapshot /x", 2, `there is no "snapshot" to look at`}, {"log", 2, "the data directory is missing"},
		{"log /x /y", 2, "one word too many"}, {"log /x --fast", 2, "there is no flag --fast"}, {"log /x --wal-dir", 2, "--wal-dir needs a directory"},
		{"log /no/such", 1, "/no/such is no data directory of Regent"}, {"store " + etcds, 1, "holds the data of an etcd server"},
	} {
		if got := inspect(t, strings.Fields(row.words)...); got.code != row.code || got.out != "" || !strings.Contains(got.errors, row.says) {
			t.Errorf("%q: exit code %d: %s", row.words, got.code, got.errors)
		}
	}
	for _, words := range [][]string{{"--help"}, {"log", "-h"}, {"store", "/x", "--help"}} {
		if got := inspect(t, words...); got.code != 0 || !strings.HasPrefix(got.out, "Usage:") || got.errors != "" {
			t.Errorf("%q: exit code %d: %s", words, got.code, got.errors)
		}
	}
}

// Under etcd's name there is no such command: the words are refused as etcd refuses them.
func TestUnderTheNameOfEtcdThereIsNoInspect(t *testing.T) {
	const refused = `\"inspect\" is not a valid flag`
	name := filepath.Join(t.TempDir(), "etcd")
	if err := os.Symlink(server.Binary(), name); err != nil {
		t.Fatal(err)
	}
	etcd := run(t, exec.CommandContext(server.Context(t), server.Tool(t, "etcd"), "inspect", "log", "/x"))
	got := run(t, exec.CommandContext(server.Context(t), name, "inspect", "log", "/x"))
	if got.code != etcd.code || !strings.Contains(got.errors, refused) || !strings.Contains(etcd.errors, refused) {
		t.Errorf("exit code %d: %.300s\netcd: %d: %.300s", got.code, got.errors, etcd.code, etcd.errors)
	}
}
