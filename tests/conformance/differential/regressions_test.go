package differential

import (
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

// The bugs of others that a comparison with etcd 3.7, where they are gone, catches: each on a history of its own. The
// random dialogues meet them too.

func wantCode(t *testing.T, a answer, code codes.Code) {
	t.Helper()
	if status.Code(a.err) != code {
		t.Errorf("got %v, want %v", a.err, code)
	}
}

func wantEvents(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

// A transaction with a range at a revision that is gone or not there yet is refused whole, nested or not.
func TestRK07ATransactionWithABadRevisionChangesNothing(t *testing.T) {
	_, d := startDialogue(t)
	d.all(t, put("a", "1"), put("a", "2"), put("a", "3"), compact(3))
	for _, revision := range []int64{1, 2, 100, math.MaxInt64} {
		bad := rangeOp(&pb.RangeRequest{Key: []byte("a"), Revision: revision})
		for _, txn := range []*pb.TxnRequest{
			then(putOp(putOf("b", "1")), bad),
			then(bad, putOp(putOf("b", "1"))),
			then(putOp(putOf("b", "1")), txnOp(then(bad))),
			then(txnOp(then(putOp(putOf("b", "1")), txnOp(then(bad))))),
		} {
			before := d.revision
			wantCode(t, d.all(t, call("KV/Txn", txn)), codes.OutOfRange)
			if d.all(t, read("b")); d.revision != before {
				t.Errorf("revision %d became %d", before, d.revision)
			}
		}
		// In the branch that is not taken it does no harm.
		wantCode(t, d.all(t, call("KV/Txn", &pb.TxnRequest{Success: []*pb.RequestOp{putOp(putOf("c", "1"))}, Failure: []*pb.RequestOp{bad}})), codes.OK)
	}
}

// Leases of negative and extreme ids are granted, attached, found and revoked as etcd does.
func TestRK08LeaseIdsMayBeAnyNumber(t *testing.T) {
	t.Parallel()
	p, d := startDialogue(t)
	for _, id := range []int64{math.MinInt64, math.MinInt64 + 1, -1, 1, math.MaxInt64 - 1, math.MaxInt64} {
		grant := call("Lease/LeaseGrant", &pb.LeaseGrantRequest{ID: id, TTL: longLease})
		d.all(t, grant, grant, attached(fmt.Sprint("k", id), id), call("Lease/LeaseTimeToLive", &pb.LeaseTimeToLiveRequest{ID: id, Keys: true}))
	}
	p.restart(t, true)
	d.all(t, everything(), call("Lease/LeaseLeases", &pb.LeaseLeasesRequest{}))
	for _, id := range []int64{-1, math.MinInt64, math.MaxInt64} {
		d.all(t, call("Lease/LeaseRevoke", &pb.LeaseRevokeRequest{ID: id}), everything())
	}
	for _, ttl := range edges {
		d.all(t, call("Lease/LeaseGrant", &pb.LeaseGrantRequest{ID: 5, TTL: ttl}))
	}
}

// Compacting at a delete leaves the delete to a watch that begins there.
func TestRK10ADeleteSurvivesACompactionAtItsRevision(t *testing.T) {
	t.Parallel()
	_, d := startDialogue(t)
	for i := range 20 {
		d.all(t, put("k", fmt.Sprint(i)), remove("k", ""))
		deleted := d.revision
		d.all(t, put("other", "1"), compact(deleted))
		s := watchAll(t, d, deleted)
		wantEvents(t, same(t, d, s), fmt.Sprintf("DELETE k@%d", deleted), fmt.Sprintf("PUT other@%d", deleted+1))
	}
}

// The same when the server was killed after the compaction, and the delete is all that there is of the key.
func TestRK11ADeleteAtTheCompactedRevisionSurvivesACrash(t *testing.T) {
	t.Parallel()
	p, d := startDialogue(t, "--compaction-batch-limit=10")
	for round := range 2 {
		for i := range 60 {
			d.all(t, put(fmt.Sprintf("k%02d", i), "v"))
		}
		d.all(t, remove("k", "l"))
		deleted := d.revision
		d.all(t, compact(deleted))
		p.restart(t, round == 0)
		s := watchAll(t, d, deleted)
		d.all(t, put("after", "1"))
		if events := same(t, d, s); len(events) != 61 || events[0] != fmt.Sprintf("DELETE k00@%d", deleted) {
			t.Errorf("%d events: %v", len(events), events)
		}
		d.all(t, call("Maintenance/HashKV", &pb.HashKVRequest{}), everything())
	}
}

// Puts and deletes of one key, and of ranges that overlap, in one transaction: reads in it see what came before them.
func TestRK12PutsAndDeletesInOneTransaction(t *testing.T) {
	_, d := startDialogue(t)
	s := watchAll(t, d, 1)
	in := func(key string) *pb.RequestOp {
		return rangeOp(&pb.RangeRequest{Key: []byte(key), RangeEnd: []byte("z")})
	}
	for range 3 {
		for _, txn := range []*pb.TxnRequest{
			then(putOp(putOf("a", "1")), putOp(putOf("b", "1")), in("a"), deleteOp(deleteOf("c", "z")), in("a")),
			then(deleteOp(deleteOf("a", "c")), deleteOp(deleteOf("a", "z")), in("a"), putOp(putOf("z", "1"))),
			then(putOp(putOf("a", "1")), deleteOp(deleteOf("a", ""))),                                              // refused
			then(deleteOp(deleteOf("a", "z")), putOp(putOf("b", "1"))),                                             // refused
			then(txnOp(then(putOp(putOf("a", "2")))), in("a"), txnOp(then(deleteOp(deleteOf("a", "b")))), in("a")), // not refused
			then(txnOp(then(deleteOp(deleteOf("a", "c")))), in("a"), txnOp(then(putOp(putOf("x", "2"))))),
		} {
			d.all(t, call("KV/Txn", txn), everything(), call("Maintenance/HashKV", &pb.HashKVRequest{}))
		}
	}
	same(t, d, s)
}

// Many transactions one behind the other on a few keys: each event once.
func TestRK13NoEventComesTwice(t *testing.T) {
	_, d := startDialogue(t)
	s := watchAll(t, d, 1)
	var want []string
	for i := range 100 {
		d.all(t, call("KV/Txn", then(putOp(putOf("a", fmt.Sprint(i))), putOp(putOf("b", fmt.Sprint(i))), deleteOp(deleteOf("c", "")))))
		want = append(want, fmt.Sprintf("PUT a@%d", d.revision), fmt.Sprintf("PUT b@%d", d.revision))
	}
	wantEvents(t, same(t, d, s), want...)
}

// A progress notification never overtakes an event, and one comes on a stream where nothing happens.
func TestRK22ProgressIsInStepWithEvents(t *testing.T) {
	_, d := startDialogue(t)
	s := watchAll(t, d, 1)
	for i := range 60 {
		if err := s.both(func(_ int, r *recorder) error { return r.send(progressRequest()) }); err != nil {
			t.Fatal(err)
		}
		d.all(t, put("a", fmt.Sprint(i)))
		if i%10 == 0 {
			same(t, d, s)
		}
	}
	if events := same(t, d, s); len(events) != 60 {
		t.Errorf("%d events", len(events))
	}
	if err := s.barrier(d.revision); err != nil { // nothing has happened since
		t.Error(err)
	}
}

// A client that does not read falls behind a compaction: it gets events without a gap, and then either all of them or the
// word that they are compacted.
func TestRK23AWatchThatFallsBehindIsToldSo(t *testing.T) {
	t.Parallel()
	_, d := startDialogue(t)
	for side, connection := range d.connections {
		stream, err := pb.NewWatchClient(connection).Watch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		create := &pb.WatchCreateRequest{Key: []byte("slow")}
		if err := stream.Send(createRequest(create)); err != nil {
			t.Fatal(err)
		}
		created, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		// Far more than the windows of HTTP/2 take; nobody reads meanwhile.
		const writes, bytes = 400, 100000
		first := created.Header.Revision + 1
		for range writes {
			if a := send(connection, call("KV/Put", &pb.PutRequest{Key: []byte("slow"), Value: make([]byte, bytes)})); a.err != nil {
				t.Fatal(a.err)
			}
		}
		last := first + writes - 1
		if a := send(connection, compact(last)); a.err != nil {
			t.Fatal(a.err)
		}
		next := first
		for next <= last {
			response, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if response.Canceled {
				if response.CompactRevision != last {
					t.Errorf("%s: cancelled at %d, compacted at %d", sideNames[side], response.CompactRevision, last)
				}
				counters.Add("slow watches told of a compaction", 1)
				break
			}
			for _, event := range response.Events {
				if event.Kv.ModRevision != next {
					t.Fatalf("%s: revision %d where %d is next", sideNames[side], event.Kv.ModRevision, next)
				}
				next++
			}
		}
	}
}

// Clients that come back after a crash continue behind what they have seen.
func TestRK25NoEventComesTwiceAfterAReconnection(t *testing.T) {
	t.Parallel()
	p, d := startDialogue(t)
	s := watchAll(t, d, 1)
	var want []string
	for round := range 4 {
		for i := range 25 {
			d.all(t, put("a", fmt.Sprint(i)))
			want = append(want, fmt.Sprintf("PUT a@%d", d.revision))
		}
		p.restart(t, round%2 == 0)
		if err := s.resume(d.connections); err != nil {
			t.Fatal(err)
		}
		d.all(t, put("a", "after"))
		want = append(want, fmt.Sprintf("PUT a@%d", d.revision))
		if err := s.barrier(d.revision); err != nil {
			t.Fatal(err)
		}
	}
	wantEvents(t, same(t, d, s), want...)
}

// Every sequence of odd ids and revisions on one stream.
func TestRK26WatchIdsAndRevisionsMayBeAnyNumber(t *testing.T) {
	_, d := startDialogue(t)
	d.all(t, put("a", "1"), put("a", "2"), put("b", "1"))
	s := watchAll(t, d, 0)
	for _, id := range append(append([]int64{}, edges...), 0, 2, 2, math.MaxInt64-1) {
		for _, start := range []int64{math.MinInt64, -1, 0, 1, 2, d.revision} {
			creation := &pb.WatchCreateRequest{Key: []byte("a"), StartRevision: start, WatchId: id, PrevKv: true}
			if err := s.create(creation, d.compacted); err != nil {
				t.Fatal(err)
			}
			d.all(t, put("a", fmt.Sprint(start)))
			if err := s.barrier(d.revision); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.cancelWatch(id, d.revision); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range edges {
		if err := s.cancelWatch(id, d.revision); err != nil {
			t.Fatal(err)
		}
	}
	same(t, d, s)
}

// After a compaction has cancelled a watch, etcd reports no progress on its stream any more: it still counts the watch.
func TestAStreamGoesOnAfterACompactionHasCancelledAWatch(t *testing.T) {
	t.Parallel()
	_, d := startDialogue(t)
	d.all(t, put("a", "1"), put("a", "2"), put("a", "3"), compact(4))
	s := watchAll(t, d, 0)
	gone := &pb.WatchCreateRequest{Key: []byte("a"), StartRevision: 2}
	if err := s.create(gone, d.compacted); err != nil {
		t.Fatal(err)
	}
	d.all(t, put("a", "4"))
	var answered [2]bool
	err := s.both(func(side int, r *recorder) error {
		mark := r.mark()
		if err := r.send(progressRequest()); err != nil {
			return err
		}
		const long = 5 * time.Second // etcd looks ten times a second
		answered[side] = r.await(mark, long, isProgressOfAll(d.revision)) != nil
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !answered[tested] && server.IsRegent() {
		t.Error("no progress")
	}
	if !answered[etcd] {
		noProgress.met.Add(1)
	}
	same(t, d, s)
}

// What etcd does not see to overlap ends its process: at once, or when the compaction has taken what the index still names.
func TestAPutBehindADeleteWithoutAnEndDoesNotEndTheServer(t *testing.T) {
	flags := append([]string{}, identity...)
	keep := &pb.PutRequest{Key: []byte("b"), IgnoreValue: true}
	for name, requests := range map[string][]request{
		"a value to keep": {call("KV/Txn", then(deleteOp(deleteOf("a", "\x00")), putOp(keep)))},
		"a compaction": {call("KV/Txn", then(deleteOp(deleteOf("a", "\x00")), putOp(putOf("b", "2")))),
			compact(3), put("a", "1"), everything()},
	} {
		t.Run(name, func(t *testing.T) {
			servers := [2]*server.Server{tested: server.Start(t, flags...), etcd: server.StartEtcd(t, flags...)}
			connections := [2]*grpc.ClientConn{}
			for side, s := range servers {
				connection, err := dial(s.Endpoint)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { connection.Close() })
				connections[side] = connection
				if a := send(connection, put("b", "1")); a.err != nil {
					t.Fatal(a.err)
				}
			}
			if !server.IsRegent() {
				servers[tested].MayHaveEnded()
			} else {
				survives(t, connections[tested], append(requests, read("b"), everything()))
			}
			for _, r := range requests {
				if status.Code(send(connections[etcd], r).err) == codes.Unavailable {
					endsEtcd.met.Add(1)
					servers[etcd].MayHaveEnded()
					return
				}
			}
		})
	}
}

func survives(t *testing.T, connection *grpc.ClientConn, requests []request) {
	t.Helper()
	for _, r := range requests {
		if a := send(connection, r); a.err != nil {
			t.Errorf("%v: %v", r, a.err)
		}
	}
}
