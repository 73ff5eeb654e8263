package httpapi

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
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

// Every kind of write and read, and what it moves: the numbers are etcd's.
func TestOperationsAreCountedByWhatTheyDo(t *testing.T) {
	s := server.Start(t)
	client, ctx := s.Client(t), server.Context(t)
	lease, err := client.Grant(ctx, 100)
	if err != nil {
		t.Fatal(err)
	}
	do := func(_ any, err error) error { return err }
	duration := func(name, labels string) string {
		return "etcd_server_" + name + "_duration_seconds_count{" + labels + "}"
	}
	apply := func(op, success string) string {
		return duration("apply", fmt.Sprintf(`op=%q,success=%q,version="v3"`, op, success))
	}
	request := func(kind, success string) string {
		return duration("request", fmt.Sprintf(`success=%q,type=%q`, success, kind))
	}
	const ranges, puts, deletes, txns = "etcd_mvcc_range_total", "etcd_mvcc_put_total", "etcd_mvcc_delete_total", "etcd_mvcc_txn_total"
	const putBytes = "etcd_debugging_mvcc_total_put_size_in_bytes"
	for _, row := range []struct {
		name  string
		call  func() error
		fails bool
		moves map[string]float64
	}{
		{"put", func() error { return do(client.Put(ctx, "ab", "xyz")) }, false,
			map[string]float64{puts: 1, putBytes: 5, apply("Put", "true"): 1, request("Put", "true"): 1}},
		{"put that looks", func() error { return do(client.Put(ctx, "ab", "", clientv3.WithPrevKV())) }, false,
			map[string]float64{puts: 1, ranges: 1, txns: 1, putBytes: 2}},
		{"put without a value", func() error { return do(client.Put(ctx, "ab", "", clientv3.WithIgnoreValue())) }, false,
			map[string]float64{puts: 1, ranges: 1, txns: 1, putBytes: 2}},
		{"put of nothing", func() error { return do(client.Put(ctx, "none", "", clientv3.WithIgnoreValue())) }, true,
			map[string]float64{ranges: 1, apply("Put", "false"): 1, request("Put", "true"): 1}},
		{"put without its lease", func() error { return do(client.Put(ctx, "ab", "", clientv3.WithLease(77))) }, true,
			map[string]float64{apply("Put", "false"): 1, request("Put", "true"): 1}},
		{"delete", func() error { return do(client.Delete(ctx, "none")) }, false,
			map[string]float64{deletes: 1, apply("DeleteRange", "true"): 1, request("DeleteRange", "true"): 1}},
		{"delete that looks", func() error { return do(client.Delete(ctx, "none", clientv3.WithPrevKV())) }, false,
			map[string]float64{deletes: 1, ranges: 1, txns: 1}},
		{"get", func() error { return do(client.Get(ctx, "ab")) }, false,
			map[string]float64{ranges: 1, request("Range", "true"): 1, duration("range", `success="true"`): 1}},
		{"get of the future", func() error { return do(client.Get(ctx, "ab", clientv3.WithRev(999))) }, true,
			map[string]float64{ranges: 1, request("Range", "false"): 1, duration("range", `success="false"`): 1}},
		{"transaction of one put", func() error {
			return do(client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision("ab"), ">", 0)).Then(clientv3.OpPut("ab", "xyz")).Commit())
		}, false, map[string]float64{puts: 1, ranges: 1, putBytes: 5, apply("Txn", "true"): 1, request("Txn", "true"): 1}},
		{"transaction of a put and a look", func() error {
			return do(client.Txn(ctx).Then(clientv3.OpPut("ab", "xyz"), clientv3.OpGet("ab")).Commit())
		}, false, map[string]float64{puts: 1, ranges: 1, txns: 1, putBytes: 5}},
		{"transaction that fails", func() error {
			return do(client.Txn(ctx).Then(clientv3.OpPut("ab", "xyz"), clientv3.OpGet("ab", clientv3.WithRev(999))).Commit())
		}, true, map[string]float64{apply("Txn", "false"): 1, request("Txn", "true"): 1}},
		{"transaction of looks", func() error { return do(client.Txn(ctx).Then(clientv3.OpGet("ab"), clientv3.OpGet("a")).Commit()) }, false,
			map[string]float64{ranges: 2, txns: 1, request("ReadonlyTxn", "true"): 1}},
		{"compaction", func() error { return do(client.Compact(ctx, 2)) }, false,
			map[string]float64{ranges: 1, apply("Compaction", "true"): 1, request("Compaction", "true"): 1}},
		{"compaction again", func() error { return do(client.Compact(ctx, 2)) }, true,
			map[string]float64{apply("Compaction", "true"): 1, request("Compaction", "true"): 1}},
		{"grant", func() error { return do(client.Grant(ctx, 100)) }, false,
			map[string]float64{"etcd_debugging_lease_granted_total": 1, "etcd_debugging_lease_ttl_total_sum": 100,
				apply("LeaseGrant", "true"): 1, request("LeaseGrant", "true"): 1}},
		{"renewal", func() error { return do(client.KeepAliveOnce(ctx, lease.ID)) }, false,
			map[string]float64{"etcd_debugging_lease_renewed_total": 1}},
		{"put on a lease", func() error {
			return do(client.Txn(ctx).Then(clientv3.OpPut("l1", "", clientv3.WithLease(lease.ID)), clientv3.OpPut("l2", "", clientv3.WithLease(lease.ID))).Commit())
		}, false, map[string]float64{puts: 2, txns: 1, putBytes: 4}},
		{"revoke", func() error { return do(client.Revoke(ctx, lease.ID)) }, false,
			map[string]float64{deletes: 2, txns: 1, "etcd_debugging_lease_revoked_total": 1,
				"etcd_debugging_server_lease_expired_total": 0, apply("LeaseRevoke", "true"): 1}},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, base := range []string{ranges, puts, deletes, txns, putBytes} {
				if _, named := row.moves[base]; !named {
					row.moves[base] = 0
				}
			}
			before := metrics(t, s.Metrics)
			if err := row.call(); (err != nil) != row.fails {
				t.Fatal(err)
			}
			after := before
			moved := func() bool {
				after = metrics(t, s.Metrics)
				for sample, want := range row.moves {
					if after[sample]-before[sample] != want {
						return false
					}
				}
				return true
			}
			if !eventually(moved) {
				for sample, want := range row.moves {
					if got := after[sample] - before[sample]; got != want {
						t.Errorf("%s moved by %v, want %v", sample, got, want)
					}
				}
			}
			counters.Add("metrics compared", len(row.moves))
		})
	}
}

func TestFeaturesAndAlarmsAreShown(t *testing.T) {
	s := server.Start(t)
	client, ctx := s.Client(t), server.Context(t)
	samples := metrics(t, s.Metrics)
	for sample, want := range map[string]float64{
		`etcd_server_feature_enabled{name="FastLeaseKeepAlive",stage="BETA"}`:           1,
		`etcd_server_feature_enabled{name="TxnModeWriteWithSharedBuffer",stage="BETA"}`: 1,
		`etcd_server_feature_enabled{name="AllAlpha",stage="ALPHA"}`:                    0,
		`etcd_server_feature_enabled{name="AllBeta",stage="BETA"}`:                      0,
		`etcd_server_feature_enabled{name="CompactHashCheck",stage="ALPHA"}`:            0,
		`etcd_server_feature_enabled{name="InitialCorruptCheck",stage="ALPHA"}`:         0,
		`etcd_server_feature_enabled{name="LeaseCheckpoint",stage="ALPHA"}`:             0,
		`etcd_server_feature_enabled{name="LeaseCheckpointPersist",stage="ALPHA"}`:      0,
		`etcd_server_feature_enabled{name="PriorityRequest",stage="ALPHA"}`:             0,
		`etcd_server_feature_enabled{name="SetMemberLocalAddr",stage="ALPHA"}`:          0,
		`etcd_server_feature_enabled{name="StopGRPCServiceOnDefrag",stage="ALPHA"}`:     0,
	} {
		if got, present := samples[sample]; !present || got != want {
			t.Errorf("%s is %v (present %v), want %v", sample, got, present, want)
		}
	}
	if samples["etcd_disk_wal_write_duration_seconds_count"] == 0 || samples["os_fd_limit"] == 0 {
		t.Error("the log's writes or the limit of descriptors have no value")
	}
	status, err := client.Status(ctx, s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	member := status.Header.MemberId
	alarm := fmt.Sprintf(`etcd_debugging_server_alarms{alarm_type="NOSPACE",server_id="%x"}`, member)
	maintenance := pb.NewMaintenanceClient(client.ActiveConnection())
	request := &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, MemberID: member, Alarm: pb.AlarmType_NOSPACE}
	if _, err := maintenance.Alarm(ctx, request); err != nil {
		t.Fatal(err)
	}
	equal(t, alarm, metrics(t, s.Metrics)[alarm], 1)
	request.Action = pb.AlarmRequest_DEACTIVATE
	if _, err := maintenance.Alarm(ctx, request); err != nil {
		t.Fatal(err)
	}
	off, present := metrics(t, s.Metrics)[alarm]
	equal(t, alarm, off, 0)
	equal(t, "it stays", present, true)
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
