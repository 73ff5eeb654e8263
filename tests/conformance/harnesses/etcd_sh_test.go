package harnesses

import (
	"strings"
	"testing"
)

// What hack/local-up-cluster.sh and the integration tests' scripts do with etcd, in their own words: the functions are those
// of the Kubernetes module. The server's own address is chosen by ETCD_HOST and ETCD_PORT.
const script = `
set -o errexit -o nounset -o pipefail
KUBE_ROOT=$1
source "$KUBE_ROOT/hack/lib/logging.sh"
source "$KUBE_ROOT/hack/lib/util.sh"
source "$KUBE_ROOT/hack/lib/etcd.sh"
trap kube::etcd::cleanup EXIT
kube::etcd::start
echo
kube::etcd::start_scraping >"$TMPDIR/scraping" 2>&1 # whose pipe it would keep open
kube::etcd::scrape
kill "$ETCD_SCRAPE_PID"
wait "$ETCD_SCRAPE_PID" || true
grep -hc '^etcd_mvcc_db_total_size_in_bytes ' "$ETCD_SCRAPE_DIR"/*.scrape
etcdctl --endpoints "$KUBE_INTEGRATION_ETCD_URL" get _test --keys-only
unset ETCD_SCRAPE_PID
kube::etcd::stop
! kill -0 "$ETCD_PID" 2>/dev/null && echo "the server is gone"
`

func TestTheShellFunctionsOfKubernetes(t *testing.T) {
	onPath(t, assets(t))
	t.Setenv("ETCD_HOST", "127.0.0.1")
	t.Setenv("ETCD_PORT", freePort(t))
	t.Setenv("TMPDIR", t.TempDir())
	got := output(t, "bash", "-c", script, "etcd.sh", module(t, "k8s.io/kubernetes"))
	for _, want := range []string{
		`etcd: : {"health":"true"`,  // of kube::util::wait_for_url
		`{"header":{"cluster_id":"`, // of the put through JSON
		"\n1\n",                     // the metric of the scrape
		"\n_test\n",                 // the key that was put
		"the server is gone\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
}
