package client

import (
	"fmt"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"regent/tests/conformance/server"
)

func TestCompares(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	key, missing := t.Name()+"/a", t.Name()+"/missing"
	lease := must(c.Grant(ctx, 600))(t).ID
	created := put(t, c, key, "m")
	modified := put(t, c, key, "m", clientv3.WithLease(lease))
	for _, row := range []struct {
		name    string
		compare clientv3.Cmp
		want    bool
	}{
		{"version =", clientv3.Compare(clientv3.Version(key), "=", 2), true},
		{"version !=", clientv3.Compare(clientv3.Version(key), "!=", 2), false},
		{"version >", clientv3.Compare(clientv3.Version(key), ">", 1), true},
		{"version > equal", clientv3.Compare(clientv3.Version(key), ">", 2), false},
		{"version <", clientv3.Compare(clientv3.Version(key), "<", 3), true},
		{"create =", clientv3.Compare(clientv3.CreateRevision(key), "=", created), true},
		{"create <", clientv3.Compare(clientv3.CreateRevision(key), "<", created), false},
		{"mod =", clientv3.Compare(clientv3.ModRevision(key), "=", modified), true},
		{"mod >", clientv3.Compare(clientv3.ModRevision(key), ">", created), true},
		{"value =", clientv3.Compare(clientv3.Value(key), "=", "m"), true},
		{"value <", clientv3.Compare(clientv3.Value(key), "<", "n"), true},
		{"value < prefix", clientv3.Compare(clientv3.Value(key), "<", "m\x00"), true},
		{"value > empty", clientv3.Compare(clientv3.Value(key), ">", ""), true},
		{"value !=", clientv3.Compare(clientv3.Value(key), "!=", "m"), false},
		{"lease =", clientv3.Compare(clientv3.LeaseValue(key), "=", lease), true},
		{"lease !=", clientv3.Compare(clientv3.LeaseValue(key), "!=", 0), true},
		{"missing version =", clientv3.Compare(clientv3.Version(missing), "=", 0), true},
		{"missing version >", clientv3.Compare(clientv3.Version(missing), ">", 0), false},
		{"missing create =", clientv3.Compare(clientv3.CreateRevision(missing), "=", 0), true},
		{"missing mod <", clientv3.Compare(clientv3.ModRevision(missing), "<", 1), true},
		{"missing lease =", clientv3.Compare(clientv3.LeaseValue(missing), "=", 0), true},
		{"missing value =", clientv3.Compare(clientv3.Value(missing), "=", ""), false},
		{"missing value !=", clientv3.Compare(clientv3.Value(missing), "!=", "x"), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := must(c.Txn(ctx).If(row.compare).Commit())(t)
			equal(t, "succeeded", got.Succeeded, row.want)
		})
	}
	// A compare without its target compares with zero.
	bare := &pb.TxnRequest{Compare: []*pb.Compare{{Key: []byte(missing), Target: pb.Compare_VERSION, Result: pb.Compare_EQUAL}}}
	equal(t, "without a target", must(kv(t, s).Txn(ctx, bare))(t).Succeeded, true)
	bare.Compare[0].Key = []byte(key)
	equal(t, "without a target, existing", must(kv(t, s).Txn(ctx, bare))(t).Succeeded, false)
}

func TestComparesWithARangeHoldForEveryKey(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	prefix := t.Name() + "/"
	last := int64(0)
	for _, name := range []string{"a", "b", "c"} {
		last = put(t, c, prefix+name, name)
	}
	for _, row := range []struct {
		name    string
		compare clientv3.Cmp
		want    bool
	}{
		{"all", clientv3.Compare(clientv3.Version(prefix), "=", 1).WithPrefix(), true},
		{"one differs", clientv3.Compare(clientv3.Value(prefix), "<", "c").WithPrefix(), false},
		{"part of them", clientv3.Compare(clientv3.Value(prefix), "<", "c").WithRange(prefix + "c"), true},
		{"newest", clientv3.Compare(clientv3.ModRevision(prefix), "<", last+1).WithPrefix(), true},
		{"empty range, version", clientv3.Compare(clientv3.Version(prefix+"x"), "=", 0).WithPrefix(), true},
		{"empty range, version 1", clientv3.Compare(clientv3.Version(prefix+"x"), "=", 1).WithPrefix(), false},
		{"empty range, value", clientv3.Compare(clientv3.Value(prefix+"x"), "=", "").WithPrefix(), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			equal(t, "succeeded", must(c.Txn(ctx).If(row.compare).Commit())(t).Succeeded, row.want)
		})
	}
}

func TestATransactionSeesItsOwnChanges(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	prefix := t.Name() + "/"
	before := put(t, c, prefix+"a", "old")
	got := must(c.Txn(ctx).Then(
		clientv3.OpGet(prefix+"a"),
		clientv3.OpPut(prefix+"a", "new", clientv3.WithPrevKV()),
		clientv3.OpGet(prefix+"a"),
		clientv3.OpDelete(prefix+"b"),
		clientv3.OpPut(prefix+"c", "c"),
		clientv3.OpGet(prefix, clientv3.WithPrefix(), clientv3.WithCountOnly()),
	).Commit())(t)
	equal(t, "revision", got.Header.Revision, before+1)
	equal(t, "succeeded without compares", got.Succeeded, true)
	equal(t, "responses", len(got.Responses), 6)
	equal(t, "value before", string(got.Responses[0].GetResponseRange().Kvs[0].Value), "old")
	equal(t, "previous value", string(got.Responses[1].GetResponsePut().PrevKv.Value), "old")
	after := got.Responses[2].GetResponseRange().Kvs[0]
	equal(t, "value after", string(after.Value), "new")
	equal(t, "mod revision inside", after.ModRevision, before+1)
	equal(t, "version inside", after.Version, 2)
	equal(t, "deleted", got.Responses[3].GetResponseDeleteRange().Deleted, 0)
	equal(t, "count inside", got.Responses[5].GetResponseRange().Count, 2)
	created := must(c.Get(ctx, prefix+"c"))(t).Kvs[0]
	equal(t, "create revision", created.CreateRevision, got.Header.Revision)
}

func TestTheBranchThatIsNotTakenDoesNothing(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	prefix := t.Name() + "/"
	got := must(c.Txn(ctx).If(clientv3.Compare(clientv3.Version(prefix+"a"), ">", 0)).
		Then(clientv3.OpPut(prefix+"then", "1")).
		Else(clientv3.OpPut(prefix+"else", "1"), clientv3.OpGet(prefix+"then")).Commit())(t)
	equal(t, "succeeded", got.Succeeded, false)
	equal(t, "responses", len(got.Responses), 2)
	equal(t, "keys", names(must(c.Get(ctx, prefix, clientv3.WithPrefix()))(t)), "else")
	// A revision that does not exist fails only the branch that is taken.
	taken := must(c.Txn(ctx).If(clientv3.Compare(clientv3.Version(prefix+"a"), "=", 0)).
		Then(clientv3.OpPut(prefix+"then", "1")).
		Else(clientv3.OpGet(prefix, clientv3.WithRev(1<<40))).Commit())(t)
	equal(t, "succeeded", taken.Succeeded, true)
}

func TestNestedTransactions(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	prefix := t.Name() + "/"
	exists := func(name string) clientv3.Cmp { return clientv3.Compare(clientv3.Version(prefix+name), ">", 0) }
	inner := clientv3.OpTxn([]clientv3.Cmp{exists("a")},
		[]clientv3.Op{clientv3.OpGet(prefix + "a"), clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpPut(prefix+"deep", "1")}, nil)},
		[]clientv3.Op{clientv3.OpPut(prefix+"wrong", "1")})
	put(t, c, prefix+"a", "1")
	got := must(c.Txn(ctx).Then(clientv3.OpPut(prefix+"b", "1"), inner).Commit())(t)
	nested := got.Responses[1].GetResponseTxn()
	equal(t, "nested succeeded", nested.Succeeded, true)
	equal(t, "nested responses", len(nested.Responses), 2)
	equal(t, "value read inside", string(nested.Responses[0].GetResponseRange().Kvs[0].Value), "1")
	equal(t, "deepest succeeded", nested.Responses[1].GetResponseTxn().Succeeded, true)
	equal(t, "keys", names(must(c.Get(ctx, prefix, clientv3.WithPrefix()))(t)), "a b deep")
	deep := must(c.Get(ctx, prefix+"deep"))(t).Kvs[0]
	equal(t, "revision of the deepest put", deep.ModRevision, got.Header.Revision)

	// Whether an inner branch is taken is decided before anything is written.
	first := clientv3.OpPut(prefix+"new", "1")
	second := clientv3.OpTxn([]clientv3.Cmp{exists("new")}, []clientv3.Op{clientv3.OpPut(prefix+"seen", "1")},
		[]clientv3.Op{clientv3.OpPut(prefix+"unseen", "1")})
	got = must(c.Txn(ctx).Then(first, second).Commit())(t)
	equal(t, "an inner compare sees the outer put", got.Responses[1].GetResponseTxn().Succeeded, false)
}

func TestReadOnlyTransactions(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	revision := put(t, c, t.Name(), "1")
	empty := must(c.Txn(ctx).Commit())(t)
	equal(t, "empty transaction succeeded", empty.Succeeded, true)
	equal(t, "empty transaction revision", empty.Header.Revision, revision)
	old := must(c.Txn(ctx).Then(clientv3.OpGet(t.Name(), clientv3.WithRev(revision-1)), clientv3.OpGet(t.Name(),
		clientv3.WithSerializable())).Commit())(t)
	equal(t, "count in the past", old.Responses[0].GetResponseRange().Count, 0)
	equal(t, "count now", old.Responses[1].GetResponseRange().Count, 1)
	nested := must(c.Txn(ctx).Then(clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpGet(t.Name())}, nil)).Commit())(t)
	equal(t, "revision of a nested read", nested.Header.Revision, revision)
}

func TestOverlapsThatAreAllowed(t *testing.T) {
	s := server.Shared(t)
	ctx := server.Context(t)
	a, b, end := t.Name()+"/a", t.Name()+"/b", t.Name()+"0"
	for name, request := range map[string]*pb.TxnRequest{
		"one key in both branches": {Success: []*pb.RequestOp{putOp(a, "1")}, Failure: []*pb.RequestOp{putOp(a, "2")}},
		"two deletes of one key":   {Success: []*pb.RequestOp{deleteOp(a, ""), deleteOp(a, "")}},
		"overlapping deletes":      {Success: []*pb.RequestOp{deleteOp(a, end), deleteOp(b, "")}},
		"put beside a delete":      {Success: []*pb.RequestOp{putOp(b, "1"), deleteOp(a, b)}},
		"delete in the other branch": {Success: []*pb.RequestOp{putOp(a, "1")},
			Failure: []*pb.RequestOp{deleteOp(a, end)}},
		"nested branches": {Success: []*pb.RequestOp{txnOp(&pb.TxnRequest{
			Success: []*pb.RequestOp{putOp(a, "1")}, Failure: []*pb.RequestOp{putOp(a, "2")}})}},
	} {
		t.Run(name, func(t *testing.T) { must(kv(t, s).Txn(ctx, request))(t) })
	}
}

func TestManyOperationsInOneTransactionAreOneRevision(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	var ops []clientv3.Op
	for i := range 128 {
		ops = append(ops, clientv3.OpPut(fmt.Sprintf("%s/%03d", t.Name(), i), ""))
	}
	revision := must(c.Txn(ctx).Then(ops...).Commit())(t).Header.Revision
	all := must(c.Get(ctx, t.Name()+"/", clientv3.WithPrefix()))(t)
	equal(t, "keys", len(all.Kvs), 128)
	for _, kv := range all.Kvs {
		equal(t, "mod revision", kv.ModRevision, revision)
	}
}
