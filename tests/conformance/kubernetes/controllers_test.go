package kubernetes

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"regent/tests/conformance/server"
)

// wholeTable says whether the rows are run that take long or need the controller manager and the scheduler.
func wholeTable() bool { return os.Getenv("CONFORMANCE_TIER") == "full" }

const kubeconfig = `
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: %q}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
`

// startControllers starts the controller manager and the scheduler on the API server with the cache, and the kubelets of
// three nodes, and waits until what the controller manager puts into every namespace is there.
func (c *cluster) startControllers(t *testing.T) {
	t.Helper()
	config := filepath.Join(c.folder, "kubeconfig")
	if err := os.WriteFile(config, fmt.Appendf(nil, kubeconfig, c.cached.url, token), 0o600); err != nil {
		t.Fatal(err)
	}
	for program, flags := range map[string][]string{
		"kube-controller-manager": {
			"--service-account-private-key-file=" + filepath.Join(c.folder, "sa.key"),
			"--root-ca-file=" + filepath.Join(c.folder, "certs-cached", "apiserver.crt"),
			"--kube-api-qps=200", "--kube-api-burst=400",
		},
		"kube-scheduler": {"--kube-api-qps=200", "--kube-api-burst=400"},
	} {
		arguments := append([]string{"--kubeconfig=" + config, "--leader-elect=false", "--secure-port=0"}, flags...)
		log := filepath.Join(server.Artefacts(t.Name()), program+".log")
		_ = os.Remove(log)
		process, err := server.Launch(log, nil, server.Tool(t, program), arguments...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			select {
			case <-process.Exited():
				t.Errorf("%s ended by itself\n%s", program, process.Tail())
			default:
			}
			process.Kill()
		})
	}
	c.controllers = true
	startKubelets(t, c.cached, "node-a", "node-b", "node-c")
	c.awaitPublished(t, "default")
}

// published is how many ConfigMaps there are in a namespace from its beginning: with a controller manager, the one that has
// the certificate of the API server.
func (c *cluster) published() int {
	if c.controllers {
		return 1
	}
	return 0
}

const publishedName = "kube-root-ca.crt"

func (c *cluster) awaitPublished(t *testing.T, namespace string) {
	t.Helper()
	if !c.controllers {
		return
	}
	path := configMaps(namespace) + "/" + publishedName
	for deadline := time.Now().Add(requestPatience); ; time.Sleep(50 * time.Millisecond) {
		code, _, err := c.uncached.call(t.Context(), "GET", path, nil)
		if err == nil && code == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the controller manager has put nothing into the namespace %s: %d %v", namespace, code, err)
		}
	}
}
