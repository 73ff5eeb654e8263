package differential

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// generator makes requests. It knows as much of the history as it takes to ask for revisions around its ends.
type generator struct {
	random    *rand.Rand
	revision  int64
	compacted int64
}

func newGenerator(seed uint64) *generator {
	return &generator{random: rand.New(rand.NewPCG(seed, 7)), revision: 1}
}

const (
	bigKeys       = 60
	bigValueBytes = 14000 // all big keys deleted at once are an event response that has to be fragmented
	longLease     = 100000
)

var oddKeys = []string{"", "\x00", "\x00\x00", "a", "a\x00", "a\x00b", "aa", "ab", "b", "b\xff", "\xff", "\xff\xff",
	"\xff\xfe\xfd", "é", "key", "key/", "z"}

func (g *generator) chance(one int) bool { return g.random.IntN(one) == 0 }

func pick[T any](g *generator, from ...T) T { return from[g.random.IntN(len(from))] }

func (g *generator) key() []byte {
	switch g.random.IntN(10) {
	case 0, 1, 2:
		return []byte(pick(g, oddKeys...))
	case 3:
		return bytes.Repeat([]byte{byte(g.random.IntN(256))}, 1+g.random.IntN(pick(g, 4, 4, 4, 600)))
	default:
		return fmt.Appendf(nil, "key/%02d", g.random.IntN(25))
	}
}

// rangeEnd is often none, often what clients send, sometimes before the key.
func (g *generator) rangeEnd(key []byte) []byte {
	switch g.random.IntN(10) {
	case 0, 1, 2, 3:
		return nil
	case 4:
		return []byte{0}
	case 5, 6:
		return prefixEnd(key)
	case 7:
		return bytes.Clone(key)
	default:
		return g.key()
	}
}

func prefixEnd(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return []byte{0}
}

// span is a key with an end; "everything" is among them.
func (g *generator) span() (key, end []byte) {
	switch g.random.IntN(8) {
	case 0:
		return []byte{0}, []byte{0}
	case 1, 2:
		return []byte("key/"), []byte("key0")
	}
	key = g.key()
	return key, g.rangeEnd(key)
}

// near is a revision about the ends of what can be read.
func (g *generator) near() int64 {
	switch g.random.IntN(6) {
	case 0:
		return g.compacted - 1 + g.random.Int64N(3)
	case 1:
		return g.revision - 1 + g.random.Int64N(3)
	default:
		return g.compacted + g.random.Int64N(g.revision-g.compacted+1)
	}
}

func (g *generator) number() int64 { return pick(g, edges...) }

func (g *generator) rangeRequest() *pb.RangeRequest {
	r := &pb.RangeRequest{}
	r.Key, r.RangeEnd = g.span()
	r.Limit = pick[int64](g, 0, 0, 0, 1, 2, 5, 12, 13, 100)
	if g.chance(3) {
		r.Revision = g.near()
	}
	r.KeysOnly, r.CountOnly, r.Serializable = g.chance(5), g.chance(6), g.chance(3)
	if g.chance(3) {
		r.SortOrder = pb.RangeRequest_SortOrder(g.random.IntN(3))
		r.SortTarget = pb.RangeRequest_SortTarget(g.random.IntN(5))
	}
	for _, bound := range []*int64{&r.MinModRevision, &r.MaxModRevision, &r.MinCreateRevision, &r.MaxCreateRevision} {
		if g.chance(12) {
			*bound = g.near()
		}
	}
	return r
}

func (g *generator) value() []byte {
	size := g.random.IntN(40)
	if g.chance(20) {
		size = g.random.IntN(3000)
	}
	return bytes.Repeat([]byte{byte(g.random.IntN(256))}, size)
}

func (g *generator) leaseID() int64 { return 1 + g.random.Int64N(10) }

func (g *generator) put() *pb.PutRequest {
	p := &pb.PutRequest{Key: g.key(), Value: g.value(), PrevKv: g.chance(2)}
	if g.chance(4) {
		p.Lease = g.leaseID()
	}
	if g.chance(8) {
		p.IgnoreValue, p.Value = true, pick(g, nil, nil, p.Value)
	}
	if g.chance(8) {
		p.IgnoreLease, p.Lease = true, pick(g, 0, 0, p.Lease)
	}
	return p
}

func (g *generator) deleteRange() *pb.DeleteRangeRequest {
	d := &pb.DeleteRangeRequest{Key: g.key(), PrevKv: g.chance(2)}
	switch {
	case g.chance(25):
		d.Key, d.RangeEnd = []byte{0}, []byte{0}
	case g.chance(3):
		d.RangeEnd = g.rangeEnd(d.Key)
	}
	return d
}

func (g *generator) compaction() *pb.CompactionRequest {
	revision := g.near()
	if g.chance(2) {
		revision = g.revision - g.random.Int64N(20)
	}
	return &pb.CompactionRequest{Revision: revision, Physical: g.chance(2)}
}

func (g *generator) alarm() *pb.AlarmRequest {
	return &pb.AlarmRequest{
		Action:   pb.AlarmRequest_AlarmAction(g.random.IntN(3)),
		MemberID: pick[uint64](g, 0, 1, 7, math.MaxUint64),
		Alarm:    pb.AlarmType(g.random.IntN(3)),
	}
}

// next is the next request of a random dialogue.
func (g *generator) next() request {
	r := g.plain()
	for _, message := range r.messages {
		if g.chance(6) {
			g.twist(message)
		}
		if t, is := message.(*pb.TxnRequest); is && deletesFromKey(t) && puts(t) {
			giveEnds(t)
		}
	}
	return r
}

func (g *generator) plain() request {
	switch choice := g.random.IntN(200); {
	case choice < 46:
		return call("KV/Range", g.rangeRequest())
	case choice < 64:
		return call("KV/RangeStream", g.rangeRequest())
	case choice < 100:
		return call("KV/Put", g.put())
	case choice < 114:
		return call("KV/DeleteRange", g.deleteRange())
	case choice < 154:
		return call("KV/Txn", g.txn(0))
	case choice < 159:
		return call("KV/Compact", g.compaction())
	case choice < 166:
		return call("Lease/LeaseGrant", &pb.LeaseGrantRequest{ID: g.leaseID(), TTL: longLease + g.random.Int64N(1000)})
	case choice < 171:
		return call("Lease/LeaseRevoke", &pb.LeaseRevokeRequest{ID: g.leaseID()})
	case choice < 177:
		return call("Lease/LeaseTimeToLive", &pb.LeaseTimeToLiveRequest{ID: g.leaseID(), Keys: g.chance(2)})
	case choice < 180:
		return call("Lease/LeaseLeases", &pb.LeaseLeasesRequest{})
	case choice < 185:
		keep := request{method: "Lease/LeaseKeepAlive"}
		for range 1 + g.random.IntN(3) {
			keep.messages = append(keep.messages, &pb.LeaseKeepAliveRequest{ID: g.leaseID()})
		}
		return keep
	case choice < 192:
		return call("Maintenance/HashKV", &pb.HashKVRequest{Revision: pick(g, 0, g.near())})
	case choice < 193:
		return call("Maintenance/Hash", &pb.HashRequest{})
	case choice < 194:
		return call("Maintenance/Defragment", &pb.DefragmentRequest{})
	case choice < 196:
		return call("Maintenance/Status", &pb.StatusRequest{})
	default:
		return call("Maintenance/Alarm", g.alarm())
	}
}

// never are values that are not sent, since etcd does not survive them; bad_input shows that on an etcd of its own.
var never = map[string]bool{"AlarmRequest.action=99": true}

// twist gives one field somewhere in the message an extreme value.
func (g *generator) twist(message proto.Message) {
	type place struct {
		message protoreflect.Message
		field   protoreflect.FieldDescriptor
	}
	var places []place
	walk(message.ProtoReflect(), func(m protoreflect.Message, field protoreflect.FieldDescriptor) {
		switch field.Kind() {
		case protoreflect.Int64Kind, protoreflect.Uint64Kind, protoreflect.EnumKind, protoreflect.BoolKind:
			if !field.IsList() {
				places = append(places, place{m, field})
			}
		}
	})
	if len(places) == 0 {
		return
	}
	at := pick(g, places...)
	switch at.field.Kind() {
	case protoreflect.Int64Kind:
		at.message.Set(at.field, protoreflect.ValueOfInt64(pick(g, g.number(), g.number(), math.MinInt64+1, math.MaxInt64-1)))
	case protoreflect.Uint64Kind:
		at.message.Set(at.field, protoreflect.ValueOfUint64(pick[uint64](g, 0, 1, math.MaxUint64)))
	case protoreflect.BoolKind:
		at.message.Set(at.field, protoreflect.ValueOfBool(!at.message.Get(at.field).Bool()))
	case protoreflect.EnumKind:
		number := protoreflect.EnumNumber(pick(g, outOfRange, -1, g.random.IntN(at.field.Enum().Values().Len())))
		if !never[key(at.field, fmt.Sprint(outOfRange))] || at.field.Enum().Values().ByNumber(number) != nil {
			at.message.Set(at.field, protoreflect.ValueOfEnum(number))
		}
	}
}
