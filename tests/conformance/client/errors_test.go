package client

import (
	"context"
	"fmt"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

// failure is a call and the error that it must end with, code and text as on the wire.
type failure struct {
	name string
	code codes.Code
	text string
	call func(ctx context.Context, connection *grpc.ClientConn) error
}

func ranges(request *pb.RangeRequest) func(context.Context, *grpc.ClientConn) error {
	return func(ctx context.Context, connection *grpc.ClientConn) error {
		_, err := pb.NewKVClient(connection).Range(ctx, request)
		return err
	}
}

func puts(request *pb.PutRequest) func(context.Context, *grpc.ClientConn) error {
	return func(ctx context.Context, connection *grpc.ClientConn) error {
		_, err := pb.NewKVClient(connection).Put(ctx, request)
		return err
	}
}

func deletes(request *pb.DeleteRangeRequest) func(context.Context, *grpc.ClientConn) error {
	return func(ctx context.Context, connection *grpc.ClientConn) error {
		_, err := pb.NewKVClient(connection).DeleteRange(ctx, request)
		return err
	}
}

func transacts(request *pb.TxnRequest) func(context.Context, *grpc.ClientConn) error {
	return func(ctx context.Context, connection *grpc.ClientConn) error {
		_, err := pb.NewKVClient(connection).Txn(ctx, request)
		return err
	}
}

func compacts(revision int64) func(context.Context, *grpc.ClientConn) error {
	return func(ctx context.Context, connection *grpc.ClientConn) error {
		_, err := pb.NewKVClient(connection).Compact(ctx, &pb.CompactionRequest{Revision: revision})
		return err
	}
}

func grants(request *pb.LeaseGrantRequest) func(context.Context, *grpc.ClientConn) error {
	return func(ctx context.Context, connection *grpc.ClientConn) error {
		_, err := pb.NewLeaseClient(connection).LeaseGrant(ctx, request)
		return err
	}
}

func revokes(id int64) func(context.Context, *grpc.ClientConn) error {
	return func(ctx context.Context, connection *grpc.ClientConn) error {
		_, err := pb.NewLeaseClient(connection).LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: id})
		return err
	}
}

func manyOps(count int) []*pb.RequestOp {
	var ops []*pb.RequestOp
	for i := range count {
		ops = append(ops, putOp(fmt.Sprint("many", i), ""))
	}
	return ops
}

func manyCompares(count int) []*pb.Compare {
	var compares []*pb.Compare
	for range count {
		compares = append(compares, &pb.Compare{Key: []byte("a")})
	}
	return compares
}

func then(ops ...*pb.RequestOp) *pb.TxnRequest { return &pb.TxnRequest{Success: ops} }

const (
	emptyKey      = "etcdserver: key is not provided"
	keyNotFound   = "etcdserver: key not found"
	duplicateKey  = "etcdserver: duplicate key given in txn request"
	tooManyOps    = "etcdserver: too many operations in txn request"
	badSort       = "etcdserver: invalid sort option"
	compacted     = "etcdserver: mvcc: required revision has been compacted"
	futureRev     = "etcdserver: mvcc: required revision is a future revision"
	leaseNotFound = "etcdserver: requested lease not found"
	tooLarge      = "etcdserver: request is too large"
)

// keyValueFailures are answered by a store whose keys a and c exist, that is compacted at 5 and has not reached 1000.
var keyValueFailures = []failure{
	{"range without a key", codes.InvalidArgument, emptyKey, ranges(&pb.RangeRequest{})},
	{"range without a key but with an end", codes.InvalidArgument, emptyKey, ranges(&pb.RangeRequest{RangeEnd: []byte("z")})},
	{"unknown sort order", codes.InvalidArgument, badSort, ranges(&pb.RangeRequest{Key: []byte("a"), SortOrder: 9})},
	{"unknown sort target", codes.InvalidArgument, badSort, ranges(&pb.RangeRequest{Key: []byte("a"), SortTarget: 9})},
	{"range below the compaction", codes.OutOfRange, compacted, ranges(&pb.RangeRequest{Key: []byte("a"), Revision: 4})},
	{"range in the future", codes.OutOfRange, futureRev, ranges(&pb.RangeRequest{Key: []byte("a"), Revision: 1000})},
	{"serializable range in the future", codes.OutOfRange, futureRev,
		ranges(&pb.RangeRequest{Key: []byte("a"), Revision: 1000, Serializable: true})},
	{"compaction below the compaction", codes.OutOfRange, compacted, compacts(4)},
	{"compaction at the compaction", codes.OutOfRange, compacted, compacts(5)},
	{"compaction in the future", codes.OutOfRange, futureRev, compacts(1000)},
	{"put without a key", codes.InvalidArgument, emptyKey, puts(&pb.PutRequest{Value: []byte("1")})},
	{"ignored value with a value", codes.InvalidArgument, "etcdserver: value is provided",
		puts(&pb.PutRequest{Key: []byte("a"), Value: []byte("1"), IgnoreValue: true})},
	{"ignored lease with a lease", codes.InvalidArgument, "etcdserver: lease is provided",
		puts(&pb.PutRequest{Key: []byte("a"), Lease: 1, IgnoreLease: true})},
	{"ignored value of a missing key", codes.InvalidArgument, keyNotFound, puts(&pb.PutRequest{Key: []byte("x"), IgnoreValue: true})},
	{"ignored lease of a missing key", codes.InvalidArgument, keyNotFound, puts(&pb.PutRequest{Key: []byte("x"), IgnoreLease: true})},
	{"put with an unknown lease", codes.NotFound, leaseNotFound, puts(&pb.PutRequest{Key: []byte("a"), Lease: 77})},
	{"delete without a key", codes.InvalidArgument, emptyKey, deletes(&pb.DeleteRangeRequest{})},
	{"request too large", codes.InvalidArgument, tooLarge,
		puts(&pb.PutRequest{Key: []byte("a"), Value: []byte(strings.Repeat("v", 1572864))})},
	{"transaction too large", codes.InvalidArgument, tooLarge,
		transacts(then(putOp("x", strings.Repeat("v", 900000)), putOp("y", strings.Repeat("v", 900000))))},
}

var transactionFailures = []failure{
	{"129 operations", codes.InvalidArgument, tooManyOps, transacts(then(manyOps(129)...))},
	{"129 operations otherwise", codes.InvalidArgument, tooManyOps, transacts(&pb.TxnRequest{Failure: manyOps(129)})},
	{"129 compares", codes.InvalidArgument, tooManyOps, transacts(&pb.TxnRequest{Compare: manyCompares(129)})},
	{"129 operations, nested", codes.InvalidArgument, tooManyOps,
		transacts(then(putOp("x", ""), txnOp(then(manyOps(128)...))))},
	{"compare without a key", codes.InvalidArgument, emptyKey, transacts(&pb.TxnRequest{Compare: []*pb.Compare{{}}})},
	{"operation without a request", codes.InvalidArgument, keyNotFound, transacts(then(&pb.RequestOp{}))},
	{"put without a key inside", codes.InvalidArgument, emptyKey, transacts(then(putOp("", "1")))},
	{"range without a key inside", codes.InvalidArgument, emptyKey, transacts(then(rangeOp(&pb.RangeRequest{})))},
	{"delete without a key inside", codes.InvalidArgument, emptyKey, transacts(then(deleteOp("", "")))},
	{"nested put without a key", codes.InvalidArgument, emptyKey, transacts(then(txnOp(then(putOp("", "1")))))},
	{"bad sort inside", codes.InvalidArgument, badSort,
		transacts(then(rangeOp(&pb.RangeRequest{Key: []byte("a"), SortOrder: 9})))},
	{"two puts of one key", codes.InvalidArgument, duplicateKey, transacts(then(putOp("a", "1"), putOp("a", "2")))},
	{"put and delete of one key", codes.InvalidArgument, duplicateKey, transacts(then(putOp("a", "1"), deleteOp("a", "")))},
	{"delete and put of one key", codes.InvalidArgument, duplicateKey, transacts(then(deleteOp("a", ""), putOp("a", "1")))},
	{"put inside a deleted range", codes.InvalidArgument, duplicateKey, transacts(then(deleteOp("a", "c"), putOp("b", "1")))},
	{"two puts, one nested", codes.InvalidArgument, duplicateKey, transacts(then(putOp("a", "1"), txnOp(then(putOp("a", "2")))))},
	{"nested put in a deleted range", codes.InvalidArgument, duplicateKey,
		transacts(then(deleteOp("a", "c"), txnOp(&pb.TxnRequest{Failure: []*pb.RequestOp{putOp("b", "2")}})))},
	{"two puts in the branch not taken", codes.InvalidArgument, duplicateKey,
		transacts(&pb.TxnRequest{Failure: []*pb.RequestOp{putOp("a", "1"), putOp("a", "2")}})},
	{"unknown lease inside", codes.NotFound, leaseNotFound, transacts(then(putOp("x", "1"), &pb.RequestOp{
		Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte("a"), Lease: 77}}}))},
	{"ignored value of a missing key inside", codes.InvalidArgument, keyNotFound, transacts(then(putOp("y", "1"), &pb.RequestOp{
		Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte("x"), IgnoreValue: true}}}))},
	{"range in the future inside", codes.OutOfRange, futureRev,
		transacts(then(putOp("x", "1"), rangeOp(&pb.RangeRequest{Key: []byte("a"), Revision: 1000})))},
	{"range below the compaction inside", codes.OutOfRange, compacted,
		transacts(then(putOp("x", "1"), rangeOp(&pb.RangeRequest{Key: []byte("a"), Revision: 4})))},
	{"read-only range in the future", codes.OutOfRange, futureRev,
		transacts(then(rangeOp(&pb.RangeRequest{Key: []byte("a"), Revision: 1000})))},
	{"nested range in the future", codes.OutOfRange, futureRev,
		transacts(then(putOp("x", "1"), txnOp(then(rangeOp(&pb.RangeRequest{Key: []byte("a"), Revision: 1000})))))},
}

var otherFailures = []failure{
	{"grant of a taken id", codes.FailedPrecondition, "etcdserver: lease already exists", grants(&pb.LeaseGrantRequest{ID: 42, TTL: 60})},
	{"grant for too long", codes.OutOfRange, "etcdserver: too large lease TTL", grants(&pb.LeaseGrantRequest{TTL: 9000000001})},
	{"revoke of an unknown lease", codes.NotFound, leaseNotFound, revokes(77)},
	{"hash in the future", codes.OutOfRange, futureRev, hashes(1000)},
	{"hash below the compaction", codes.OutOfRange, compacted, hashes(4)},
	{"leadership to nobody", codes.FailedPrecondition, "etcdserver: bad leader transferee",
		func(ctx context.Context, connection *grpc.ClientConn) error {
			_, err := pb.NewMaintenanceClient(connection).MoveLeader(ctx, &pb.MoveLeaderRequest{TargetID: 77})
			return err
		}},
	{"downgrade to no version", codes.InvalidArgument, "etcdserver: wrong downgrade target version format",
		downgrades(pb.DowngradeRequest_VALIDATE, "x")},
	{"downgrade too far", codes.InvalidArgument, "etcdserver: invalid downgrade target version",
		downgrades(pb.DowngradeRequest_VALIDATE, "3.4.0")},
	{"login without authentication", codes.FailedPrecondition, "etcdserver: authentication is not enabled",
		func(ctx context.Context, connection *grpc.ClientConn) error {
			_, err := pb.NewAuthClient(connection).Authenticate(ctx, &pb.AuthenticateRequest{Name: "root", Password: "x"})
			return err
		}},
	{"unknown method", codes.Unimplemented, "unknown method Nothing for service etcdserverpb.KV",
		func(ctx context.Context, connection *grpc.ClientConn) error {
			return connection.Invoke(ctx, "/etcdserverpb.KV/Nothing", &pb.RangeRequest{}, &pb.RangeResponse{})
		}},
}

func hashes(revision int64) func(context.Context, *grpc.ClientConn) error {
	return func(ctx context.Context, connection *grpc.ClientConn) error {
		_, err := pb.NewMaintenanceClient(connection).HashKV(ctx, &pb.HashKVRequest{Revision: revision})
		return err
	}
}

func downgrades(action pb.DowngradeRequest_DowngradeAction, version string) func(context.Context, *grpc.ClientConn) error {
	return func(ctx context.Context, connection *grpc.ClientConn) error {
		_, err := pb.NewMaintenanceClient(connection).Downgrade(ctx, &pb.DowngradeRequest{Action: action, Version: version})
		return err
	}
}

func TestErrorsHaveEtcdsCodesAndTexts(t *testing.T) {
	s := server.Start(t)
	c, ctx := s.Client(t), server.Context(t)
	for _, key := range []string{"a", "c", "a", "a", "a"} {
		put(t, c, key, "1")
	}
	must(c.Compact(ctx, 5))(t)
	counters.Add("compactions", 1)
	must(pb.NewLeaseClient(s.Connection(t)).LeaseGrant(ctx, &pb.LeaseGrantRequest{ID: 42, TTL: 600}))(t)
	connection := s.Connection(t)
	before := must(c.Get(ctx, "", withEverything()...))(t)
	for service, failures := range map[string][]failure{
		"key value": keyValueFailures, "transaction": transactionFailures, "other": otherFailures} {
		for _, row := range failures {
			t.Run(service+"/"+row.name, func(t *testing.T) {
				wantError(t, row.call(server.Context(t), connection), row.code, row.text)
			})
		}
	}
	after := must(c.Get(ctx, "", withEverything()...))(t)
	equal(t, "revision after all the errors", after.Header.Revision, before.Header.Revision)
	equal(t, "keys after all the errors", strings.Join(keys(after), " "), strings.Join(keys(before), " "))
}
