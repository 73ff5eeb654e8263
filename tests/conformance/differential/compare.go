package differential

import (
	"bytes"
	"fmt"
	"sort"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Remaining seconds of a lease depend on when each side has started; leases of the random runs are far longer.
const remainingSecondsApart = 120

// compareAnswers returns what differs between two answers to one request, a line each.
func compareAnswers(r request, tested, etcd answer) []string {
	got, want := status.Convert(tested.err), status.Convert(etcd.err)
	if got.Code() != want.Code() || got.Message() != want.Message() {
		return []string{fmt.Sprintf("ends with %v %q, etcd with %v %q", got.Code(), got.Message(), want.Code(), want.Message())}
	}
	left, problems := normalize(r, tested)
	right, _ := normalize(r, etcd)
	if len(left) != len(right) {
		return append(problems, fmt.Sprintf("%d messages, etcd %d", len(left), len(right)))
	}
	for i := range left {
		alignRemaining(left[i], right[i])
		problems = append(problems, diff(fmt.Sprintf("message %d", i), left[i].ProtoReflect(), right[i].ProtoReflect())...)
	}
	return problems
}

// normalize copies the messages without what no history determines. It complains about what may not be in them at all.
func normalize(r request, a answer) (messages []proto.Message, problems []string) {
	if r.method == "KV/RangeStream" {
		merged, problem := mergeStream(a)
		if problem != "" {
			problems = append(problems, problem)
		}
		messages = append(messages, merged)
	} else {
		for _, message := range a.messages {
			messages = append(messages, proto.Clone(message))
		}
	}
	for _, message := range messages {
		if header := headerOf(message); header != nil {
			if header.RaftTerm == 0 {
				problems = append(problems, "the header has no raft term")
			}
			header.RaftTerm = 0
		}
		switch m := message.(type) {
		case *pb.LeaseGrantResponse:
			if isAnonymous(r) && m.ID > 0 {
				m.ID = 0
			}
		case *pb.LeaseTimeToLiveResponse:
			sort.Slice(m.Keys, func(i, j int) bool { return bytes.Compare(m.Keys[i], m.Keys[j]) < 0 })
		case *pb.LeaseLeasesResponse:
			sort.Slice(m.Leases, func(i, j int) bool { return m.Leases[i].ID < m.Leases[j].ID })
		case *pb.StatusResponse:
			m.DbSize, m.DbSizeInUse, m.RaftIndex, m.RaftAppliedIndex, m.RaftTerm = 0, 0, 0, 0, 0
			for i, text := range m.Errors { // protobuf's text form has one blank or two, on purpose
				m.Errors[i] = strings.Join(strings.Fields(text), " ")
			}
		}
	}
	return messages, problems
}

// isAnonymous says that the server picks the id of the lease.
func isAnonymous(r request) bool {
	if len(r.messages) == 0 {
		return false
	}
	grant, ok := r.messages[0].(*pb.LeaseGrantRequest)
	return ok && grant.ID == 0
}

func headerOf(message proto.Message) *pb.ResponseHeader {
	if m, ok := message.(interface{ GetHeader() *pb.ResponseHeader }); ok {
		return m.GetHeader()
	}
	return nil
}

// mergeStream puts the messages together as clients do. Only the last may have more than keys and values.
func mergeStream(a answer) (*pb.RangeResponse, string) {
	merged, problem := &pb.RangeResponse{}, ""
	for _, message := range a.messages {
		if merged.Header != nil || merged.Count != 0 || merged.More {
			problem = "a message follows the one with the header"
		}
		if piece := message.(*pb.RangeStreamResponse).RangeResponse; piece != nil {
			proto.Merge(merged, piece)
		}
	}
	return merged, problem
}

// alignRemaining forgives what seconds make of a remaining time, and nothing else: an absent lease (-1) stays one.
func alignRemaining(left, right proto.Message) {
	l, ok := left.(*pb.LeaseTimeToLiveResponse)
	r, same := right.(*pb.LeaseTimeToLiveResponse)
	if ok && same && l.TTL > 0 && r.TTL > 0 && l.TTL-r.TTL <= remainingSecondsApart && r.TTL-l.TTL <= remainingSecondsApart {
		l.TTL = r.TTL
	}
}

// diff walks two messages of one type and names each field in which they differ.
func diff(path string, left, right protoreflect.Message) []string {
	var found []string
	fields := left.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		name := path + "." + string(field.Name())
		switch {
		case field.IsList():
			found = append(found, diffLists(name, field, left.Get(field).List(), right.Get(field).List())...)
		case field.HasPresence() && left.Has(field) != right.Has(field):
			found = append(found, fmt.Sprintf("%s: there is %v, etcd %v", name, left.Has(field), right.Has(field)))
		case field.Message() != nil:
			if left.Has(field) {
				found = append(found, diff(name, left.Get(field).Message(), right.Get(field).Message())...)
			}
		default:
			found = append(found, diffValues(name, left.Get(field), right.Get(field))...)
		}
	}
	if !bytes.Equal(left.GetUnknown(), right.GetUnknown()) {
		found = append(found, fmt.Sprintf("%s: unknown fields %x, etcd %x", path, left.GetUnknown(), right.GetUnknown()))
	}
	return found
}

func diffLists(name string, field protoreflect.FieldDescriptor, left, right protoreflect.List) []string {
	if left.Len() != right.Len() {
		return []string{fmt.Sprintf("%s: %d elements, etcd %d", name, left.Len(), right.Len())}
	}
	var found []string
	for i := range left.Len() {
		element := fmt.Sprintf("%s[%d]", name, i)
		if field.Message() != nil {
			found = append(found, diff(element, left.Get(i).Message(), right.Get(i).Message())...)
		} else {
			found = append(found, diffValues(element, left.Get(i), right.Get(i))...)
		}
	}
	return found
}

func diffValues(name string, left, right protoreflect.Value) []string {
	if left.Equal(right) {
		return nil
	}
	return []string{fmt.Sprintf("%s: %.80q, etcd %.80q", name, left.String(), right.String())}
}
