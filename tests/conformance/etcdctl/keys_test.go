package etcdctl

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"regent/tests/conformance/server"
)

func keysOf(answer answer) string {
	var keys []string
	for _, kv := range answer.Kvs {
		keys = append(keys, string(kv.Key[strings.LastIndex(string(kv.Key), "/")+1:]))
	}
	return strings.Join(keys, " ")
}

func TestPutAndGet(t *testing.T) {
	s := server.Shared(t)
	key := t.Name() + "/a"
	equal(t, "put", succeed(t, s, "put", key, "one"), "OK\n")
	equal(t, "get", succeed(t, s, "get", key), key+"\none\n")
	equal(t, "value only", succeed(t, s, "get", key, "--print-value-only"), "one\n")
	equal(t, "a missing key", succeed(t, s, "get", key+"x"), "")
	before := inJSON[answer](t, s, "put", key, "two", "--prev-kv")
	equal(t, "previous value", string(before.PrevKv.Value), "one")
	got := inJSON[answer](t, s, "get", key)
	equal(t, "keys", len(got.Kvs), 1)
	equal(t, "value", string(got.Kvs[0].Value), "two")
	equal(t, "version", got.Kvs[0].Version, 2)
	equal(t, "mod revision", got.Kvs[0].ModRevision, before.Header.Revision)
	equal(t, "create revision", got.Kvs[0].CreateRevision, before.PrevKv.CreateRevision)
	equal(t, "old revision", string(inJSON[answer](t, s, "get", key, "--rev="+fmt.Sprint(before.PrevKv.ModRevision)).Kvs[0].Value), "one")
	if got.Header.ClusterID == 0 || got.Header.MemberID == 0 || got.Header.RaftTerm == 0 {
		t.Errorf("the header is %+v", got.Header)
	}
	equal(t, "from standard input", call(t, s, "piped", "put", key).stdout, "OK\n")
	equal(t, "value from standard input", succeed(t, s, "get", key, "--print-value-only"), "piped\n")
	equal(t, "ignored value", succeed(t, s, "put", key, "--ignore-value"), "OK\n")
	fail(t, s, 1, "etcdserver: key not found", "put", key+"x", "--ignore-value")
	fail(t, s, 128, "put command needs 1 argument", "put")
	fail(t, s, 1, "etcdserver: mvcc: required revision is a future revision", "get", key, "--rev=1000000")
}

func TestGetOptions(t *testing.T) {
	s := server.Shared(t)
	prefix := t.Name() + "/"
	var revisions []int64
	for i, name := range []string{"c", "a", "e", "b", "d"} {
		revisions = append(revisions, inJSON[answer](t, s, "put", prefix+name, fmt.Sprint(i)).Header.Revision)
	}
	for _, row := range []struct {
		options string
		want    string
	}{
		{"--prefix", "a b c d e"},
		{"--prefix --limit=2", "a b"},
		{"--prefix --order=DESCEND --sort-by=KEY", "e d c b a"},
		{"--prefix --sort-by=CREATE", "c a e b d"},
		{"--prefix --sort-by=MODIFY --order=DESCEND --limit=1", "d"},
		{"--prefix --sort-by=VALUE --order=ASCEND", "c a e b d"},
		{"--prefix --keys-only", "a b c d e"},
		{"--prefix --consistency=s", "a b c d e"},
		{"--prefix --min-mod-rev=" + fmt.Sprint(revisions[3]), "b d"},
		{"--prefix --max-mod-rev=" + fmt.Sprint(revisions[1]), "a c"},
		{"--prefix --min-create-rev=" + fmt.Sprint(revisions[4]), "d"},
		{"--prefix --max-create-rev=" + fmt.Sprint(revisions[0]), "c"},
		{"--prefix --rev=" + fmt.Sprint(revisions[2]), "a c e"},
		{"--prefix --stream", "a b c d e"},
		{"--prefix --stream --limit=3", "a b c"},
	} {
		t.Run(row.options, func(t *testing.T) {
			got := inJSON[answer](t, s, append([]string{"get", prefix}, strings.Fields(row.options)...)...)
			equal(t, "keys", keysOf(got), row.want)
		})
	}
	equal(t, "range", keysOf(inJSON[answer](t, s, "get", prefix+"b", prefix+"d")), "b c")
	count := inJSON[answer](t, s, "get", prefix, "--prefix", "--limit=1")
	equal(t, "count with a limit", count.Count, 5)
	equal(t, "more with a limit", count.More, true)
	fields := succeed(t, s, "get", prefix, "--prefix", "--count-only", "-w", "fields")
	if !strings.Contains(fields, `"Count" : 5`) {
		t.Errorf("count only: %s", fields)
	}
	equal(t, "first of all from a key on", strings.HasPrefix(succeed(t, s, "get", prefix+"e", "--from-key", "--limit=1"), prefix+"e\n"), true)
}

func TestDelete(t *testing.T) {
	s := server.Shared(t)
	prefix := t.Name() + "/"
	for _, name := range []string{"a", "b", "c", "d"} {
		succeed(t, s, "put", prefix+name, name)
	}
	equal(t, "one", succeed(t, s, "del", prefix+"a"), "1\n")
	equal(t, "again", succeed(t, s, "del", prefix+"a"), "0\n")
	got := inJSON[answer](t, s, "del", prefix+"b", prefix+"d", "--prev-kv", "--range")
	equal(t, "deleted", got.Deleted, 2)
	equal(t, "previous values", string(got.PrevKvs[0].Value+got.PrevKvs[1].Value), "bc")
	equal(t, "prefix", succeed(t, s, "del", prefix, "--prefix"), "1\n")
}

func TestTransactions(t *testing.T) {
	s := server.Shared(t)
	key := t.Name() + "/a"
	script := fmt.Sprintf("create(%q) = \"0\"\n\nput %s one\nget %s\n\ndel %s\nget %s\n\n", key, key, key, key, key)
	first := call(t, s, script, "txn")
	equal(t, "first", first.stdout, "SUCCESS\n\nOK\n\n"+key+"\none\n")
	second := call(t, s, script, "txn", "-w", "json")
	var got answer
	if err := json.Unmarshal([]byte(second.stdout), &got); err != nil {
		t.Fatalf("%v in %s%s", err, second.stdout, second.stderr)
	}
	equal(t, "succeeded", got.Succeeded, false)
	equal(t, "key after the second", succeed(t, s, "get", key), "")
	duplicate := call(t, s, fmt.Sprintf("\nput %s 1\nput %s 2\n\n\n", key, key), "txn")
	if duplicate.code != 1 || !strings.Contains(duplicate.stderr, "etcdserver: duplicate key given in txn request") {
		t.Errorf("two puts of one key: %+v", duplicate)
	}
}
