package client

import (
	"fmt"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

func TestCompactionKeepsWhatIsVisibleAtItsRevision(t *testing.T) {
	s := server.Start(t)
	c, ctx := s.Client(t), server.Context(t)
	put(t, c, "a", "1")         // 2
	put(t, c, "a", "2")         // 3
	put(t, c, "b", "1")         // 4
	must(c.Delete(ctx, "b"))(t) // 5
	at := put(t, c, "c", "1")   // 6
	put(t, c, "a", "3")         // 7
	answer := must(c.Compact(ctx, at))(t)
	counters.Add("compactions", 1)
	equal(t, "revision of the answer", answer.Header.Revision, 7)

	then := must(c.Get(ctx, "", clientv3.WithFromKey(), clientv3.WithRev(at)))(t)
	equal(t, "keys at the compaction", fmt.Sprint(keys(then)), "[a c]")
	equal(t, "value at the compaction", string(then.Kvs[0].Value), "2")
	now := must(c.Get(ctx, "a"))(t)
	equal(t, "value now", string(now.Kvs[0].Value), "3")
	equal(t, "version now", now.Kvs[0].Version, 3)
	_, err := c.Get(ctx, "a", clientv3.WithRev(at-1))
	wantError(t, clientError(err), codes.OutOfRange, compacted)

	must(c.Compact(ctx, 7, clientv3.WithCompactPhysical()))(t)
	counters.Add("compactions", 1)
	equal(t, "keys after compacting everything", fmt.Sprint(keys(must(c.Get(ctx, "", clientv3.WithFromKey()))(t))), "[a c]")
	s.Kill()
	s.Restart(t)
	counters.Add("server crashes", 1)
	_, err = c.Get(ctx, "a", clientv3.WithRev(6))
	wantError(t, clientError(err), codes.OutOfRange, compacted)
	equal(t, "revision after a crash", put(t, c, "a", "4"), 8)
}

func TestADeleteAtTheCompactionRevisionIsStillSeen(t *testing.T) {
	s := server.Start(t)
	c, ctx := s.Client(t), server.Context(t)
	put(t, c, "a", "1")
	put(t, c, "b", "1")
	deleted := must(c.Delete(ctx, "a"))(t).Header.Revision
	must(c.Compact(ctx, deleted, clientv3.WithCompactPhysical()))(t)
	counters.Add("compactions", 1)
	for _, when := range []string{"after the compaction", "after a crash"} {
		stream := openWatch(t, s)
		stream.create(t, &watchRequest{Key: []byte("a"), StartRevision: deleted})
		events := stream.events(t, 1)
		equal(t, when+": kind", events[0].Kind.String(), "DELETE")
		equal(t, when+": revision", events[0].Revision, deleted)
		at := must(c.Get(ctx, "a", clientv3.WithRev(deleted)))(t)
		equal(t, when+": count", at.Count, 0)
		equal(t, when+": revision of the store", at.Header.Revision, deleted)
		s.Kill()
		s.Restart(t)
		counters.Add("server crashes", 1)
	}
	equal(t, "next revision", put(t, c, "c", "1"), deleted+1)
}

func TestTheRevisionSurvivesWhenEverythingIsDeletedAndCompacted(t *testing.T) {
	s := server.Start(t)
	c, ctx := s.Client(t), server.Context(t)
	for i := range 20 {
		put(t, c, fmt.Sprint("key", i), "1")
	}
	revision := must(c.Delete(ctx, "", clientv3.WithFromKey()))(t).Header.Revision
	must(c.Compact(ctx, revision, clientv3.WithCompactPhysical()))(t)
	counters.Add("compactions", 1)
	s.Kill()
	s.Restart(t)
	counters.Add("server crashes", 1)
	equal(t, "revision after a crash", must(c.Get(ctx, "key1"))(t).Header.Revision, revision)
	equal(t, "next revision", put(t, c, "key1", "1"), revision+1)
	equal(t, "version", must(c.Get(ctx, "key1"))(t).Kvs[0].Version, 1)
}
