package harnesses

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const kwokConfiguration = `
apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokctlConfiguration
options:
  bindAddress: 127.0.0.1
  etcdPort: %s
  etcdPeerPort: %s
  kubeApiserverPort: %s
  kubeControllerManagerPort: %s
  kubeSchedulerPort: %s
  kwokControllerPort: %s
`

// kwokctl makes a cluster of processes whose nodes and pods only exist in the API. It is ended and started again.
func TestKwok(t *testing.T) {
	tools, etcd, folder := os.Getenv("ETCD_TOOLS"), filepath.Join(assets(t), "etcd"), t.TempDir()
	t.Setenv("HOME", folder)
	t.Setenv("KWOK_WORKDIR", filepath.Join(folder, "work"))
	configuration := filepath.Join(folder, "kwok.yaml")
	text := fmt.Sprintf(kwokConfiguration, freePort(t), freePort(t), freePort(t), freePort(t), freePort(t), freePort(t))
	if err := os.WriteFile(configuration, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KWOK_KUBECTL_BINARY", tool(tools, "kubectl"))
	t.Setenv("KUBECONFIG", filepath.Join(folder, "kubeconfig"))
	kwokctl := func(words ...string) string {
		t.Helper()
		return output(t, tool(tools, "kwokctl"), append([]string{"--name=conformance", "--config=" + configuration}, words...)...)
	}
	kubectl := func(words ...string) string {
		t.Helper()
		return output(t, tool(tools, "kubectl"), append([]string{"--request-timeout=60s"}, words...)...)
	}
	defer kwokctl("delete", "cluster") // while the commands of the test may still run
	kwokctl("create", "cluster", "--runtime=binary", "--wait=110s", "--etcd-binary="+etcd,
		"--kube-apiserver-binary="+tool(tools, "kube-apiserver"),
		"--kube-controller-manager-binary="+tool(tools, "kube-controller-manager"),
		"--kube-scheduler-binary="+tool(tools, "kube-scheduler"),
		"--kwok-controller-binary="+tool(tools, "kwok"))
	kwokctl("scale", "node", "--replicas=3")
	kubectl("create", "deployment", "web", "--image=example.test/web", "--replicas=12")
	kubectl("rollout", "status", "deployment/web", "--timeout=110s")
	count := func(path, word string) int {
		t.Helper()
		return strings.Count(kubectl("get", "pods", "--output=jsonpath={.items[*]."+path+"}"), word)
	}
	if got := count("status.phase", "Running"); got != 12 {
		t.Errorf("%d pods run", got)
	}
	kwokctl("stop", "cluster")
	kwokctl("start", "cluster", "--wait=110s")
	if got := count("status.phase", "Running"); got != 12 {
		t.Errorf("%d pods run after the restart", got)
	}
	// Bound they have to be. To run them is kwok's part, which does not always take over the nodes of its former self.
	kubectl("scale", "deployment/web", "--replicas=15")
	for deadline := time.Now().Add(patience); count("spec.nodeName", "node-") != 15; time.Sleep(time.Second) {
		if time.Now().After(deadline) {
			t.Fatalf("%d pods are bound after the restart", count("spec.nodeName", "node-"))
		}
	}
}
