package sidebyside

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

const (
	slowApply = "apply request took too long"
	slowStats = "request stats"
	secret    = "a secret value"
)

// everythingIsSlow makes a line of every request.
var everythingIsSlow = []string{"--warning-apply-duration=1ns", "--warning-unary-request-duration=1ns"}

// services are the bare services of one server, which retry nothing.
type services struct {
	pb.KVClient
	pb.LeaseClient
	pb.MaintenanceClient
	pb.ClusterClient
	member uint64
}

type slowRow struct {
	name string
	call func(ctx context.Context, s services) (proto.Message, error)
}

func rangeRow(name string, request *pb.RangeRequest) slowRow {
	return slowRow{name, func(ctx context.Context, s services) (proto.Message, error) { return s.Range(ctx, request) }}
}

func putRow(name string, request *pb.PutRequest) slowRow {
	if request.Value == nil {
		request.Value = []byte(secret)
	}
	return slowRow{name, func(ctx context.Context, s services) (proto.Message, error) { return s.Put(ctx, request) }}
}

func deleteRow(name string, request *pb.DeleteRangeRequest) slowRow {
	return slowRow{name, func(ctx context.Context, s services) (proto.Message, error) { return s.DeleteRange(ctx, request) }}
}

func txnRow(name string, compare []*pb.Compare, success, failure []*pb.RequestOp) slowRow {
	request := &pb.TxnRequest{Compare: compare, Success: success, Failure: failure}
	return slowRow{name, func(ctx context.Context, s services) (proto.Message, error) { return s.Txn(ctx, request) }}
}

func rangeOp(key string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte(key)}}}
}

func putOp(key, value string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte(key), Value: []byte(value)}}}
}

func deleteOp(key, end string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{
		RequestDeleteRange: &pb.DeleteRangeRequest{Key: []byte(key), RangeEnd: []byte(end), PrevKv: true}}}
}

func slowRows() []slowRow {
	large := []byte(strings.Repeat(secret, 10_000))
	compares := []*pb.Compare{
		{Target: pb.Compare_VALUE, Result: pb.Compare_NOT_EQUAL, Key: []byte("k"), TargetUnion: &pb.Compare_Value{Value: []byte(secret)}},
		{Target: pb.Compare_MOD, Result: pb.Compare_GREATER, Key: []byte("k"), TargetUnion: &pb.Compare_ModRevision{ModRevision: 7}},
		{Target: pb.Compare_CREATE, Key: []byte("k"), RangeEnd: []byte("l"), TargetUnion: &pb.Compare_CreateRevision{}},
		{Target: pb.Compare_VERSION, Result: pb.Compare_LESS, Key: []byte("k\x00"), TargetUnion: &pb.Compare_Version{Version: -1}},
		{Target: pb.Compare_LEASE, Key: []byte("k"), TargetUnion: &pb.Compare_Lease{Lease: 5}},
	}
	nested := &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{
		Compare: compares[:1], Success: []*pb.RequestOp{putOp("n", secret)}, Failure: []*pb.RequestOp{rangeOp("n")}}}}
	rows := []slowRow{
		putRow("put", &pb.PutRequest{Key: []byte("k")}),
		putRow("put with escapes", &pb.PutRequest{Key: []byte("k\"\\\n\r\t\x00\x01é\xff"), PrevKv: true}),
		putRow("put again", &pb.PutRequest{Key: []byte("k"), PrevKv: true}),
		putRow("put without a value", &pb.PutRequest{Key: []byte("k2"), Value: []byte{}}),
		putRow("put of a lease that is not there", &pb.PutRequest{Key: []byte("k"), Lease: 12}),
		putRow("put of a missing key's value", &pb.PutRequest{Key: []byte("missing"), Value: []byte{}, IgnoreValue: true}),
		putRow("refused put", &pb.PutRequest{Key: []byte("k"), IgnoreValue: true}),
		putRow("large put", &pb.PutRequest{Key: []byte("large/0"), Value: large}),
		putRow("large put again", &pb.PutRequest{Key: []byte("large/1"), Value: large}),
		rangeRow("range", &pb.RangeRequest{Key: []byte("k")}),
		rangeRow("range with escapes", &pb.RangeRequest{Key: []byte("k\"\\\n\r\t\x01é"), Serializable: true}),
		rangeRow("range of bytes", &pb.RangeRequest{Key: []byte("k\xff\x00")}),
		rangeRow("range of all", &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}, CountOnly: true}),
		rangeRow("range of large values", &pb.RangeRequest{Key: []byte("large/"), RangeEnd: []byte("large0")}),
		rangeRow("range with everything", &pb.RangeRequest{Key: []byte("a"), RangeEnd: []byte("z"), Limit: 1, Revision: 3,
			SortOrder: pb.RangeRequest_DESCEND, SortTarget: pb.RangeRequest_MOD, KeysOnly: true,
			MinModRevision: 1, MaxModRevision: 100, MinCreateRevision: 1, MaxCreateRevision: 200}),
		rangeRow("range of the future", &pb.RangeRequest{Key: []byte("k"), Revision: 1000}),
		rangeRow("refused range", &pb.RangeRequest{}),
		txnRow("empty txn", nil, nil, nil),
		txnRow("read-only txn", compares, []*pb.RequestOp{rangeOp("k")}, []*pb.RequestOp{rangeOp("k"), rangeOp("large/0")}),
		txnRow("txn", compares[:1], []*pb.RequestOp{putOp("t", secret)}, []*pb.RequestOp{deleteOp("k", "k2"), nested}),
		txnRow("txn that succeeds", nil, []*pb.RequestOp{putOp("t", secret), rangeOp("t")}, []*pb.RequestOp{deleteOp("k", "")}),
		txnRow("large txn", nil, []*pb.RequestOp{putOp("large/2", string(large)), rangeOp("large/0")}, nil),
		txnRow("txn of the future", nil, []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{
			RequestRange: &pb.RangeRequest{Key: []byte("k"), Revision: 1000}}}}, nil),
		txnRow("txn with an operation that is missing", nil, []*pb.RequestOp{{}, putOp("t", secret)}, nil),
		txnRow("refused txn", nil, []*pb.RequestOp{putOp("t", secret), putOp("t", secret)}, nil),
		deleteRow("delete", &pb.DeleteRangeRequest{Key: []byte("k"), PrevKv: true}),
		deleteRow("delete of nothing", &pb.DeleteRangeRequest{Key: []byte("x"), RangeEnd: []byte("y")}),
		deleteRow("delete of large values", &pb.DeleteRangeRequest{Key: []byte("large/"), RangeEnd: []byte("large0"), PrevKv: true}),
	}
	return append(rows, otherSlowRows()...)
}

func otherSlowRows() []slowRow {
	alarm := func(action pb.AlarmRequest_AlarmAction) slowRow {
		return slowRow{"alarm " + action.String(), func(ctx context.Context, s services) (proto.Message, error) {
			return s.Alarm(ctx, &pb.AlarmRequest{Action: action, MemberID: s.member, Alarm: pb.AlarmType_NOSPACE})
		}}
	}
	return []slowRow{
		{"lease grant", func(ctx context.Context, s services) (proto.Message, error) {
			return s.LeaseGrant(ctx, &pb.LeaseGrantRequest{ID: 77, TTL: 100})
		}},
		{"lease grant again", func(ctx context.Context, s services) (proto.Message, error) {
			return s.LeaseGrant(ctx, &pb.LeaseGrantRequest{ID: 77, TTL: 100})
		}},
		putRow("put with a lease", &pb.PutRequest{Key: []byte("leased"), Lease: 77}),
		{"lease revoke", func(ctx context.Context, s services) (proto.Message, error) {
			return s.LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: 77})
		}},
		{"lease revoke again", func(ctx context.Context, s services) (proto.Message, error) {
			return s.LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: 77})
		}},
		{"compaction", func(ctx context.Context, s services) (proto.Message, error) {
			return s.Compact(ctx, &pb.CompactionRequest{Revision: 4})
		}},
		{"compaction again", func(ctx context.Context, s services) (proto.Message, error) {
			return s.Compact(ctx, &pb.CompactionRequest{Revision: 4})
		}},
		rangeRow("compacted range", &pb.RangeRequest{Key: []byte("k"), Revision: 2}),
		{"members", func(ctx context.Context, s services) (proto.Message, error) {
			return s.MemberList(ctx, &pb.MemberListRequest{})
		}},
		{"status", func(ctx context.Context, s services) (proto.Message, error) {
			return s.Status(ctx, &pb.StatusRequest{})
		}},
		alarm(pb.AlarmRequest_ACTIVATE),
		putRow("put without space", &pb.PutRequest{Key: []byte("k")}),
		alarm(pb.AlarmRequest_DEACTIVATE),
	}
}

// slowLines are the lines about slow requests in a log, from an offset on.
func slowLines(t *testing.T, s *server.Server, offset int64) ([]map[string]any, int64) {
	t.Helper()
	file := must(os.Open(s.Process().Log))(t)
	defer file.Close()
	must(file.Seek(offset, io.SeekStart))(t)
	text := must(io.ReadAll(file))(t)
	var lines []map[string]any
	for _, line := range bytes.Split(text, []byte("\n")) {
		var fields map[string]any
		if json.Unmarshal(line, &fields) != nil || (fields["msg"] != slowApply && fields["msg"] != slowStats) {
			continue
		}
		request, _ := fields["request"].(string)
		if !strings.Contains(request, "cluster_") { // etcd's own, at its start
			lines = append(lines, fields)
		}
	}
	return lines, offset + int64(len(text))
}

var (
	spaces  = regexp.MustCompile(`  +`) // etcd's library writes one or two, by the build
	numbers = regexp.MustCompile(`\b(ID|memberID):\d+`)
	size    = regexp.MustCompile(`size:(\d+)$`)
)

// idBytes are the sizes of what holds a server's ids, which have more or fewer digits.
type idBytes struct{ header, member int }

// comparableLine replaces what must differ between two servers, after a look at whether it is well formed.
func comparableLine(t *testing.T, fields map[string]any, ids idBytes) string {
	line := map[string]any{}
	for name, value := range fields {
		text, isText := value.(string)
		switch name {
		case "ts", "caller":
			continue
		case "took", "time spent":
			if took, err := time.ParseDuration(text); err != nil || took <= 0 || took > time.Minute {
				t.Errorf("%s is %q", name, text)
			}
			value = "some time"
		case "start time":
			if begun, err := time.Parse("2006-01-02T15:04:05.000000Z", text); err != nil || time.Since(begun) > time.Minute {
				t.Errorf("%s is %q: %v", name, text, err)
			}
			value = "a moment ago"
		case "remote":
			if !strings.HasPrefix(text, "127.") {
				t.Errorf("%s is %q", name, text)
			}
			value = "the client"
		case "response size":
			if bytes, _ := value.(float64); bytes > 0 {
				value = bytes - float64(ids.header)
			}
		case "response":
			request, _ := fields["request"].(string)
			if found := size.FindStringSubmatch(text); found != nil && found[1] != "0" {
				bytes := must(strconv.Atoi(found[1]))(t)
				switch {
				case strings.Contains(request, "lease_"):
					value = fmt.Sprint("ids and ", bytes-ids.header)
				case strings.Contains(request, "alarm:"):
					value = fmt.Sprint("ids and ", bytes-ids.member)
				}
			}
		default:
			if isText {
				value = numbers.ReplaceAllString(spaces.ReplaceAllString(text, " "), "$1:N")
			}
		}
		line[name] = value
	}
	return string(must(json.Marshal(line))(t))
}

// slowApplies reads etcd_server_slow_apply_total.
func slowApplies(t *testing.T, s *server.Server) int {
	t.Helper()
	response := must(http.Get(s.Metrics + "/metrics"))(t)
	defer response.Body.Close()
	text := string(must(io.ReadAll(response.Body))(t))
	found := regexp.MustCompile(`(?m)^etcd_server_slow_apply_total (\d+)$`).FindStringSubmatch(text)
	if found == nil {
		t.Fatal("there is no etcd_server_slow_apply_total")
	}
	return must(strconv.Atoi(found[1]))(t)
}

func TestSlowRequestsAreLoggedAsEtcdLogsThem(t *testing.T) {
	p := startPair(t, everythingIsSlow...)
	both := []*server.Server{p.tested, p.etcd}
	var offsets, applies [2]int64
	var ids [2]idBytes
	var clients [2]services
	for i, s := range both {
		c := s.Connection(t)
		clients[i] = services{pb.NewKVClient(c), pb.NewLeaseClient(c), pb.NewMaintenanceClient(c), pb.NewClusterClient(c), 0}
		status := must(clients[i].Status(server.Context(t), &pb.StatusRequest{}))(t)
		clients[i].member = status.Header.MemberId
		ids[i] = idBytes{proto.Size(status.Header) + 2, protowire.SizeVarint(status.Header.MemberId)}
		_, offsets[i] = slowLines(t, s, 0)
		applies[i] = int64(slowApplies(t, s))
	}
	var counted [2]int64
	for _, row := range slowRows() {
		var lines [2][]string
		for i, s := range both {
			_, _ = row.call(server.Context(t), clients[i])
			var found []map[string]any
			found, offsets[i] = slowLines(t, s, offsets[i])
			for _, fields := range found {
				lines[i] = append(lines[i], comparableLine(t, fields, ids[i]))
				if fields["msg"] == slowApply {
					counted[i]++
				}
			}
		}
		slices.Sort(lines[0])
		slices.Sort(lines[1])
		if got, want := strings.Join(lines[0], "\n  "), strings.Join(lines[1], "\n  "); got != want {
			t.Errorf("%s:\n  %s\netcd:\n  %s", row.name, got, want)
		}
		counters.Add("slow lines compared", len(lines[1]))
	}
	for i, s := range both {
		if got := int64(slowApplies(t, s)) - applies[i]; got != counted[i] {
			t.Errorf("server %d counts %d slow requests and logs %d", i, got, counted[i])
		}
		text := must(os.ReadFile(s.Process().Log))(t)
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("a value is in the log of server %d", i)
		}
	}
}

// Without the flags nothing of this is slow.
func TestQuickRequestsAreNotLogged(t *testing.T) {
	s := server.Start(t, "--warning-apply-duration=1m", "--warning-unary-request-duration=1m")
	client := services{KVClient: pb.NewKVClient(s.Connection(t))}
	for _, row := range slowRows()[:10] {
		_, _ = row.call(server.Context(t), client)
	}
	if lines, _ := slowLines(t, s, 0); len(lines) != 0 {
		t.Errorf("there is %v", lines)
	}
	if count := slowApplies(t, s); count != 0 {
		t.Errorf("%d slow requests are counted", count)
	}
}

// The comparison has to find a difference in every field that it does not replace.
func TestTheComparisonOfSlowLinesFindsDifferences(t *testing.T) {
	line := func() map[string]any {
		return map[string]any{"ts": "now", "level": "warn", "msg": slowApply, "took": "1ms", "expected-duration": "1ns", "prefix": "",
			"request": "header:<ID:5> put:<key:\"k\" >", "response": "size:4", "response size": 30.0, "error": "none"}
	}
	for _, name := range []string{"level", "msg", "expected-duration", "prefix", "request", "response", "error"} {
		planted := line()
		planted[name] = "something else"
		if comparableLine(t, planted, idBytes{28, 9}) == comparableLine(t, line(), idBytes{28, 9}) {
			t.Errorf("a difference in %s is not found", name)
		}
		counters.Add("planted differences found", 1)
	}
	same := line()
	same["request"], same["took"], same["response size"] = "header:<ID:6>  put:<key:\"k\" >", "2µs", 31.0
	if comparableLine(t, same, idBytes{29, 10}) != comparableLine(t, line(), idBytes{28, 9}) {
		t.Error("lines that mean the same differ")
	}
}
