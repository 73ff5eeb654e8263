package differential

import (
	"fmt"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"regent/tests/conformance/counters"
)

// startDialogue is a dialogue of its own, for a directed test.
func startDialogue(t *testing.T, flags ...string) (*pair, *dialogue) {
	t.Helper()
	p := startPair(t, flags...)
	return p, newDialogue(p.connections, newFieldCoverage())
}

// all asks one request after the other. Both sides have to agree on each.
func (d *dialogue) all(t *testing.T, requests ...request) (last answer) {
	t.Helper()
	for _, r := range requests {
		var err error
		if last, err = d.ask(r); err != nil {
			t.Fatal(err)
		}
	}
	return last
}

func put(key, value string) request { return call("KV/Put", putOf(key, value)) }

func attached(key string, lease int64) request {
	return call("KV/Put", &pb.PutRequest{Key: []byte(key), Value: []byte("v"), Lease: lease})
}

func remove(key, end string) request { return call("KV/DeleteRange", deleteOf(key, end)) }

func compact(revision int64) request {
	return call("KV/Compact", &pb.CompactionRequest{Revision: revision, Physical: true})
}

func read(key string) request { return call("KV/Range", &pb.RangeRequest{Key: []byte(key)}) }

func everything() request {
	return call("KV/Range", &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}})
}

// watchAll watches everything from the revision on.
func watchAll(t *testing.T, d *dialogue, from int64) *streamPair {
	t.Helper()
	s, err := openPair(t.Name(), d.connections, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	creation := &pb.WatchCreateRequest{Key: []byte{0}, RangeEnd: []byte{0}, StartRevision: from, PrevKv: true}
	if err := s.create(creation, d.compacted); err != nil {
		t.Fatal(err)
	}
	return s
}

// same waits until both sides have sent everything and compares the whole streams. It returns the events of the tested side.
func same(t *testing.T, d *dialogue, s *streamPair) (events []string) {
	t.Helper()
	if err := s.barrier(d.revision); err != nil {
		t.Fatal(err)
	}
	if problems := compareStreams(s.all, s.exact, s.responses(tested), s.responses(etcd)); len(problems) > 0 {
		t.Fatal(join(problems))
	}
	counters.Add("watch streams compared", 1)
	for _, response := range s.responses(tested) {
		for _, event := range response.Events {
			events = append(events, fmt.Sprintf("%s %s@%d", event.Type, event.Kv.Key, event.Kv.ModRevision))
		}
	}
	return events
}

// Leases that really expire. Nothing else is written while one does, so that both histories stay equal: the lease takes its
// keys along in one revision, in the same order, with the same previous values.
func TestLeasesExpireAsEtcds(t *testing.T) {
	t.Parallel()
	_, d := startDialogue(t)
	d.letExpire = true
	s := watchAll(t, d, 1)
	for i := range int64(3) {
		id := 100 + i
		d.all(t, call("Lease/LeaseGrant", &pb.LeaseGrantRequest{ID: id, TTL: 5}),
			attached("b", id), attached("a", id), attached("c", id), put("c", "taken off"), put("d", "never on"))
		s.expire(t, d, id)
		d.all(t, everything(), call("Lease/LeaseLeases", &pb.LeaseLeasesRequest{}), attached("a", id),
			call("Lease/LeaseKeepAlive", &pb.LeaseKeepAliveRequest{ID: id}),
			call("Lease/LeaseTimeToLive", &pb.LeaseTimeToLiveRequest{ID: id, Keys: true}),
			call("Lease/LeaseRevoke", &pb.LeaseRevokeRequest{ID: id}), call("Maintenance/HashKV", &pb.HashKVRequest{}))
		same(t, d, s)
	}
}

// expire waits until the lease has taken "a" along on both sides.
func (p *streamPair) expire(t *testing.T, d *dialogue, id int64) {
	t.Helper()
	if err := p.barrier(d.revision); err != nil {
		t.Fatal(err)
	}
	marks := [2]int{p.sides[tested].mark(), p.sides[etcd].mark()}
	err := p.both(func(side int, r *recorder) error {
		if r.await(marks[side], watchPatience, func(w *pb.WatchResponse) bool { return len(w.Events) > 1 }) == nil {
			return fmt.Errorf("lease %d does not expire", id)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d.revision++
	counters.Add("leases expired", 1)
}

// Several leases end close to each other: which comes first is a matter of time, but each takes its keys in one revision.
func TestManyLeasesExpireInAsManyRevisions(t *testing.T) {
	t.Parallel()
	_, d := startDialogue(t)
	d.letExpire = true
	const leases = 20
	for id := int64(1); id <= leases; id++ {
		d.all(t, call("Lease/LeaseGrant", &pb.LeaseGrantRequest{ID: id, TTL: 8}))
		d.all(t, call("KV/Txn", then(putOp(&pb.PutRequest{Key: fmt.Appendf(nil, "k/%02d/a", id), Lease: id}),
			putOp(&pb.PutRequest{Key: fmt.Appendf(nil, "k/%02d/b", id), Lease: id}))))
	}
	before := d.revision
	for side, connection := range d.connections {
		gone := func() bool {
			left := send(connection, call("Lease/LeaseLeases", &pb.LeaseLeasesRequest{}))
			return left.err == nil && len(left.messages[0].(*pb.LeaseLeasesResponse).Leases) == 0
		}
		for end := time.Now().Add(callPatience); !gone(); time.Sleep(100 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: leases are left", sideNames[side])
			}
		}
	}
	last := d.all(t, everything())
	if got := headerOf(last.messages[0]).Revision; got != before+leases {
		t.Errorf("revision %d after %d leases from %d", got, leases, before)
	}
	counters.Add("leases expired", leases)
}
