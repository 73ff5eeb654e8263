package sidebyside

import (
	"fmt"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

const nothingCompacted = -1

// compareHashes asks both servers for the hash at each revision and returns the differences. An answer that etcd remembers
// from a compaction tells another compacted revision; those are only asked for after a restart, which forgets them.
func compareHashes(t *testing.T, p pair, from, through int64) (differences []string, compared int) {
	t.Helper()
	tested, etcd := pb.NewMaintenanceClient(p.tested.Connection(t)), pb.NewMaintenanceClient(p.etcd.Connection(t))
	for revision := from; revision <= through; revision++ {
		request := &pb.HashKVRequest{Revision: revision}
		got, gotErr := tested.HashKV(server.Context(t), request)
		want, wantErr := etcd.HashKV(server.Context(t), request)
		if wantErr == nil && gotErr == nil && want.CompactRevision < got.CompactRevision && revision == got.CompactRevision {
			counters.Add("hashes that etcd remembers", 1)
			continue
		}
		compared++
		if describe(got, gotErr) != describe(want, wantErr) {
			differences = append(differences, fmt.Sprintf("revision %d: %s, etcd %s", revision, describe(got, gotErr), describe(want, wantErr)))
		}
	}
	counters.Add("hashes compared", compared)
	return differences, compared
}

func describe(answer *pb.HashKVResponse, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("hash %08x of revision %d, compacted %d, current %d", answer.Hash, answer.HashRevision,
		answer.CompactRevision, answer.Header.Revision)
}

func wantSameHashes(t *testing.T, p pair, from, through int64) int {
	t.Helper()
	differences, compared := compareHashes(t, p, from, through)
	if len(differences) > 0 {
		t.Fatalf("%d of %d hashes differ:\n%s", len(differences), compared, strings.Join(differences[:min(10, len(differences))], "\n"))
	}
	return compared
}

func TestHashKVIsThatOfEtcdForTheSameHistory(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			p := startPair(t)
			w := newWriter(t, seed, p.tested, p.etcd)
			w.compacted = nothingCompacted
			wantSameHashes(t, p, -1, 2) // 0 is the current one
			for round := range 4 {
				for range 100 {
					w.step(t)
				}
				wantSameHashes(t, p, max(w.compacted, 0), w.revision+1)
				if round%2 == 0 {
					continue
				}
				w.compact(t, w.revision-int64(round)*3)
				p.tested.Stop()
				p.etcd.Stop()
				p.tested.Restart(t)
				p.etcd.Restart(t)
				w.connections[0], w.connections[1] = p.tested.Connection(t), p.etcd.Connection(t)
				counters.Add("hashes compared after a restart", wantSameHashes(t, p, max(w.compacted-2, 0), w.revision+1))
				counters.Add("hashes compared at the compacted revision", wantSameHashes(t, p, w.compacted, w.compacted))
			}
			w.compact(t, w.revision)
			wantSameHashes(t, p, 0, 0)
		})
	}
}

// At one moment everything is deleted: then etcd hashes what the compaction kept although nobody sees it.
func TestHashKVOfAStoreWithoutKeysIsThatOfEtcd(t *testing.T) {
	p := startPair(t)
	w := newWriter(t, 1, p.tested, p.etcd)
	for _, c := range []*clientv3.Client{p.tested.Client(t), p.etcd.Client(t)} {
		ctx := server.Context(t)
		for i := range 5 {
			must(c.Put(ctx, fmt.Sprint("key", i), "1"))(t)
		}
		must(c.Compact(ctx, 4, clientv3.WithCompactPhysical()))(t)
		must(c.Put(ctx, "key1", "2"))(t)
		must(c.Delete(ctx, "key", clientv3.WithPrefix()))(t)
	}
	w.revision, w.compacted = 8, 4
	wantSameHashes(t, p, 5, 9)
	w.compact(t, 7)
	wantSameHashes(t, p, 8, 9)
	w.compact(t, 8)
	wantSameHashes(t, p, 0, 0)
}

// A large compaction is under way on both while the hashes are asked for.
func TestHashKVDoesNotDependOnThePurge(t *testing.T) {
	p := startPair(t)
	const keys, rounds = 2000, 6
	clients := []*clientv3.Client{p.tested.Client(t), p.etcd.Client(t)}
	for _, c := range clients {
		for round := range rounds {
			for first := 0; first < keys; first += 100 {
				var puts []clientv3.Op
				for i := range 100 {
					puts = append(puts, clientv3.OpPut(fmt.Sprint("key", first+i), fmt.Sprint(round)))
				}
				must(c.Txn(server.Context(t)).Then(puts...).Commit())(t)
			}
		}
	}
	const last = 1 + rounds*keys/100
	for compacted := int64(last) - 60; compacted < last; compacted += 30 {
		for _, c := range clients {
			must(c.Compact(server.Context(t), compacted))(t)
		}
		counters.Add("hashes compared during a purge", wantSameHashes(t, p, compacted+1, last))
	}
}

// The canaries: histories that differ in one place have to be told apart, or the comparison proves nothing.
func TestADifferentHistoryHasAnotherHash(t *testing.T) {
	for name, differ := range map[string]func(t *testing.T, c *clientv3.Client){
		"one byte of a value": func(t *testing.T, c *clientv3.Client) { must(c.Put(server.Context(t), "b", "3"))(t) },
		"another key":         func(t *testing.T, c *clientv3.Client) { must(c.Put(server.Context(t), "c", "2"))(t) },
		"a lease": func(t *testing.T, c *clientv3.Client) {
			lease := must(c.Grant(server.Context(t), 600))(t).ID
			must(c.Put(server.Context(t), "b", "2", clientv3.WithLease(lease)))(t)
		},
		"a delete": func(t *testing.T, c *clientv3.Client) { must(c.Delete(server.Context(t), "a"))(t) },
	} {
		t.Run(name, func(t *testing.T) {
			p := startPair(t)
			for _, c := range []*clientv3.Client{p.tested.Client(t), p.etcd.Client(t)} {
				must(c.Put(server.Context(t), "a", "1"))(t)
				must(c.Put(server.Context(t), "b", "1"))(t)
			}
			wantSameHashes(t, p, 2, 3)
			differ(t, p.tested.Client(t))
			must(p.etcd.Client(t).Put(server.Context(t), "b", "2"))(t)
			for _, s := range []*server.Server{p.tested, p.etcd} {
				must(s.Client(t).Put(server.Context(t), "d", "1"))(t)
			}
			differences, compared := compareHashes(t, p, 2, 5)
			if compared != 4 || len(differences) != 2 {
				t.Fatalf("of %d hashes differ: %v", compared, differences)
			}
			counters.Add("planted differences found", 1)
		})
	}
}
