package client

import (
	"context"
	"fmt"
	"io"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"regent/tests/conformance/server"
)

// The Lock and Election services have no generated client outside of the server's own module, so their few messages are
// written by hand: a message is a list of fields.
type field struct {
	number protowire.Number
	value  any // string, int64, or message
}

type message []field

func (m message) marshal() []byte {
	var wire []byte
	for _, f := range m {
		switch value := f.value.(type) {
		case string:
			wire = protowire.AppendTag(wire, f.number, protowire.BytesType)
			wire = protowire.AppendString(wire, value)
		case int64:
			wire = protowire.AppendTag(wire, f.number, protowire.VarintType)
			wire = protowire.AppendVarint(wire, uint64(value))
		case message:
			wire = protowire.AppendTag(wire, f.number, protowire.BytesType)
			wire = protowire.AppendBytes(wire, value.marshal())
		}
	}
	return wire
}

// bytesField is the content of the first field of that number, empty when there is none. path leads into inner messages.
func bytesField(wire []byte, path ...protowire.Number) string {
	for len(wire) > 0 {
		number, kind, length := protowire.ConsumeTag(wire)
		if length < 0 {
			return ""
		}
		wire = wire[length:]
		size := protowire.ConsumeFieldValue(number, kind, wire)
		if size < 0 {
			return ""
		}
		if number == path[0] && kind == protowire.BytesType {
			content, _ := protowire.ConsumeBytes(wire)
			if len(path) == 1 {
				return string(content)
			}
			return bytesField(content, path[1:]...)
		}
		wire = wire[size:]
	}
	return ""
}

// rawCodec passes bytes through.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(value any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(value.(message).marshal())}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, value any) error {
	*value.(*[]byte) = data.Materialize()
	return nil
}

var _ encoding.CodecV2 = rawCodec{}

func invoke(ctx context.Context, connection *grpc.ClientConn, method string, request message) ([]byte, error) {
	var answer []byte
	err := connection.Invoke(ctx, method, request, &answer, grpc.ForceCodecV2(rawCodec{}))
	return answer, err
}

func TestTheLockService(t *testing.T) {
	s := server.Shared(t)
	c, ctx, connection := s.Client(t), server.Context(t), s.Connection(t)
	lease := must(c.Grant(ctx, 600))(t).ID
	request := message{{1, t.Name()}, {2, int64(lease)}}
	first := bytesField(must(invoke(ctx, connection, "/v3lockpb.Lock/Lock", request))(t), 2)
	equal(t, "key of the lock", first, fmt.Sprintf("%s/%x", t.Name(), lease))

	waiters := c.Watch(ctx, t.Name()+"/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-waiters
	got := make(chan string, 1)
	go func() {
		// Without a lease the server grants one.
		answer, err := invoke(ctx, connection, "/v3lockpb.Lock/Lock", message{{1, t.Name()}})
		if err != nil {
			t.Error(err)
		}
		got <- bytesField(answer, 2)
	}()
	<-waiters
	select {
	case key := <-got:
		t.Fatalf("two locks at once: %s", key)
	default:
	}
	must(invoke(ctx, connection, "/v3lockpb.Lock/Unlock", message{{1, first}}))(t)
	second := <-got
	held := must(c.Get(ctx, second))(t)
	equal(t, "holders", held.Count, 1)
	if held.Kvs[0].Lease == 0 {
		t.Error("the second holder has no lease")
	}
	must(invoke(ctx, connection, "/v3lockpb.Lock/Unlock", message{{1, second}}))(t)
	equal(t, "keys at the end", must(c.Get(ctx, t.Name()+"/", clientv3.WithPrefix()))(t).Count, 0)
}

func TestTheElectionService(t *testing.T) {
	s := server.Shared(t)
	c, ctx, connection := s.Client(t), server.Context(t), s.Connection(t)
	const service = "/v3electionpb.Election/"
	_, err := invoke(ctx, connection, service+"Leader", message{{1, t.Name()}})
	wantError(t, err, codes.Unknown, "election: no leader")
	_, err = invoke(ctx, connection, service+"Proclaim", message{{2, "x"}})
	wantError(t, err, codes.Unknown, `"leader" field must be provided`)
	_, err = invoke(ctx, connection, service+"Resign", message{})
	wantError(t, err, codes.Unknown, `"leader" field must be provided`)

	lease := must(c.Grant(ctx, 600))(t).ID
	answer := must(invoke(ctx, connection, service+"Campaign", message{{1, t.Name()}, {2, int64(lease)}, {3, "first"}}))(t)
	key := bytesField(answer, 2, 2)
	equal(t, "name of the leader", bytesField(answer, 2, 1), t.Name())
	equal(t, "key of the leader", key, fmt.Sprintf("%s/%x", t.Name(), lease))
	kv := must(c.Get(ctx, key))(t).Kvs[0]
	leader := message{{1, t.Name()}, {2, key}, {3, kv.CreateRevision}, {4, int64(lease)}}

	observed := must(connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, service+"Observe",
		grpc.ForceCodecV2(rawCodec{})))(t)
	if err := observed.SendMsg(message{{1, t.Name()}}); err != nil {
		t.Fatal(err)
	}
	if err := observed.CloseSend(); err != nil {
		t.Fatal(err)
	}
	next := func() string {
		var message []byte
		if err := observed.RecvMsg(&message); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		return bytesField(message, 2, 5)
	}
	equal(t, "observed", next(), "first")
	must(invoke(ctx, connection, service+"Proclaim", message{{1, leader}, {2, "again"}}))(t)
	equal(t, "observed after a proclamation", next(), "again")
	current := must(invoke(ctx, connection, service+"Leader", message{{1, t.Name()}}))(t)
	equal(t, "leader", bytesField(current, 2, 5), "again")
	must(invoke(ctx, connection, service+"Resign", message{{1, leader}}))(t)
	_, err = invoke(ctx, connection, service+"Leader", message{{1, t.Name()}})
	wantError(t, err, codes.Unknown, "election: no leader")
	_, err = invoke(ctx, connection, service+"Proclaim", message{{1, leader}, {2, "too late"}})
	wantError(t, err, codes.Unknown, "election: not leader")
}
