package kubernetes

import (
	"os"
	"testing"

	"regent/tests/conformance/counters"
)

func TestMain(m *testing.M) {
	os.Exit(counters.Main(m, "api requests", "kubectl calls", "api watch events checked", "consistent lists", "conflicts",
		"compactions by kube-apiserver", "expired events", "datastore crashes", "kube-apiserver crashes", "writes under crashes"))
}

// TestKubeAPIServer is the acceptance table. Its first rows wait for different things most of the time, so they share one
// cluster and run at once; the rows that kill something come after them, one by one.
func TestKubeAPIServer(t *testing.T) {
	c := startCluster(t)
	t.Run("peaceful", func(t *testing.T) {
		for name, row := range map[string]func(*testing.T, *cluster){
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
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				row(t, c)
			})
		}
	})
	t.Run("an API server crashes under write load", func(t *testing.T) { apiServerCrash(t, c) })
	t.Run("the datastore crashes under write load", func(t *testing.T) { datastoreCrash(t, c) })
	t.Run("every kind is the same through both servers", func(t *testing.T) { sameLists(t, c) })
}
