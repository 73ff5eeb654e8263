package sidebyside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

// streamed is a whole RangeStream: the messages merged as clients merge them, and how it ended.
type streamed struct {
	merged   *pb.RangeResponse
	messages int
	err      error
}

// readStream also insists that no message but the last has anything besides keys and values.
func readStream(t *testing.T, s *server.Server, request *pb.RangeRequest) streamed {
	t.Helper()
	stream := must(pb.NewKVClient(s.Connection(t)).RangeStream(server.Context(t), request))(t)
	result := streamed{merged: &pb.RangeResponse{}}
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			result.err = err
			break
		}
		if result.merged.Header != nil || result.merged.Count != 0 || result.merged.More {
			t.Errorf("%v: a message follows the one with the header", request)
		}
		proto.Merge(result.merged, message.RangeResponse)
		result.messages++
	}
	counters.Add("stream messages", result.messages)
	return result
}

func (s streamed) describe() string {
	if s.err != nil {
		return fmt.Sprintf("after %d keys: %v", len(s.merged.Kvs), s.err)
	}
	header := s.merged.Header
	if header == nil || header.ClusterId == 0 || header.MemberId == 0 || header.RaftTerm == 0 {
		return fmt.Sprintf("header %v", header)
	}
	text := fmt.Sprintf("revision %d, more %v, count %d, %d keys:", header.Revision, s.merged.More, s.merged.Count, len(s.merged.Kvs))
	for _, kv := range s.merged.Kvs {
		text += fmt.Sprintf(" %q@%d/%d/%d=%d,%d", kv.Key, kv.CreateRevision, kv.ModRevision, kv.Version, len(kv.Value), kv.Lease)
	}
	return text
}

func wantSameStream(t *testing.T, p pair, request *pb.RangeRequest) {
	t.Helper()
	got, want := readStream(t, p.tested, request), readStream(t, p.etcd, request)
	if got.describe() != want.describe() {
		t.Errorf("%v:\n %s\netcd:\n %s", request, got.describe(), want.describe())
	}
	if (want.messages == 0) != (got.messages == 0) || (request.CountOnly && got.messages > 1) {
		t.Errorf("%v: %d messages, etcd %d", request, got.messages, want.messages)
	}
	counters.Add("streams compared", 1)
}

func TestRangeStreamIsThatOfEtcd(t *testing.T) {
	p := startPair(t)
	w := newWriter(t, 5, p.tested, p.etcd)
	for range 200 {
		w.step(t)
	}
	for _, c := range []*clientv3.Client{p.tested.Client(t), p.etcd.Client(t)} {
		for i := range 150 {
			must(c.Put(server.Context(t), fmt.Sprintf("many/%03d", i), strings.Repeat("v", 1000+40*i)))(t)
		}
	}
	w.revision += 150
	w.compact(t, w.revision-60)
	random := rand.New(rand.NewPCG(5, 2))
	keys := []string{"", "a", "a\x00", "b", "key", "many/", "many/010", "many/149", "z", "\x00"}
	pick := func() []byte { return []byte(keys[random.IntN(len(keys))]) }
	for range 300 {
		request := &pb.RangeRequest{Key: pick(), RangeEnd: pick(), Limit: []int64{0, 0, 1, 5, 10, 11, 30, 100, 1000, -1}[random.IntN(10)]}
		switch random.IntN(4) {
		case 0:
			request.Revision = w.revision - random.Int64N(70) + 2
		case 1:
			request.Revision = []int64{-1, 0, 1, w.compacted - 1, w.compacted, w.revision, w.revision + 1}[random.IntN(7)]
		}
		request.KeysOnly = random.IntN(5) == 0
		request.CountOnly = random.IntN(8) == 0
		request.Serializable = random.IntN(3) == 0
		request.SortOrder = pb.RangeRequest_SortOrder([]int32{0, 0, 0, 0, 0, 0, 1, 1, 2, 7}[random.IntN(10)])
		if random.IntN(20) == 0 {
			request.SortTarget = pb.RangeRequest_SortTarget(random.Int32N(6))
			if request.SortTarget != 0 && request.SortOrder == 0 {
				request.Limit = 8 // one message of etcd's: it sorts each for itself
			}
		}
		if random.IntN(20) == 0 {
			request.MaxCreateRevision = 100
		}
		wantSameStream(t, p, request)
	}
}

// A client that stops reading: writes and compactions go on, and the stream ends with the error of a compacted revision,
// as etcd's does.
func TestRangeStreamEndsWhenItsRevisionIsCompacted(t *testing.T) {
	p := startPair(t)
	const keys, valueBytes = 120, 1 << 20
	for name, s := range map[string]*server.Server{"tested": p.tested, "etcd": p.etcd} {
		c := s.Client(t)
		for i := range keys {
			must(c.Put(server.Context(t), fmt.Sprintf("k%03d", i), strings.Repeat("v", valueBytes)))(t)
		}
		stream := must(pb.NewKVClient(s.Connection(t)).RangeStream(server.Context(t), &pb.RangeRequest{Key: []byte("k"), RangeEnd: []byte("l")}))(t)
		must(stream.Recv())(t)
		must(c.Put(server.Context(t), "other", "1"))(t)
		must(c.Compact(server.Context(t), keys+2))(t)
		got := 0
		var err error
		for err == nil {
			_, err = stream.Recv()
			got++
		}
		if status.Code(err) != codes.OutOfRange || status.Convert(err).Message() != "etcdserver: mvcc: required revision has been compacted" {
			t.Errorf("%s ends with %v after %d messages", name, err, got)
		}
		counters.Add("streams compacted under way", 1)
	}
}

// Clients that read nothing, and clients that go away, cost the server a bounded amount of memory.
func TestClientsThatDoNotReadTheirStreamsCostLittleMemory(t *testing.T) {
	s := server.Start(t)
	c := s.Client(t)
	const keys, valueBytes, streams = 100, 1 << 20, 20
	for i := range keys {
		must(c.Put(server.Context(t), fmt.Sprintf("k%03d", i), strings.Repeat("v", valueBytes)))(t)
	}
	before := s.Process().ResidentBytes()
	for range streams {
		ctx, cancel := context.WithCancel(server.Context(t))
		defer cancel()
		stream := must(pb.NewKVClient(s.Connection(t)).RangeStream(ctx, &pb.RangeRequest{Key: []byte("k"), RangeEnd: []byte("l")}))(t)
		must(stream.Recv())(t)
	}
	time.Sleep(time.Second)
	if grown := s.Process().ResidentBytes() - before; grown > streams*keys*valueBytes/10 && filepath.Base(server.Binary()) != "etcd" { // which bounds nothing here
		t.Errorf("%d streams of %d MB make the server %d MB larger", streams, keys*valueBytes>>20, grown>>20)
	}
	put := time.Now()
	must(c.Put(server.Context(t), "k", "1"))(t)
	if took := time.Since(put); took > 5*time.Second {
		t.Errorf("a put beside them takes %v", took)
	}
}
