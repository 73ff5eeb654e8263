package harnesses

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// kwokctl makes a cluster of processes whose nodes and pods only exist in the API. It is ended and started again.
func TestKwok(t *testing.T) {
	tools, etcd := os.Getenv("ETCD_TOOLS"), filepath.Join(assets(t), "etcd")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KWOK_WORKDIR", t.TempDir())
	t.Setenv("KWOK_BIND_ADDRESS", "127.0.0.1")
	t.Setenv("KWOK_KUBECTL_BINARY", tool(tools, "kubectl"))
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "kubeconfig"))
	kwokctl := func(words ...string) string {
		t.Helper()
		return output(t, tool(tools, "kwokctl"), append([]string{"--name=conformance"}, words...)...)
	}
	kubectl := func(words ...string) string {
		t.Helper()
		return output(t, tool(tools, "kubectl"), append([]string{"--request-timeout=60s"}, words...)...)
	}
	t.Cleanup(func() { kwokctl("delete", "cluster") })
	kwokctl("create", "cluster", "--runtime=binary", "--wait=110s", "--etcd-binary="+etcd,
		"--kube-apiserver-binary="+tool(tools, "kube-apiserver"),
		"--kube-controller-manager-binary="+tool(tools, "kube-controller-manager"),
		"--kube-scheduler-binary="+tool(tools, "kube-scheduler"),
		"--kwok-controller-binary="+tool(tools, "kwok"))
	kwokctl("scale", "node", "--replicas=3")
	kubectl("create", "deployment", "web", "--image=example.test/web", "--replicas=12")
	kubectl("rollout", "status", "deployment/web", "--timeout=110s")
	running := func() int {
		return strings.Count(kubectl("get", "pods", "--output=jsonpath={.items[*].status.phase}"), "Running")
	}
	if got := running(); got != 12 {
		t.Errorf("%d pods run", got)
	}
	kwokctl("stop", "cluster")
	kwokctl("start", "cluster", "--wait=110s")
	kubectl("scale", "deployment/web", "--replicas=15")
	for deadline := time.Now().Add(patience); running() != 15; time.Sleep(time.Second) {
		if time.Now().After(deadline) {
			t.Fatalf("%d pods run after the restart", running())
		}
	}
}
