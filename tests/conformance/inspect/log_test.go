package inspect

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

// written is a request that a client made: its name in the log and the message.
type written struct {
	name    string
	message proto.Message
}

func op(message proto.Message) *pb.RequestOp {
	switch request := message.(type) {
	case *pb.RangeRequest:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: request}}
	case *pb.PutRequest:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: request}}
	case *pb.DeleteRangeRequest:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: request}}
	case *pb.TxnRequest:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: request}}
	}
	panic("no operation of a transaction")
}

// Every kind of request with every field.
func requests(member uint64) []written {
	const lease = 1<<62 + 7
	all := []byte{0, 0xff, 'k', 0x01}
	return []written{
		{"put", &pb.PutRequest{Key: []byte("a"), Value: []byte("1")}},
		{"lease_grant", &pb.LeaseGrantRequest{ID: lease, TTL: 1000}},
		{"lease_grant", &pb.LeaseGrantRequest{ID: 5, TTL: 1000}},
		{"put", &pb.PutRequest{Key: all, Value: []byte("<&>\n\x00\x80"), Lease: lease, PrevKv: true}},
		{"put", &pb.PutRequest{Key: all, IgnoreValue: true, IgnoreLease: true}},
		{"txn", &pb.TxnRequest{
			Compare: []*pb.Compare{
				{Key: []byte("a"), Target: pb.Compare_MOD, TargetUnion: &pb.Compare_ModRevision{}},
				{Key: []byte("a"), Result: pb.Compare_GREATER, Target: pb.Compare_VERSION, TargetUnion: &pb.Compare_Version{Version: 1}},
				{Key: []byte("a"), Result: pb.Compare_LESS, Target: pb.Compare_CREATE, TargetUnion: &pb.Compare_CreateRevision{CreateRevision: 9}},
				{Key: []byte("a"), Result: pb.Compare_NOT_EQUAL, Target: pb.Compare_VALUE, TargetUnion: &pb.Compare_Value{Value: []byte("x")}},
				{Key: []byte("a"), RangeEnd: []byte("z"), Target: pb.Compare_LEASE, TargetUnion: &pb.Compare_Lease{Lease: lease}},
			},
			Success: []*pb.RequestOp{op(&pb.PutRequest{Key: []byte("t"), Value: all})},
			Failure: []*pb.RequestOp{
				op(&pb.RangeRequest{Key: []byte("a"), RangeEnd: []byte{0}, Limit: 3, Revision: 2, SortOrder: pb.RangeRequest_DESCEND,
					SortTarget: pb.RangeRequest_VALUE, Serializable: true, KeysOnly: true, MinModRevision: 1, MaxModRevision: 2,
					MinCreateRevision: 3, MaxCreateRevision: 4}),
				op(&pb.RangeRequest{Key: []byte("a"), CountOnly: true}),
				op(&pb.TxnRequest{Failure: []*pb.RequestOp{op(&pb.PutRequest{Key: []byte("n")})},
					Success: []*pb.RequestOp{op(&pb.DeleteRangeRequest{Key: []byte("b"), RangeEnd: []byte("c"), PrevKv: true})}}),
			},
		}},
		{"delete_range", &pb.DeleteRangeRequest{Key: []byte("a"), RangeEnd: []byte("b"), PrevKv: true}},
		{"compaction", &pb.CompactionRequest{Revision: 2, Physical: true}},
		{"lease_revoke", &pb.LeaseRevokeRequest{ID: 5}},
		{"alarm", &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, MemberID: member, Alarm: pb.AlarmType_NOSPACE}},
		{"alarm", &pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, MemberID: member, Alarm: pb.AlarmType_NOSPACE}},
	}
}

// make sends the request.
func (w written) make(t *testing.T, s *server.Server) {
	t.Helper()
	ctx, connection := server.Context(t), s.Connection(t)
	kv, lease := pb.NewKVClient(connection), pb.NewLeaseClient(connection)
	var err error
	switch request := w.message.(type) {
	case *pb.PutRequest:
		_, err = kv.Put(ctx, request)
	case *pb.DeleteRangeRequest:
		_, err = kv.DeleteRange(ctx, request)
	case *pb.TxnRequest:
		_, err = kv.Txn(ctx, request)
	case *pb.CompactionRequest:
		_, err = kv.Compact(ctx, request)
	case *pb.LeaseGrantRequest:
		_, err = lease.LeaseGrant(ctx, request)
	case *pb.LeaseRevokeRequest:
		_, err = lease.LeaseRevoke(ctx, request)
	case *pb.AlarmRequest:
		_, err = pb.NewMaintenanceClient(connection).Alarm(ctx, request)
	}
	if err != nil {
		t.Fatal(w.name, err)
	}
}

// request is the form of the log.
func (w written) request(t *testing.T) object {
	t.Helper()
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(w.message)
	if err != nil {
		t.Fatal(err)
	}
	return object{w.name: parse(t, string(text))}
}

// clientEntries are the lines that carry a client's command, without their index and term, which must ascend. The member
// tells its name and URLs once.
func clientEntries(t *testing.T, text string) []object {
	t.Helper()
	var requests []object
	term, published := int64(0), 0
	for i, line := range lines(t, text) {
		if line["index"] != number(i+1) || len(line) != 4 {
			t.Errorf("line %d is %v", i+1, line)
		}
		now, err := number(line["term"]).Int64()
		if err != nil || now < term || now == 0 {
			t.Errorf("line %d: the term is %v after %d", i+1, line["term"], term)
		}
		term = now
		if request, _ := line["request"].(object); len(request) > 0 && line["type"] == "normal" {
			if request["member_publish"] != nil {
				published++
			} else {
				requests = append(requests, request)
			}
		}
		counters.Add("log lines compared", 1)
	}
	if published != 1 {
		t.Errorf("the member has told its name %d times", published)
	}
	return requests
}

func TestEveryRequestIsALineOfTheLog(t *testing.T) {
	wal := filepath.Join(t.TempDir(), "wal")
	for name, flags := range map[string][]string{"inside": nil, "log elsewhere": {"--wal-dir=" + wal}} {
		t.Run(name, func(t *testing.T) {
			s := server.Start(t, flags...)
			status, err := s.Client(t).Status(server.Context(t), s.Endpoint)
			if err != nil {
				t.Fatal(err)
			}
			var want []object
			for _, made := range requests(status.Header.MemberId) {
				made.make(t, s)
				want = append(want, made.request(t))
			}
			s.Kill()
			data := filepath.Join(s.DataDir, "data")
			before := hash(t, s.DataDir)
			got := inspect(t, append([]string{"log", data}, flags...)...)
			if got.code != 0 || got.errors != "" {
				t.Errorf("exit code %d: %s", got.code, got.errors)
			}
			for _, difference := range differences(clientEntries(t, got.out), want) {
				t.Error(difference)
			}
			summary := parse(t, inspect(t, append([]string{"log", data, "--summary", "--json"}, flags...)...).out)
			if summary["last_index"] != number(strings.Count(got.out, "\n")) || summary["base_index"] != number(0) {
				t.Errorf("the summary says %v", summary)
			}
			if hash(t, s.DataDir) != before {
				t.Error("looking has changed the folder")
			}
			if len(flags) > 0 {
				if got := inspect(t, "log", data); got.code != 1 || !strings.Contains(got.errors, "--wal-dir") {
					t.Errorf("without --wal-dir: %d %s", got.code, got.errors)
				}
			}
			s.Restart(t)
			s.Kill()
			again := clientEntries(t, inspect(t, append([]string{"log", data}, flags...)...).out)
			for _, difference := range differences(again, want) {
				t.Error("after a restart: ", difference)
			}
		})
	}
}

func TestLeasesThatExpireAreOneLine(t *testing.T) {
	s := server.Start(t)
	client, ctx := s.Client(t), server.Context(t)
	if _, err := pb.NewLeaseClient(s.Connection(t)).LeaseGrant(ctx, &pb.LeaseGrantRequest{ID: 77, TTL: 2}); err != nil {
		t.Fatal(err)
	}
	for {
		left, err := client.TimeToLive(ctx, 77)
		if err != nil {
			t.Fatal(err)
		}
		if left.TTL == -1 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.Kill()
	got := clientEntries(t, inspect(t, "log", filepath.Join(s.DataDir, "data")).out)
	want := []object{{"lease_grant": object{"ID": "77", "TTL": "2"}}, {"lease_expiry": object{"ids": []any{"77"}, "leader_term": "1"}}}
	if len(got) == 2 {
		if expiry, _ := got[1]["lease_expiry"].(object); expiry != nil {
			want[1]["lease_expiry"].(object)["leader_term"] = expiry["leader_term"] // as the term happens to be
		}
	}
	for _, difference := range differences(got, want) {
		t.Error(difference)
	}
}

// A log of several segments is read in pieces: the peak of memory is far below its size. What the node has released
// meanwhile is gone.
func TestALargeLogIsReadInBoundedMemory(t *testing.T) {
	const writers, puts, valueBytes = 16, 200, 64 << 10
	const peakMax, logMin = 48 << 20, 64 << 20
	s := server.Start(t)
	client, ctx := s.Client(t), server.Context(t)
	var group sync.WaitGroup
	for writer := range writers {
		group.Go(func() {
			for range puts {
				if _, err := client.Put(ctx, "large", strings.Repeat(string(rune('a'+writer)), valueBytes)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	s.Kill()
	data := filepath.Join(s.DataDir, "data")
	summary := parse(t, inspect(t, "log", data, "--summary", "--json").out)
	segments, _ := summary["segments"].([]any)
	command := commandOf(t, "log", data)
	pipe, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	_, short := io.CopyN(&out, pipe, logMin) // it waits for its reader now
	peak := peakBytes(t, command.Process.Pid)
	_, err = io.Copy(&out, pipe)
	if err := errors.Join(short, err, command.Wait()); err != nil {
		t.Fatal(err)
	}
	if entries := bytes.Count(out.Bytes(), []byte("\n")); summary["entries"] != number(entries) || len(segments) < 2 {
		t.Errorf("%d lines: %v", entries, summary)
	}
	if peak == 0 || peak > peakMax {
		t.Errorf("the peak of memory is %d bytes, more than %d", peak, peakMax)
	}
	t.Logf("%d MiB of JSON, peak of memory %d MiB", out.Len()>>20, peak>>20)
	counters.Add("inspections", 1)
	// A reader that goes away early.
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	command = commandOf(t, "log", data)
	command.Stdout = writer
	var said strings.Builder
	command.Stderr = &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	if _, err := reader.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	reader.Close()
	if err := command.Wait(); err != nil || said.Len() > 0 {
		t.Errorf("after the reader has gone: %v %s", err, &said)
	}
	counters.Add("inspections", 1)
}
