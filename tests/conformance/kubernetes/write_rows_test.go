package kubernetes

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/figures"
)

func createTwice(t *testing.T, c *cluster) {
	for i, a := range c.both() {
		name := fmt.Sprint("twice", i)
		if output, code := a.kubectl(t, "", "create", "namespace", name); code != 0 {
			t.Fatalf("%d: %s", code, output)
		}
		output, code := a.kubectl(t, "", "create", "namespace", name)
		if code != 1 || !strings.Contains(output, "already exists") {
			t.Errorf("the second namespace: %d %s", code, output)
		}
		path := configMaps(name)
		a.must(t, "POST", path, configMap("a", "1"))
		for _, b := range c.both() {
			code, answer, err := b.call(t.Context(), "POST", path, configMap("a", "2"))
			if err != nil || code != http.StatusConflict || answer.Reason != "AlreadyExists" {
				t.Errorf("the second ConfigMap (%s): %d %v %+v", b.name, code, err, answer)
			}
			if got := b.must(t, "GET", path+"/a", nil); got.value() != "1" {
				t.Errorf("the ConfigMap (%s) is %+v", b.name, got)
			}
		}
	}
}

func patchAtOnce(t *testing.T, c *cluster) {
	path := configMaps(c.namespace(t, "patches"))
	created := c.cached.must(t, "POST", path, configMap("a", "0"))
	var won, lost atomic.Int64
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() {
			patch := configMap("a", fmt.Sprint(i+1))
			patch.Metadata.ResourceVersion = created.Metadata.ResourceVersion
			code, answer, err := c.both()[i%2].call(t.Context(), "PATCH", path+"/a", patch)
			switch {
			case err == nil && code == http.StatusOK:
				won.Add(1)
			case err == nil && code == http.StatusConflict && answer.Reason == "Conflict":
				lost.Add(1)
			default:
				t.Errorf("%d %v %+v", code, err, answer)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 || lost.Load() != 99 {
		t.Errorf("%d patches won and %d lost", won.Load(), lost.Load())
	}
	counters.Add("conflicts", int(lost.Load()))
}

func incrementWithRetries(t *testing.T, c *cluster) {
	path := configMaps(c.namespace(t, "increments"))
	c.cached.must(t, "POST", path, configMap("a", "0"))
	var group sync.WaitGroup
	for worker := range 10 {
		a := c.both()[worker%2]
		group.Go(func() {
			for done := 0; done < 10; {
				current := a.must(t, "GET", path+"/a", nil)
				count, _ := strconv.Atoi(current.value())
				current.Data = map[string]any{"value": strconv.Itoa(count + 1)}
				code, answer, err := a.call(t.Context(), "PUT", path+"/a", current)
				switch {
				case err == nil && code == http.StatusOK:
					done++
				case err == nil && code == http.StatusConflict:
					counters.Add("conflicts", 1)
				default:
					t.Errorf("%d %v %+v", code, err, answer)
					return
				}
			}
		})
	}
	group.Wait()
	if got := c.uncached.must(t, "GET", path+"/a", nil); got.value() != "100" {
		t.Errorf("100 increments make %s", got.value())
	}
}

// tooLarge uses a kind whose validation has no limit of its own.
func tooLarge(t *testing.T, c *cluster) {
	path := "/apis/apps/v1/namespaces/" + c.namespace(t, "large") + "/controllerrevisions"
	revision := &object{APIVersion: "apps/v1", Kind: "ControllerRevision", Metadata: metadata{Name: "large"}, Revision: 1,
		Data: map[string]any{"blob": strings.Repeat("v", 2000000)}}
	for _, a := range c.both() {
		code, answer, err := a.call(t.Context(), "POST", path, revision)
		if err != nil || code != http.StatusInternalServerError || !strings.Contains(answer.Message, "etcdserver: request is too large") {
			t.Errorf("2 MB (%s): %d %v %+v", a.name, code, err, answer)
		}
	}
	revision.Data = map[string]any{"blob": strings.Repeat("v", 1400000)}
	c.cached.must(t, "POST", path, revision)
}

func renewals(t *testing.T, c *cluster) {
	path := "/apis/coordination.k8s.io/v1/namespaces/" + c.namespace(t, "renewals") + "/leases"
	lease := &object{APIVersion: "coordination.k8s.io/v1", Kind: "Lease", Metadata: metadata{Name: "a"},
		Spec: map[string]any{"holderIdentity": "conformance", "leaseDurationSeconds": 15, "leaseTransitions": 0}}
	lease = c.cached.must(t, "POST", path, lease)
	const rounds = 200
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	var took []time.Duration
	last := lease.revision()
	for i := range rounds {
		<-ticker.C
		lease.Spec["leaseTransitions"] = i + 1
		lease.Spec["renewTime"] = time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
		began := time.Now()
		lease = c.both()[i%2].must(t, "PUT", path+"/a", lease)
		took = append(took, time.Since(began))
		if lease.revision() <= last {
			t.Fatalf("renewal %d has the resource version %d after %d", i, lease.revision(), last)
		}
		last = lease.revision()
	}
	figures.Latencies(t, "a renewal", took)
	if got := c.uncached.must(t, "GET", path+"/a", nil); fmt.Sprint(got.Spec["leaseTransitions"]) != fmt.Sprint(rounds) {
		t.Errorf("the lease says %v after %d renewals", got.Spec["leaseTransitions"], rounds)
	}
}
