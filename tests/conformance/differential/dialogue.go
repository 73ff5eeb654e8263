package differential

import (
	"fmt"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"regent/tests/conformance/counters"
)

// dialogue asks both sides the same and stops at the first answer that nothing explains.
type dialogue struct {
	connections [2]*grpc.ClientConn
	coverage    *fieldCoverage
	samples     map[string][]sample
	revision    int64
	compacted   int64
	requests    int
	// letExpire: short leases are not revoked at once. Then nothing may be written while one ends.
	letExpire bool
}

// sample is a pair of equal answers, from which the canaries are made.
type sample struct {
	request request
	answer  answer
}

func newDialogue(connections [2]*grpc.ClientConn, coverage *fieldCoverage) *dialogue {
	return &dialogue{connections: connections, coverage: coverage, samples: map[string][]sample{}, revision: 1}
}

// ask sends the request to both sides and compares the answers. It returns etcd's.
func (d *dialogue) ask(r request) (answer, error) {
	var answers [2]answer
	var group sync.WaitGroup
	for side := range answers {
		group.Go(func() { answers[side] = send(d.connections[side], r) })
	}
	group.Wait()
	d.requests++
	counters.Add("requests compared", 1)
	for _, message := range r.messages {
		d.coverage.record(message)
	}
	if err := d.judge(r, answers[tested], answers[etcd]); err != nil {
		return answers[etcd], fmt.Errorf("request %d, %v: %w", d.requests, r, err)
	}
	if isAnonymous(r) && answers[etcd].err == nil {
		return answers[etcd], d.revokeAnonymous(answers)
	}
	return answers[etcd], d.learn(r, answers[etcd])
}

// revokeAnonymous ends a lease whose id each side has picked for itself.
func (d *dialogue) revokeAnonymous(granted [2]answer) error {
	var revoked [2]answer
	for side := range revoked {
		id := granted[side].messages[0].(*pb.LeaseGrantResponse).ID
		revoked[side] = send(d.connections[side], call("Lease/LeaseRevoke", &pb.LeaseRevokeRequest{ID: id}))
	}
	counters.Add("leases with an id of the server's", 1)
	return d.judge(call("Lease/LeaseRevoke", &pb.LeaseRevokeRequest{}), revoked[tested], revoked[etcd])
}

func (d *dialogue) judge(r request, got, want answer) error {
	counters.Add(r.method, 1)
	if want.err != nil {
		counters.Add("error "+status.Code(want.err).String(), 1)
		counters.Add("errors compared", 1)
	}
	problems := compareAnswers(r, got, want)
	if len(problems) == 0 {
		d.keep(r, want)
		return nil
	}
	if explain(r, got, want) != nil {
		return nil
	}
	return fmt.Errorf("\n  %s\n  answer %v\n  etcd   %v", join(problems), describe(got), describe(want))
}

// keep takes the first answers of each method as samples, and some later ones. Large ones would make the canaries slow.
func (d *dialogue) keep(r request, a answer) {
	const first, most, every, bytesMax = 5, 12, 37, 1000
	size := 0
	for _, message := range a.messages {
		size += proto.Size(message)
	}
	if list := d.samples[r.method]; size <= bytesMax && (len(list) < first || d.requests%every == 0 && len(list) < most) {
		d.samples[r.method] = append(list, sample{r, a})
	}
}

func describe(a answer) string {
	text := fmt.Sprintf("%v %v", a.messages, a.err)
	if len(text) > 1500 {
		return text[:1500] + "…"
	}
	return text
}

func join(problems []string) string {
	const shown = 8
	text := ""
	for i, problem := range problems {
		if i == shown {
			return text + fmt.Sprintf("and %d more", len(problems)-shown)
		}
		if i > 0 {
			text += "\n  "
		}
		text += problem
	}
	return text
}

// learn follows the history, and undoes what would make the sides drift apart.
func (d *dialogue) learn(r request, a answer) error {
	for _, message := range a.messages {
		header := headerOf(message)
		if header == nil || header.Revision == 0 {
			continue
		}
		if header.Revision < d.revision && r.method != "Lease/LeaseKeepAlive" {
			return fmt.Errorf("request %d, %v: the revision goes back from %d to %d", d.requests, r, d.revision, header.Revision)
		}
		d.revision = max(d.revision, header.Revision)
	}
	if a.err != nil {
		return nil
	}
	switch asked := r.messages[0].(type) {
	case *pb.CompactionRequest:
		d.compacted = asked.Revision
		counters.Add("compactions", 1)
	case *pb.LeaseGrantRequest:
		granted := a.messages[0].(*pb.LeaseGrantResponse)
		if granted.TTL >= longLease || d.letExpire {
			return nil
		}
		_, err := d.ask(call("Lease/LeaseRevoke", &pb.LeaseRevokeRequest{ID: granted.ID}))
		return err
	case *pb.AlarmRequest:
		switch {
		case asked.Action != pb.AlarmRequest_ACTIVATE || asked.Alarm == pb.AlarmType_NONE:
		case pb.AlarmType_name[int32(asked.Alarm)] == "": // which only etcd has taken
			undo := &pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, MemberID: asked.MemberID, Alarm: asked.Alarm}
			return send(d.connections[etcd], call("Maintenance/Alarm", undo)).err
		default:
			return d.underAlarm(asked)
		}
	}
	return nil
}

// underAlarm asks what an alarm forbids and what it does not, and ends it.
func (d *dialogue) underAlarm(raised *pb.AlarmRequest) error {
	counters.Add("alarms raised", 1)
	requests := []request{
		call("KV/Put", putOf("alarm", "1")),
		call("KV/Txn", then(putOp(putOf("alarm", "2")), rangeOp(&pb.RangeRequest{Key: []byte("alarm")}))),
		call("KV/Txn", then(deleteOp(deleteOf("alarm", "")))),
		call("KV/Txn", then(txnOp(then(rangeOp(&pb.RangeRequest{Key: []byte("alarm")}))))),
		call("KV/Range", &pb.RangeRequest{Key: []byte("key/"), RangeEnd: []byte("key0"), Limit: 3}),
		call("KV/DeleteRange", deleteOf("alarm", "")),
		call("Lease/LeaseGrant", &pb.LeaseGrantRequest{ID: 11, TTL: longLease}),
		call("Lease/LeaseRevoke", &pb.LeaseRevokeRequest{ID: 11}),
		call("KV/Compact", &pb.CompactionRequest{Revision: d.compacted}),
		call("Maintenance/Alarm", &pb.AlarmRequest{}),
		call("Maintenance/Status", &pb.StatusRequest{}),
		call("Maintenance/Alarm", &pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, MemberID: raised.MemberID, Alarm: raised.Alarm}),
	}
	for _, r := range requests {
		if _, err := d.ask(r); err != nil {
			return err
		}
	}
	return nil
}
