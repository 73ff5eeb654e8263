package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/figures"
	"regent/tests/conformance/server"
)

const quotaBytes = 24 << 20

// TestAFullDatastoreRecovers fills the datastore through kube-apiserver until its quota refuses a creation, and follows the
// recovery as etcd's documentation tells it, with etcdctl.
func TestAFullDatastoreRecovers(t *testing.T) {
	folder := t.TempDir()
	writeCredentials(t, folder)
	datastore := server.StartDatastore(t, fmt.Sprint("--quota-backend-bytes=", quotaBytes))
	a := newAPIServer(t, datastore.Endpoint, folder, "quota", "--advertise-address="+cachedAddress)
	a.start(t)
	t.Cleanup(a.kill)
	a.awaitReady(t)
	path := configMaps("default")

	count := fillUp(t, a, path)
	figures.Add(t, "objects of 500 kB until the quota of 24 MiB", "%d", count)
	if list := a.must(t, "GET", path, nil); len(list.Items) < count {
		t.Errorf("%d of %d objects can be read while the datastore is full", len(list.Items), count)
	}
	output, _ := a.kubectl(t, "", "create", "configmap", "small", "--from-literal=a=b")
	if !strings.Contains(output, "database space exceeded") {
		t.Errorf("kubectl on a full datastore says %s", output)
	}
	if got := etcdctl(t, datastore, "alarm", "list"); !strings.Contains(got, "alarm:NOSPACE") {
		t.Errorf("the alarms are %q", got)
	}

	for i := range count {
		a.must(t, "DELETE", path+"/"+fmt.Sprint("big", i), nil)
	}
	refused(t, a, path, "before the recovery")
	answer, err := datastore.Client(t).Get(t.Context(), "health")
	if err != nil {
		t.Fatal(err)
	}
	etcdctl(t, datastore, "compact", strconv.FormatInt(answer.Header.Revision, 10))
	etcdctl(t, datastore, "defrag")
	refused(t, a, path, "while the alarm is armed")
	etcdctl(t, datastore, "alarm", "disarm")
	if got := etcdctl(t, datastore, "alarm", "list"); strings.Contains(got, "alarm:") {
		t.Errorf("after the recovery the alarms are %q", got)
	}
	if again := fillUp(t, a, path); again < count*3/4 {
		t.Errorf("after the recovery only %d objects fit, %d did before", again, count)
	}
	counters.Add("recoveries from a full datastore", 1)
}

func bigConfigMap(i int) *object {
	return configMap(fmt.Sprint("big", i), strings.Repeat(string(rune('a'+i%26)), 500_000))
}

// fillUp creates big objects until one is refused, and returns how many were created.
func fillUp(t *testing.T, a *apiServer, path string) int {
	t.Helper()
	for i := range 4 * quotaBytes / 500_000 {
		code, answer, err := a.call(t.Context(), "POST", path, bigConfigMap(i))
		if err == nil && code == http.StatusCreated {
			continue
		}
		if err != nil || !strings.Contains(answer.Message, "etcdserver: mvcc: database space exceeded") {
			t.Fatalf("creation %d: %d %v %+v", i, code, err, answer)
		}
		return i
	}
	t.Fatal("the quota refuses nothing")
	return 0
}

func refused(t *testing.T, a *apiServer, path, when string) {
	t.Helper()
	code, answer, err := a.call(t.Context(), "POST", path, configMap("refused", ""))
	if err != nil || code < 300 || !strings.Contains(answer.Message, "etcdserver: mvcc: database space exceeded") {
		t.Errorf("a creation %s: %d %v %+v", when, code, err, answer)
	}
}

func etcdctl(t *testing.T, datastore *server.Datastore, words ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), requestPatience)
	defer cancel()
	words = append([]string{"--endpoints=" + datastore.Endpoint, "--command-timeout=50s"}, words...)
	output, err := exec.CommandContext(ctx, server.Tool(t, "etcdctl"), words...).CombinedOutput()
	if err != nil {
		t.Fatalf("etcdctl %s: %v %s", strings.Join(words, " "), err, output)
	}
	return string(output)
}
