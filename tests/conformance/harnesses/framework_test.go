package harnesses

import (
	"testing"

	"k8s.io/klog/v2/ktesting"
	"k8s.io/kubernetes/test/integration/framework"
)

// Kubernetes' own integration tests start `etcd` on a socket in the file system and an API server in their own process.
func TestKubernetesIntegrationFramework(t *testing.T) {
	onPath(t, assets(t))
	t.Setenv("KUBE_INTEGRATION_ETCD_URL", "")
	logger, ctx := ktesting.NewTestContext(t)
	framework.StartEtcd(logger, t, true)
	t.Logf("the server listens on %s", framework.GetEtcdURL())
	client, _, tearDown := framework.StartTestServer(ctx, t, framework.TestServerSetup{})
	defer tearDown()
	roundTrip(t, client)
}
