package etcdctl

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

func TestLeases(t *testing.T) {
	s := server.Start(t)
	granted := succeed(t, s, "lease", "grant", "100")
	parts := regexp.MustCompile(`^lease ([0-9a-f]+) granted with TTL\(100s\)\n$`).FindStringSubmatch(granted)
	if parts == nil {
		t.Fatalf("grant: %q", granted)
	}
	id := parts[1]
	succeed(t, s, "put", "a", "1", "--lease="+id)
	equal(t, "list", succeed(t, s, "lease", "list"), "found 1 leases\n"+id+"\n")
	equal(t, "list in JSON", fmt.Sprintf("%016x", inJSON[answer](t, s, "lease", "list").Leases[0].ID), id)
	live := inJSON[answer](t, s, "lease", "timetolive", id, "--keys")
	equal(t, "granted", live.GrantedTTL, 100)
	equal(t, "keys", fmt.Sprint(live.Keys), "[YQ==]")
	if live.TTL > 100 || live.TTL < 60 {
		t.Errorf("the remaining time is %d", live.TTL)
	}
	equal(t, "kept alive", succeed(t, s, "lease", "keep-alive", "--once", id), "lease "+id+" keepalived with TTL(100)\n")
	equal(t, "revoked", succeed(t, s, "lease", "revoke", id), "lease "+id+" revoked\n")
	equal(t, "its key", succeed(t, s, "get", "a"), "")
	equal(t, "expired", succeed(t, s, "lease", "timetolive", id), "lease "+id+" already expired\n")
	fail(t, s, 1, "etcdserver: requested lease not found", "lease", "revoke", id)
	fail(t, s, 1, "etcdserver: requested lease not found", "put", "a", "1", "--lease="+id)
	equal(t, "no list", succeed(t, s, "lease", "list"), "found 0 leases\n")
}

// What operators' end-to-end tests do with a quota of a few pages.
func TestAnAlarmIsListedAndDisarmed(t *testing.T) {
	s := server.Start(t, "--quota-backend-bytes=53248")
	equal(t, "no alarm", succeed(t, s, "alarm", "list"), "")
	value := strings.Repeat("v", 4096)
	full := result{}
	for range 50 {
		if full = call(t, s, value, "put", "key"); full.code != 0 {
			break
		}
	}
	if full.code != 1 || !strings.Contains(full.stderr, "etcdserver: mvcc: database space exceeded") {
		t.Fatalf("50 puts of 4 KiB with a quota of 52 KiB: %+v", full)
	}
	alarm := regexp.MustCompile(`^memberID:\d+ +alarm:NOSPACE *\n$`)
	if listed := succeed(t, s, "alarm", "list"); !alarm.MatchString(listed) {
		t.Errorf("listed: %q", listed)
	}
	fail(t, s, 1, "Active Alarm(s): NOSPACE", "endpoint", "health")
	fail(t, s, 1, "database space exceeded", "lease", "grant", "10")
	succeed(t, s, "get", "key")
	revision := inJSON[answer](t, s, "del", "key").Header.Revision
	succeed(t, s, "compaction", fmt.Sprint(revision), "--physical")
	succeed(t, s, "defrag")
	fail(t, s, 1, "database space exceeded", "put", "key", "1")
	if disarmed := succeed(t, s, "alarm", "disarm"); !alarm.MatchString(disarmed) {
		t.Errorf("disarmed: %q", disarmed)
	}
	equal(t, "no alarm left", succeed(t, s, "alarm", "list"), "")
	equal(t, "put", succeed(t, s, "put", "key", "1"), "OK\n")
	succeed(t, s, "endpoint", "health")
}

func TestCompaction(t *testing.T) {
	s := server.Start(t)
	for i := range 4 {
		succeed(t, s, "put", "a", fmt.Sprint(i))
	}
	equal(t, "compaction", succeed(t, s, "compaction", "3"), "compacted revision 3\n")
	equal(t, "physical compaction", succeed(t, s, "compaction", "4", "--physical"), "compacted revision 4\n")
	fail(t, s, 1, "etcdserver: mvcc: required revision has been compacted", "compaction", "3")
	fail(t, s, 1, "etcdserver: mvcc: required revision is a future revision", "compaction", "99")
	fail(t, s, 1, "etcdserver: mvcc: required revision has been compacted", "get", "a", "--rev=3")
	equal(t, "at the compaction", succeed(t, s, "get", "a", "--rev=4", "--print-value-only"), "2\n")
	fail(t, s, 5, "watch is canceled by the server", "watch", "a", "--rev=2")
}

func TestHashes(t *testing.T) {
	s := server.Start(t)
	succeed(t, s, "put", "a", "1")
	hash := inJSON[[]struct {
		HashKV struct{ Hash, HashRevision, CompactRevision int64 }
	}](t, s, "endpoint", "hashkv")
	if hash[0].HashKV.Hash == 0 {
		t.Errorf("the hash is %+v", hash)
	}
}

// TestWatch also kills the server: etcdctl comes back by itself and misses nothing.
func TestWatch(t *testing.T) {
	s := server.Start(t)
	succeed(t, s, "put", "w/a", "1")
	command := exec.CommandContext(server.Context(t), server.Tool(t, "etcdctl"), "watch", "w/", "--prefix", "--rev=1", "--prev-kv", "-w", "json")
	command.Env = append(os.Environ(), "ETCDCTL_ENDPOINTS="+s.Endpoint)
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	counters.Add("etcdctl calls", 1)
	defer func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	}()
	events := make(chan event, 100)
	go func() {
		defer close(events)
		lines := bufio.NewReader(output)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			var got answer
			if json.Unmarshal(line, &got) == nil {
				for _, event := range got.Events {
					events <- event
				}
			}
		}
	}()
	await := func(kind int, key, value string, previous bool) {
		t.Helper()
		select {
		case got := <-events:
			if got.Type != kind || string(got.Kv.Key) != key || string(got.Kv.Value) != value || (got.PrevKv != nil) != previous {
				t.Errorf("got %+v, want type %d of %s=%s with a previous value: %v", got, kind, key, value, previous)
			}
		case <-time.After(server.CallPatience):
			t.Fatalf("no event of %s", key)
		}
	}
	await(0, "w/a", "1", false)
	succeed(t, s, "put", "w/a", "2")
	await(0, "w/a", "2", true)
	s.Kill()
	s.Restart(t)
	succeed(t, s, "del", "w/a")
	await(1, "w/a", "", true)
	succeed(t, s, "put", "w/b", "3")
	await(0, "w/b", "3", false)
}

func TestMembersAndEndpoints(t *testing.T) {
	s := server.Start(t)
	listed := inJSON[answer](t, s, "member", "list")
	equal(t, "members", len(listed.Members), 1)
	equal(t, "name", listed.Members[0].Name, "conformance")
	equal(t, "peer URL", listed.Members[0].PeerURLs[0], s.Peer)
	simple := fmt.Sprintf("%x, started, conformance, %s, %s, false\n", listed.Members[0].ID, s.Peer, s.Endpoint)
	equal(t, "members", succeed(t, s, "member", "list"), simple)
	equal(t, "members without quorum", succeed(t, s, "member", "list", "--consistency=s"), simple)

	status := inJSON[[]struct {
		Endpoint string
		Status   answer
	}](t, s, "endpoint", "status")
	equal(t, "endpoint", status[0].Endpoint, s.Endpoint)
	equal(t, "version", status[0].Status.Version, "3.7.3")
	equal(t, "leader", status[0].Status.Leader, listed.Members[0].ID)
	if status[0].Status.DbSize <= 0 || status[0].Status.RaftTerm == 0 {
		t.Errorf("the status is %+v", status[0].Status)
	}
	cells := strings.Split(succeed(t, s, "endpoint", "status", "--cluster"), ", ")
	equal(t, "columns of the status", len(cells), 16)
	equal(t, "is leader", cells[8], "true")
	health := inJSON[[]answer](t, s, "endpoint", "health")
	equal(t, "healthy", health[0].Health, true)
	s.Kill()
	fail(t, s, 1, "unhealthy", "endpoint", "health", "--command-timeout=1s")
	s.Restart(t)
	succeed(t, s, "endpoint", "health")
}

func TestLearnersInTheMemberList(t *testing.T) {
	s := server.Start(t)
	added := succeed(t, s, "member", "add", "other", "--peer-urls=http://127.0.0.1:1", "--learner")
	for _, want := range []string{`ETCD_NAME="other"`, `ETCD_INITIAL_CLUSTER_STATE="existing"`, "conformance=" + s.Peer} {
		if !strings.Contains(added, want) {
			t.Errorf("adding a member lacks %s: %s", want, added)
		}
	}
	other := strings.Fields(strings.SplitN(added, "\n", 2)[0])[1]
	fail(t, s, 1, "etcdserver: can only promote a learner member which is in sync with leader", "member", "promote", other)
	succeed(t, s, "member", "remove", other)
	fail(t, s, 1, "etcdserver: member not found", "member", "remove", other)
}

func TestAlarmsAndDefragmentation(t *testing.T) {
	s := server.Start(t)
	succeed(t, s, "put", "a", "1")
	if got := succeed(t, s, "defrag"); !strings.HasPrefix(got, "Finished defragmenting etcd member["+s.Endpoint+"]") {
		t.Errorf("defrag: %s", got)
	}
	equal(t, "alarms", succeed(t, s, "alarm", "list"), "")
	client := s.Client(t)
	status, err := client.Status(server.Context(t), s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	_, err = pb.NewMaintenanceClient(client.ActiveConnection()).Alarm(server.Context(t), &pb.AlarmRequest{
		Action: pb.AlarmRequest_ACTIVATE, MemberID: status.Header.MemberId, Alarm: pb.AlarmType_NOSPACE})
	if err != nil {
		t.Fatal(err)
	}
	alarm := regexp.MustCompile(fmt.Sprintf(`^memberID:%d\s+alarm:NOSPACE\s*\n$`, status.Header.MemberId))
	if got := succeed(t, s, "alarm", "list"); !alarm.MatchString(got) {
		t.Errorf("the alarms are %q", got)
	}
	equal(t, "alarms in JSON", len(inJSON[answer](t, s, "alarm", "list").Alarms), 1)
	fail(t, s, 1, "etcdserver: mvcc: database space exceeded", "put", "a", "2")
	fail(t, s, 1, "Active Alarm(s)", "endpoint", "health")
	if got := succeed(t, s, "alarm", "disarm"); !alarm.MatchString(got) {
		t.Errorf("the disarmed alarms are %q", got)
	}
	equal(t, "alarms afterwards", succeed(t, s, "alarm", "list"), "")
	succeed(t, s, "put", "a", "2")
}
