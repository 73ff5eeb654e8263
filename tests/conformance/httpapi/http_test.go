// Package httpapi tests what load balancers, kubelets and monitoring read over HTTP/1.1, on the client port beside gRPC and
// on the port of --listen-metrics-urls.
package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

func TestMain(m *testing.M) {
	code := counters.Main(m, "http requests", "metrics compared")
	server.EndShared()
	os.Exit(code)
}

type response struct {
	code   int
	header http.Header
	body   string
}

// request makes one HTTP/1.1 request.
func request(t testing.TB, method, url, body string) response {
	t.Helper()
	made, err := http.NewRequestWithContext(server.Context(t), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	got, err := http.DefaultClient.Do(made)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if got.ProtoMajor != 1 {
		t.Errorf("%s answers with %s", url, got.Proto)
	}
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	counters.Add("http requests", 1)
	return response{got.StatusCode, got.Header, string(text)}
}

func get(t testing.TB, url string) response {
	t.Helper()
	return request(t, "GET", url, "")
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// bases are the two places that serve health and metrics.
func bases(s *server.Server) map[string]string {
	return map[string]string{"client port": s.Endpoint, "metrics port": s.Metrics}
}

const healthy = `{"health":"true","reason":""}`

func TestHealth(t *testing.T) {
	s := server.Shared(t)
	for name, base := range bases(s) {
		t.Run(name, func(t *testing.T) {
			for _, query := range []string{"", "?serializable=true", "?serializable=false", "?exclude=NOSPACE",
				"?exclude=NOSPACE&exclude=CORRUPT", "?exclude=NOSPACE&serializable=true"} {
				got := get(t, base+"/health"+query)
				equal(t, query+" code", got.code, 200)
				equal(t, query+" body", got.body, healthy)
			}
		})
	}
}

func TestLivezAndReadyz(t *testing.T) {
	s := server.Shared(t)
	readiness := []string{"data_corruption", "linearizable_read", "non_learner", "serializable_read"}
	for name, base := range bases(s) {
		t.Run(name, func(t *testing.T) {
			paths := []string{"/livez", "/readyz", "/livez/serializable_read"}
			for _, check := range readiness {
				paths = append(paths, "/readyz/"+check)
			}
			for _, path := range paths {
				got := get(t, base+path)
				equal(t, path+" code", got.code, 200)
				equal(t, path+" body", got.body, "ok\n")
				equal(t, path+" type", got.header.Get("Content-Type"), "text/plain; charset=utf-8")
				equal(t, path+" sniffing", got.header.Get("X-Content-Type-Options"), "nosniff")
			}
			equal(t, "livez", checks(t, base+"/livez?verbose"), "serializable_read")
			equal(t, "readyz", checks(t, base+"/readyz?verbose"), strings.Join(readiness, " "))
			equal(t, "one check", checks(t, base+"/readyz/non_learner?verbose"), "non_learner")
			equal(t, "without two", checks(t, base+"/readyz?verbose&exclude=non_learner&exclude=linearizable_read"),
				"data_corruption serializable_read")
			equal(t, "without an unknown one", checks(t, base+"/readyz?verbose&exclude=unknown"), strings.Join(readiness, " "))
			for _, path := range []string{"/readyz/unknown", "/livez/linearizable_read", "/livez/unknown"} {
				equal(t, path, get(t, base+path).code, 404)
			}
		})
	}
}

// checks are the names in a verbose answer, sorted: the server's order is random.
func checks(t testing.TB, url string) string {
	t.Helper()
	got := get(t, url)
	equal(t, url+" code", got.code, 200)
	lines := strings.Split(strings.TrimSuffix(got.body, "\n"), "\n")
	equal(t, url+" last line", lines[len(lines)-1], "ok")
	var names []string
	for _, line := range lines[:len(lines)-1] {
		name, ok := strings.CutPrefix(line, "[+]")
		name, passed := strings.CutSuffix(name, " ok")
		if !ok || !passed {
			t.Errorf("%s has the line %q", url, line)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestVersionIsOnTheClientPortOnly(t *testing.T) {
	s := server.Shared(t)
	got := get(t, s.Endpoint+"/version")
	equal(t, "body", got.body, `{"etcdserver":"3.7.3","etcdcluster":"3.7.0","storage":"3.7.0"}`)
	equal(t, "type", got.header.Get("Content-Type"), "application/json")
	equal(t, "on the metrics port", get(t, s.Metrics+"/version").code, 404)
	for _, base := range bases(s) {
		equal(t, base+" unknown path", get(t, base+"/unknown").code, 404)
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	s := server.Shared(t)
	for name, base := range bases(s) {
		t.Run(name, func(t *testing.T) {
			paths := []string{"/health", "/livez", "/readyz", "/readyz/linearizable_read", "/livez/serializable_read"}
			if base == s.Endpoint {
				paths = append(paths, "/version")
			}
			for _, path := range paths {
				for _, method := range []string{"POST", "PUT", "DELETE", "HEAD"} {
					got := request(t, method, base+path, "")
					equal(t, method+" "+path, got.code, 405)
					equal(t, method+" "+path+" allows", got.header.Get("Allow"), "GET")
				}
			}
		})
	}
}

func TestOriginsAreAllowedOnTheClientPort(t *testing.T) {
	s := server.Shared(t)
	got := request(t, "OPTIONS", s.Endpoint+"/health", "")
	equal(t, "code", got.code, 200)
	equal(t, "origin", got.header.Get("Access-Control-Allow-Origin"), "*")
	equal(t, "methods", got.header.Get("Access-Control-Allow-Methods"), "POST, GET, OPTIONS, PUT, DELETE")
}

func TestAnAlarmMakesTheServerUnhealthy(t *testing.T) {
	s := server.Start(t)
	ctx := server.Context(t)
	client := s.Client(t)
	status, err := client.Status(ctx, s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	maintenance := pb.NewMaintenanceClient(client.ActiveConnection())
	for _, alarm := range []pb.AlarmType{pb.AlarmType_NOSPACE, pb.AlarmType_CORRUPT} {
		request := &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, MemberID: status.Header.MemberId, Alarm: alarm}
		if _, err := maintenance.Alarm(ctx, request); err != nil {
			t.Fatal(err)
		}
		for name, base := range bases(s) {
			t.Run(fmt.Sprint(alarm, " on the ", name), func(t *testing.T) {
				got := get(t, base+"/health")
				equal(t, "code", got.code, 503)
				equal(t, "body", strings.TrimSpace(got.body), `{"health":"false","reason":"ALARM `+alarm.String()+`"}`)
				equal(t, "excluded", get(t, base+"/health?exclude="+alarm.String()).code, 200)
				equal(t, "alive", get(t, base+"/livez").code, 200)
				ready, sound := 200, 200
				if alarm == pb.AlarmType_CORRUPT {
					ready, sound = 503, 503
				}
				equal(t, "ready", get(t, base+"/readyz").code, ready)
				equal(t, "data_corruption", get(t, base+"/readyz/data_corruption").code, sound)
				equal(t, "ready but for that", get(t, base+"/readyz?exclude=data_corruption").code, 200)
			})
		}
		request.Action = pb.AlarmRequest_DEACTIVATE
		if _, err := maintenance.Alarm(ctx, request); err != nil {
			t.Fatal(err)
		}
		equal(t, "healthy again", get(t, s.Endpoint+"/health").code, 200)
	}
}

func TestPutOverJSON(t *testing.T) {
	s := server.Shared(t)
	got := request(t, "POST", s.Endpoint+"/v3/kv/put", `{"key":"X3Rlc3Q=","value":"MQ=="}`)
	equal(t, "code", got.code, 200)
	if !strings.Contains(got.body, `"revision":"`) || !strings.Contains(got.body, `"cluster_id":"`) {
		t.Errorf("the answer is %s", got.body)
	}
	got = request(t, "POST", s.Endpoint+"/v3/kv/range", `{"key":"X3Rlc3Q="}`)
	if !strings.Contains(got.body, `"value":"MQ=="`) || !strings.Contains(got.body, `"count":"1"`) {
		t.Errorf("the answer is %s", got.body)
	}
	got = request(t, "POST", s.Endpoint+"/v3/kv/put", `{}`)
	equal(t, "code without a key", got.code, 400)
	if !strings.Contains(got.body, `"code":3`) || !strings.Contains(got.body, `"message":"etcdserver: key is not provided"`) {
		t.Errorf("the error is %s", got.body)
	}
}
