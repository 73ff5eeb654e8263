package kubernetes

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

// lossyProxy stands between an API server and a datastore and lets everything through but the watch events of some keys: a
// planted fault that the comparisons of a cache with its datastore have to find.
type lossyProxy struct {
	endpoint string
	loses    string
	upstream *grpc.ClientConn
}

// startLossyProxy loses the events whose keys have the given part.
func startLossyProxy(t *testing.T, datastore *server.Datastore, loses string) *lossyProxy {
	t.Helper()
	upstream, err := grpc.NewClient(strings.TrimPrefix(datastore.Any().Endpoint, "http://"),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{}), grpc.MaxCallRecvMsgSize(1<<30), grpc.MaxCallSendMsgSize(1<<30)))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", server.LoopbackHost()+":0")
	if err != nil {
		t.Fatal(err)
	}
	p := &lossyProxy{endpoint: "http://" + listener.Addr().String(), loses: loses, upstream: upstream}
	proxy := grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(p.forward), grpc.MaxRecvMsgSize(1<<30))
	go func() { _ = proxy.Serve(listener) }()
	t.Cleanup(func() { proxy.Stop(); upstream.Close() })
	return p
}

// rawCodec leaves messages as the bytes that they are on the wire.
type rawCodec struct{}

func (rawCodec) Name() string                  { return "proto" }
func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte{}, data...)
	return nil
}

// forward is the handler of every call: messages of both directions, until the datastore ends the call.
func (p *lossyProxy) forward(_ any, client grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(client)
	headers, _ := grpcmetadata.FromIncomingContext(client.Context())
	ctx, cancel := context.WithCancel(grpcmetadata.NewOutgoingContext(client.Context(), headers))
	defer cancel()
	datastore, err := p.upstream.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return err
	}
	go func() {
		for {
			var message []byte
			if err := client.RecvMsg(&message); err != nil {
				_ = datastore.CloseSend()
				return
			}
			if datastore.SendMsg(&message) != nil {
				return
			}
		}
	}()
	for {
		var message []byte
		if err := datastore.RecvMsg(&message); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if method == etcdserverpb.Watch_Watch_FullMethodName {
			if message, err = p.lose(message); err != nil {
				return err
			}
		}
		if err := client.SendMsg(&message); err != nil {
			return err
		}
	}
}

// lose takes events out of a watch response. One without events says only how far the watch is.
func (p *lossyProxy) lose(message []byte) ([]byte, error) {
	var response etcdserverpb.WatchResponse
	if err := proto.Unmarshal(message, &response); err != nil {
		return nil, fmt.Errorf("a watch response: %w", err)
	}
	var kept []*mvccpb.Event
	for _, event := range response.Events {
		if strings.Contains(string(event.Kv.Key), p.loses) {
			counters.Add("watch events lost on purpose", 1)
			continue
		}
		kept = append(kept, event)
	}
	if len(kept) == len(response.Events) {
		return message, nil
	}
	response.Events = kept
	return proto.Marshal(&response)
}
