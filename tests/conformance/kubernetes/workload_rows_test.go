package kubernetes

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/figures"
)

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 6
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: DoNotSchedule
        labelSelector: {matchLabels: {app: web}}
        matchLabelKeys: [pod-template-hash]
      containers: [{name: web, image: "example.test/web:1", ports: [{containerPort: 80}]}]
`

const rolloutPatience = "--timeout=180s"

// kubectlMust runs kubectl in a namespace; it has to succeed.
func (a *apiServer) kubectlMust(t *testing.T, input, namespace string, words ...string) string {
	t.Helper()
	output, code := a.kubectl(t, input, append([]string{"--namespace=" + namespace}, words...)...)
	if code != 0 {
		t.Fatalf("kubectl %s (%s): %d %s", strings.Join(words, " "), a.name, code, output)
	}
	return output
}

// workloads is the row of everything that controllers and the scheduler do; its steps build on each other.
func workloads(t *testing.T, c *cluster) {
	namespace := c.namespace(t, "workloads")
	for _, step := range []struct {
		name string
		run  func(*testing.T, *cluster, string)
	}{
		{"a deployment's pods are bound to nodes and serve", deploys},
		{"it is scaled", scales},
		{"a new version is rolled out and taken back", rollsOut},
		{"what an owner leaves is collected", collects},
		{"a namespace goes with all that is in it", namespaceGoes},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(t, c, namespace) }) {
			return
		}
	}
}

// countOf is how many objects of a kind there are, by the server without a cache.
func (c *cluster) countOf(t *testing.T, namespace, kind string, words ...string) int {
	t.Helper()
	output := c.uncached.kubectlMust(t, "", namespace, append([]string{"get", kind, "--output=name"}, words...)...)
	return len(slices.DeleteFunc(strings.Split(output, "\n"), func(line string) bool { return !strings.Contains(line, "/") }))
}

// awaitCounts waits until there are so many objects of a kind.
func (c *cluster) awaitCount(t *testing.T, want int, namespace, kind string, words ...string) {
	t.Helper()
	for deadline := time.Now().Add(3 * requestPatience); ; time.Sleep(200 * time.Millisecond) {
		got := c.countOf(t, namespace, kind, words...)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d objects of kind %s in %s, not %d", got, kind, namespace, want)
		}
	}
}

func (c *cluster) awaitRollout(t *testing.T, namespace string) {
	t.Helper()
	c.cached.kubectlMust(t, "", namespace, "rollout", "status", "deployment/web", rolloutPatience)
	counters.Add("rollouts", 1)
}

func deploys(t *testing.T, c *cluster, namespace string) {
	began := time.Now()
	c.cached.kubectlMust(t, deployment, namespace, "apply", "--filename=-")
	c.awaitRollout(t, namespace)
	figures.Since(t, "6 pods bound and ready", began)
	if sets := c.countOf(t, namespace, "replicasets"); sets != 1 {
		t.Errorf("%d replica sets", sets)
	}
	nodes := map[string]int{}
	bound := c.uncached.kubectlMust(t, "", namespace, "get", "pods", "--output=jsonpath={.items[*].spec.nodeName}")
	for _, node := range strings.Fields(bound) {
		nodes[node]++
	}
	// The constraint of the pods leaves the scheduler no other choice.
	if want := map[string]int{"node-a": 2, "node-b": 2, "node-c": 2}; !maps.Equal(nodes, want) {
		t.Errorf("the pods are bound to %v", nodes)
	}
	c.cached.kubectlMust(t, "", namespace, "expose", "deployment/web", "--port=80")
	c.awaitEndpoints(t, namespace, 6)
}

// awaitEndpoints waits until the service's slices name so many ready addresses.
func (c *cluster) awaitEndpoints(t *testing.T, namespace string, want int) {
	t.Helper()
	for deadline := time.Now().Add(requestPatience); ; time.Sleep(200 * time.Millisecond) {
		output := c.uncached.kubectlMust(t, "", namespace, "get", "endpointslices", "--selector=kubernetes.io/service-name=web",
			"--output=jsonpath={.items[*].endpoints[*].conditions.ready}")
		if strings.Count(output, "true") == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the service has the endpoints %q, not %d", output, want)
		}
	}
}

func scales(t *testing.T, c *cluster, namespace string) {
	began := time.Now()
	c.cached.kubectlMust(t, "", namespace, "scale", "deployment/web", "--replicas=60")
	c.awaitRollout(t, namespace)
	figures.Since(t, "scaled from 6 to 60 pods", began)
	c.awaitCount(t, 60, namespace, "pods", "--field-selector=status.phase=Running")
	c.cached.kubectlMust(t, "", namespace, "scale", "deployment/web", "--replicas=4")
	c.awaitCount(t, 4, namespace, "pods")
	c.awaitEndpoints(t, namespace, 4)
}

func rollsOut(t *testing.T, c *cluster, namespace string) {
	images := func() string {
		return c.uncached.kubectlMust(t, "", namespace, "get", "pods", "--field-selector=status.phase=Running",
			"--output=jsonpath={.items[*].spec.containers[*].image}")
	}
	began := time.Now()
	c.cached.kubectlMust(t, "", namespace, "set", "image", "deployment/web", "web=example.test/web:2")
	c.awaitRollout(t, namespace)
	figures.Since(t, "a new version of 4 pods", began)
	c.awaitCount(t, 4, namespace, "pods")
	if got := images(); strings.Count(got, "web:2") != 4 {
		t.Errorf("after the rollout the images are %s", got)
	}
	if sets := c.countOf(t, namespace, "replicasets"); sets != 2 {
		t.Errorf("%d replica sets after the rollout", sets)
	}
	c.cached.kubectlMust(t, "", namespace, "rollout", "undo", "deployment/web")
	c.awaitRollout(t, namespace)
	c.awaitCount(t, 4, namespace, "pods")
	if got := images(); strings.Count(got, "web:1") != 4 {
		t.Errorf("after the rollout was taken back the images are %s", got)
	}
	if history := c.cached.kubectlMust(t, "", namespace, "rollout", "history", "deployment/web"); !strings.Contains(history, "3") {
		t.Errorf("the history of three rollouts: %s", history)
	}
}

// collects deletes owners: first without what they own, then what was left, at the end with what is owned.
func collects(t *testing.T, c *cluster, namespace string) {
	c.cached.kubectlMust(t, "", namespace, "delete", "deployment/web", "--cascade=orphan")
	c.awaitCount(t, 0, namespace, "deployments")
	if sets, pods := c.countOf(t, namespace, "replicasets"), c.countOf(t, namespace, "pods"); sets != 2 || pods != 4 {
		t.Errorf("orphaned: %d replica sets and %d pods", sets, pods)
	}
	c.cached.kubectlMust(t, "", namespace, "delete", "replicasets", "--all")
	c.awaitCount(t, 0, namespace, "pods")

	c.cached.kubectlMust(t, deployment, namespace, "apply", "--filename=-")
	c.awaitRollout(t, namespace)
	began := time.Now()
	c.cached.kubectlMust(t, "", namespace, "delete", "deployment/web", "--cascade=foreground", "--wait", rolloutPatience)
	figures.Since(t, "deployment, replica set and pods collected", began)
	for _, kind := range []string{"deployments", "replicasets", "pods"} {
		if count := c.countOf(t, namespace, kind); count != 0 {
			t.Errorf("%d %s outlive the deletion that waits for them", count, kind)
		}
	}
}

func namespaceGoes(t *testing.T, c *cluster, namespace string) {
	c.cached.kubectlMust(t, deployment, namespace, "apply", "--filename=-")
	c.awaitRollout(t, namespace)
	c.deleteNamespace(t, namespace)
}

// deleteNamespace deletes it, waits until it is gone, and looks into the datastore for what has been left.
func (c *cluster) deleteNamespace(t *testing.T, namespace string) {
	t.Helper()
	began := time.Now()
	c.cached.kubectlMust(t, "", "", "delete", "namespace", namespace, "--wait=false")
	path := "/api/v1/namespaces/" + namespace
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		code, answer, err := c.uncached.call(t.Context(), "GET", path, nil)
		if err == nil && code == 404 {
			break
		}
		if time.Now().After(deadline) {
			status, _ := json.Marshal(answer)
			t.Fatalf("the namespace %s is still there: %d %v %s", namespace, code, err, status)
		}
	}
	figures.Since(t, "namespace gone", began)
	answer, err := c.datastore.Client(t).Get(t.Context(), "/registry/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range answer.Kvs {
		// What happened in it is told by events, which the namespace controller deletes too, and late ones may follow.
		if key := string(kv.Key); strings.Contains(key, "/"+namespace+"/") && !strings.HasPrefix(key, "/registry/events/") {
			t.Errorf("left in the datastore: %s", key)
		}
	}
	counters.Add("namespaces deleted", 1)
}

// manyObjects creates ten thousand objects with several kinds of clients at once, and compares every way to list them.
func manyObjects(t *testing.T, c *cluster) {
	const count, byKubectl = 10000, 1000
	namespace := c.namespace(t, "many")
	path := configMaps(namespace)
	began := time.Now()
	created := make(chan string, 1)
	go func() {
		var manifest strings.Builder
		for i := range byKubectl {
			fmt.Fprintf(&manifest, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: k%05d}\ndata: {value: \"%d\"}\n", i, i)
		}
		output, code := c.uncached.kubectl(t, manifest.String(), "--namespace="+namespace, "create", "--filename=-", "--output=name")
		created <- fmt.Sprint(code, " ", strings.Count(output, "configmap/k"))
	}()
	c.fill(t, path, count-byKubectl)
	figures.Rate(t, "objects created through two API servers", count-byKubectl, began)
	if got := <-created; got != fmt.Sprint("0 ", byKubectl) {
		t.Errorf("kubectl ended with %s", got)
	}
	figures.Since(t, "10,000 objects created by API clients and kubectl at once", began)
	counters.Add("objects created at once", count)
	c.compareAllLists(t, path, count+c.published())
	c.deleteNamespace(t, namespace)
}
