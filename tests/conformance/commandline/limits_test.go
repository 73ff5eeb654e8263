package commandline

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/net/http2"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

// announcedStreams is what the server's first frame says about concurrent streams.
func announcedStreams(t *testing.T, s *server.Server) uint32 {
	t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(s.Endpoint, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(server.CallPatience))
	fmt.Fprint(connection, http2.ClientPreface)
	framer := http2.NewFramer(connection, connection)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	frame, err := framer.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	settings, is := frame.(*http2.SettingsFrame)
	if !is {
		t.Fatalf("the first frame is %v", frame)
	}
	streams, given := settings.Value(http2.SettingMaxConcurrentStreams)
	if !given {
		return 1<<32 - 1 // HTTP/2's default: no limit
	}
	return streams
}

func TestTheNumberOfStreamsIsAnnounced(t *testing.T) {
	if got := announcedStreams(t, server.Start(t, "--max-concurrent-streams=7")); got != 7 {
		t.Errorf("%d streams for 7", got)
	}
	// Regent's own bound is that of a connection's memory; etcd has none.
	if got := announcedStreams(t, server.Start(t, "--max-concurrent-streams=0")); got < 32768 {
		t.Errorf("%d streams for no limit", got)
	}
}

func TestTheQuotaIsShownAsEtcdShowsIt(t *testing.T) {
	for _, flag := range []string{"0", "-1", "1", "8589934592", "9663676416", "-9223372036854775808", "9223372036854775807"} {
		var shown []string
		for _, s := range []*server.Server{server.Start(t, "--log-level=info", "--quota-backend-bytes="+flag),
			server.StartEtcd(t, "--log-level=info", "--quota-backend-bytes="+flag)} {
			status, err := pb.NewMaintenanceClient(s.Connection(t)).Status(server.Context(t), &pb.StatusRequest{})
			if err != nil {
				t.Fatal(err)
			}
			text, _ := os.ReadFile(s.Process().Log)
			shown = append(shown, fmt.Sprint(status.DbSizeQuota, " warned: ", strings.Contains(string(text), "quota exceeds the maximum value"),
				" disabled: ", strings.Contains(string(text), "disabled backend quota")))
			s.Kill()
		}
		if shown[0] != shown[1] {
			t.Errorf("--quota-backend-bytes=%s is shown as %s; etcd: %s", flag, shown[0], shown[1])
		}
		counters.Add("quotas compared", 1)
	}
}

func TestTheGatewayCanBeTurnedOff(t *testing.T) {
	for flag, code := range map[string]int{"true": http.StatusOK, "false": http.StatusNotFound} {
		s := server.Start(t, "--enable-grpc-gateway="+flag)
		response, err := http.Post(s.Endpoint+"/v3/kv/range", "application/json", strings.NewReader(`{"key":"YQ=="}`))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != code {
			t.Errorf("--enable-grpc-gateway=%s answers %d", flag, response.StatusCode)
		}
	}
}

// A knob that turns nothing is accepted, with one line that says so; one that stands at its default says nothing.
func TestKnobsWithoutEffectSaySoOnce(t *testing.T) {
	if !isRegent() {
		t.Skip("etcd's knobs have effects") // the control
	}
	flags := []string{"--max-wals=3", "--max-snapshots=1", "--memory-mlock", "--backend-bbolt-freelist-type=array",
		"--backend-batch-interval=1s", "--backend-batch-limit=5", "--raft-read-timeout=6s", "--raft-write-timeout=6s",
		"--initial-election-tick-advance=false", "--v2-deprecation=gone", "--enable-pprof",
		"--bootstrap-defrag-threshold-megabytes=1", "--corrupt-check-time=1m", "--compact-hash-check-time=2m",
		"--downgrade-check-time=1s"}
	s := server.Start(t, append(slices.Clone(flags), "--log-level=info")...)
	text, err := os.ReadFile(s.Process().Log)
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range flags {
		name, _, _ := strings.Cut(flag, "=")
		if lines := strings.Count(string(text), `"msg":"`+name+" has no effect here"); lines != 1 {
			t.Errorf("%s has %d lines", name, lines)
		}
		counters.Add("knobs tried", 1)
	}
	// The second server of a test begins its log anew.
	plain := server.Start(t, "--log-level=info", "--snapshot-count=10000", "--max-wals=5", "--strict-reconfig-check=true")
	if text, err := os.ReadFile(plain.Process().Log); err != nil || strings.Contains(string(text), "has no effect here") {
		t.Errorf("defaults: %v\n%s", err, text)
	}
}

func TestNothingIsSyncedOnlyWithALoudLine(t *testing.T) {
	if !isRegent() {
		t.Skip("etcd says nothing") // the control
	}
	const loud = "NOTHING IS SYNCED TO THE DISK"
	for _, flags := range [][]string{{"--unsafe-no-fsync"}, {}} {
		s := server.Start(t, flags...)
		text, err := os.ReadFile(s.Process().Log)
		if err != nil || strings.Contains(string(text), loud) != (len(flags) > 0) {
			t.Errorf("%v: %v\n%s", flags, err, text)
		}
	}
}
