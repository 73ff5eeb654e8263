package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"regent/tests/conformance/server"
)

func withEverything() []clientv3.OpOption { return []clientv3.OpOption{clientv3.WithFromKey()} }

func TestAMessageAboveTheLimitOfGrpcIsResourceExhausted(t *testing.T) {
	s := server.Shared(t)
	for _, size := range []int{2097152, 5 << 20} {
		request := &pb.PutRequest{Key: []byte(t.Name()), Value: make([]byte, size)}
		_, err := kv(t, s).Put(server.Context(t), request, grpc.MaxCallSendMsgSize(1<<30))
		got := status.Convert(err)
		text := regexp.MustCompile(`(?i)received message larger than max \(\d+ vs\. 2097152\)`)
		if got.Code() != codes.ResourceExhausted || !text.MatchString(got.Message()) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	must(kv(t, s).Put(server.Context(t), &pb.PutRequest{Key: []byte(t.Name()), Value: make([]byte, 1500000)}))(t)
}

func TestTheRequestLimitIsAnOption(t *testing.T) {
	s := server.Start(t, "--max-request-bytes=10000", "--max-txn-ops=3")
	ctx := server.Context(t)
	must(kv(t, s).Put(ctx, &pb.PutRequest{Key: []byte("a"), Value: make([]byte, 9000)}))(t)
	_, err := kv(t, s).Put(ctx, &pb.PutRequest{Key: []byte("a"), Value: make([]byte, 10000)})
	wantError(t, err, codes.InvalidArgument, tooLarge)
	_, err = kv(t, s).Put(ctx, &pb.PutRequest{Key: []byte("a"), Value: make([]byte, 600000)})
	equal(t, "above the overhead", status.Code(err), codes.ResourceExhausted)
	must(kv(t, s).Txn(ctx, then(manyOps(3)...)))(t)
	_, err = kv(t, s).Txn(ctx, then(manyOps(4)...))
	wantError(t, err, codes.InvalidArgument, tooManyOps)
}

func TestAFullStoreRefusesWritesUntilItIsFreed(t *testing.T) {
	s := server.Start(t, "--quota-backend-bytes=8388608")
	c, ctx := s.Client(t), server.Context(t)
	const noSpace = "etcdserver: mvcc: database space exceeded"
	revision, err := int64(0), error(nil)
	for i := range 100 {
		var response *pb.PutResponse
		response, err = kv(t, s).Put(ctx, &pb.PutRequest{Key: []byte("big"), Value: []byte(strings.Repeat("v", 1000000))})
		if err != nil {
			break
		}
		revision = response.Header.Revision
		if i == 99 {
			t.Fatal("100 MB were accepted with a quota of 8 MiB")
		}
	}
	wantError(t, err, codes.ResourceExhausted, noSpace)
	alarms := must(c.AlarmList(ctx))(t).Alarms
	if len(alarms) != 1 || alarms[0].Alarm != pb.AlarmType_NOSPACE {
		t.Fatalf("alarms: %v", alarms)
	}
	errors := strings.Join(must(c.Status(ctx, s.Endpoint))(t).Errors, "; ")
	if !strings.Contains(errors, "alarm:NOSPACE") {
		t.Errorf("errors in Status: %q", errors)
	}
	_, err = kv(t, s).Txn(ctx, then(putOp("small", "1")))
	wantError(t, err, codes.ResourceExhausted, noSpace)
	_, err = pb.NewLeaseClient(s.Connection(t)).LeaseGrant(ctx, &pb.LeaseGrantRequest{TTL: 60})
	wantError(t, err, codes.ResourceExhausted, noSpace)

	must(c.Get(ctx, "big"))(t)
	deleted := must(c.Txn(ctx).Then(clientv3.OpDelete("big")).Commit())(t).Header.Revision
	if deleted <= revision {
		t.Errorf("a delete without space gave revision %d after %d", deleted, revision)
	}
	must(c.Compact(ctx, deleted, clientv3.WithCompactPhysical()))(t)
	must(c.Defragment(ctx, s.Endpoint))(t)
	_, err = kv(t, s).Put(ctx, &pb.PutRequest{Key: []byte("small")})
	wantError(t, err, codes.ResourceExhausted, noSpace)
	must(c.AlarmDisarm(ctx, (*clientv3.AlarmMember)(alarms[0])))(t)
	put(t, c, "small", "1")
	equal(t, "alarms at the end", len(must(c.AlarmList(ctx))(t).Alarms), 0)
}

// Fills the store until it refuses; returns the revision of the last put that was taken.
func fill(t *testing.T, s *server.Server) int64 {
	t.Helper()
	revision := int64(0)
	for range 200 {
		response, err := kv(t, s).Put(server.Context(t), &pb.PutRequest{Key: []byte("big"), Value: make([]byte, 200000)})
		if err != nil {
			wantError(t, err, codes.ResourceExhausted, "etcdserver: mvcc: database space exceeded")
			return revision
		}
		revision = response.Header.Revision
	}
	t.Fatal("40 MB were accepted")
	return 0
}

func health(t *testing.T, s *server.Server, query string) (int, string) {
	t.Helper()
	response := must(http.Get(s.Metrics + "/health" + query))(t)
	defer response.Body.Close()
	return response.StatusCode, strings.TrimSpace(string(must(io.ReadAll(response.Body))(t)))
}

func TestTheAlarmOfAFullStoreOutlivesARestart(t *testing.T) {
	s := server.Start(t, "--quota-backend-bytes=4194304")
	fill(t, s)
	for _, life := range []string{"before", "after"} {
		t.Run(life, func(t *testing.T) {
			c, ctx := s.Client(t), server.Context(t)
			equal(t, "alarms", len(must(c.AlarmList(ctx))(t).Alarms), 1)
			equal(t, "quota in Status", must(c.Status(ctx, s.Endpoint))(t).DbSizeQuota, 4194304)
			code, body := health(t, s, "")
			equal(t, "health", code, 503)
			equal(t, "its reason", body, `{"health":"false","reason":"ALARM NOSPACE"}`)
			code, _ = health(t, s, "?exclude=NOSPACE")
			equal(t, "health without the alarm", code, 200)
			_, err := kv(t, s).Put(ctx, &pb.PutRequest{Key: []byte("small")})
			wantError(t, err, codes.ResourceExhausted, "etcdserver: mvcc: database space exceeded")
			must(c.Get(ctx, "big"))(t)
			must(c.Delete(ctx, "big"))(t)
		})
		if life == "before" {
			s.Stop()
			s.Restart(t)
		}
	}
	c, ctx := s.Client(t), server.Context(t)
	must(c.Compact(ctx, must(c.Delete(ctx, "nothing"))(t).Header.Revision, clientv3.WithCompactPhysical()))(t)
	must(c.Defragment(ctx, s.Endpoint))(t)
	must(c.AlarmDisarm(ctx, &clientv3.AlarmMember{}))(t)
	put(t, c, "small", "1")
	code, body := health(t, s, "")
	equal(t, "health at the end", body, `{"health":"true","reason":""}`)
	equal(t, "its code", code, 200)
}

func TestANegativeQuotaIsNone(t *testing.T) {
	s := server.Start(t, "--quota-backend-bytes=-1")
	c := s.Client(t)
	put(t, c, "a", "1")
	equal(t, "quota in Status", must(c.Status(server.Context(t), s.Endpoint))(t).DbSizeQuota, -1)
}

func TestHistoryIsCompactedByTime(t *testing.T) {
	s := server.Start(t, "--auto-compaction-mode=periodic", "--auto-compaction-retention=2s")
	c := s.Client(t)
	first := put(t, c, "a", "1")
	started := time.Now()
	for i := 0; ; i++ {
		put(t, c, "a", fmt.Sprint(i))
		_, err := c.Get(server.Context(t), "a", clientv3.WithRev(first))
		if err != nil {
			equal(t, "error", err.Error(), "etcdserver: mvcc: required revision has been compacted")
			break
		}
		if time.Since(started) > 15*time.Second {
			t.Fatal("nothing was compacted")
		}
		time.Sleep(100 * time.Millisecond)
	}
	// What was written in the last two seconds is there.
	last := put(t, c, "a", "last")
	put(t, c, "a", "after")
	time.Sleep(time.Second)
	must(c.Get(server.Context(t), "a", clientv3.WithRev(last)))(t)
}

func TestACorruptAlarmStopsEverythingButReads(t *testing.T) {
	s := server.Start(t)
	c, ctx := s.Client(t), server.Context(t)
	const corrupt = "etcdserver: corrupt cluster"
	lease := must(c.Grant(ctx, 600))(t).ID
	revision := put(t, c, "a", "1")
	member := must(c.Status(ctx, s.Endpoint))(t).Header.MemberId
	alarm := &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, MemberID: member, Alarm: pb.AlarmType_CORRUPT}
	maintenance := pb.NewMaintenanceClient(s.Connection(t))
	equal(t, "alarms raised", len(must(maintenance.Alarm(ctx, alarm))(t).Alarms), 1)
	for name, call := range map[string]func(context.Context, *grpc.ClientConn) error{
		"put":          puts(&pb.PutRequest{Key: []byte("a")}),
		"transaction":  transacts(then(putOp("a", "1"))),
		"nested reads": transacts(then(txnOp(then(rangeOp(&pb.RangeRequest{Key: []byte("a")}))))),
		"compaction":   compacts(revision),
		"grant":        grants(&pb.LeaseGrantRequest{TTL: 60}),
		"revoke":       revokes(int64(lease)),
		"delete":       deletes(&pb.DeleteRangeRequest{Key: []byte("a")}),
	} {
		t.Run(name, func(t *testing.T) { wantError(t, call(server.Context(t), s.Connection(t)), codes.DataLoss, corrupt) })
	}
	equal(t, "a read", string(must(c.Get(ctx, "a"))(t).Kvs[0].Value), "1")
	equal(t, "a transaction of reads", must(c.Txn(ctx).Then(clientv3.OpGet("a")).Commit())(t).Succeeded, true)
	equal(t, "alarms listed", len(must(c.AlarmList(ctx))(t).Alarms), 1)
	alarm.Action = pb.AlarmRequest_DEACTIVATE
	must(maintenance.Alarm(ctx, alarm))(t)
	put(t, c, "a", "1")
}

// etcd looks at the quota before it looks at the request.
func TestAFullStoreSaysSoBeforeAnythingElse(t *testing.T) {
	s := server.Start(t, "--quota-backend-bytes=4194304", "--max-txn-ops=4")
	ctx, kv := server.Context(t), kv(t, s)
	const noSpace = "etcdserver: mvcc: database space exceeded"
	value := make([]byte, 1<<20)
	full := func() error {
		for i := range 20 {
			if _, err := kv.Put(ctx, &pb.PutRequest{Key: fmt.Appendf(nil, "%d", i), Value: value}); err != nil {
				return err
			}
		}
		return nil
	}
	wantError(t, full(), codes.ResourceExhausted, noSpace)
	_, err := kv.Put(ctx, &pb.PutRequest{Value: value})
	wantError(t, err, codes.ResourceExhausted, noSpace)
	tooMany := []*pb.RequestOp{}
	for range 5 {
		tooMany = append(tooMany, putOp("a", string(value[:700_000])))
	}
	_, err = kv.Txn(ctx, &pb.TxnRequest{Success: tooMany[:2]}) // a key twice
	wantError(t, err, codes.ResourceExhausted, noSpace)
	_, err = kv.Txn(ctx, &pb.TxnRequest{Success: append(tooMany[:2:2], putOp("b", ""), putOp("c", ""), putOp("d", ""))})
	wantError(t, err, codes.ResourceExhausted, noSpace)
	_, err = kv.DeleteRange(ctx, &pb.DeleteRangeRequest{})
	wantError(t, err, codes.InvalidArgument, "etcdserver: key is not provided")
	_, err = kv.Txn(ctx, &pb.TxnRequest{Success: []*pb.RequestOp{deleteOp("", ""), deleteOp("", "")}})
	wantError(t, err, codes.InvalidArgument, "etcdserver: key is not provided")
}
