package client

import (
	"fmt"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

func TestProgressIsReportedByIntervalToThoseWhoAsked(t *testing.T) {
	t.Parallel()
	s := server.Start(t, "--watch-progress-notify-interval=200ms")
	c := s.Client(t)
	revision := put(t, c, "other", "1")
	asked, quiet := openWatch(t, s), openWatch(t, s)
	asked.create(t, &watchRequest{Key: []byte("a"), ProgressNotify: true})
	asked.create(t, &watchRequest{Key: []byte("b")})
	quiet.create(t, &watchRequest{Key: []byte("a")})
	for range 3 {
		got := asked.next(t)
		equal(t, "id", got.WatchId, 0)
		equal(t, "events", len(got.Events), 0)
		equal(t, "revision", got.Header.Revision, revision)
		counters.Add("progress notifications", 1)
	}
	// A notification is never ahead of the events.
	last := put(t, c, "a", "1")
	seen := false
	for {
		got := asked.next(t)
		seen = seen || len(got.Events) == 1
		if got.Header.Revision >= last && len(got.Events) == 0 {
			break
		}
	}
	equal(t, "the event was sent before the progress beyond it", seen, true)
	equal(t, "events of the one that did not ask", len(quiet.next(t).Events), 1)
	quiet.silent(t, "the one that did not ask")
}

func TestProgressOnRequestIsForTheWholeStream(t *testing.T) {
	s := server.Shared(t)
	c := s.Client(t)
	prefix := t.Name() + "/"
	stream := openWatch(t, s)
	for _, name := range []string{"a", "b", "c"} {
		stream.create(t, &watchRequest{Key: []byte(prefix + name)})
	}
	for i := range 5 {
		revision := put(t, c, prefix+"other", fmt.Sprint(i))
		got := progress(t, stream)
		equal(t, "events", len(got.Events), 0)
		equal(t, "revision", got.Header.Revision, revision)
	}
}

// progress asks until the server answers: it stays silent while one of the watches is still behind.
func progress(t *testing.T, stream *watchStream) *pb.WatchResponse {
	t.Helper()
	for deadline := time.Now().Add(server.CallPatience); time.Now().Before(deadline); {
		stream.requestProgress(t)
		select {
		case got, open := <-stream.received:
			if !open || got.WatchId != -1 {
				t.Fatalf("instead of progress: %v", got)
			}
			counters.Add("progress notifications", 1)
			return got
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatal("no progress")
	return nil
}

func TestProgressComesAfterTheEventsThatItCovers(t *testing.T) {
	s := server.Shared(t)
	c := s.Client(t)
	stream := openWatch(t, s)
	stream.create(t, &watchRequest{Key: []byte(t.Name())})
	done := make(chan error, 1)
	go func() {
		for i := range 300 {
			if _, err := c.Put(t.Context(), t.Name(), fmt.Sprint(i)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	events, notifications, last := 0, 0, int64(0)
	stream.requestProgress(t)
	for events < 300 {
		got := stream.next(t)
		if got.WatchId == -1 {
			notifications++
			last = max(last, got.Header.Revision)
			continue
		}
		for _, event := range got.Events {
			if event.Kv.ModRevision <= last {
				t.Fatalf("an event of revision %d after progress at %d", event.Kv.ModRevision, last)
			}
		}
		events += len(got.Events)
		stream.requestProgress(t)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	equal(t, "events", events, 300)
	counters.Add("watch events checked", events)
	counters.Add("progress notifications", notifications)
	if notifications == 0 {
		t.Error("no progress at all")
	}
}

func TestTheOfficialClientGetsItsProgress(t *testing.T) {
	s := server.Shared(t)
	c := s.Client(t)
	ctx := clientv3.WithRequireLeader(server.Context(t))
	watch := c.Watch(ctx, t.Name(), clientv3.WithPrefix(), clientv3.WithCreatedNotify(), clientv3.WithPrevKV())
	equal(t, "created", (<-watch).Created, true)
	revision := put(t, c, t.Name(), "1")
	equal(t, "events", len((<-watch).Events), 1)
	for {
		if err := c.RequestProgress(ctx); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-watch:
			equal(t, "is progress", got.IsProgressNotify(), true)
			equal(t, "revision", got.Header.Revision, revision)
			counters.Add("progress notifications", 1)
			return
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		}
	}
}

func TestNoProgressIsReportedBelowAWatchOfTheFuture(t *testing.T) {
	t.Parallel()
	s := server.Start(t, "--watch-progress-notify-interval=100ms")
	c := s.Client(t)
	revision := put(t, c, "a", "1")
	stream := openWatch(t, s)
	stream.create(t, &watchRequest{Key: []byte("a"), StartRevision: revision + 2, ProgressNotify: true})
	stream.silent(t, "before its revision")
	stream.requestProgress(t)
	stream.silent(t, "asked before its revision")
	put(t, c, "a", "2")
	put(t, c, "a", "3")
	for len(stream.next(t).Events) == 0 {
	}
	for stream.next(t).Header.Revision < revision+2 {
	}
}
