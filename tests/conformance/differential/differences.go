package differential

import (
	"bytes"
	"sort"
	"sync/atomic"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// difference is one that is meant: users read of it, under the same number, in docs/differences.md. One that no run meets
// any more is taken off the list: that fails.
type difference struct {
	number int
	what   string
	reason string
	met    atomic.Int64
	// explains says whether this is what makes the two answers differ, and nothing else.
	explains func(r request, tested, etcd answer) bool
}

var (
	hashOfNoFile = &difference{number: 1, what: "Maintenance.Hash has another value",
		reason:   "etcd's is over the buckets of its file; there is no such file here",
		explains: onlyTheHash}
	hashRemembered = &difference{number: 2, what: "HashKV at a revision that etcd remembers from a compaction",
		reason:   "etcd computes it by reading everything in the compaction, and forgets it when it is restarted",
		explains: remembered}
	streamOfUnsortedTargets = &difference{number: 3, what: "RangeStream with the order NONE and a target",
		reason:   "etcd sorts each message for itself: keys are missing or come twice, and the count is wrong",
		explains: sortedByPiece}
	equalInAnyOrder = &difference{number: 4, what: "the order of keys that are equal in what they are sorted by",
		reason:   "etcd's sort is not stable and its order means nothing; here it is the order of the keys",
		explains: equalButForTies}
	unknownAlarm = &difference{number: 5, what: "an alarm of a kind that does not exist",
		reason:   "etcd keeps it, and no later version knows what it is; here it is refused",
		explains: refusedAlarm}
	noProgress = &difference{number: 6, what: "progress on a stream whose watch was cancelled by a compaction",
		reason: "etcd goes on to count that watch as one that is behind, and reports none any more"}
	endsEtcd = &difference{number: 7, what: "a transaction that puts what a delete without an end has deleted",
		reason: "etcd lets it pass, and its process ends"}
)

var differences = []*difference{hashOfNoFile, hashRemembered, streamOfUnsortedTargets, equalInAnyOrder, unknownAlarm,
	noProgress, endsEtcd}

// explain finds the difference on the list that accounts for two answers that are not equal.
func explain(r request, tested, etcd answer) *difference {
	for _, d := range differences {
		if d.explains != nil && d.explains(r, tested, etcd) {
			d.met.Add(1)
			return d
		}
	}
	return nil
}

// equalAfter compares copies of two answers without what forget takes out of each.
func equalAfter(r request, tested, etcd answer, forget func(proto.Message)) bool {
	tested.messages, etcd.messages = clones(tested.messages), clones(etcd.messages)
	for _, messages := range [][]proto.Message{tested.messages, etcd.messages} {
		for _, message := range messages {
			forget(message)
		}
	}
	return len(compareAnswers(r, tested, etcd)) == 0
}

func clones(messages []proto.Message) []proto.Message {
	var copies []proto.Message
	for _, message := range messages {
		copies = append(copies, proto.Clone(message))
	}
	return copies
}

func onlyTheHash(r request, tested, etcd answer) bool {
	return r.method == "Maintenance/Hash" && equalAfter(r, tested, etcd, func(m proto.Message) { m.(*pb.HashResponse).Hash = 0 })
}

// remembered: etcd answers with the compacted revision of before, and where Regent has compacted away what it would need. A
// compaction at revision 0 is remembered under 0, which in a request means the newest.
func remembered(r request, tested, etcd answer) bool {
	if r.method != "Maintenance/HashKV" || etcd.err != nil {
		return false
	}
	want := etcd.messages[0].(*pb.HashKVResponse)
	if tested.err != nil {
		return status.Code(tested.err) == codes.OutOfRange && want.CompactRevision < want.HashRevision
	}
	got := tested.messages[0].(*pb.HashKVResponse)
	if asked := r.messages[0].(*pb.HashKVRequest); asked.Revision == 0 && want.HashRevision == 0 && want.CompactRevision == -1 {
		got, want = proto.Clone(got).(*pb.HashKVResponse), proto.Clone(want).(*pb.HashKVResponse)
		for _, m := range []*pb.HashKVResponse{got, want} {
			m.Hash, m.CompactRevision, m.HashRevision = 0, 0, 0
		}
		return len(compareAnswers(r, answer{messages: []proto.Message{got}}, answer{messages: []proto.Message{want}})) == 0
	}
	if want.CompactRevision >= got.CompactRevision || want.HashRevision != got.CompactRevision {
		return false
	}
	return equalAfter(r, tested, etcd, func(m proto.Message) {
		m.(*pb.HashKVResponse).Hash, m.(*pb.HashKVResponse).CompactRevision = 0, 0
	})
}

func sortedByPiece(r request, tested, etcd answer) bool {
	if r.method != "KV/RangeStream" || tested.err != nil || etcd.err != nil {
		return false
	}
	asked := r.messages[0].(*pb.RangeRequest)
	if asked.SortOrder != pb.RangeRequest_NONE || asked.SortTarget == pb.RangeRequest_KEY {
		return false
	}
	return equalAfter(r, tested, etcd, func(m proto.Message) {
		piece := m.(*pb.RangeStreamResponse)
		piece.RangeResponse = &pb.RangeResponse{Header: piece.RangeResponse.GetHeader()}
	})
}

func equalButForTies(r request, tested, etcd answer) bool {
	switch r.method {
	case "KV/Range":
		asked := r.messages[0].(*pb.RangeRequest)
		return equalAfter(r, tested, etcd, func(m proto.Message) { forgetTies(asked, m.(*pb.RangeResponse)) })
	case "KV/Txn":
		asked := r.messages[0].(*pb.TxnRequest)
		return equalAfter(r, tested, etcd, func(m proto.Message) { forgetTiesInTxn(asked, m.(*pb.TxnResponse)) })
	}
	return false
}

func forgetTiesInTxn(asked *pb.TxnRequest, answered *pb.TxnResponse) {
	ops := asked.Failure
	if answered.Succeeded {
		ops = asked.Success
	}
	for i, response := range answered.Responses {
		if i >= len(ops) {
			return
		}
		if ranged := response.GetResponseRange(); ranged != nil && ops[i].GetRequestRange() != nil {
			forgetTies(ops[i].GetRequestRange(), ranged)
		}
		if nested := response.GetResponseTxn(); nested != nil && ops[i].GetRequestTxn() != nil {
			forgetTiesInTxn(ops[i].GetRequestTxn(), nested)
		}
	}
}

// forgetTies puts keys that are equal in what they are sorted by into the order of the keys. Where the answer is cut off
// within such a group, which of them are there means nothing.
func forgetTies(asked *pb.RangeRequest, answered *pb.RangeResponse) {
	kvs := answered.Kvs
	for first := 0; first < len(kvs); {
		last := first
		for last < len(kvs) && tie(asked, kvs[first], kvs[last]) {
			last++
		}
		group := kvs[first:last]
		sort.Slice(group, func(i, j int) bool { return bytes.Compare(group[i].Key, group[j].Key) < 0 })
		if answered.More && last == len(kvs) {
			for i := range group {
				group[i] = &mvccpb.KeyValue{}
			}
		}
		first = last
	}
}

func tie(asked *pb.RangeRequest, a, b *mvccpb.KeyValue) bool {
	switch asked.SortTarget {
	case pb.RangeRequest_VERSION:
		return a.Version == b.Version
	case pb.RangeRequest_CREATE:
		return a.CreateRevision == b.CreateRevision
	case pb.RangeRequest_MOD:
		return a.ModRevision == b.ModRevision
	case pb.RangeRequest_VALUE:
		return bytes.Equal(a.Value, b.Value) // of keys_only nothing is left of the values
	}
	return bytes.Equal(a.Key, b.Key)
}

func refusedAlarm(r request, tested, etcd answer) bool {
	asked, ok := r.messages[0].(*pb.AlarmRequest)
	return ok && pb.AlarmType_name[int32(asked.Alarm)] == "" && etcd.err == nil &&
		status.Code(tested.err) == codes.InvalidArgument
}
