package httpapi

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

// metrics reads all samples; the key is the name with its labels as they are printed.
func metrics(t testing.TB, base string) map[string]float64 {
	t.Helper()
	got := get(t, base+"/metrics")
	equal(t, "code", got.code, 200)
	if kind := got.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain; version=0.0.4") {
		t.Errorf("the content type is %q", kind)
	}
	samples := map[string]float64{}
	line := regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{.*\})?) (\S+)$`)
	for text := range strings.Lines(got.body) {
		text = strings.TrimSuffix(text, "\n")
		if strings.HasPrefix(text, "#") {
			continue
		}
		parts := line.FindStringSubmatch(text)
		if parts == nil {
			t.Errorf("not a sample: %q", text)
			continue
		}
		value, err := strconv.ParseFloat(parts[2], 64)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		samples[parts[1]] = value
	}
	return samples
}

// What a sample must be when its value is nobody's choice: there, or there and above zero.
const positive = -2

func TestTheMetricsThatAlertsUseAreThere(t *testing.T) {
	s := server.Shared(t)
	for name, base := range bases(s) {
		t.Run(name, func(t *testing.T) {
			samples := metrics(t, base)
			for sample, want := range map[string]float64{
				`etcd_server_has_leader`: 1, `etcd_server_is_leader`: 1, `etcd_server_is_learner`: 0,
				`etcd_server_version{server_version="3.7.3"}`:                 1,
				`etcd_cluster_version{cluster_version="3.7"}`:                 1,
				`etcd_server_quota_backend_bytes`:                             2147483648,
				`etcd_server_proposals_pending`:                               0,
				`etcd_server_proposals_failed_total`:                          0,
				`etcd_server_leader_changes_seen_total`:                       1,
				`etcd_server_slow_apply_total`:                                -1,
				`etcd_server_proposals_committed_total`:                       -1,
				`etcd_server_proposals_applied_total`:                         -1,
				`etcd_server_heartbeat_send_failures_total`:                   -1,
				`etcd_disk_wal_fsync_duration_seconds_count`:                  -1,
				`etcd_disk_wal_fsync_duration_seconds_sum`:                    -1,
				`etcd_disk_wal_fsync_duration_seconds_bucket{le="0.001"}`:     -1,
				`etcd_disk_backend_commit_duration_seconds_count`:             -1,
				`etcd_disk_backend_commit_duration_seconds_bucket{le="+Inf"}`: -1,
				`etcd_mvcc_db_total_size_in_bytes`:                            -1,
				`etcd_mvcc_db_total_size_in_use_in_bytes`:                     -1,
				`etcd_network_client_grpc_received_bytes_total`:               -1,
				`etcd_network_client_grpc_sent_bytes_total`:                   -1,
				`etcd_debugging_snap_save_total_duration_seconds_count`:       -1,
				`process_resident_memory_bytes`:                               positive,
				`process_start_time_seconds`:                                  positive,
				`process_cpu_seconds_total`:                                   positive,
				`process_open_fds`:                                            positive,
				`process_max_fds`:                                             positive,
				`grpc_server_handled_total{grpc_code="OK",grpc_method="Range",grpc_service="etcdserverpb.KV",grpc_type="unary"}`: -1,
				`grpc_server_started_total{grpc_method="Watch",grpc_service="etcdserverpb.Watch",grpc_type="bidi_stream"}`:       -1,
			} {
				value, present := samples[sample]
				if !present || (want >= 0 && value != want) || (want == positive && value <= 0) {
					t.Errorf("%s: %v (present %v), want %v", sample, value, present, want)
				}
				counters.Add("metrics compared", 1)
			}
		})
	}
}

func TestCountersCountWhatWasDone(t *testing.T) {
	s := server.Start(t)
	client, ctx := s.Client(t), server.Context(t)
	unary := func(service, method, code string) string {
		return fmt.Sprintf(`grpc_server_handled_total{grpc_code=%q,grpc_method=%q,grpc_service="etcdserverpb.%s",grpc_type="unary"}`,
			code, method, service)
	}
	// A call may be counted after it is answered: one read was made until the server was ready.
	if !eventually(func() bool { return metrics(t, s.Metrics)[unary("KV", "Range", "OK")] > 0 }) {
		t.Error("the first read is not counted")
	}
	before := metrics(t, s.Metrics)
	do := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(client.Put(ctx, "a", "1"))
	do(client.Put(ctx, "b", "1"))
	do(client.Delete(ctx, "a", clientv3.WithRange("c")))
	do(client.Put(ctx, "c", "1"))
	do(client.Txn(ctx).Then(clientv3.OpPut("d", "1"), clientv3.OpPut("e", "1")).Commit())
	do(client.Get(ctx, "d"))
	do(client.Grant(ctx, 100))
	if _, err := client.Put(ctx, "f", "1", clientv3.WithLease(77)); err == nil {
		t.Error("a put with an unknown lease succeeded")
	}
	wanted := map[string]float64{
		"etcd_mvcc_put_total":                  5,
		"etcd_mvcc_delete_total":               1,
		"etcd_mvcc_txn_total":                  1,
		"etcd_debugging_mvcc_keys_total":       3,
		"etcd_debugging_mvcc_current_revision": 5,
		"etcd_debugging_lease_granted_total":   1,
		unary("KV", "Put", "OK"):               3,
		unary("KV", "Put", "NotFound"):         1,
		unary("KV", "DeleteRange", "OK"):       1,
		unary("KV", "Txn", "OK"):               1,
		unary("KV", "Range", "OK"):             1,
		unary("Lease", "LeaseGrant", "OK"):     1,
	}
	after := before
	eventually(func() bool {
		after = metrics(t, s.Metrics)
		same := true
		for sample, want := range wanted {
			same = same && after[sample]-before[sample] == want
		}
		return same
	})
	for sample, want := range wanted {
		if moved := after[sample] - before[sample]; moved != want {
			t.Errorf("%s moved by %v, want %v", sample, moved, want)
		}
		counters.Add("metrics compared", 1)
	}
	for _, grows := range []string{"etcd_server_proposals_committed_total", "etcd_server_proposals_applied_total",
		"etcd_disk_wal_fsync_duration_seconds_count", "etcd_network_client_grpc_received_bytes_total",
		"etcd_network_client_grpc_sent_bytes_total"} {
		if after[grows] <= before[grows] {
			t.Errorf("%s went from %v to %v", grows, before[grows], after[grows])
		}
	}
}

// eventually asks again and again for a few seconds: nothing tells when a metric moves.
func eventually(holds func() bool) bool {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if holds() {
			return true
		}
	}
	return false
}

func TestWatchersAreCounted(t *testing.T) {
	s := server.Start(t)
	client := s.Client(t)
	watch := client.Watch(server.Context(t), "a", clientv3.WithCreatedNotify())
	<-watch
	during := metrics(t, s.Metrics)
	equal(t, "watchers", during["etcd_debugging_mvcc_watcher_total"], 1)
	equal(t, "watch streams", during["etcd_debugging_mvcc_watch_stream_total"], 1)
	if err := client.Watcher.Close(); err != nil {
		t.Fatal(err)
	}
	if !eventually(func() bool { return metrics(t, s.Metrics)["etcd_debugging_mvcc_watcher_total"] == 0 }) {
		t.Error("a closed watcher is still counted")
	}
}
