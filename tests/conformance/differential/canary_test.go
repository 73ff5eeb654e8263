package differential

import (
	"fmt"
	"iter"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"regent/tests/conformance/counters"
)

// plantAnswers changes answers that were equal in every small way, and in their errors. The comparison has to find each.
func plantAnswers(t *testing.T, samples map[string][]sample) {
	t.Helper()
	for method, list := range samples {
		found := 0
		for _, s := range list {
			for p := range mutants(s) {
				if len(compareAnswers(s.request, p.answer, s.answer)) == 0 {
					t.Errorf("the comparison does not find what was planted in %s: %s\n%v", method, p.what, describe(p.answer))
					return
				}
				found++
			}
		}
		counters.Add("planted differences found in answers", found)
	}
}

type mutant struct {
	what   string
	answer answer
}

// One at a time: together they are gigabytes.
func mutants(s sample) iter.Seq[mutant] {
	return func(yield func(mutant) bool) {
		if !yield(mutant{"an error instead", answer{messages: s.answer.messages, err: status.Error(codes.Unavailable, "etcdserver: no leader")}}) {
			return
		}
		if s.answer.err != nil {
			was := status.Convert(s.answer.err)
			_ = yield(mutant{"no error", answer{}}) &&
				yield(mutant{"another code", answer{err: status.Error(was.Code()+1, was.Message())}}) &&
				yield(mutant{"another text", answer{err: status.Error(was.Code(), was.Message()+".")}})
			return
		}
		for i, message := range s.answer.messages {
			replace := func(with ...proto.Message) answer {
				messages := append(clones(s.answer.messages[:i]), with...)
				return answer{messages: append(messages, clones(s.answer.messages[i+1:])...)}
			}
			if !isEmptyPiece(message) && !(yield(mutant{fmt.Sprintf("message %d lost", i), replace()}) &&
				yield(mutant{fmt.Sprintf("message %d twice", i), replace(message, message)})) {
				return
			}
			for p := range plant(message) {
				if !undetermined(s.request, message, p.message) && !yield(mutant{fmt.Sprintf("message %d: %s", i, p.what), replace(p.message)}) {
					return
				}
			}
		}
	}
}

// isEmptyPiece: a piece of a streamed range without keys and header says nothing.
func isEmptyPiece(message proto.Message) bool {
	piece, streamed := message.(*pb.RangeStreamResponse)
	return streamed && piece.RangeResponse.GetHeader() == nil && len(piece.RangeResponse.GetKvs()) == 0
}

// plantStreams loses, doubles, swaps and changes responses of whole streams that were equal.
func plantStreams(t *testing.T, streams []recordedStream) {
	t.Helper()
	found := 0
	for _, s := range streams {
		for p := range streamMutants(s) {
			if len(compareStreams(s.all, s.exact, p.responses, s.responses)) == 0 {
				t.Errorf("the comparison does not find what was planted in a stream (exact: %v): %s", s.exact, p.what)
				return
			}
			found++
		}
	}
	counters.Add("planted differences found in streams", found)
}

type streamMutant struct {
	what      string
	responses []*pb.WatchResponse
}

func streamMutants(s recordedStream) iter.Seq[streamMutant] {
	return func(yield func(streamMutant) bool) {
		const looked = 8 // responses of a stream; the canaries are thousands as it is
		seen := 0
		for i, response := range s.responses {
			if isProgress(response) || response.Fragment {
				continue // notifications are judged by what comes after them, fragments by what they make together
			}
			if seen++; seen > looked {
				break
			}
			for m := range mutantsOfResponse(s, i) {
				if !yield(m) {
					return
				}
			}
		}
		for _, m := range earlyProgress(s) {
			if !yield(m) {
				return
			}
		}
	}
}

// mutantsOfResponse are those in which something is wrong with the i-th response.
func mutantsOfResponse(s recordedStream, i int) iter.Seq[streamMutant] {
	return func(yield func(streamMutant) bool) {
		response := s.responses[i]
		put := func(what string, with ...*pb.WatchResponse) bool {
			responses := append(append([]*pb.WatchResponse{}, s.responses[:i]...), with...)
			return yield(streamMutant{fmt.Sprintf("response %d %s: %v", i, what, response), append(responses, s.responses[i+1:]...)})
		}
		if !put("lost") || !put("twice", response, response) {
			return
		}
		if next := i + 1; next < len(s.responses) && s.responses[next].WatchId == response.WatchId &&
			!isProgress(s.responses[next]) && isRefusal(response) == isRefusal(s.responses[next]) &&
			!unseen(s, response, s.responses[next]) {
			responses := append([]*pb.WatchResponse{}, s.responses...)
			responses[i], responses[next] = responses[next], responses[i]
			if !yield(streamMutant{fmt.Sprintf("response %d and the next swapped: %v and %v", i, response, s.responses[next]), responses}) {
				return
			}
		}
		for p := range plant(response) {
			if changed := p.message.(*pb.WatchResponse); !unseen(s, response, changed) && !put(p.what, changed) {
				return
			}
		}
	}
}

// isRefusal: of a watch that never was. Refusals carry the id -1, which a watch may have as well, and are compared by
// themselves; two equal ones may change places.
func isRefusal(response *pb.WatchResponse) bool { return response.Created && response.Canceled }

// unseen are changes that time alone may make: another term, and on a stream that was not waited for, how far the store
// was when the events were sent.
func unseen(s recordedStream, original, changed *pb.WatchResponse) bool {
	if (changed.Header == nil) != (original.Header == nil) || changed.Header.RaftTerm == 0 {
		return false
	}
	copied := proto.Clone(changed).(*pb.WatchResponse)
	copied.Header.RaftTerm = original.Header.RaftTerm
	if len(original.Events) > 0 && !s.exact && changed.Header.Revision >= original.Events[len(original.Events)-1].Kv.ModRevision {
		copied.Header.Revision = original.Header.Revision
	}
	for _, w := range s.all {
		if w.id == original.WatchId && w.request.Fragment { // more may follow or not
			copied.Fragment = original.Fragment
		}
	}
	return proto.Equal(copied, original)
}

// earlyProgress promises that everything was sent before the last event is.
func earlyProgress(s recordedStream) []streamMutant {
	for i := len(s.responses) - 1; i >= 0; i-- {
		if events := s.responses[i].Events; len(events) > 0 && !(i > 0 && s.responses[i-1].Fragment) {
			header := proto.Clone(s.responses[i].Header).(*pb.ResponseHeader)
			header.Revision = events[len(events)-1].Kv.ModRevision
			early := &pb.WatchResponse{Header: header, WatchId: s.responses[i].WatchId}
			responses := append(append([]*pb.WatchResponse{}, s.responses[:i]...), early)
			return []streamMutant{{"progress too early", append(responses, s.responses[i:]...)}}
		}
	}
	return nil
}
