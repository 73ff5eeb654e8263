package client

import (
	"fmt"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"regent/tests/conformance/server"
)

func TestStatusTellsTheMembersState(t *testing.T) {
	s := server.Start(t, "--quota-backend-bytes=4294967296")
	c, ctx := s.Client(t), server.Context(t)
	put(t, c, "a", "1")
	got := must(c.Status(ctx, s.Endpoint))(t)
	equal(t, "version", got.Version, "3.7.3")
	equal(t, "storage version", got.StorageVersion, "3.7.0")
	equal(t, "quota", got.DbSizeQuota, 4294967296)
	equal(t, "leader", got.Leader, got.Header.MemberId)
	equal(t, "learner", got.IsLearner, false)
	equal(t, "errors", len(got.Errors), 0)
	equal(t, "downgrade under way", got.DowngradeInfo.GetEnabled(), false)
	if got.DbSize <= 0 || got.DbSizeInUse <= 0 || got.DbSizeInUse > got.DbSize {
		t.Errorf("size %d, in use %d", got.DbSize, got.DbSizeInUse)
	}
	if got.RaftTerm == 0 || got.RaftIndex == 0 || got.RaftAppliedIndex == 0 || got.RaftAppliedIndex > got.RaftIndex {
		t.Errorf("term %d, index %d, applied %d", got.RaftTerm, got.RaftIndex, got.RaftAppliedIndex)
	}
	put(t, c, "a", "2")
	again := must(c.Status(ctx, s.Endpoint))(t)
	if again.RaftIndex <= got.RaftIndex || again.RaftAppliedIndex <= got.RaftAppliedIndex {
		t.Errorf("after a put: index %d, applied %d", again.RaftIndex, again.RaftAppliedIndex)
	}
	unlimited := server.Start(t)
	defaults := must(unlimited.Client(t).Status(ctx, unlimited.Endpoint))(t)
	equal(t, "default quota", defaults.DbSizeQuota, 2147483648)
}

func TestMemberListShowsTheOnlyMember(t *testing.T) {
	s := server.Start(t)
	cluster := pb.NewClusterClient(s.Connection(t))
	for _, linearizable := range []bool{true, false} {
		got := must(cluster.MemberList(server.Context(t), &pb.MemberListRequest{Linearizable: linearizable}))(t)
		equal(t, "members", len(got.Members), 1)
		member := got.Members[0]
		equal(t, "name", member.Name, "conformance")
		equal(t, "peer URLs", fmt.Sprint(member.PeerURLs), fmt.Sprint([]string{s.Peer}))
		equal(t, "client URLs", fmt.Sprint(member.ClientURLs), fmt.Sprint([]string{s.Endpoint}))
		equal(t, "learner", member.IsLearner, false)
		equal(t, "id", member.ID, got.Header.MemberId)
	}
}

func TestMembershipRequestsThatAreRefused(t *testing.T) {
	s := server.Start(t)
	ctx := server.Context(t)
	cluster := pb.NewClusterClient(s.Connection(t))
	self := must(cluster.MemberList(ctx, &pb.MemberListRequest{}))(t).Members[0].ID
	add := func(learner bool, urls ...string) error {
		_, err := cluster.MemberAdd(ctx, &pb.MemberAddRequest{PeerURLs: urls, IsLearner: learner})
		return err
	}
	wantError(t, add(false, s.Peer), codes.FailedPrecondition, "etcdserver: Peer URLs already exists")
	wantError(t, add(true, s.Peer), codes.FailedPrecondition, "etcdserver: Peer URLs already exists")
	const badURLs = "etcdserver: given member URLs are invalid"
	wantError(t, add(false, "not a url"), codes.InvalidArgument, badURLs)
	wantError(t, add(false), codes.InvalidArgument, badURLs)
	const notFound = "etcdserver: member not found"
	_, err := cluster.MemberRemove(ctx, &pb.MemberRemoveRequest{ID: 77})
	wantError(t, err, codes.NotFound, notFound)
	_, err = cluster.MemberPromote(ctx, &pb.MemberPromoteRequest{ID: 77})
	wantError(t, err, codes.NotFound, notFound)
	_, err = cluster.MemberUpdate(ctx, &pb.MemberUpdateRequest{ID: 77, PeerURLs: []string{"http://127.0.0.1:1"}})
	wantError(t, err, codes.NotFound, notFound)
	_, err = cluster.MemberPromote(ctx, &pb.MemberPromoteRequest{ID: self})
	wantError(t, err, codes.FailedPrecondition, "etcdserver: can only promote a learner member")
	equal(t, "members at the end", len(must(cluster.MemberList(ctx, &pb.MemberListRequest{}))(t).Members), 1)
}

func TestALearnerThatNeverStartsCanBeAddedAndRemoved(t *testing.T) {
	s := server.Start(t)
	c, ctx := s.Client(t), server.Context(t)
	added := must(c.MemberAddAsLearner(ctx, []string{"http://127.0.0.1:1"}))(t)
	equal(t, "learner", added.Member.IsLearner, true)
	equal(t, "name of one that has not started", added.Member.Name, "")
	equal(t, "members in the answer", len(added.Members), 2)
	_, err := c.MemberAddAsLearner(ctx, []string{"http://127.0.0.1:2"})
	wantError(t, clientError(err), codes.FailedPrecondition, "etcdserver: too many learner members in cluster")
	_, err = c.MemberPromote(ctx, added.Member.ID)
	wantError(t, clientError(err), codes.FailedPrecondition, "etcdserver: can only promote a learner member which is in sync with leader")
	put(t, c, "a", "1")
	removed := must(c.MemberRemove(ctx, added.Member.ID))(t)
	equal(t, "members after the removal", len(removed.Members), 1)
	_, err = c.MemberRemove(ctx, added.Member.ID)
	wantError(t, clientError(err), codes.NotFound, "etcdserver: member not found")
	put(t, c, "a", "2")
}

func TestAlarmsAndDefragmentation(t *testing.T) {
	s := server.Start(t)
	c, ctx := s.Client(t), server.Context(t)
	for i := range 20 {
		put(t, c, fmt.Sprint("key", i%5), strings.Repeat("v", 1000))
	}
	equal(t, "alarms", len(must(c.AlarmList(ctx))(t).Alarms), 0)
	defragmented := must(c.Defragment(ctx, s.Endpoint))(t)
	if defragmented.Header != nil {
		t.Errorf("the answer to Defragment has the header %v", defragmented.Header)
	}
	equal(t, "keys after it", must(c.Get(ctx, "key", clientv3.WithPrefix()))(t).Count, 5)
}

func TestTheHashOfARevisionStays(t *testing.T) {
	s := server.Start(t)
	c, ctx := s.Client(t), server.Context(t)
	for i := range 20 {
		put(t, c, fmt.Sprint("key", i%5), strings.Repeat("v", 1000))
	}
	maintenance := pb.NewMaintenanceClient(s.Connection(t))
	now := must(maintenance.HashKV(ctx, &pb.HashKVRequest{}))(t)
	equal(t, "hash revision", now.HashRevision, 21)
	equal(t, "compact revision", now.CompactRevision, -1)
	same := must(maintenance.HashKV(ctx, &pb.HashKVRequest{Revision: 21}))(t)
	equal(t, "hash of the same revision", same.Hash, now.Hash)
	earlier := must(maintenance.HashKV(ctx, &pb.HashKVRequest{Revision: 20}))(t)
	put(t, c, "key", "1")
	equal(t, "hash of the past", must(maintenance.HashKV(ctx, &pb.HashKVRequest{Revision: 20}))(t).Hash, earlier.Hash)
	if earlier.Hash == now.Hash {
		t.Errorf("revisions 20 and 21 have the same hash %d", now.Hash)
	}
}

func TestTheOnlyMemberKeepsTheLeadership(t *testing.T) {
	s := server.Shared(t)
	ctx := server.Context(t)
	maintenance := pb.NewMaintenanceClient(s.Connection(t))
	leader := must(maintenance.Status(ctx, &pb.StatusRequest{}))(t).Leader
	moved := must(maintenance.MoveLeader(ctx, &pb.MoveLeaderRequest{TargetID: leader}))(t)
	equal(t, "header", moved.Header == nil, true)
	_, err := maintenance.MoveLeader(ctx, &pb.MoveLeaderRequest{TargetID: leader + 1})
	wantError(t, err, codes.FailedPrecondition, "etcdserver: bad leader transferee")
	equal(t, "leader", must(maintenance.Status(ctx, &pb.StatusRequest{}))(t).Leader, leader)
}

func TestADowngradeIsJudged(t *testing.T) {
	s := server.Start(t)
	ctx := server.Context(t)
	maintenance := pb.NewMaintenanceClient(s.Connection(t))
	cancelled := must(maintenance.Downgrade(ctx, &pb.DowngradeRequest{Action: pb.DowngradeRequest_CANCEL}))(t)
	equal(t, "version after cancelling no downgrade", cancelled.Version, "3.7")
	validated := must(maintenance.Downgrade(ctx, &pb.DowngradeRequest{Action: pb.DowngradeRequest_VALIDATE, Version: "3.6.0"}))(t)
	equal(t, "version of a possible downgrade", validated.Version, "3.7")
}

func TestTheHealthServiceKnowsTheServerAsAWhole(t *testing.T) {
	s := server.Shared(t)
	ctx := server.Context(t)
	health := grpc_health_v1.NewHealthClient(s.Connection(t))
	got := must(health.Check(ctx, &grpc_health_v1.HealthCheckRequest{}))(t)
	equal(t, "status", got.Status, grpc_health_v1.HealthCheckResponse_SERVING)
	_, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "etcdserverpb.KV"})
	equal(t, "unknown service", status.Code(err), codes.NotFound)
	watch := must(health.Watch(ctx, &grpc_health_v1.HealthCheckRequest{}))(t)
	equal(t, "first status of a watch", must(watch.Recv())(t).Status, grpc_health_v1.HealthCheckResponse_SERVING)
}

func TestASnapshotIsAStreamWithAChecksumAtItsEnd(t *testing.T) {
	s := server.Shared(t)
	put(t, s.Client(t), t.Name(), "1")
	stream := must(pb.NewMaintenanceClient(s.Connection(t)).Snapshot(server.Context(t), &pb.SnapshotRequest{}))(t)
	size, last := 0, []byte{}
	for {
		message, err := stream.Recv()
		if err != nil {
			equal(t, "end", err.Error(), "EOF")
			break
		}
		equal(t, "version", message.Version, "3.7.0")
		if len(message.Blob) > 0 {
			last = message.Blob
		}
		size += len(message.Blob)
	}
	equal(t, "length of the checksum", len(last), 32)
	equal(t, "size modulo a sector", size%512, 32)
	if size < 512 {
		t.Errorf("only %d bytes", size)
	}
}
