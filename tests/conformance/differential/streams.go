package differential

import (
	"fmt"
	"math"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"regent/tests/conformance/counters"
)

const (
	watchPatience = 20 * time.Second
	progressPause = 25 * time.Millisecond // between two requests for progress
	tested        = 0
	etcd          = 1
)

var sideNames = [2]string{"the tested server", "etcd"}

// watch is one watch of a stream pair, from its creation on.
type watch struct {
	id      int64
	request *pb.WatchCreateRequest
	created [2]int64 // the revisions of the answers to the creation
}

func (w *watch) String() string { return fmt.Sprintf("created at %v {%v}", w.created, w.request) }

// first is the first revision that the watch may report.
func (w *watch) first() int64 {
	if w.request.StartRevision > 0 {
		return w.request.StartRevision
	}
	return w.created[etcd] + 1
}

// streamPair is the same Watch stream on both sides.
type streamPair struct {
	name string
	// exact streams are waited for after every request, so that even the revisions in their headers must be equal. On the
	// others the two sides are as far as they are; only the order, and what is there in the end, is equal.
	exact bool

	sides [2]*recorder
	past  [2][]*pb.WatchResponse // of the streams before a resumption
	all   []*watch               // in the order of their creation
	live  map[int64]*watch
	// deaf: a compaction has cancelled a watch. From then on etcd reports no progress on the stream (difference 6).
	deaf bool
	// seen: up to this revision both sides have sent everything.
	seen int64
}

func openPair(name string, connections [2]*grpc.ClientConn, exact bool) (*streamPair, error) {
	pair := &streamPair{name: name, exact: exact, live: map[int64]*watch{}}
	if err := pair.open(connections); err != nil {
		return nil, err
	}
	counters.Add("watch streams", 1)
	return pair, nil
}

func (p *streamPair) open(connections [2]*grpc.ClientConn) error {
	for side := range p.sides {
		recorder, err := openRecorder(connections[side])
		if err != nil {
			return err
		}
		p.sides[side] = recorder
	}
	return nil
}

func (p *streamPair) close() {
	for _, side := range p.sides {
		side.cancel()
	}
}

// both does the same on both sides at once.
func (p *streamPair) both(do func(side int, r *recorder) error) error {
	var errors [2]error
	var group sync.WaitGroup
	for side, r := range p.sides {
		group.Go(func() {
			if err := do(side, r); err != nil {
				errors[side] = fmt.Errorf("%s, %s: %w", p.name, sideNames[side], err)
			}
		})
	}
	group.Wait()
	if errors[tested] != nil {
		return errors[tested]
	}
	return errors[etcd]
}

// create asks for a watch. When both refuse it, there is none.
func (p *streamPair) create(creation *pb.WatchCreateRequest, compacted int64) error {
	var answers [2]*pb.WatchResponse
	err := p.both(func(side int, r *recorder) error {
		mark := r.mark()
		if err := r.send(createRequest(creation)); err != nil {
			return err
		}
		if answers[side] = r.await(mark, watchPatience, isCreated); answers[side] == nil {
			return fmt.Errorf("no answer to %v", creation)
		}
		return nil
	})
	if err != nil {
		return err
	}
	counters.Add("watches", 1)
	if answers[etcd].Canceled {
		return nil
	}
	w := &watch{id: answers[etcd].WatchId, request: creation}
	for side := range answers {
		w.created[side] = answers[side].Header.GetRevision()
	}
	p.all = append(p.all, w)
	p.live[w.id] = w
	if creation.StartRevision > 0 && creation.StartRevision < compacted {
		p.deaf = true
		return p.awaitCancel(w.id)
	}
	return nil
}

func (p *streamPair) awaitCancel(id int64) error {
	delete(p.live, id)
	return p.both(func(_ int, r *recorder) error {
		if r.await(0, watchPatience, isCanceled(id)) == nil {
			return fmt.Errorf("watch %d is not cancelled", id)
		}
		return nil
	})
}

// cancelWatch cancels a watch that may be there or not.
func (p *streamPair) cancelWatch(id, revision int64) error {
	if err := p.barrier(revision); err != nil {
		return err
	}
	var marks [2]int
	err := p.both(func(side int, r *recorder) error {
		marks[side] = r.mark()
		return r.send(cancelRequest(id))
	})
	if _, is := p.live[id]; err != nil || !is {
		return err
	}
	delete(p.live, id)
	return p.both(func(side int, r *recorder) error {
		if r.await(marks[side], watchPatience, isCanceled(id)) == nil {
			return fmt.Errorf("watch %d is not cancelled", id)
		}
		return nil
	})
}

// blocked says that a watch begins in the future, or that one began in a past that is gone. etcd reports no progress on
// such a stream, so that nothing says when its watches have caught up: none of them begins in the past.
func (p *streamPair) blocked(revision int64) bool {
	if p.deaf {
		return true
	}
	for _, w := range p.live {
		if w.first() > revision && w.request.StartRevision != 0 {
			return true
		}
	}
	return false
}

// barrier waits until both sides have sent all events up to the revision. A progress notification says so: no event may
// come after it. Where there will be none (no watch, or one of the future) there is nothing to wait for.
func (p *streamPair) barrier(revision int64) error {
	if len(p.live) == 0 || p.blocked(revision) {
		return nil
	}
	p.seen = revision
	return p.both(func(_ int, r *recorder) error {
		mark := r.mark()
		for end := time.Now().Add(watchPatience); time.Now().Before(end); {
			if err := r.send(progressRequest()); err != nil {
				return err
			}
			if r.await(mark, progressPause, isProgressOfAll(revision)) != nil {
				counters.Add("progress awaited", 1)
				return nil
			}
		}
		return fmt.Errorf("no progress up to revision %d; the watches: %v", revision, p.live)
	})
}

// nextStart is the highest first revision of a watch that is not yet reached but can be; 0 when there is none. Watches of
// a future that no test will see are given back in far.
func (p *streamPair) nextStart(revision int64) (next int64, far []int64) {
	for id, w := range p.live {
		switch first := w.first(); {
		case w.request.StartRevision == 0 || first <= revision:
		case first-revision < math.MaxInt32:
			next = max(next, first)
		default:
			far = append(far, id)
		}
	}
	return next, far
}

// resume opens the stream again after it has broken: every watch goes on behind the last event that its side has seen, as
// clients do. The two sides may have got differently far.
func (p *streamPair) resume(connections [2]*grpc.ClientConn) error {
	for side, r := range p.sides {
		if err := r.awaitEnd(); err == nil {
			return fmt.Errorf("%s: %s has ended the stream without an error", p.name, sideNames[side])
		}
		r.cancel()
		p.past[side] = append(p.past[side], r.recorded()...)
	}
	if err := p.open(connections); err != nil {
		return err
	}
	for _, w := range p.live {
		err := p.both(func(side int, r *recorder) error {
			again := proto.Clone(w.request).(*pb.WatchCreateRequest)
			again.WatchId = w.id
			again.StartRevision = p.lastSeen(side, w) + 1
			mark := r.mark()
			if err := r.send(createRequest(again)); err != nil {
				return err
			}
			if r.await(mark, watchPatience, isCreated) == nil {
				return fmt.Errorf("no answer to %v", again)
			}
			r.forget(isCreated)
			return nil
		})
		if err != nil {
			return err
		}
		counters.Add("watches resumed", 1)
	}
	return nil
}

func (p *streamPair) lastSeen(side int, w *watch) int64 {
	last := max(w.first()-1, p.seen)
	for _, response := range p.past[side] {
		if response.WatchId == w.id && len(response.Events) > 0 {
			last = max(last, response.Events[len(response.Events)-1].Kv.ModRevision)
		}
	}
	return last
}

// responses is everything that a side has sent, over all resumptions.
func (p *streamPair) responses(side int) []*pb.WatchResponse {
	return append(append([]*pb.WatchResponse(nil), p.past[side]...), p.sides[side].recorded()...)
}
