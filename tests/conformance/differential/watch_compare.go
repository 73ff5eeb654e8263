package differential

import (
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"

	"regent/tests/conformance/history"
)

// transcript is one Watch stream of one side, taken apart by watch.
type transcript struct {
	watches  []*watchTranscript // in the order of creation
	refusals []*pb.WatchResponse
	progress int // notifications, of all kinds
	problems []string
}

// watchTranscript is what one watch was told: its creation, its events (merged: how many come in one response is a matter
// of time), its end.
type watchTranscript struct {
	id        int64
	fragment  bool // asked for
	responses []*pb.WatchResponse
	checker   history.EventStream
	fragments []*mvccpb.Event // of a response that is not complete
}

// transcribe judges a side by itself, and brings what it said into the form in which both sides must be equal.
func transcribe(all []*watch, exact bool, responses []*pb.WatchResponse) *transcript {
	t := &transcript{}
	live := map[int64]*watchTranscript{}
	for _, original := range responses {
		response := proto.Clone(original).(*pb.WatchResponse)
		if response.Header.GetRaftTerm() == 0 {
			t.complain("a response without a raft term: %v", original)
		}
		if response.Header == nil {
			response.Header = &pb.ResponseHeader{}
		}
		response.Header.RaftTerm = 0
		switch w := live[response.WatchId]; {
		case response.Created && response.Canceled:
			t.refusals = append(t.refusals, response)
		case response.Created:
			live[response.WatchId] = t.begin(all, response)
		case isProgress(response):
			t.takeProgress(live, response)
		case w == nil:
			t.complain("watch %d is not there: %v", response.WatchId, original)
		case response.Canceled:
			w.responses = append(w.responses, response)
			delete(live, response.WatchId)
		default:
			t.takeEvents(w, exact, response)
		}
	}
	for id, w := range live {
		if len(w.fragments) > 0 {
			t.complain("watch %d: the last fragment is missing", id)
		}
	}
	return t
}

func (t *transcript) complain(format string, arguments ...any) {
	t.problems = append(t.problems, fmt.Sprintf(format, arguments...))
}

func (t *transcript) begin(all []*watch, response *pb.WatchResponse) *watchTranscript {
	w := &watchTranscript{id: response.WatchId, responses: []*pb.WatchResponse{response}}
	w.checker = history.EventStream{Start: response.Header.Revision + 1, Repeats: true}
	if n := len(t.watches); n < len(all) {
		w.checker.Filtered, w.fragment = len(all[n].request.Filters) > 0, all[n].request.Fragment
		if all[n].request.StartRevision > 0 {
			w.checker.Start = all[n].request.StartRevision
		}
	}
	t.watches = append(t.watches, w)
	return w
}

// takeProgress: a notification for -1 is one for every watch of the stream.
func (t *transcript) takeProgress(live map[int64]*watchTranscript, response *pb.WatchResponse) {
	t.progress++
	for id, w := range live {
		if response.WatchId != -1 && response.WatchId != id {
			continue
		}
		if err := w.checker.Progress(response.Header.Revision); err != nil {
			t.complain("watch %d: %v", id, err)
		}
	}
}

func (t *transcript) takeEvents(w *watchTranscript, exact bool, response *pb.WatchResponse) {
	for _, event := range response.Events {
		if event.Kv == nil {
			t.complain("watch %d: an event without a key", w.id)
			return
		}
	}
	w.fragments = append(w.fragments, response.Events...)
	if response.CompactRevision != 0 || response.CancelReason != "" {
		t.complain("watch %d: events with a compacted revision %d or a reason %q", w.id, response.CompactRevision, response.CancelReason)
	}
	if response.Fragment && !w.fragment {
		t.complain("watch %d: a fragment that was not asked for", w.id)
	}
	if !response.Fragment {
		if err := w.checker.Response(response.Header.Revision, history.FromWire(w.fragments)); err != nil {
			t.complain("watch %d: %v", w.id, err)
		}
		w.fragments = nil
	}
	response.Fragment = false
	if !exact {
		response.Header.Revision = 0
	}
	last := w.responses[len(w.responses)-1]
	if len(last.Events) > 0 && proto.Equal(last.Header, response.Header) {
		last.Events = append(last.Events, response.Events...)
		return
	}
	w.responses = append(w.responses, response)
}

// compareStreams returns what differs between the two records of a stream, a line each.
func compareStreams(all []*watch, exact bool, got, want []*pb.WatchResponse) []string {
	left, right := transcribe(all, exact, got), transcribe(all, exact, want)
	problems := left.problems
	for _, problem := range right.problems {
		problems = append(problems, "etcd: "+problem)
	}
	problems = append(problems, diffResponses("refusals", left.refusals, right.refusals)...)
	if len(left.watches) != len(right.watches) {
		return append(problems, fmt.Sprintf("%d watches, etcd %d", len(left.watches), len(right.watches)))
	}
	for i := range left.watches {
		name := fmt.Sprintf("watch %d", left.watches[i].id)
		if i < len(all) {
			name += fmt.Sprintf(" {%v}", all[i].request)
		}
		problems = append(problems, diffResponses(name, left.watches[i].responses, right.watches[i].responses)...)
	}
	return problems
}

func diffResponses(name string, left, right []*pb.WatchResponse) []string {
	var found []string
	for i := range min(len(left), len(right)) {
		found = append(found, diff(fmt.Sprintf("%s: response %d", name, i), left[i].ProtoReflect(), right[i].ProtoReflect())...)
	}
	if len(left) != len(right) {
		found = append(found, fmt.Sprintf("%s: %d merged responses, etcd %d", name, len(left), len(right)))
	}
	return found
}
