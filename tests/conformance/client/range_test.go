package client

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"

	"regent/tests/conformance/server"
)

// fruit writes five keys under the test's name. In the order of their keys they have the values c a e b d, were created
// in the order b a e d c, last changed in the order e d c b a, and have the versions 2 3 1 1 1.
func fruit(t *testing.T, c *clientv3.Client) (prefix string, revision map[string]int64) {
	prefix = t.Name() + "/"
	revision = map[string]int64{}
	for _, step := range []string{"b=x", "a=y", "b=z", "a=z", "b=x", "e=d", "d=b", "c=e", "b=a", "a=c"} {
		name, value, _ := strings.Cut(step, "=")
		revision[name] = put(t, c, prefix+name, value)
		if _, known := revision["created "+name]; !known {
			revision["created "+name] = revision[name]
		}
	}
	return prefix, revision
}

func names(response *clientv3.GetResponse) string {
	var short []string
	for _, key := range keys(response) {
		short = append(short, key[strings.LastIndex(key, "/")+1:])
	}
	return strings.Join(short, " ")
}

func TestLimitMoreAndCount(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	prefix, _ := fruit(t, c)
	for _, row := range []struct {
		options []clientv3.OpOption
		want    string
		more    bool
		count   int64
	}{
		{nil, "a b c d e", false, 5},
		{[]clientv3.OpOption{clientv3.WithLimit(2)}, "a b", true, 5},
		{[]clientv3.OpOption{clientv3.WithLimit(5)}, "a b c d e", false, 5},
		{[]clientv3.OpOption{clientv3.WithLimit(6)}, "a b c d e", false, 5},
		{[]clientv3.OpOption{clientv3.WithLimit(-1)}, "a b c d e", false, 5},
		{[]clientv3.OpOption{clientv3.WithCountOnly()}, "", false, 5},
		{[]clientv3.OpOption{clientv3.WithCountOnly(), clientv3.WithLimit(1)}, "", false, 5},
		{[]clientv3.OpOption{clientv3.WithKeysOnly(), clientv3.WithLimit(3)}, "a b c", true, 5},
		{[]clientv3.OpOption{clientv3.WithSerializable(), clientv3.WithLimit(4)}, "a b c d", true, 5},
	} {
		t.Run(row.want, func(t *testing.T) {
			got := must(c.Get(ctx, prefix, append(row.options, clientv3.WithPrefix())...))(t)
			equal(t, "keys", names(got), row.want)
			equal(t, "more", got.More, row.more)
			equal(t, "count", got.Count, row.count)
		})
	}
}

func TestRangeEnds(t *testing.T) {
	s := server.Start(t)
	c, ctx := s.Client(t), server.Context(t)
	for _, key := range []string{"a", "b", "b\x00", "b\xff", "c", "\xff\xff"} {
		put(t, c, key, "")
	}
	for _, row := range []struct {
		key, end string
		want     []string
	}{
		{"b", "", []string{"b"}},
		{"b", "c", []string{"b", "b\x00", "b\xff"}},
		{"b", "b", nil},
		{"c", "b", nil},
		{"b", "\x00", []string{"b", "b\x00", "b\xff", "c", "\xff\xff"}},
		{"\x00", "\x00", []string{"a", "b", "b\x00", "b\xff", "c", "\xff\xff"}},
		{"\xff", "\x00", []string{"\xff\xff"}},
		{"a\x00", "c", []string{"b", "b\x00", "b\xff"}},
	} {
		request := &pb.RangeRequest{Key: []byte(row.key), RangeEnd: []byte(row.end)}
		got := must(kv(t, s).Range(ctx, request))(t)
		have := keys((*clientv3.GetResponse)(got))
		if !slices.Equal(have, row.want) || got.Count != int64(len(row.want)) {
			t.Errorf("[%q, %q): got %q with count %d, want %q", row.key, row.end, have, got.Count, row.want)
		}
	}
}

func TestSortingAndItsQuirks(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	prefix, _ := fruit(t, c)
	const ascend, descend, none = pb.RangeRequest_ASCEND, pb.RangeRequest_DESCEND, pb.RangeRequest_NONE
	for _, row := range []struct {
		target pb.RangeRequest_SortTarget
		order  pb.RangeRequest_SortOrder
		limit  int64
		want   string
	}{
		{pb.RangeRequest_KEY, ascend, 0, "a b c d e"},
		{pb.RangeRequest_KEY, descend, 0, "e d c b a"},
		{pb.RangeRequest_KEY, descend, 2, "e d"},
		{pb.RangeRequest_VALUE, ascend, 0, "b d a e c"},
		{pb.RangeRequest_VALUE, descend, 3, "c e a"},
		{pb.RangeRequest_CREATE, ascend, 0, "b a e d c"},
		{pb.RangeRequest_CREATE, descend, 1, "c"},
		{pb.RangeRequest_MOD, ascend, 0, "e d c b a"},
		{pb.RangeRequest_MOD, ascend, 2, "e d"},
		{pb.RangeRequest_MOD, descend, 0, "a b c d e"},
		{pb.RangeRequest_MOD, none, 0, "e d c b a"},
		// Without an order the first limit+1 keys are taken by key, and only those are sorted.
		{pb.RangeRequest_MOD, none, 2, "c b"},
		{pb.RangeRequest_VALUE, none, 2, "b a"},
		{pb.RangeRequest_VALUE, none, 3, "b d a"},
	} {
		t.Run(fmt.Sprint(row.target, row.order, row.limit), func(t *testing.T) {
			got := must(kv(t, s).Range(ctx, &pb.RangeRequest{
				Key: []byte(prefix), RangeEnd: []byte(clientv3.GetPrefixRangeEnd(prefix)),
				SortTarget: row.target, SortOrder: row.order, Limit: row.limit}))(t)
			equal(t, "keys", names((*clientv3.GetResponse)(got)), row.want)
			equal(t, "count", got.Count, 5)
			equal(t, "more", got.More, row.limit > 0)
		})
	}
	versions := must(c.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByVersion, clientv3.SortDescend)))(t)
	for i := 1; i < len(versions.Kvs); i++ {
		if versions.Kvs[i].Version > versions.Kvs[i-1].Version {
			t.Errorf("by version, descending: %v", versions.Kvs)
		}
	}
}

func TestRevisionFilters(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	prefix, at := fruit(t, c)
	for name, row := range map[string]struct {
		options []clientv3.OpOption
		want    string
		more    bool
	}{
		"min mod":            {[]clientv3.OpOption{clientv3.WithMinModRev(at["c"])}, "a b c", false},
		"max mod":            {[]clientv3.OpOption{clientv3.WithMaxModRev(at["c"])}, "c d e", false},
		"min and max mod":    {[]clientv3.OpOption{clientv3.WithMinModRev(at["d"]), clientv3.WithMaxModRev(at["b"])}, "b c d", false},
		"min create":         {[]clientv3.OpOption{clientv3.WithMinCreateRev(at["created e"])}, "c d e", false},
		"max create":         {[]clientv3.OpOption{clientv3.WithMaxCreateRev(at["created a"])}, "a b", false},
		"limit after filter": {[]clientv3.OpOption{clientv3.WithMaxModRev(at["c"]), clientv3.WithLimit(2)}, "c d", true},
		"limit equal":        {[]clientv3.OpOption{clientv3.WithMaxModRev(at["c"]), clientv3.WithLimit(3)}, "c d e", false},
		"nothing passes":     {[]clientv3.OpOption{clientv3.WithMinModRev(at["a"] + 1)}, "", false},
		"filtered, then sorted": {[]clientv3.OpOption{clientv3.WithMaxModRev(at["c"]),
			clientv3.WithSort(clientv3.SortByValue, clientv3.SortAscend), clientv3.WithLimit(2)}, "d e", true},
	} {
		t.Run(name, func(t *testing.T) {
			got := must(c.Get(ctx, prefix, append(row.options, clientv3.WithPrefix())...))(t)
			equal(t, "keys", names(got), row.want)
			equal(t, "more", got.More, row.more)
			equal(t, "count", got.Count, 5)
		})
	}
}

func TestKeysOnlyHasRevisionsButNeitherValueNorLease(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	lease := must(c.Grant(ctx, 600))(t).ID
	created := put(t, c, t.Name(), "1")
	changed := put(t, c, t.Name(), "2", clientv3.WithLease(lease))
	got := must(c.Get(ctx, t.Name(), clientv3.WithKeysOnly()))(t).Kvs[0]
	equal(t, "value", string(got.Value), "")
	equal(t, "lease", got.Lease, 0)
	equal(t, "version", got.Version, 2)
	equal(t, "create revision", got.CreateRevision, created)
	equal(t, "mod revision", got.ModRevision, changed)
}

func TestPagesAtAPinnedRevisionAreASnapshot(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	prefix := t.Name() + "/"
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprintf("%s%02d", prefix, i))
		put(t, c, want[i], "old")
	}
	var got []string
	next, revision := prefix, int64(0)
	for {
		page := must(c.Get(ctx, next, clientv3.WithRange(clientv3.GetPrefixRangeEnd(prefix)), clientv3.WithLimit(10),
			clientv3.WithRev(revision)))(t)
		if revision == 0 {
			revision = page.Header.Revision
		}
		equal(t, "count of the rest", page.Count, int64(25-len(got)))
		for _, kv := range page.Kvs {
			equal(t, "value", string(kv.Value), "old")
			got = append(got, string(kv.Key))
		}
		if !page.More {
			break
		}
		// What happens between two pages does not show in the later ones.
		put(t, c, fmt.Sprintf("%s%02d", prefix, 24), "new")
		put(t, c, prefix+"15a", "new")
		must(c.Delete(ctx, fmt.Sprintf("%s%02d", prefix, 20)))(t)
		next = got[len(got)-1] + "\x00"
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRangeStreamChunksAreOneSnapshot(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	prefix := t.Name() + "/"
	for i := range 60 {
		put(t, c, fmt.Sprintf("%s%02d", prefix, i), strings.Repeat("v", 1000))
	}
	revision := put(t, c, t.Name(), "")
	request := &pb.RangeRequest{Key: []byte(prefix), RangeEnd: []byte(clientv3.GetPrefixRangeEnd(prefix))}
	chunks, kvs := rangeStream(t, s, request)
	last := chunks[len(chunks)-1]
	if len(chunks) < 2 {
		t.Errorf("60 keys came in %d messages", len(chunks))
	}
	for _, chunk := range chunks[:len(chunks)-1] {
		if chunk.Header != nil || chunk.Count != 0 || chunk.More {
			t.Errorf("only the last message has header, count and more, not %v", chunk.Header)
		}
	}
	equal(t, "revision", last.Header.GetRevision(), revision)
	equal(t, "count", last.Count, 60)
	equal(t, "keys", len(kvs), 60)

	request.Limit = 25
	chunks, kvs = rangeStream(t, s, request)
	equal(t, "more with a limit", chunks[len(chunks)-1].More, true)
	equal(t, "keys with a limit", len(kvs), 25)
	equal(t, "count with a limit", chunks[len(chunks)-1].Count, 60)

	chunks, kvs = rangeStream(t, s, &pb.RangeRequest{Key: request.Key, RangeEnd: request.RangeEnd, CountOnly: true})
	equal(t, "messages of a count", len(chunks), 1)
	equal(t, "count only", chunks[0].Count, 60)
	equal(t, "keys of a count", len(kvs), 0)

	chunks, _ = rangeStream(t, s, &pb.RangeRequest{Key: []byte(t.Name() + "nothing")})
	equal(t, "messages of an empty range", len(chunks), 1)
	equal(t, "header of an empty range", chunks[0].Header.GetRevision(), revision)

	sorted := must(kv(t, s).RangeStream(ctx, &pb.RangeRequest{Key: request.Key, SortTarget: pb.RangeRequest_MOD,
		SortOrder: pb.RangeRequest_DESCEND}))(t)
	_, err := sorted.Recv()
	wantError(t, err, codes.Unimplemented, "RangeStream does not support custom sort orders")
	filtered := must(kv(t, s).RangeStream(ctx, &pb.RangeRequest{Key: request.Key, MinModRevision: 1}))(t)
	_, err = filtered.Recv()
	wantError(t, err, codes.Unimplemented, "RangeStream does not support revision filters")
}

func rangeStream(t *testing.T, s *server.Server, request *pb.RangeRequest) ([]*pb.RangeResponse, []*mvccpb.KeyValue) {
	t.Helper()
	stream := must(kv(t, s).RangeStream(server.Context(t), request))(t)
	var chunks []*pb.RangeResponse
	var kvs []*mvccpb.KeyValue
	for {
		message, err := stream.Recv()
		if err != nil {
			if err.Error() != "EOF" || len(chunks) == 0 {
				t.Fatalf("after %d messages: %v", len(chunks), err)
			}
			return chunks, kvs
		}
		chunks = append(chunks, message.RangeResponse)
		kvs = append(kvs, message.RangeResponse.Kvs...)
	}
}

func TestALargeAnswerComesInOneMessage(t *testing.T) {
	s := server.Shared(t)
	c, ctx := s.Client(t), server.Context(t)
	value := strings.Repeat("v", 1<<20)
	for i := range 8 {
		put(t, c, fmt.Sprint(t.Name(), i), value)
	}
	got := must(c.Get(ctx, t.Name(), clientv3.WithPrefix()))(t)
	equal(t, "keys", len(got.Kvs), 8)
	for _, kv := range got.Kvs {
		equal(t, "length", len(kv.Value), len(value))
	}
}
