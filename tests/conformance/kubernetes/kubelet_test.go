package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"regent/tests/conformance/counters"
)

const heartbeat = 5 * time.Second

// kubelets stand in for those of some nodes: they renew the nodes' leases, report each pod that is bound to one of them as
// running, and let go of a pod that is to end.
type kubelets struct {
	api   *apiServer
	nodes map[string]bool
}

// startKubelets makes the nodes and waits until pods can be bound to them; everything ends with the test.
func startKubelets(t *testing.T, a *apiServer, nodes ...string) {
	t.Helper()
	k := &kubelets{api: a, nodes: map[string]bool{}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{}, 2)
	for _, name := range nodes {
		k.nodes[name] = true
		k.register(t, name)
	}
	go func() { k.renew(ctx); ended <- struct{}{} }()
	go func() { k.run(ctx); ended <- struct{}{} }()
	t.Cleanup(func() { cancel(); <-ended; <-ended })
	for name := range k.nodes {
		k.awaitReady(t, name)
	}
}

// awaitReady waits until the controller manager has taken off the taint that every new node has.
func (k *kubelets) awaitReady(t *testing.T, name string) {
	t.Helper()
	for deadline := time.Now().Add(requestPatience); ; time.Sleep(50 * time.Millisecond) {
		node := k.api.must(t, "GET", "/api/v1/nodes/"+name, nil)
		if node.Spec["taints"] == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the node %s keeps its taints %v", name, node.Spec["taints"])
		}
	}
}

func now() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000000Z") }

func (k *kubelets) register(t *testing.T, name string) {
	t.Helper()
	status, _ := json.Marshal(map[string]any{
		"capacity":    map[string]string{"cpu": "64", "memory": "256Gi", "pods": "500"},
		"allocatable": map[string]string{"cpu": "64", "memory": "256Gi", "pods": "500"},
		"conditions": []map[string]string{{"type": "Ready", "status": "True", "reason": "KubeletReady",
			"lastHeartbeatTime": time.Now().UTC().Format(time.RFC3339), "lastTransitionTime": time.Now().UTC().Format(time.RFC3339)}},
	})
	k.api.must(t, "POST", "/api/v1/nodes", &object{APIVersion: "v1", Kind: "Node", Status: status,
		Metadata: metadata{Name: name, Labels: map[string]string{"kubernetes.io/hostname": name}}})
	k.api.must(t, "POST", leases, &object{APIVersion: "coordination.k8s.io/v1", Kind: "Lease", Metadata: metadata{Name: name},
		Spec: map[string]any{"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now()}})
}

const leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

func (k *kubelets) renew(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(heartbeat):
		}
		for name := range k.nodes {
			// One that fails, because something is being killed, is made good by the next.
			_, _, _ = k.api.call(ctx, "PATCH", leases+"/"+name, &object{Spec: map[string]any{"renewTime": now()}})
		}
	}
}

// run watches all pods from what is there, again and again: what failed is then seen once more.
func (k *kubelets) run(ctx context.Context) {
	for ctx.Err() == nil {
		k.follow(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (k *kubelets) follow(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, err := k.api.watch(ctx, "/api/v1/pods", url.Values{})
	if err != nil {
		return
	}
	for event := range events {
		if event.Type != "ADDED" && event.Type != "MODIFIED" {
			continue
		}
		if k.serve(ctx, &event.Object) != nil {
			return
		}
	}
}

// serve does what the pod's state asks of its kubelet.
func (k *kubelets) serve(ctx context.Context, pod *object) error {
	node, _ := pod.Spec["nodeName"].(string)
	if !k.nodes[node] {
		return nil
	}
	var status struct{ Phase string }
	_ = json.Unmarshal(pod.Status, &status)
	path := "/api/v1/namespaces/" + pod.Metadata.Namespace + "/pods/" + pod.Metadata.Name
	switch {
	case pod.Metadata.DeletionTimestamp != "":
		return k.send(ctx, "DELETE", path, "application/json", map[string]any{
			"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0,
			"preconditions": map[string]string{"uid": pod.Metadata.UID}})
	case status.Phase == "Pending":
		counters.Add("pods bound", 1)
		ready := map[string]string{"status": "True", "lastTransitionTime": time.Now().UTC().Format(time.RFC3339)}
		return k.send(ctx, "PATCH", path+"/status", "application/strategic-merge-patch+json", map[string]any{
			"metadata": map[string]string{"uid": pod.Metadata.UID},
			"status": map[string]any{"phase": "Running", "podIP": address(pod.Metadata.UID),
				"conditions": []any{with(ready, "type", "Ready"), with(ready, "type", "ContainersReady")}}})
	}
	return nil
}

// send makes one change; that the pod is gone or is another one by now is no failure.
func (k *kubelets) send(ctx context.Context, method, path, contentType string, body any) error {
	ctx, cancel := context.WithTimeout(ctx, requestPatience)
	defer cancel()
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	code, answer, err := k.api.raw(ctx, method, path, contentType, text)
	if err != nil || code < 300 || code == http.StatusNotFound || code == http.StatusConflict {
		return err
	}
	return fmt.Errorf("%s %s: %d %.200s", method, path, code, answer)
}

func with(base map[string]string, key, value string) map[string]string {
	more := map[string]string{key: value}
	for k, v := range base {
		more[k] = v
	}
	return more
}

// address makes an address of 10.0.0.0/8 out of a pod's UID: nobody connects to it.
func address(uid string) string {
	var a, b, c byte
	fmt.Sscanf(uid, "%2x%2x%2x", &a, &b, &c)
	return fmt.Sprintf("10.%d.%d.%d", a, b, c)
}
