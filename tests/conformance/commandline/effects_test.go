package commandline

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

// get reads a page with some headers, "Name: value".
func get(t *testing.T, url string, headers ...string) (int, http.Header, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(server.Context(t), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
		if name == "Host" {
			request.Host = value
		}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(body)
}

func freeURL(t *testing.T) string {
	t.Helper()
	host := server.LoopbackHost()
	ports, err := server.FreePorts(host, 1)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("http://%s:%d", host, ports[0])
}

func TestOnlyListedHostsAreServedAndOnlyListedOriginsAllowed(t *testing.T) {
	s := server.Start(t, "--host-whitelist=good,other", "--cors=http://a:1")
	code, header, body := get(t, s.Endpoint+"/version")
	host, _, _ := net.SplitHostPort(strings.TrimPrefix(s.Endpoint, "http://"))
	want := "\netcd received your request, but the Host header was unrecognized.\n\nTo fix this, choose one of the following options:\n" +
		"- Enable TLS, then any HTTPS request will be allowed.\n- Add the hostname you want to use to the whitelist in settings.\n" +
		"  - e.g. etcd --host-whitelist \"" + host + "\"\n\n" +
		"This requirement has been added to help prevent \"DNS Rebinding\" attacks (CVE-2018-5702).\n\n"
	if code != 421 || body != want || header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("another host gets %d %v\n%s", code, header, body)
	}
	for _, origin := range []string{"http://a:1", "http://b:1"} {
		code, header, _ := get(t, s.Endpoint+"/version", "Host: good:80", "Origin: "+origin)
		allowed := header.Get("Access-Control-Allow-Origin")
		if code != 200 || (allowed == origin) != (origin == "http://a:1") {
			t.Errorf("origin %s gets %d and %q", origin, code, allowed)
		}
	}
	if code, _, _ := get(t, s.Metrics+"/health"); code != 200 {
		t.Errorf("the metrics port asks for the host as well: %d", code)
	}
}

func TestHTTPOfClientsCanHaveAnAddressOfItsOwn(t *testing.T) {
	url := freeURL(t)
	s := server.Start(t, "--listen-client-http-urls="+url)
	if code, _, body := get(t, url+"/health"); code != 200 {
		t.Errorf("the HTTP address says %d %s", code, body)
	}
	if code, _, _ := get(t, s.Endpoint+"/health"); code == 200 {
		t.Error("the gRPC address serves HTTP")
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{url}, DialTimeout: time.Second})
	if err == nil {
		defer client.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if _, err = client.Status(ctx, url); err == nil {
			t.Error("the HTTP address serves gRPC")
		}
	}
}

func TestExtensiveMetricsMeasureRPCs(t *testing.T) {
	s := server.Start(t, "--metrics=extensive", "--feature-gates=LeaseCheckpoint=true")
	if _, err := s.Client(t).Put(server.Context(t), "k", "v"); err != nil {
		t.Fatal(err)
	}
	_, _, text := get(t, s.Metrics+"/metrics")
	put := `grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"`
	for _, line := range []string{`# TYPE grpc_server_handling_seconds histogram`, `grpc_server_handling_seconds_count{` + put + `} 1`,
		`grpc_server_handling_seconds_bucket{` + put + `,le="10"} 1`, `grpc_server_handling_seconds_bucket{` + put + `,le="0.005"} `,
		`etcd_server_feature_enabled{name="LeaseCheckpoint",stage="ALPHA"} 1`,
		`etcd_server_feature_enabled{name="FastLeaseKeepAlive",stage="BETA"} 1`,
		`etcd_server_feature_enabled{name="AllAlpha",stage="ALPHA"} 0`} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("there is no %s", line)
		}
	}
	if _, _, text := get(t, server.Shared(t).Metrics+"/metrics"); strings.Contains(text, "grpc_server_handling_seconds") {
		t.Error("basic metrics measure RPCs")
	}
}

func TestLogsGoToFilesInBothFormats(t *testing.T) {
	folder := t.TempDir()
	for format, mark := range map[string]string{"json": `{"level":"info","ts":"20`, "console": "Z\tinfo\t"} {
		path := filepath.Join(folder, format)
		server.Start(t, "--log-level=info", "--log-format="+format, "--log-outputs="+path+",stdout")
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), mark) || !strings.Contains(string(text), ready) {
			t.Errorf("%s: %v\n%s", format, err, text)
		}
	}
}

func TestALogFileIsRotated(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "server.log")
	if err := os.WriteFile(path, []byte(strings.Repeat("an old line\n", 100_000)), 0o644); err != nil {
		t.Fatal(err)
	}
	server.Start(t, "--log-level=info", "--log-outputs="+path, "--enable-log-rotation",
		`--log-rotation-config-json={"maxsize": 1, "compress": true}`)
	for range 100 {
		if moved, _ := filepath.Glob(filepath.Join(folder, "server-*.log.gz")); len(moved) == 1 {
			text, err := os.ReadFile(path)
			if err != nil || strings.Contains(string(text), "an old line") || !strings.Contains(string(text), ready) {
				t.Errorf("the new file: %v\n%.300s", err, text)
			}
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	names, _ := filepath.Glob(folder + "/*")
	t.Errorf("there are %v", names)
}

func TestTheLogOfTheNodeCanHaveAFolderOfItsOwn(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "wal")
	s := server.Start(t, "--wal-dir="+folder)
	if _, err := s.Client(t).Put(server.Context(t), "k", "v"); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if files, err := os.ReadDir(folder); err != nil || len(files) == 0 {
		t.Errorf("%v in the folder: %v", files, err)
	}
	s.Restart(t)
	if got, err := s.Client(t).Get(server.Context(t), "k"); err != nil || got.Count != 1 {
		t.Errorf("after a restart: %v %v", got, err)
	}
}

func TestAPortCanBeSharedWhenBothSaySo(t *testing.T) {
	url := freeURL(t)
	for range 2 {
		server.Start(t, "--listen-client-http-urls="+url, "--socket-reuse-port", "--socket-reuse-address")
	}
}

func TestTheServiceManagerIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify.sock")
	for _, name := range []string{path, "@regent-conformance-" + filepath.Base(filepath.Dir(filepath.Dir(path)))} {
		socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		command := exec.CommandContext(t.Context(), server.Binary(), listeners()...)
		command.Dir = t.TempDir()
		command.Env = append(os.Environ(), "NOTIFY_SOCKET="+name)
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		told := make([]byte, 100)
		_ = socket.SetReadDeadline(time.Now().Add(server.CallPatience))
		if n, err := socket.Read(told); err != nil || !strings.HasPrefix(string(told[:n]), "READY=1") {
			t.Errorf("on %s: %q %v", name, told[:n], err)
		}
		_ = command.Process.Kill()
		_ = command.Wait()
		counters.Add("servers started", 1)
	}
}

// The tools' command lines, without TLS.
func TestToolsCommandLinesStart(t *testing.T) {
	url, metrics, folder := freeURL(t), freeURL(t), t.TempDir()
	peer := freeURL(t)
	for tool, line := range map[string]string{
		"kubeadm": "--advertise-client-urls=" + url + " --data-dir=data --feature-gates=InitialCorruptCheck=true " +
			"--initial-advertise-peer-urls=" + peer + " --initial-cluster=m=" + peer + " --initial-cluster-state=new " +
			"--listen-client-urls=" + url + " --listen-metrics-urls=" + metrics + " --listen-peer-urls=" + peer +
			" --name=m --snapshot-count=10000 --watch-progress-notify-interval=5s --client-cert-auth=false",
		"integration tests of Kubernetes": "--data-dir data --listen-client-urls unix://" + folder + "/etcd.sock " +
			"--advertise-client-urls http://127.0.0.111:0 --listen-peer-urls http://127.0.0.1:0 -log-level warn " +
			"--listen-metrics-urls=" + metrics + " --quota-backend-bytes 8589934592",
		"a local Kubernetes": "--advertise-client-urls " + url + " --data-dir data --listen-client-urls " + url +
			" --listen-peer-urls http://localhost:0 --log-level=warn --listen-metrics-urls=" + metrics,
		"envtest": "--listen-peer-urls=http://localhost:0 --data-dir=data --advertise-client-urls=" + url +
			" --listen-client-urls=" + url + " --unsafe-no-fsync=true --listen-metrics-urls=" + metrics,
		"kwok": "--name=node0 --auto-compaction-retention=1 --quota-backend-bytes=8589934592 --data-dir=data " +
			"--initial-advertise-peer-urls=" + peer + " --listen-peer-urls=" + peer + " --advertise-client-urls=" + url +
			" --listen-client-urls=" + url + " --initial-cluster=node0=" + peer + " --listen-metrics-urls=" + metrics,
	} {
		t.Run(tool, func(t *testing.T) {
			log := filepath.Join(server.Artefacts(t.Name()), "server.log")
			process, err := launchIn(t.TempDir(), log, strings.Fields(line))
			if err != nil {
				t.Fatal(err)
			}
			defer process.Kill()
			code := 0
			for range 200 {
				if code, _, _ = get(t, metrics+"/readyz"); code == 200 {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
			if code != 200 {
				t.Errorf("is not ready: %d\n%s", code, process.Tail())
			}
			if !process.Terminate(5 * time.Second) {
				t.Error("does not end within five seconds of SIGTERM")
			}
			counters.Add("servers started", 1)
		})
	}
}

// launchIn starts the server under test with a relative data folder.
func launchIn(folder, log string, arguments []string) (*server.Process, error) {
	for i, argument := range arguments {
		switch {
		case argument == "data":
			arguments[i] = filepath.Join(folder, "data")
		case argument == "--data-dir=data":
			arguments[i] = "--data-dir=" + filepath.Join(folder, "data")
		}
	}
	return server.Launch(log, nil, server.Binary(), arguments...)
}

// What test environments look for before they start a server.
func TestHelpHasEveryFlagOnALineOfItsOwn(t *testing.T) {
	// The real etcd's help names two that it does not know, and leaves out some of its own.
	missing := map[string]bool{"discovery": true, "discovery-proxy": true}
	help := func(program string) map[string]bool {
		out, err := exec.CommandContext(t.Context(), program, "--help").Output()
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for scanner := bufio.NewScanner(strings.NewReader(string(out))); scanner.Scan(); {
			if name, is := strings.CutPrefix(strings.TrimSpace(scanner.Text()), "--"); is {
				found[strings.Fields(name)[0]] = true
			}
		}
		return found
	}
	got := help(server.Binary())
	for name := range help(server.Tool(t, "etcd")) {
		if !got[name] && !missing[name] {
			t.Errorf("--%s is not in the help", name)
		}
	}
	if !got["unsafe-no-fsync"] || len(got) < 100 {
		t.Errorf("the help has %d flags", len(got))
	}
}
