package client

import (
	"fmt"
	"sort"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

func TestGrantsAndTheirTimes(t *testing.T) {
	s := server.Shared(t)
	ctx := server.Context(t)
	leases := pb.NewLeaseClient(s.Connection(t))
	for _, row := range []struct{ asked, granted int64 }{
		{60, 60}, {2, 2}, {1, 2}, {0, 2}, {-5, 2}, {9000000000, 9000000000},
	} {
		got := must(leases.LeaseGrant(ctx, &pb.LeaseGrantRequest{TTL: row.asked}))(t)
		equal(t, fmt.Sprint("granted for ", row.asked), got.TTL, row.granted)
		if got.ID <= 0 || got.Error != "" {
			t.Errorf("the server chose the id %d, error %q", got.ID, got.Error)
		}
	}
	for _, id := range []int64{4711, -4711} {
		got := must(leases.LeaseGrant(ctx, &pb.LeaseGrantRequest{ID: id, TTL: 600}))(t)
		equal(t, "chosen id", got.ID, id)
	}
}

func TestTimeToLiveAndTheListOfLeases(t *testing.T) {
	s := server.Start(t)
	c, ctx := s.Client(t), server.Context(t)
	equal(t, "leases of a fresh store", len(must(c.Leases(ctx))(t).Leases), 0)
	first := must(c.Grant(ctx, 600))(t).ID
	second := must(c.Grant(ctx, 900))(t).ID
	put(t, c, "a", "1", clientv3.WithLease(first))
	put(t, c, "b", "1", clientv3.WithLease(first))
	put(t, c, "c", "1", clientv3.WithLease(second))

	got := must(c.TimeToLive(ctx, first, clientv3.WithAttachedKeys()))(t)
	equal(t, "granted", got.GrantedTTL, 600)
	if got.TTL > 600 || got.TTL < 500 {
		t.Errorf("remaining: %d of 600", got.TTL)
	}
	attached := []string{string(got.Keys[0]), string(got.Keys[1])}
	sort.Strings(attached)
	equal(t, "attached keys", fmt.Sprint(len(got.Keys), attached), "2 [a b]")
	equal(t, "keys without asking", len(must(c.TimeToLive(ctx, first))(t).Keys), 0)
	missing := must(c.TimeToLive(ctx, 77))(t)
	equal(t, "TTL of a missing lease", missing.TTL, -1)
	equal(t, "granted of a missing lease", missing.GrantedTTL, 0)

	// The list is in the order of expiry.
	listed := must(c.Leases(ctx))(t).Leases
	equal(t, "leases", len(listed), 2)
	equal(t, "first to expire", listed[0].ID, first)
	equal(t, "last to expire", listed[1].ID, second)
	must(c.Revoke(ctx, first))(t)
	equal(t, "leases after a revoke", len(must(c.Leases(ctx))(t).Leases), 1)
	equal(t, "keys after a revoke", fmt.Sprint(keys(must(c.Get(ctx, "", clientv3.WithFromKey()))(t))), "[c]")
}

func TestARevokeDeletesItsKeysInOneRevision(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	prefix := t.Name() + "/"
	lease := must(c.Grant(ctx, 600))(t).ID
	for _, name := range []string{"c", "a", "b"} {
		put(t, c, prefix+name, name, clientv3.WithLease(lease))
	}
	last := put(t, c, prefix+"d", "d")
	stream := openWatch(t, s)
	stream.create(t, &watchRequest{Key: []byte(prefix), RangeEnd: []byte(clientv3.GetPrefixRangeEnd(prefix)), PrevKv: true})
	equal(t, "revision of the revoke", must(c.Revoke(ctx, lease))(t).Header.Revision, last+1)
	events := stream.events(t, 3)
	equal(t, "events", summary(events), "DELETE a, DELETE b, DELETE c")
	for _, event := range events {
		equal(t, "revision", event.Revision, last+1)
		equal(t, "previous value", prefix+event.Previous.Value, event.Key)
	}
	equal(t, "keys left", names(must(c.Get(ctx, prefix, clientv3.WithPrefix()))(t)), "d")
}

func TestAKeyBelongsToTheLeaseOfItsLastPut(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	prefix := t.Name() + "/"
	first, second := must(c.Grant(ctx, 600))(t).ID, must(c.Grant(ctx, 600))(t).ID
	put(t, c, prefix+"detached", "1", clientv3.WithLease(first))
	put(t, c, prefix+"detached", "2")
	put(t, c, prefix+"moved", "1", clientv3.WithLease(first))
	put(t, c, prefix+"moved", "2", clientv3.WithLease(second))
	put(t, c, prefix+"again", "1", clientv3.WithLease(first))
	must(c.Delete(ctx, prefix+"again"))(t)
	put(t, c, prefix+"again", "2")
	put(t, c, prefix+"kept", "1", clientv3.WithLease(first))
	put(t, c, prefix+"kept", "2", clientv3.WithIgnoreLease())
	equal(t, "keys of the first lease", len(must(c.TimeToLive(ctx, first, clientv3.WithAttachedKeys()))(t).Keys), 1)
	equal(t, "keys of the second lease", len(must(c.TimeToLive(ctx, second, clientv3.WithAttachedKeys()))(t).Keys), 1)
	must(c.Revoke(ctx, first))(t)
	equal(t, "keys after the first", names(must(c.Get(ctx, prefix, clientv3.WithPrefix()))(t)), "again detached moved")
	must(c.Revoke(ctx, second))(t)
	equal(t, "keys after the second", names(must(c.Get(ctx, prefix, clientv3.WithPrefix()))(t)), "again detached")
}

func TestKeepAliveOfAMissingLeaseAnswersZeroAndGoesOn(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	lease := must(c.Grant(ctx, 500))(t).ID
	stream := must(pb.NewLeaseClient(s.Connection(t)).LeaseKeepAlive(ctx))(t)
	for _, row := range []struct{ id, ttl int64 }{{int64(lease), 500}, {77, 0}, {0, 0}, {int64(lease), 500}} {
		if err := stream.Send(&pb.LeaseKeepAliveRequest{ID: row.id}); err != nil {
			t.Fatal(err)
		}
		got := must(stream.Recv())(t)
		equal(t, "id", got.ID, row.id)
		equal(t, "TTL", got.TTL, row.ttl)
		if got.Header.GetRevision() == 0 {
			t.Error("the header has no revision")
		}
	}
	must(c.Revoke(ctx, lease))(t)
	if err := stream.Send(&pb.LeaseKeepAliveRequest{ID: int64(lease)}); err != nil {
		t.Fatal(err)
	}
	equal(t, "TTL after the revoke", must(stream.Recv())(t).TTL, 0)
	_, err := c.KeepAliveOnce(ctx, lease)
	if err == nil || err.Error() != leaseNotFound {
		t.Errorf("the client's error is %v", err)
	}
}

func TestALeaseExpiresAndItsKeysWithIt(t *testing.T) {
	t.Parallel()
	s := server.Start(t)
	c, ctx := s.Client(t), server.Context(t)
	stream := openWatch(t, s)
	stream.create(t, &watchRequest{Key: []byte("x/"), RangeEnd: []byte("x0"), PrevKv: true,
		Filters: []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NOPUT}})
	granted := time.Now()
	lease := must(c.Grant(ctx, 3))(t).ID
	longer := must(c.Grant(ctx, 600))(t).ID
	for _, name := range []string{"x/b", "x/a"} {
		put(t, c, name, name, clientv3.WithLease(lease))
	}
	last := put(t, c, "x/c", "x/c", clientv3.WithLease(longer))
	events := stream.events(t, 2)
	if early := 3*time.Second - time.Since(granted); early > 0 {
		t.Errorf("expired %v too early", early)
	}
	counters.Add("lease expiries", 1)
	equal(t, "events", summary(events), "DELETE a, DELETE b")
	for _, event := range events {
		equal(t, "revision", event.Revision, last+1)
		equal(t, "previous value", event.Previous.Value, event.Key)
	}
	equal(t, "TTL of the expired lease", must(c.TimeToLive(ctx, lease))(t).TTL, -1)
	equal(t, "leases left", len(must(c.Leases(ctx))(t).Leases), 1)
	_, err := c.Put(ctx, "x/a", "1", clientv3.WithLease(lease))
	if err == nil || err.Error() != leaseNotFound {
		t.Errorf("a put with the expired lease: %v", err)
	}
}

func TestKeepAliveKeepsALeaseAlive(t *testing.T) {
	t.Parallel()
	s := server.Start(t)
	c := s.Client(t)
	const ttl = 5
	lease := must(c.Grant(server.Context(t), ttl))(t).ID
	put(t, c, "a", "1", clientv3.WithLease(lease))
	stream := openWatch(t, s)
	stream.create(t, &watchRequest{Key: []byte("a")})
	leases := must(pb.NewLeaseClient(s.Connection(t)).LeaseKeepAlive(server.Context(t)))(t)
	// The renewals go on for more than the granted time, with much of it to spare for a busy machine.
	for range ttl + 2 {
		select {
		case response := <-stream.received:
			t.Fatalf("the key went while its lease was kept alive: %v", response)
		case <-time.After(time.Second):
		}
		if err := leases.Send(&pb.LeaseKeepAliveRequest{ID: int64(lease)}); err != nil {
			t.Fatal(err)
		}
		equal(t, "TTL", must(leases.Recv())(t).TTL, ttl)
	}
	renewed := time.Now()
	equal(t, "events", summary(stream.events(t, 1)), "DELETE a")
	// The server renewed a little before its answer was here.
	if early := ttl*time.Second - time.Since(renewed); early > time.Second {
		t.Errorf("expired %v too early after the last renewal", early)
	}
	counters.Add("lease expiries", 1)
}

func TestLeasesSurviveACrashAndExpireAfterIt(t *testing.T) {
	t.Parallel()
	s := server.Start(t)
	c, ctx := s.Client(t), server.Context(t)
	granted := time.Now()
	short, long := must(c.Grant(ctx, 8))(t).ID, must(c.Grant(ctx, 600))(t).ID
	put(t, c, "short", "1", clientv3.WithLease(short))
	put(t, c, "long", "1", clientv3.WithLease(long))
	must(c.Grant(ctx, 600))(t)
	s.Kill()
	s.Restart(t)
	counters.Add("server crashes", 1)
	got := must(c.TimeToLive(ctx, long, clientv3.WithAttachedKeys()))(t)
	equal(t, "granted after a crash", got.GrantedTTL, 600)
	equal(t, "keys after a crash", fmt.Sprintf("%q", got.Keys), `["long"]`)
	equal(t, "leases after a crash", len(must(c.Leases(ctx))(t).Leases), 3)

	stream := openWatch(t, s)
	stream.create(t, &watchRequest{Key: []byte("short"), PrevKv: true, StartRevision: 3})
	events := stream.events(t, 1)
	equal(t, "events", summary(events), "DELETE short")
	equal(t, "previous value", events[0].Previous.Value, "1")
	if early := 8*time.Second - time.Since(granted); early > 0 {
		t.Errorf("expired %v too early", early)
	}
	counters.Add("lease expiries", 1)
	equal(t, "keys left", fmt.Sprint(keys(must(c.Get(ctx, "", clientv3.WithFromKey()))(t))), "[long]")
}
