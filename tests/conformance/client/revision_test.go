package client

import (
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"regent/tests/conformance/server"
)

func TestAFreshStoreIsAtRevisionOneAndOnlyChangesMoveIt(t *testing.T) {
	s := server.Start(t)
	c, ctx := s.Client(t), server.Context(t)
	revision := func() int64 { return must(c.Get(ctx, "nothing"))(t).Header.Revision }

	equal(t, "revision of a fresh store", revision(), 1)
	equal(t, "revision of the first put", put(t, c, "a", "1"), 2)
	equal(t, "revision of a put with the same value", put(t, c, "a", "1"), 3)
	equal(t, "revision of a delete of nothing", must(c.Delete(ctx, "nothing"))(t).Header.Revision, 3)
	failed := must(c.Txn(ctx).If(clientv3.Compare(clientv3.Version("a"), "=", 9)).Then(clientv3.OpPut("a", "2")).Commit())(t)
	equal(t, "revision of a failed transaction", failed.Header.Revision, 3)
	lease := must(c.Grant(ctx, 60))(t)
	equal(t, "revision after a grant", revision(), 3)
	must(c.Revoke(ctx, lease.ID))(t)
	equal(t, "revision after a revoke without keys", revision(), 3)
	must(c.Get(ctx, "", clientv3.WithPrefix()))(t)
	equal(t, "revision after reads", revision(), 3)

	many := must(c.Txn(ctx).Then(clientv3.OpPut("b", "1"), clientv3.OpPut("c", "1"), clientv3.OpDelete("a")).Commit())(t)
	equal(t, "revision of a transaction of three changes", many.Header.Revision, 4)
	equal(t, "deleted", must(c.Delete(ctx, "b", clientv3.WithRange("d")))(t).Deleted, 2)
	equal(t, "revision after a delete of two keys", revision(), 5)
}

func TestHeadersNameTheClusterTheMemberAndTheTerm(t *testing.T) {
	s := server.Start(t)
	c, ctx := s.Client(t), server.Context(t)
	header := must(c.Put(ctx, "a", "1"))(t).Header
	if header.ClusterId == 0 || header.MemberId == 0 || header.RaftTerm == 0 {
		t.Fatalf("zero in the header %v", header)
	}
	members := must(c.MemberList(ctx))(t)
	equal(t, "members", len(members.Members), 1)
	equal(t, "member id", members.Members[0].ID, header.MemberId)
	equal(t, "cluster id", members.Header.ClusterId, header.ClusterId)
	equal(t, "revision in a header of the Cluster service", members.Header.Revision, 0)
	status := must(c.Status(ctx, s.Endpoint))(t)
	equal(t, "revision in Status", status.Header.Revision, 2)
	lease := must(c.Grant(ctx, 60))(t)
	equal(t, "revision in Grant", lease.ResponseHeader.Revision, 2)

	s.Kill()
	s.Restart(t)
	again := must(c.Get(ctx, "a"))(t).Header
	equal(t, "cluster id after a restart", again.ClusterId, header.ClusterId)
	equal(t, "member id after a restart", again.MemberId, header.MemberId)
	equal(t, "revision after a restart", again.Revision, header.Revision)
}

func TestVersionsAndRevisionsOfAKey(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	key := t.Name()
	first := put(t, c, key, "1")
	second := put(t, c, key, "2")
	kv := must(c.Get(ctx, key))(t).Kvs[0]
	equal(t, "create revision", kv.CreateRevision, first)
	equal(t, "mod revision", kv.ModRevision, second)
	equal(t, "version", kv.Version, 2)

	deleted := must(c.Delete(ctx, key, clientv3.WithPrevKV()))(t)
	equal(t, "deleted", deleted.Deleted, 1)
	equal(t, "previous value", string(deleted.PrevKvs[0].Value), "2")
	third := put(t, c, key, "3")
	kv = must(c.Get(ctx, key))(t).Kvs[0]
	equal(t, "create revision after a delete", kv.CreateRevision, third)
	equal(t, "version after a delete", kv.Version, 1)

	old := must(c.Get(ctx, key, clientv3.WithRev(first)))(t)
	equal(t, "old value", string(old.Kvs[0].Value), "1")
	equal(t, "header revision of a read in the past", old.Header.Revision, third)
	equal(t, "count at the deleted revision", must(c.Get(ctx, key, clientv3.WithRev(deleted.Header.Revision)))(t).Count, 0)
}

func TestPutReturnsThePreviousKeyAndKeepsWhatItIsToldTo(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	key := t.Name()
	created := must(c.Put(ctx, key, "1", clientv3.WithPrevKV()))(t)
	if created.PrevKv != nil {
		t.Errorf("a creation has the previous key %v", created.PrevKv)
	}
	lease := must(c.Grant(ctx, 600))(t).ID
	before := must(c.Put(ctx, key, "2", clientv3.WithPrevKV(), clientv3.WithLease(lease)))(t).PrevKv
	equal(t, "previous value", string(before.Value), "1")
	equal(t, "previous version", before.Version, 1)

	must(c.Put(ctx, key, "3", clientv3.WithIgnoreLease()))(t)
	kv := must(c.Get(ctx, key))(t).Kvs[0]
	equal(t, "value with ignore_lease", string(kv.Value), "3")
	equal(t, "lease with ignore_lease", kv.Lease, int64(lease))

	must(c.Put(ctx, key, "", clientv3.WithIgnoreValue()))(t)
	kv = must(c.Get(ctx, key))(t).Kvs[0]
	equal(t, "value with ignore_value", string(kv.Value), "3")
	equal(t, "lease after a put without one", kv.Lease, 0)
	equal(t, "version", kv.Version, 4)
}

func TestKeysAndValuesAreAnyBytes(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, key := range []string{t.Name() + "\x00", t.Name() + "\xff\xff", t.Name() + string(all)} {
		put(t, c, key, string(all))
		got := must(c.Get(ctx, key))(t)
		if len(got.Kvs) != 1 || string(got.Kvs[0].Key) != key || string(got.Kvs[0].Value) != string(all) {
			t.Errorf("key %q: got %v", key, got.Kvs)
		}
	}
	put(t, c, t.Name()+"empty", "")
	equal(t, "length of an empty value", len(must(c.Get(ctx, t.Name()+"empty"))(t).Kvs[0].Value), 0)
}

func TestDeleteReturnsWhatItDeletedInKeyOrder(t *testing.T) {
	s := server.Shared(t)
	c := s.Client(t)
	prefix := t.Name() + "/"
	for _, name := range []string{"c", "a", "b"} {
		put(t, c, prefix+name, name)
	}
	request := &pb.DeleteRangeRequest{
		Key: []byte(prefix), RangeEnd: []byte(clientv3.GetPrefixRangeEnd(prefix)), PrevKv: true}
	response := must(kv(t, s).DeleteRange(server.Context(t), request))(t)
	equal(t, "deleted", response.Deleted, 3)
	for i, want := range []string{"a", "b", "c"} {
		equal(t, "previous key", string(response.PrevKvs[i].Key), prefix+want)
		equal(t, "previous value", string(response.PrevKvs[i].Value), want)
	}
	again := must(kv(t, s).DeleteRange(server.Context(t), request))(t)
	equal(t, "deleted again", again.Deleted, 0)
	equal(t, "revision of a delete of nothing", again.Header.Revision, response.Header.Revision)
}
