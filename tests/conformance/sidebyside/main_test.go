// Package sidebyside sends the same requests to the server under test and to the real etcd, and compares what both answer.
package sidebyside

import (
	"os"
	"testing"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

func TestMain(m *testing.M) {
	code := counters.Main(m, "grpc calls", "hashes compared", "hashes compared after a restart",
		"hashes compared at the compacted revision", "hashes compared during a purge", "planted differences found",
		"streams compared", "stream messages", "streams compacted under way", "json answers compared", "json errors compared",
		"slow lines compared")
	server.EndShared()
	os.Exit(code)
}

// pair is the server under test and the etcd beside it.
type pair struct {
	tested, etcd *server.Server
}

func startPair(t *testing.T, flags ...string) pair {
	t.Helper()
	return pair{server.Start(t, flags...), server.StartEtcd(t, flags...)}
}

func must[T any](value T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
