package client

import (
	"context"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/history"
	"regent/tests/conformance/server"
)

type watchRequest = pb.WatchCreateRequest

// watchStream is one bare Watch stream. A goroutine receives, so that a test can wait with a limit and can see that
// nothing comes.
type watchStream struct {
	stream   pb.Watch_WatchClient
	received chan *pb.WatchResponse
	err      error // set before received is closed
	filtered bool  // some events of each key are not asked for
}

func openWatch(t testing.TB, s *server.Server) *watchStream {
	t.Helper()
	return openWatchWith(t, t.Context(), s)
}

func openWatchOn(t testing.TB, connection *grpc.ClientConn) *watchStream {
	t.Helper()
	return openStream(t, t.Context(), connection)
}

func openWatchWith(t testing.TB, ctx context.Context, s *server.Server) *watchStream {
	t.Helper()
	return openStream(t, ctx, s.Connection(t))
}

func openStream(t testing.TB, ctx context.Context, connection *grpc.ClientConn) *watchStream {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	t.Cleanup(cancel)
	w := &watchStream{received: make(chan *pb.WatchResponse, 2000)}
	w.stream = must(pb.NewWatchClient(connection).Watch(ctx))(t)
	go func() {
		defer close(w.received)
		for {
			response, err := w.stream.Recv()
			if err != nil {
				w.err = err
				return
			}
			w.received <- response
		}
	}()
	return w
}

func (w *watchStream) send(t testing.TB, request *pb.WatchRequest) {
	t.Helper()
	if err := w.stream.Send(request); err != nil {
		t.Fatal(err)
	}
}

// create asks for a watch and returns the answer to that.
func (w *watchStream) create(t testing.TB, request *watchRequest) *pb.WatchResponse {
	t.Helper()
	w.send(t, &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: request}})
	response := w.next(t)
	if !response.Created {
		t.Fatalf("the answer to a creation is %v", response)
	}
	return response
}

func (w *watchStream) cancel(t testing.TB, id int64) {
	t.Helper()
	w.send(t, &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{CancelRequest: &pb.WatchCancelRequest{WatchId: id}}})
}

func (w *watchStream) requestProgress(t testing.TB) {
	t.Helper()
	w.send(t, &pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}})
}

// next waits for the next response.
func (w *watchStream) next(t testing.TB) *pb.WatchResponse {
	t.Helper()
	select {
	case response, open := <-w.received:
		if !open {
			t.Fatalf("the watch stream ended: %v", w.err)
		}
		return response
	case <-time.After(server.CallPatience):
		t.Fatal("nothing came on the watch stream")
	}
	return nil
}

// silent checks that nothing comes for a moment. Where nothing may ever come no event can be awaited.
func (w *watchStream) silent(t testing.TB, what string) {
	t.Helper()
	select {
	case response, open := <-w.received:
		t.Errorf("%s: got %v (open %v, %v)", what, response, open, w.err)
	case <-time.After(300 * time.Millisecond):
	}
}

// events waits for so many events of one watch, over as many responses as it takes, and checks their order.
func (w *watchStream) events(t testing.TB, count int) []history.Event {
	t.Helper()
	checker := history.EventStream{Filtered: w.filtered}
	for len(checker.Events()) < count {
		response := w.next(t)
		if len(response.Events) == 0 {
			t.Fatalf("%d of %d events, then %v", len(checker.Events()), count, response)
		}
		if err := checker.Response(response.Header.Revision, history.FromWire(response.Events)); err != nil {
			t.Fatal(err)
		}
		counters.Add("watch events checked", len(response.Events))
	}
	if len(checker.Events()) > count {
		t.Fatalf("%d events instead of %d", len(checker.Events()), count)
	}
	return checker.Events()
}

// summary is what the events did, such as "PUT a=1, DELETE a".
func summary(events []history.Event) string {
	var parts []string
	for _, event := range events {
		text := event.Kind.String() + " " + event.Key[strings.LastIndex(event.Key, "/")+1:]
		if event.Kind == history.Put {
			text += "=" + event.Value
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}
