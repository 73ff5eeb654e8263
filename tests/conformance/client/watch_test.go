package client

import (
	"context"
	"fmt"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/metadata"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/history"
	"regent/tests/conformance/server"
)

func TestWatchIdsAreChosenByEitherSide(t *testing.T) {
	s := server.Shared(t)
	revision := put(t, s.Client(t), t.Name(), "1")
	stream := openWatch(t, s)
	first := stream.create(t, &watchRequest{Key: []byte(t.Name())})
	equal(t, "first id", first.WatchId, 0)
	equal(t, "revision of the creation", first.Header.Revision, revision)
	equal(t, "events in the creation", len(first.Events), 0)
	equal(t, "asked id", stream.create(t, &watchRequest{Key: []byte("x"), WatchId: 2}).WatchId, 2)
	equal(t, "second id", stream.create(t, &watchRequest{Key: []byte("x")}).WatchId, 1)
	equal(t, "id after a taken one", stream.create(t, &watchRequest{Key: []byte("x")}).WatchId, 3)

	taken := stream.create(t, &watchRequest{Key: []byte("x"), WatchId: 2})
	equal(t, "a duplicate is cancelled", taken.Canceled, true)
	equal(t, "id of a duplicate", taken.WatchId, -1)
	equal(t, "reason for a duplicate", taken.CancelReason, "mvcc: duplicate watch ID provided on the WatchStream")
	put(t, s.Client(t), "x", "1")
	seen := map[int64]bool{}
	for range 3 {
		response := stream.next(t)
		seen[response.WatchId] = true
		equal(t, "events", len(response.Events), 1)
	}
	equal(t, "watches that saw the put", fmt.Sprint(seen), "map[1:true 2:true 3:true]")
}

func TestWatchesThatCannotBeCreated(t *testing.T) {
	s := server.Shared(t)
	stream := openWatch(t, s)
	for _, row := range []struct {
		request *watchRequest
		reason  string
	}{
		{&watchRequest{Key: []byte("b"), RangeEnd: []byte("a")}, "mvcc: watcher range is empty"},
		{&watchRequest{Key: []byte("b"), RangeEnd: []byte("b")}, "mvcc: watcher range is empty"},
		{&watchRequest{Key: []byte("b"), StartRevision: -1}, compacted},
	} {
		got := stream.create(t, row.request)
		equal(t, "cancelled", got.Canceled, true)
		equal(t, "id", got.WatchId, -1)
		equal(t, "reason", got.CancelReason, row.reason)
	}
	equal(t, "the next id", stream.create(t, &watchRequest{Key: []byte("b")}).WatchId, 0)
}

func TestAWatchReplaysHistoryAndGoesOn(t *testing.T) {
	s := server.Start(t)
	c, ctx := s.Client(t), server.Context(t)
	put(t, c, "k/a", "1")
	start := put(t, c, "k/a", "2")
	put(t, c, "other", "1")
	must(c.Txn(ctx).Then(clientv3.OpPut("k/b", "1"), clientv3.OpDelete("k/a"), clientv3.OpPut("k/c", "1")).Commit())(t)
	put(t, c, "k/a", "3")
	stream := openWatch(t, s)
	request := &watchRequest{Key: []byte("k/"), RangeEnd: []byte("k0"), StartRevision: start, PrevKv: true}
	equal(t, "revision of the creation", stream.create(t, request).Header.Revision, 6)
	events := stream.events(t, 5)
	equal(t, "events", summary(events), "PUT a=2, PUT b=1, DELETE a, PUT c=1, PUT a=3")
	equal(t, "revision of the delete", events[2].Revision, start+2)
	equal(t, "version of the delete", events[2].Version, 0)
	equal(t, "previous of the first", events[0].Previous.Value, "1")
	equal(t, "previous of the delete", events[2].Previous.Value, "2")
	for _, created := range []history.Event{events[1], events[3], events[4]} {
		if created.Previous != nil || created.Version != 1 {
			t.Errorf("a creation looks like %+v", created)
		}
	}
	put(t, c, "k/b", "2")
	now := stream.events(t, 1)
	equal(t, "live event", summary(now), "PUT b=2")
	equal(t, "previous of the live event", now[0].Previous.Value, "1")

	// Without prev_kv there is none, and everything can be watched with the empty key.
	all := openWatch(t, s)
	all.create(t, &watchRequest{RangeEnd: []byte{0}, StartRevision: 1})
	events = all.events(t, 8)
	equal(t, "all events", summary(events), "PUT a=1, PUT a=2, PUT other=1, PUT b=1, DELETE a, PUT c=1, PUT a=3, PUT b=2")
	for _, event := range events {
		if event.Previous != nil {
			t.Errorf("an unasked previous value: %+v", event)
		}
	}
}

func TestFiltersDropEvents(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	key := t.Name() + "/a"
	start := put(t, c, key, "1")
	noPut, noDelete := openWatch(t, s), openWatch(t, s)
	noPut.filtered, noDelete.filtered = true, true
	noPut.create(t, &watchRequest{Key: []byte(key), StartRevision: start,
		Filters: []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NOPUT}})
	noDelete.create(t, &watchRequest{Key: []byte(key), StartRevision: start,
		Filters: []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NODELETE}})
	must(c.Delete(ctx, key))(t)
	put(t, c, key, "2")
	must(c.Delete(ctx, key))(t)
	equal(t, "without puts", summary(noPut.events(t, 2)), "DELETE a, DELETE a")
	equal(t, "without deletes", summary(noDelete.events(t, 2)), "PUT a=1, PUT a=2")
	noPut.silent(t, "without puts")
	noDelete.silent(t, "without deletes")
}

func TestCancellingAWatch(t *testing.T) {
	s := server.Shared(t)
	c := s.Client(t)
	stream := openWatch(t, s)
	stream.create(t, &watchRequest{Key: []byte(t.Name())})
	stream.create(t, &watchRequest{Key: []byte(t.Name())})
	stream.cancel(t, 77)
	stream.silent(t, "the cancellation of an unknown id")
	stream.cancel(t, 0)
	got := stream.next(t)
	equal(t, "cancelled", got.Canceled, true)
	equal(t, "id", got.WatchId, 0)
	equal(t, "compact revision", got.CompactRevision, 0)
	put(t, c, t.Name(), "1")
	equal(t, "the other watch goes on", stream.next(t).WatchId, 1)
	stream.cancel(t, 0)
	stream.silent(t, "the second cancellation")
	if err := stream.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	// The end of the requests is not the end of the watches.
	put(t, c, t.Name(), "2")
	equal(t, "the other watch still goes on", stream.next(t).WatchId, 1)
}

func TestAWatchBelowTheCompactionIsCancelled(t *testing.T) {
	s := server.Start(t)
	c, ctx := s.Client(t), server.Context(t)
	for i := range 5 {
		put(t, c, "a", fmt.Sprint(i))
	}
	must(c.Compact(ctx, 4))(t)
	counters.Add("compactions", 1)
	stream := openWatch(t, s)
	created := stream.create(t, &watchRequest{Key: []byte("a"), StartRevision: 2, WatchId: 5})
	equal(t, "cancelled at once", created.Canceled, false)
	cancelled := stream.next(t)
	equal(t, "cancelled", cancelled.Canceled, true)
	equal(t, "id", cancelled.WatchId, 5)
	equal(t, "compact revision", cancelled.CompactRevision, 4)
	equal(t, "events", len(cancelled.Events), 0)

	stream.create(t, &watchRequest{Key: []byte("a"), StartRevision: 4, PrevKv: true})
	events := stream.events(t, 3)
	equal(t, "events from the compaction on", summary(events), "PUT a=2, PUT a=3, PUT a=4")
	if events[0].Previous != nil {
		t.Errorf("the previous value of the oldest event was compacted, still it is %+v", events[0].Previous)
	}
	equal(t, "previous of the next", events[1].Previous.Value, "2")

	official := <-c.Watch(ctx, "a", clientv3.WithRev(3))
	equal(t, "compact revision in the client", official.CompactRevision, 4)
	equal(t, "error in the client", fmt.Sprint(official.Err()), compacted)
}

func TestAWatchOfTheFutureIsSilentUntilThen(t *testing.T) {
	s := server.Start(t)
	c := s.Client(t)
	revision := put(t, c, "a", "1")
	stream := openWatch(t, s)
	stream.create(t, &watchRequest{Key: []byte("a"), StartRevision: revision + 3})
	put(t, c, "a", "2")
	put(t, c, "a", "3")
	stream.silent(t, "before its revision")
	put(t, c, "a", "4")
	events := stream.events(t, 1)
	equal(t, "value", events[0].Value, "4")
	equal(t, "revision", events[0].Revision, revision+3)
}

func TestAWatchThatWantsALeaderWorksWithOne(t *testing.T) {
	s := server.Shared(t)
	ctx := metadata.NewOutgoingContext(t.Context(), metadata.Pairs("hasleader", "true", "client-api-version", "3.7"))
	stream := openWatchWith(t, ctx, s)
	stream.create(t, &watchRequest{Key: []byte(t.Name())})
	put(t, s.Client(t), t.Name(), "1")
	stream.events(t, 1)
	must(s.Client(t).Get(clientv3.WithRequireLeader(server.Context(t)), t.Name()))(t)
}

func TestManyWatchesShareAStream(t *testing.T) {
	s := server.Shared(t)
	c := s.Client(t)
	const count = 500
	stream := openWatch(t, s)
	for i := range count {
		key := fmt.Sprintf("%s/%03d", t.Name(), i)
		equal(t, "id", stream.create(t, &watchRequest{Key: []byte(key)}).WatchId, int64(i))
	}
	var ops []clientv3.Op
	for i := range count {
		ops = append(ops, clientv3.OpPut(fmt.Sprintf("%s/%03d", t.Name(), i), fmt.Sprint(i)))
		if len(ops) == 100 {
			must(c.Txn(server.Context(t)).Then(ops...).Commit())(t)
			ops = nil
		}
	}
	for range count {
		response := stream.next(t)
		equal(t, "events of one watch", len(response.Events), 1)
		equal(t, "value", string(response.Events[0].Kv.Value), fmt.Sprint(response.WatchId))
		counters.Add("watch events checked", 1)
	}
	stream.silent(t, "after one event for each")
}

// TestOneLargeRevisionIsFragmentedOnlyWhenAsked makes one revision whose events with their previous values are more than a
// fragment may hold, although the request that made it was not too large.
func TestOneLargeRevisionIsFragmentedOnlyWhenAsked(t *testing.T) {
	s := server.Start(t)
	c := s.Client(t)
	const count, size = 3, 480000
	revision := int64(0)
	for round := range 2 {
		var ops []clientv3.Op
		for i := range count {
			ops = append(ops, clientv3.OpPut(fmt.Sprint("a", i), strings.Repeat(fmt.Sprint(round), size)))
		}
		revision = must(c.Txn(server.Context(t)).Then(ops...).Commit())(t).Header.Revision
	}
	request := &watchRequest{Key: []byte("a"), RangeEnd: []byte("b"), StartRevision: revision, PrevKv: true}
	whole := openWatch(t, s)
	whole.create(t, request)
	one := whole.next(t)
	equal(t, "events of one revision in one response", len(one.Events), count)
	equal(t, "fragment", one.Fragment, false)

	pieces := openWatch(t, s)
	request.Fragment = true
	pieces.create(t, request)
	seen, responses := 0, 0
	for more := true; more; responses++ {
		piece := pieces.next(t)
		for _, event := range piece.Events {
			equal(t, "key", string(event.Kv.Key), fmt.Sprint("a", seen))
			equal(t, "revision", event.Kv.ModRevision, revision)
			equal(t, "length", len(event.Kv.Value)+len(event.PrevKv.GetValue()), 2*size)
			seen++
		}
		more = piece.Fragment
	}
	equal(t, "events in all pieces", seen, count)
	if responses < 2 {
		t.Errorf("3 MB came in %d responses", responses)
	}
	put(t, c, "a0", "small")
	small := pieces.next(t)
	equal(t, "fragment of a small response", small.Fragment, false)
	equal(t, "events of a small response", len(small.Events), 1)
}

func TestEndingAStreamEndsItsWatches(t *testing.T) {
	s := server.Shared(t)
	ctx, cancel := context.WithCancel(t.Context())
	stream := openWatchWith(t, ctx, s)
	stream.create(t, &watchRequest{Key: []byte(t.Name())})
	cancel()
	for range stream.received {
	}
	other := openWatch(t, s)
	equal(t, "first id of another stream", other.create(t, &watchRequest{Key: []byte(t.Name())}).WatchId, 0)
	put(t, s.Client(t), t.Name(), "1")
	other.events(t, 1)
}
