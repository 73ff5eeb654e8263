package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/figures"
	"regent/tests/conformance/history"
)

// consistencyTime lets kube-apiserver compare each kind once at least: it begins after 5 to 7.5 minutes.
const consistencyTime = 12 * time.Minute

// TestCachesStayConsistent lets kube-apiserver compare its caches with the datastore, and end itself when they differ, while
// everything is in motion and the datastore is compacted every minute. The datastore may not grow meanwhile.
func TestCachesStayConsistent(t *testing.T) {
	c := startCluster(t, "KUBE_WATCHCACHE_CONSISTENCY_CHECKER=true")
	ctx, cancel := context.WithTimeout(t.Context(), consistencyTime)
	defer cancel()
	m := &motion{cluster: c, path: configMaps(c.namespace(t, "motion"))}
	var group sync.WaitGroup
	for worker := range 3 {
		group.Go(func() { m.rewrite(t, ctx, worker) })
	}
	group.Go(func() { m.rollOut(t, ctx) })
	samples := m.samples(t, ctx)
	group.Wait()

	if err := history.Reclaimed(samples); err != nil {
		t.Errorf("the datastore %v: %v", err, samples)
	}
	first, last := samples[0], samples[len(samples)-1]
	figures.Add(t, "size of the datastore", "%.0f MB after the first compaction, %.0f MB after the last of %d, %.0f MB written",
		float64(first.Size)/1e6, float64(last.Size)/1e6, len(samples), float64(last.Written)/1e6)
	const checks = "apiserver_storage_consistency_checks_total"
	good := c.cached.metric(t, checks, `status="success"`)
	different := c.cached.metric(t, checks, `status="failure"`)
	figures.Add(t, "comparisons of a cache with the datastore", "%.0f equal, %.0f different", good, different)
	if good < 30 || different > 0 {
		t.Errorf("%.0f comparisons were equal and %.0f were not", good, different)
	}
	counters.Add("kinds checked by kube-apiserver", int(good))
	sameLists(t, c)
}

// motion is everything that changes while the caches are compared.
type motion struct {
	cluster *cluster
	path    string
	written atomic.Int64
}

const rewritten = 20_000 // bytes of a value

// rewrite creates, rewrites and deletes objects of its own.
func (m *motion) rewrite(t *testing.T, ctx context.Context, worker int) {
	ticker := time.NewTicker(30 * time.Millisecond)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		name := fmt.Sprintf("m%d-%02d", worker, i%40)
		object := configMap(name, strings.Repeat(fmt.Sprint(i%10), rewritten))
		method, path, want := "PUT", m.path+"/"+name, http.StatusOK
		switch i / 40 % 5 {
		case 0:
			method, path, want = "POST", m.path, http.StatusCreated
		case 4:
			method, object = "DELETE", nil
		}
		code, answer, err := m.cluster.both()[i%2].call(ctx, method, path, object)
		if ctx.Err() != nil {
			return
		}
		if err != nil || code != want {
			t.Errorf("%s %s: %d %v %+v", method, name, code, err, answer)
			return
		}
		if object != nil {
			m.written.Add(rewritten)
		}
	}
}

// rollOut keeps the controllers, the scheduler and the kubelets at work.
func (m *motion) rollOut(t *testing.T, ctx context.Context) {
	const namespace = "motion"
	output, code := m.cluster.cached.kubectl(t, deployment, "--namespace="+namespace, "apply", "--filename=-")
	for version := 2; code == 0; version++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Second):
		}
		output, code = m.cluster.cached.kubectl(t, "", "--namespace="+namespace, "set", "image", "deployment/web",
			fmt.Sprint("web=example.test/web:", version))
	}
	t.Errorf("kubectl: %d %s", code, output)
}

// samples takes the datastore's size at each compaction until the time is over.
func (m *motion) samples(t *testing.T, ctx context.Context) (samples []history.Sample) {
	t.Helper()
	client := m.cluster.datastore.Client(t)
	for response := range client.Watch(ctx, "compact_rev_key") {
		if err := response.Err(); err != nil && ctx.Err() == nil {
			t.Errorf("compact_rev_key: %v", err)
		}
		for range response.Events {
			status, err := client.Status(ctx, m.cluster.datastore.Any().Endpoint)
			if err != nil {
				break
			}
			samples = append(samples, history.Sample{Size: status.DbSize, Written: m.written.Load()})
			counters.Add("compactions by kube-apiserver", 1)
		}
	}
	return samples
}
