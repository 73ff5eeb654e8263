package kubernetes

import (
	"strings"
	"testing"
	"time"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

// checkPatience is more than kube-apiserver waits before its first comparison.
const checkPatience = 10 * time.Minute

// TestACacheThatMissesAnEventIsFound is the canary of the comparisons: the API server with the cache does not hear of one
// object. In tier full its own comparison has to find that too, and ends it.
func TestACacheThatMissesAnEventIsFound(t *testing.T) {
	folder := t.TempDir()
	writeCredentials(t, folder)
	datastore := server.StartDatastore(t, "--watch-progress-notify-interval=5s")
	proxy := startLossyProxy(t, datastore, "/lost")
	c := &cluster{datastore: datastore, folder: folder}
	c.cached = newAPIServer(t, proxy.endpoint, folder, "cached", "--advertise-address="+cachedAddress)
	c.cached.environment = append(c.cached.environment, "KUBE_WATCHCACHE_CONSISTENCY_CHECKER=true")
	c.uncached = newAPIServer(t, datastore.Endpoint, folder, "uncached", "--watch-cache=false", "--advertise-address="+uncachedAddress)
	for _, a := range c.both() {
		a.start(t)
		t.Cleanup(a.kill)
	}
	for _, a := range c.both() {
		a.awaitReady(t)
	}

	path := configMaps("default")
	c.uncached.must(t, "POST", path, configMap("kept", ""))
	if err := c.sameList(t.Context(), path); err != nil {
		t.Fatalf("before anything is lost: %v", err)
	}
	c.uncached.must(t, "POST", path, configMap("lost", ""))
	if err := c.sameList(t.Context(), path); err == nil {
		t.Error("the comparison of lists does not see that the cache lacks an object")
	} else {
		t.Logf("found: %v", err)
		counters.Add("planted differences found", 1)
	}
	if !wholeTable() {
		return
	}
	select {
	case <-c.cached.process.Exited():
	case <-time.After(checkPatience):
		t.Fatal("kube-apiserver does not find that its cache lacks an object")
	}
	if tail := c.cached.process.Tail(); !strings.Contains(c.cached.said(t), "Cache consistency check failed") {
		t.Errorf("kube-apiserver ended with\n%s", tail)
	}
}
