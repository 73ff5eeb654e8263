package differential

import (
	"context"
	"fmt"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

// recorder keeps everything that one side says on one Watch stream, in its order.
type recorder struct {
	stream pb.Watch_WatchClient
	cancel context.CancelFunc

	mutex     sync.Mutex
	responses []*pb.WatchResponse
	changed   chan struct{} // closed at the next change
	ended     bool
	err       error
}

func openRecorder(connection *grpc.ClientConn) (*recorder, error) {
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := pb.NewWatchClient(connection).Watch(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	r := &recorder{stream: stream, cancel: cancel, changed: make(chan struct{})}
	go r.receive()
	return r, nil
}

func (r *recorder) receive() {
	for {
		response, err := r.stream.Recv()
		r.mutex.Lock()
		if err == nil {
			r.responses = append(r.responses, response)
		} else {
			r.ended, r.err = true, err
		}
		close(r.changed)
		r.changed = make(chan struct{})
		r.mutex.Unlock()
		if err != nil {
			return
		}
	}
}

// mark is the place behind what has come so far.
func (r *recorder) mark() int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return len(r.responses)
}

// await waits for a response behind the mark that is wanted, and returns nil when the time is over or the stream ended.
func (r *recorder) await(mark int, patience time.Duration, wanted func(*pb.WatchResponse) bool) *pb.WatchResponse {
	deadline := time.After(patience)
	for {
		r.mutex.Lock()
		for ; mark < len(r.responses); mark++ {
			if wanted(r.responses[mark]) {
				defer r.mutex.Unlock()
				return r.responses[mark]
			}
		}
		changed, ended := r.changed, r.ended
		r.mutex.Unlock()
		if ended {
			return nil
		}
		select {
		case <-changed:
		case <-deadline:
			return nil
		}
	}
}

// awaitEnd waits for the end of the stream.
func (r *recorder) awaitEnd() error {
	deadline := time.After(callPatience)
	for {
		r.mutex.Lock()
		changed, ended, err := r.changed, r.ended, r.err
		r.mutex.Unlock()
		if ended {
			return err
		}
		select {
		case <-changed:
		case <-deadline:
			return fmt.Errorf("the stream does not end")
		}
	}
}

func (r *recorder) recorded() []*pb.WatchResponse {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return append([]*pb.WatchResponse(nil), r.responses...)
}

// forget takes the first response that is wanted out of the record.
func (r *recorder) forget(wanted func(*pb.WatchResponse) bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for i, response := range r.responses {
		if wanted(response) {
			r.responses = append(r.responses[:i:i], r.responses[i+1:]...)
			return
		}
	}
}

func (r *recorder) send(request *pb.WatchRequest) error { return r.stream.Send(request) }

func createRequest(request *pb.WatchCreateRequest) *pb.WatchRequest {
	return &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: request}}
}

func cancelRequest(id int64) *pb.WatchRequest {
	return &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{CancelRequest: &pb.WatchCancelRequest{WatchId: id}}}
}

func progressRequest() *pb.WatchRequest {
	return &pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}}
}

func isCreated(r *pb.WatchResponse) bool { return r.Created }

func isCanceled(id int64) func(*pb.WatchResponse) bool {
	return func(r *pb.WatchResponse) bool { return r.Canceled && !r.Created && r.WatchId == id }
}

func isProgress(r *pb.WatchResponse) bool { return len(r.Events) == 0 && !r.Created && !r.Canceled }

// isProgressOfAll is the answer to a progress request: everything up to the revision was sent, on the whole stream.
func isProgressOfAll(revision int64) func(*pb.WatchResponse) bool {
	return func(r *pb.WatchResponse) bool {
		return isProgress(r) && r.WatchId == -1 && r.Header.GetRevision() >= revision
	}
}
