package client

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"regent/tests/conformance/server"
)

func session(t *testing.T, s *server.Server, ttl int) *concurrency.Session {
	t.Helper()
	created := must(concurrency.NewSession(s.Client(t), concurrency.WithTTL(ttl)))(t)
	t.Cleanup(func() { created.Close() })
	return created
}

func TestAMutexLetsOneInAtATime(t *testing.T) {
	s := server.Shared(t)
	ctx := server.Context(t)
	const holders, rounds = 5, 6
	var inside, entered int // guarded by the mutex under test
	var group sync.WaitGroup
	for range holders {
		mutex := concurrency.NewMutex(session(t, s, 60), t.Name())
		group.Go(func() {
			for range rounds {
				if err := mutex.Lock(ctx); err != nil {
					t.Error(err)
					return
				}
				if inside++; inside != 1 {
					t.Error("two holders at once")
				}
				entered++
				inside--
				if err := mutex.Unlock(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	equal(t, "entries", entered, holders*rounds)
}

func TestTryLockAndALockWhoseHolderIsGone(t *testing.T) {
	s := server.Shared(t)
	ctx := server.Context(t)
	first, second := session(t, s, 60), session(t, s, 60)
	held, wanted := concurrency.NewMutex(first, t.Name()), concurrency.NewMutex(second, t.Name())
	if err := held.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	if err := wanted.TryLock(ctx); err != concurrency.ErrLocked {
		t.Errorf("a held lock: %v", err)
	}
	got := make(chan error, 1)
	go func() { got <- wanted.Lock(ctx) }()
	// The end of the session revokes the lease, which deletes the holder's key.
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	owner := must(s.Client(t).Txn(ctx).If(wanted.IsOwner()).Commit())(t)
	equal(t, "is the owner", owner.Succeeded, true)
}

func TestAnElectionPassesTheLeadershipOn(t *testing.T) {
	s := server.Shared(t)
	ctx, cancel := context.WithCancel(server.Context(t))
	defer cancel()
	elections := []*concurrency.Election{
		concurrency.NewElection(session(t, s, 60), t.Name()), concurrency.NewElection(session(t, s, 60), t.Name())}
	if _, err := elections[0].Leader(ctx); err != concurrency.ErrElectionNoLeader {
		t.Errorf("the leader before an election: %v", err)
	}
	observed := elections[1].Observe(ctx)
	if err := elections[0].Campaign(ctx, "first"); err != nil {
		t.Fatal(err)
	}
	equal(t, "observed", string((<-observed).Kvs[0].Value), "first")
	if err := elections[0].Proclaim(ctx, "again"); err != nil {
		t.Fatal(err)
	}
	equal(t, "observed after a proclamation", string((<-observed).Kvs[0].Value), "again")
	elected := make(chan error, 1)
	go func() { elected <- elections[1].Campaign(ctx, "second") }()
	if err := elections[0].Resign(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-elected; err != nil {
		t.Fatal(err)
	}
	equal(t, "observed after the resignation", string((<-observed).Kvs[0].Value), "second")
	leader := must(elections[0].Leader(ctx))(t)
	equal(t, "leader", string(leader.Kvs[0].Value), "second")
}

func TestStmTransfersConserveTheSum(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	const accounts, clients, transfers = 4, 4, 25
	account := func(i int) string { return fmt.Sprint(t.Name(), "/", i%accounts) }
	for i := range accounts {
		put(t, c, account(i), "100")
	}
	var group sync.WaitGroup
	for n, isolation := range []concurrency.Isolation{concurrency.SerializableSnapshot, concurrency.Serializable,
		concurrency.RepeatableReads, concurrency.SerializableSnapshot} {
		client := s.Client(t)
		group.Go(func() {
			for i := range transfers {
				_, err := concurrency.NewSTM(client, func(stm concurrency.STM) error {
					from, to := account(i+n), account(i+n+1)
					low, _ := strconv.Atoi(stm.Get(from))
					high, _ := strconv.Atoi(stm.Get(to))
					stm.Put(from, strconv.Itoa(low-n-1))
					stm.Put(to, strconv.Itoa(high+n+1))
					return nil
				}, concurrency.WithIsolation(isolation), concurrency.WithAbortContext(ctx))
				if err != nil {
					t.Errorf("client %d, transfer %d: %v", n, i, err)
					return
				}
			}
		})
	}
	group.Wait()
	sum, version := 0, int64(0)
	for _, kv := range must(c.Get(ctx, t.Name()+"/", clientv3.WithPrefix()))(t).Kvs {
		value, _ := strconv.Atoi(string(kv.Value))
		sum += value
		version += kv.Version - 1
	}
	equal(t, "sum", sum, 100*accounts)
	equal(t, "changes", version, 2*clients*transfers)
}
