package kubernetes

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/figures"
)

const masterLeases = "/registry/masterleases/"

// endpointLeases kills an API server: its record, which hangs on a lease of 15 s that it renews, has to go, and that of the
// other one has to stay.
func endpointLeases(t *testing.T, c *cluster) {
	client := c.datastore.Client(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if got := records(t, ctx, client); !slices.Equal(got, []string{cachedAddress, uncachedAddress}) {
		t.Fatalf("before: %v", got)
	}
	watch := client.Watch(ctx, masterLeases+cachedAddress, clientv3.WithPrevKV())
	awaitEvent(t, watch, clientv3.EventTypePut)
	renewed := time.Now()
	c.cached.kill()
	counters.Add("kube-apiserver crashes", 1)
	if deleted := awaitEvent(t, watch, clientv3.EventTypeDelete); deleted.PrevKv == nil {
		t.Error("the deletion comes without the value that is deleted")
	}
	figures.Since(t, "a record with a lease of 15 s is gone after its last renewal and", renewed)
	// Granting the lease and writing the record are two steps, which on a busy machine may lie apart.
	if lived := time.Since(renewed); lived < 12*time.Second {
		t.Errorf("it is gone after %v already", lived)
	}
	if got := records(t, ctx, client); !slices.Equal(got, []string{uncachedAddress}) {
		t.Errorf("after the record is gone: %v", got)
	}
	c.awaitAddresses(t, ctx, uncachedAddress)
	c.cached.start(t)
	c.cached.awaitReady(t)
	c.awaitAddresses(t, ctx, cachedAddress, uncachedAddress)
	counters.Add("records of API servers expired", 1)
}

// awaitEvent waits for the next event of a kind.
func awaitEvent(t *testing.T, watch clientv3.WatchChan, kind mvccpb.Event_EventType) *clientv3.Event {
	t.Helper()
	for response := range watch {
		for _, event := range response.Events {
			if event.Type == kind {
				return event
			}
		}
	}
	t.Fatalf("no %v of the record comes", kind)
	return nil
}

func records(t *testing.T, ctx context.Context, client *clientv3.Client) (addresses []string) {
	t.Helper()
	answer, err := client.Get(ctx, masterLeases, clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range answer.Kvs {
		if kv.Lease == 0 {
			t.Errorf("%s hangs on no lease", kv.Key)
		}
		addresses = append(addresses, strings.TrimPrefix(string(kv.Key), masterLeases))
	}
	return addresses
}

// awaitAddresses waits until the service "kubernetes" has these addresses; an API server sets them every ten seconds.
func (c *cluster) awaitAddresses(t *testing.T, ctx context.Context, want ...string) {
	t.Helper()
	for {
		got := c.addresses(t, ctx)
		if slices.Equal(got, want) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the service kubernetes has the addresses %q, not %q", got, want)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (c *cluster) addresses(t *testing.T, ctx context.Context) (addresses []string) {
	t.Helper()
	_, text, err := c.uncached.raw(ctx, "GET", "/api/v1/namespaces/default/endpoints/kubernetes", "", nil)
	var endpoints struct {
		Subsets []struct{ Addresses []struct{ IP string } }
	}
	if err == nil {
		err = json.Unmarshal(text, &endpoints)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, subset := range endpoints.Subsets {
		for _, address := range subset.Addresses {
			addresses = append(addresses, address.IP)
		}
	}
	return addresses
}
