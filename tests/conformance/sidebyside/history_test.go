package sidebyside

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"regent/tests/conformance/server"
)

// writer applies one random history to any number of servers and insists that they agree on the revisions.
type writer struct {
	random      *rand.Rand
	connections []*grpc.ClientConn
	revision    int64
	compacted   int64
	leases      int64 // granted so far; their ids are 1 to leases
}

func newWriter(t *testing.T, seed uint64, servers ...*server.Server) *writer {
	t.Helper()
	w := &writer{random: rand.New(rand.NewPCG(seed, 1)), revision: 1}
	for _, s := range servers {
		w.connections = append(w.connections, s.Connection(t))
	}
	return w
}

// everywhere runs one request on every server. They have to agree on its error and on the revision it leaves.
func (w *writer) everywhere(t *testing.T, what string, call func(*grpc.ClientConn) (*pb.ResponseHeader, error)) {
	t.Helper()
	first, failed := int64(0), ""
	for i, connection := range w.connections {
		header, err := call(connection)
		text := fmt.Sprint(err)
		if i > 0 && (header.GetRevision() != first || text != failed) {
			t.Fatalf("%s: revision %d (%s) on one, %d (%s) on the other", what, first, failed, header.GetRevision(), text)
		}
		first, failed = header.GetRevision(), text
	}
	if failed == fmt.Sprint(error(nil)) && first > 0 {
		w.revision = first
	}
}

func (w *writer) key() string {
	return []string{"a", "b", "a\x00", "a\x00b", "ab", "b\xff", "key", "key/1", "key/2", "z"}[w.random.IntN(10)]
}

func (w *writer) putRequest() *pb.PutRequest {
	put := &pb.PutRequest{Key: []byte(w.key()), Value: []byte(strings.Repeat("v", w.random.IntN(40)))}
	if w.leases > 0 && w.random.IntN(3) == 0 {
		put.Lease = 1 + w.random.Int64N(w.leases)
	}
	return put
}

func (w *writer) deleteRequest() *pb.DeleteRangeRequest {
	request := &pb.DeleteRangeRequest{Key: []byte(w.key())}
	switch w.random.IntN(12) {
	case 0:
		request.RangeEnd = []byte{0}
	case 1, 2, 3:
		request.RangeEnd = []byte(w.key())
	}
	return request
}

func (w *writer) txnRequest(depth int) *pb.TxnRequest {
	txn := &pb.TxnRequest{}
	if w.random.IntN(2) == 0 {
		txn.Compare = []*pb.Compare{{Key: []byte(w.key()), Target: pb.Compare_VERSION, Result: pb.Compare_GREATER,
			TargetUnion: &pb.Compare_Version{Version: w.random.Int64N(4)}}}
	}
	for _, branch := range []*[]*pb.RequestOp{&txn.Success, &txn.Failure} {
		for range w.random.IntN(5) {
			var op *pb.RequestOp
			switch choice := w.random.IntN(8); {
			case choice < 4:
				op = &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: w.putRequest()}}
			case choice < 6:
				op = &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: w.deleteRequest()}}
			case choice < 7 || depth > 1:
				op = &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte(w.key())}}}
			default:
				op = &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: w.txnRequest(depth + 1)}}
			}
			*branch = append(*branch, op)
		}
	}
	return txn
}

// step makes one change, or an attempt at one: requests that both servers refuse are part of a history.
func (w *writer) step(t *testing.T) {
	t.Helper()
	ctx := server.Context(t)
	switch choice := w.random.IntN(40); {
	case choice < 18:
		put := w.putRequest()
		w.everywhere(t, fmt.Sprint(put), func(c *grpc.ClientConn) (*pb.ResponseHeader, error) {
			answer, err := pb.NewKVClient(c).Put(ctx, put)
			return answer.GetHeader(), err
		})
	case choice < 25:
		remove := w.deleteRequest()
		w.everywhere(t, fmt.Sprint(remove), func(c *grpc.ClientConn) (*pb.ResponseHeader, error) {
			answer, err := pb.NewKVClient(c).DeleteRange(ctx, remove)
			return answer.GetHeader(), err
		})
	case choice < 35:
		txn := w.txnRequest(0)
		w.everywhere(t, fmt.Sprint(txn), func(c *grpc.ClientConn) (*pb.ResponseHeader, error) {
			answer, err := pb.NewKVClient(c).Txn(ctx, txn)
			return answer.GetHeader(), err
		})
	case choice < 37:
		w.leases++
		w.everywhere(t, "grant", func(c *grpc.ClientConn) (*pb.ResponseHeader, error) {
			answer, err := pb.NewLeaseClient(c).LeaseGrant(ctx, &pb.LeaseGrantRequest{ID: w.leases, TTL: 3600})
			return answer.GetHeader(), err
		})
	case choice < 39:
		id := 1 + w.random.Int64N(w.leases+1)
		w.everywhere(t, "revoke", func(c *grpc.ClientConn) (*pb.ResponseHeader, error) {
			answer, err := pb.NewLeaseClient(c).LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: id})
			return answer.GetHeader(), err
		})
	default:
		w.compact(t, max(w.compacted+1, w.revision-w.random.Int64N(12)))
	}
}

// compact waits until the data is gone, on both.
func (w *writer) compact(t *testing.T, revision int64) {
	t.Helper()
	if revision > w.revision {
		return
	}
	w.everywhere(t, "compact", func(c *grpc.ClientConn) (*pb.ResponseHeader, error) {
		answer, err := pb.NewKVClient(c).Compact(server.Context(t), &pb.CompactionRequest{Revision: revision, Physical: true})
		return answer.GetHeader(), err
	})
	w.compacted = revision
}
