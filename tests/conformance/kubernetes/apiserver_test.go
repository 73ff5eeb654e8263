// Package kubernetes runs unmodified kube-apiservers on the server under test: one as it comes, and one without its watch
// cache, which shows the datastore itself.
package kubernetes

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/figures"
	"regent/tests/conformance/server"
)

const (
	token         = "conformance"
	readyPatience = 3 * time.Minute
	// What each API server says its address is. A loopback address is refused.
	cachedAddress   = "10.10.10.10"
	uncachedAddress = "10.10.10.11"
)

// cluster is a datastore with the two API servers on it.
type cluster struct {
	datastore *server.Datastore
	cached    *apiServer
	uncached  *apiServer
	folder    string
	// controllers: the controller manager and the scheduler run too.
	controllers bool
}

func (c *cluster) both() []*apiServer { return []*apiServer{c.cached, c.uncached} }

// apiServer is one kube-apiserver.
type apiServer struct {
	name      string
	url       string
	http      *http.Client
	arguments []string
	log       string
	folder    string
	process   *server.Process
	// environment: an event that cannot be decoded ends the server, instead of only its watch.
	environment []string
}

// startCluster starts everything and waits until both API servers are ready. The environment is that of the API servers.
func startCluster(t *testing.T, environment ...string) *cluster {
	t.Helper()
	began := time.Now()
	folder := t.TempDir()
	writeCredentials(t, folder)
	datastore := server.StartDatastore(t, "--watch-progress-notify-interval=5s", "--quota-backend-bytes=8589934592")
	c := &cluster{datastore: datastore, folder: folder}
	c.cached = newAPIServer(t, datastore.Endpoint, folder, "cached", "--advertise-address="+cachedAddress)
	c.uncached = newAPIServer(t, datastore.Endpoint, folder, "uncached", "--watch-cache=false", "--advertise-address="+uncachedAddress)
	for _, a := range c.both() {
		a.environment = append(a.environment, environment...)
		a.start(t)
		t.Cleanup(a.kill)
	}
	for _, a := range c.both() {
		a.awaitReady(t)
	}
	figures.Since(t, "two API servers ready", began)
	if wholeTable() {
		c.startControllers(t)
	}
	return c
}

func writeCredentials(t *testing.T, folder string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"sa.key":     pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		"sa.pub":     pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
		"tokens.csv": []byte(token + `,admin,admin-uid,"system:masters"` + "\n"),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func newAPIServer(t *testing.T, endpoint, folder, name string, flags ...string) *apiServer {
	t.Helper()
	host := server.LoopbackHost()
	ports, err := server.FreePorts(host, 1)
	if err != nil {
		t.Fatal(err)
	}
	a := &apiServer{
		name:   name,
		url:    fmt.Sprintf("https://%s:%d", host, ports[0]),
		log:    filepath.Join(server.Artefacts(t.Name()), "kube-apiserver-"+name+".log"),
		folder: folder,

		environment: []string{"KUBE_PANIC_WATCH_DECODE_ERROR=true"},
	}
	_ = os.Remove(a.log)
	a.arguments = append([]string{
		"--etcd-servers=" + endpoint,
		"--bind-address=" + host,
		fmt.Sprintf("--secure-port=%d", ports[0]),
		"--cert-dir=" + filepath.Join(folder, "certs-"+name),
		"--token-auth-file=" + filepath.Join(folder, "tokens.csv"),
		"--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + filepath.Join(folder, "sa.pub"),
		"--service-account-signing-key-file=" + filepath.Join(folder, "sa.key"),
		"--event-ttl=60s",
		"--etcd-compaction-interval=1m",
	}, flags...)
	// The certificate is made by the server at its start; who it is does not matter here.
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2: true,
	}
	a.http = &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	return a
}

func (a *apiServer) start(t *testing.T) {
	t.Helper()
	var err error
	a.process, err = server.Launch(a.log, a.environment, server.Tool(t, "kube-apiserver"), a.arguments...)
	if err != nil {
		t.Fatal(err)
	}
}

// said is everything in the server's log.
func (a *apiServer) said(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(a.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (a *apiServer) kill() { a.process.Kill() }

// awaitReady waits for /readyz. Nothing tells from outside when that will be, so it is asked again and again.
func (a *apiServer) awaitReady(t *testing.T) {
	t.Helper()
	deadline := time.After(readyPatience)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		code, _, err := a.raw(ctx, "GET", "/readyz", "", nil)
		cancel()
		if err == nil && code == http.StatusOK {
			return
		}
		select {
		case <-a.process.Exited():
			t.Fatalf("kube-apiserver (%s) ended\n%s", a.name, a.process.Tail())
		case <-deadline:
			t.Fatalf("kube-apiserver (%s) is not ready: %d %v\n%s", a.name, code, err, a.process.Tail())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// raw makes one request and returns the whole answer.
func (a *apiServer) raw(ctx context.Context, method, path, contentType string, body []byte) (int, []byte, error) {
	response, err := a.open(ctx, method, path, contentType, body)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, text, err
}

func (a *apiServer) open(ctx context.Context, method, path, contentType string, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, a.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Accept", "application/json")
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	counters.Add("api requests", 1)
	return a.http.Do(request)
}

// kubectl runs the real command; input goes to its standard input.
func (a *apiServer) kubectl(t *testing.T, input string, arguments ...string) (output string, exitCode int) {
	t.Helper()
	arguments = append([]string{"--server=" + a.url, "--insecure-skip-tls-verify", "--token=" + token}, arguments...)
	command := exec.CommandContext(t.Context(), server.Tool(t, "kubectl"), arguments...)
	command.Env = append(os.Environ(), "HOME="+a.folder, "KUBECONFIG=/dev/null")
	command.Stdin = strings.NewReader(input)
	text, err := command.CombinedOutput()
	if err != nil && command.ProcessState == nil {
		t.Fatal(err)
	}
	counters.Add("kubectl calls", 1)
	return string(text), command.ProcessState.ExitCode()
}

// metric sums all samples of a metric whose labels contain all of the given ones.
func (a *apiServer) metric(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	code, text, err := a.raw(t.Context(), "GET", "/metrics", "", nil)
	if err != nil || code != http.StatusOK {
		t.Fatalf("metrics: %d %v", code, err)
	}
	sum := 0.0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, name+"{") && !strings.HasPrefix(line, name+" ") {
			continue
		}
		matches := true
		for _, label := range labels {
			matches = matches && strings.Contains(line, label)
		}
		fields := strings.Fields(line)
		value := 0.0
		if _, err := fmt.Sscan(fields[len(fields)-1], &value); err == nil && matches {
			sum += value
		}
	}
	return sum
}
