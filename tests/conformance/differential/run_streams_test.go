package differential

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"regent/tests/conformance/counters"
)

// For the canaries: each of their thousands compares a whole stream.
const (
	streamsKept      = 12
	keptResponsesMax = 40
)

// openStream opens a stream with one to four watches.
func (r *run) openStream(exact bool) error {
	r.named++
	s, err := openPair(fmt.Sprintf("stream %d of seed %d", r.named, r.seed), r.connections, exact)
	if err != nil {
		return err
	}
	r.streams = append(r.streams, s)
	future := r.generator.chance(6) && !exact
	if r.generator.chance(8) && !exact && r.compacted > 1 {
		future = true
		gone := &pb.WatchCreateRequest{Key: []byte("key/"), RangeEnd: []byte{0}, StartRevision: 1 + r.generator.random.Int64N(r.compacted-1)}
		if err := r.create(s, gone); err != nil {
			return err
		}
	}
	for range r.generator.random.IntN(4) + 1 {
		if err := r.create(s, r.watchCreate(future)); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) create(s *streamPair, request *pb.WatchCreateRequest) error {
	r.coverage.record(request)
	if request.StartRevision > r.revision {
		counters.Add("watches of the future", 1)
	}
	if request.StartRevision > 0 && request.StartRevision < r.compacted {
		counters.Add("watches of a compacted past", 1)
	}
	if err := s.create(request, r.compacted); err != nil {
		return err
	}
	if s.exact {
		return s.barrier(r.revision)
	}
	return nil
}

// watchCreate asks for a watch of any kind. On a stream with watches of the future nothing says when others have caught
// up, so there are no others that must.
func (r *run) watchCreate(future bool) *pb.WatchCreateRequest {
	g := r.generator
	g.revision, g.compacted = r.dialogue.revision, max(r.dialogue.compacted, 1)
	w := &pb.WatchCreateRequest{PrevKv: g.chance(2), ProgressNotify: g.chance(3), Fragment: g.chance(3)}
	w.Key, w.RangeEnd = g.span()
	if g.chance(3) {
		w.Key, w.RangeEnd = []byte("big/"), prefixEnd([]byte("big/"))
	}
	for g.chance(4) {
		w.Filters = append(w.Filters, pb.WatchCreateRequest_FilterType(pick(g, 0, 1, 0, 1, outOfRange)))
	}
	if g.chance(8) {
		w.WatchId = pick[int64](g, 1, 2, 3, 1000)
	}
	switch {
	case future:
		w.StartRevision = r.revision + 1 + g.random.Int64N(60)
	case g.chance(2):
		w.StartRevision = max(min(g.near(), r.revision), g.compacted)
	}
	if g.chance(5) {
		g.twist(w)
	}
	if future && w.StartRevision > 0 && w.StartRevision <= r.revision {
		w.StartRevision = r.revision + 1
	}
	if w.WatchId == -1 {
		w.ProgressNotify = false // its notifications would look like those of the whole stream
	}
	if !future && w.StartRevision > 0 {
		w.StartRevision = max(min(w.StartRevision, r.revision), g.compacted)
	}
	return w
}

// touchStream does one of the things that clients do with an open stream.
func (r *run) touchStream() error {
	g := r.generator
	if len(r.streams) == 0 {
		return nil
	}
	s := pick(g, r.streams...)
	switch g.random.IntN(4) {
	case 0:
		if s.blocked(r.revision) {
			return r.create(s, r.watchCreate(true))
		}
		return r.create(s, r.watchCreate(false))
	case 1:
		if s.blocked(r.revision) {
			return nil // whether events come before the end is a matter of time
		}
		cancel := &pb.WatchCancelRequest{WatchId: pick[int64](g, 0, 0, 1, 1, 2, 3, g.number())}
		r.coverage.record(cancel)
		counters.Add("watches cancelled", 1)
		return s.cancelWatch(cancel.WatchId, r.revision)
	case 2:
		return s.both(func(_ int, r *recorder) error { return r.send(progressRequest()) })
	default:
		return s.both(func(_ int, r *recorder) error { return r.send(&pb.WatchRequest{}) }) // of no kind
	}
}

// deleteBigValues makes one response so large that it is sent in fragments where that was asked for.
func (r *run) deleteBigValues() error {
	for i := range bigKeys {
		value := bytes.Repeat([]byte{byte(i)}, bigValueBytes)
		if _, err := r.ask(call("KV/Put", &pb.PutRequest{Key: fmt.Appendf(nil, "big/%02d", i), Value: value})); err != nil {
			return err
		}
	}
	_, err := r.ask(call("KV/DeleteRange", deleteOf("big/", "big0")))
	return err
}

// restartAndResume lets the servers end while events are on their way. Every watch goes on where its client was.
func (r *run) restartAndResume(crash bool) error {
	kept := r.streams[:0]
	for _, s := range r.streams {
		fragments := false
		for _, w := range s.all {
			fragments = fragments || w.request.Fragment
		}
		if fragments || s.exact || s.blocked(r.revision) {
			if err := r.finish(s); err != nil {
				return err
			}
			continue
		}
		kept = append(kept, s)
	}
	r.streams = kept
	if err := r.barrier(func(*streamPair) bool { return true }); err != nil {
		return err
	}
	for range 40 { // no compaction: where a watch resumes must still be there
		if _, err := r.ask(call("KV/Txn", then(putOp(r.plainPut()), deleteOp(deleteOf("a", "b"))))); err != nil {
			return err
		}
	}
	r.pair.restart(r.t, crash)
	for _, s := range r.streams {
		if err := s.resume(r.connections); err != nil {
			return err
		}
	}
	// A watch that has seen everything begins behind it, in the future, where etcd reports no progress.
	_, err := r.ask(call("KV/Put", r.plainPut()))
	return err
}

func (r *run) plainPut() *pb.PutRequest {
	return putOf(fmt.Sprintf("key/%02d", r.generator.random.IntN(25)), strings.Repeat("v", r.generator.random.IntN(30)))
}

func (r *run) finishStreams() error {
	for _, s := range r.streams {
		if err := r.finish(s); err != nil {
			return err
		}
	}
	r.streams = nil
	return nil
}

// finish waits until both sides have sent everything, and compares the whole streams.
func (r *run) finish(s *streamPair) error {
	next, far := s.nextStart(r.revision)
	for _, id := range far {
		if err := s.cancelWatch(id, r.revision); err != nil {
			return err
		}
	}
	for r.revision < next {
		if _, err := r.ask(call("KV/Put", r.plainPut())); err != nil {
			return err
		}
	}
	if err := s.barrier(r.revision); err != nil {
		return err
	}
	defer s.close()
	// Where no progress is reported, the sides have everything when they are equal.
	for end := time.Now().Add(watchPatience); ; time.Sleep(progressPause) {
		got, want := s.responses(tested), s.responses(etcd)
		problems := compareStreams(s.all, s.exact, got, want)
		if len(problems) == 0 {
			r.count(s, got)
			return nil
		}
		if !s.blocked(r.revision) || time.Now().After(end) {
			return fmt.Errorf("%s (exact: %v): %s", s.name, s.exact, join(problems))
		}
	}
}

func (r *run) count(s *streamPair, responses []*pb.WatchResponse) {
	counters.Add("watch streams compared", 1)
	if s.exact {
		counters.Add("watch streams compared with the revisions in their headers", 1)
	}
	for _, response := range responses {
		counters.Add("watch responses", 1)
		counters.Add("watch events", len(response.Events))
		switch {
		case response.Fragment:
			counters.Add("fragments", 1)
		case response.CompactRevision != 0:
			counters.Add("watches cancelled by compaction", 1)
		case response.Created && response.Canceled:
			counters.Add("watches refused", 1)
		case isProgress(response) && response.WatchId >= 0:
			counters.Add("progress by itself", 1)
		}
		for _, event := range response.Events {
			if event.PrevKv != nil {
				counters.Add("previous values in events", 1)
			}
		}
	}
	if len(r.recorded) < streamsKept && len(responses) <= keptResponsesMax && len(responses) > len(s.all) {
		r.recorded = append(r.recorded, recordedStream{s.all, s.exact, responses})
	}
}
