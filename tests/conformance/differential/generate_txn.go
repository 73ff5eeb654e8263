package differential

import (
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

const txnOpsMax = 128 // etcd's default

func putOp(p *pb.PutRequest) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: p}}
}

func rangeOp(r *pb.RangeRequest) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: r}}
}

func deleteOp(d *pb.DeleteRangeRequest) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: d}}
}

func txnOp(t *pb.TxnRequest) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: t}}
}

func then(ops ...*pb.RequestOp) *pb.TxnRequest { return &pb.TxnRequest{Success: ops} }

func putOf(key, value string) *pb.PutRequest {
	return &pb.PutRequest{Key: []byte(key), Value: []byte(value)}
}

func deleteOf(key, end string) *pb.DeleteRangeRequest {
	return &pb.DeleteRangeRequest{Key: []byte(key), RangeEnd: []byte(end)}
}

// txn is a transaction of any shape: nested, with bad operations in the branch that is taken or in the other, with many
// operations, with puts and deletes that overlap.
func (g *generator) txn(depth int) *pb.TxnRequest {
	t := &pb.TxnRequest{}
	for range pick(g, 0, 0, 1, 1, 2, 3) {
		t.Compare = append(t.Compare, g.compare())
	}
	for _, branch := range []*[]*pb.RequestOp{&t.Success, &t.Failure} {
		for range pick(g, 0, 1, 1, 2, 3, 5) {
			*branch = append(*branch, g.op(depth))
		}
	}
	if depth == 0 && g.chance(40) {
		t.Success = nil
		for i := range txnOpsMax - 3 + g.random.IntN(6) {
			t.Success = append(t.Success, putOp(putOf(fmt.Sprintf("many/%03d", i), "")))
		}
	}
	return t
}

func (g *generator) op(depth int) *pb.RequestOp {
	switch choice := g.random.IntN(20); {
	case choice < 8:
		return putOp(g.put())
	case choice < 12:
		return deleteOp(g.deleteRange())
	case choice < 16:
		r := g.rangeRequest()
		if !g.chance(4) {
			r.Revision = 0 // a bad revision fails the whole transaction: not too often
		}
		return rangeOp(r)
	case choice < 19 && depth < 3:
		return txnOp(g.txn(depth + 1))
	case g.chance(6):
		return &pb.RequestOp{}
	}
	return putOp(g.put())
}

func (g *generator) compare() *pb.Compare {
	c := &pb.Compare{
		Key:    g.key(),
		Result: pb.Compare_CompareResult(g.random.IntN(4)),
		Target: pb.Compare_CompareTarget(g.random.IntN(5)),
	}
	if g.chance(4) {
		c.RangeEnd = g.rangeEnd(c.Key)
	}
	union := c.Target
	switch g.random.IntN(10) {
	case 0:
		return c // nothing to compare with
	case 1:
		union = pb.Compare_CompareTarget(g.random.IntN(5)) // perhaps another one than the target says
	}
	switch union {
	case pb.Compare_VERSION:
		c.TargetUnion = &pb.Compare_Version{Version: g.random.Int64N(4)}
	case pb.Compare_CREATE:
		c.TargetUnion = &pb.Compare_CreateRevision{CreateRevision: pick(g, 0, g.near())}
	case pb.Compare_MOD:
		c.TargetUnion = &pb.Compare_ModRevision{ModRevision: pick(g, 0, g.near())}
	case pb.Compare_VALUE:
		c.TargetUnion = &pb.Compare_Value{Value: g.value()}
	case pb.Compare_LEASE:
		c.TargetUnion = &pb.Compare_Lease{Lease: pick(g, 0, g.leaseID())}
	}
	return c
}

// deletesFromKey says whether a delete without an end is in the transaction. etcd does not see what it overlaps: a put of
// what it has deleted passes, and etcd's process ends, at once or behind a compaction (difference 7).
func deletesFromKey(t *pb.TxnRequest) bool {
	for _, op := range allOps(t) {
		if string(op.GetRequestDeleteRange().GetRangeEnd()) == "\x00" || deletesFromKey(op.GetRequestTxn()) {
			return true
		}
	}
	return false
}

func puts(t *pb.TxnRequest) bool {
	for _, op := range allOps(t) {
		if op.GetRequestPut() != nil || puts(op.GetRequestTxn()) {
			return true
		}
	}
	return false
}

// giveEnds gives such deletes an end, so that etcd sees what they overlap.
func giveEnds(t *pb.TxnRequest) {
	for _, op := range allOps(t) {
		if remove := op.GetRequestDeleteRange(); string(remove.GetRangeEnd()) == "\x00" {
			remove.RangeEnd = []byte("\xff\xff\xff")
		}
		giveEnds(op.GetRequestTxn())
	}
}

func allOps(t *pb.TxnRequest) []*pb.RequestOp {
	return append(append([]*pb.RequestOp{}, t.GetSuccess()...), t.GetFailure()...)
}
