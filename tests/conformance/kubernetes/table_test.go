package kubernetes

import (
	"maps"
	"os"
	"testing"

	"regent/tests/conformance/counters"
)

func TestMain(m *testing.M) {
	required := []string{"api requests", "kubectl calls", "api watch events checked", "consistent lists", "conflicts",
		"compactions by kube-apiserver", "expired events", "datastore crashes", "kube-apiserver crashes",
		"records of API servers expired", "recoveries from a full datastore",
		"watch events lost on purpose", "planted differences found"}
	if wholeTable() {
		required = append(required, "pods bound", "rollouts", "namespaces deleted", "objects created at once",
			"kinds checked by kube-apiserver")
	}
	os.Exit(counters.Main(m, required...))
}

type row = func(*testing.T, *cluster)

// peaceful are the rows that kill nothing.
func peaceful() map[string]row {
	rows := map[string]row{
		"a second creation is refused":                      createTwice,
		"one of many patches of one version wins":           patchAtOnce,
		"increments with retries are all counted":           incrementWithRetries,
		"custom resources":                                  customResources,
		"pages have the right counts at one revision":       pages,
		"an object that is too large":                       tooLarge,
		"a list sees every write that was answered before":  consistentLists,
		"a watch replays exactly what happened":             replays,
		"a watch begins with what is there":                 initialEvents,
		"a lease is renewed ten times a second":             renewals,
		"an event goes when its time is up":                 eventTTL,
		"compaction, and lists that are continued after it": compaction,
		"the size of the datastore is in the metrics":       databaseSize,
	}
	if wholeTable() {
		maps.Copy(rows, map[string]row{"controllers and the scheduler": workloads})
	}
	return rows
}

// TestKubeAPIServer is the acceptance table. Its first rows wait for different things most of the time, so they share one
// cluster and run at once; the rows that measure or kill something come after them, one by one.
func TestKubeAPIServer(t *testing.T) {
	c := startCluster(t)
	t.Run("peaceful", func(t *testing.T) {
		for name, run := range peaceful() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run(t, c)
			})
		}
	})
	if wholeTable() {
		t.Run("ten thousand objects", func(t *testing.T) { manyObjects(t, c) })
	}
	t.Run("the record of a killed API server goes", func(t *testing.T) { endpointLeases(t, c) })
	t.Run("an API server is restarted under write load", func(t *testing.T) { apiServerRestarts(t, c) })
	t.Run("the datastore is restarted under write load", func(t *testing.T) { datastoreRestarts(t, c) })
	t.Run("every kind is the same through both servers", func(t *testing.T) { sameLists(t, c) })
}
