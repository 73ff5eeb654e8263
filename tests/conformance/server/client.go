package server

import (
	"context"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/stats"

	"regent/tests/conformance/counters"
)

// NewClient is an official client that comes back quickly after the server was away, and counts its calls. The endpoint may
// be several, with commas between them.
func NewClient(endpoint string, options ...func(*clientv3.Config)) (*clientv3.Client, error) {
	config := clientv3.Config{
		Endpoints:   strings.Split(endpoint, ","),
		DialTimeout: 10 * time.Second,
		Logger:      zap.NewNop(),
		DialOptions: []grpc.DialOption{
			grpc.WithStatsHandler(Count{}),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.2, MaxDelay: 50 * time.Millisecond},
				MinConnectTimeout: 5 * time.Second,
			}),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1 << 30)),
		},
	}
	for _, option := range options {
		option(&config)
	}
	return clientv3.New(config)
}

// clientOf is one that ends with the test.
func clientOf(t testing.TB, endpoint string) *clientv3.Client {
	t.Helper()
	client, err := NewClient(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// Connection is the bare gRPC connection of a client of its own, for calls that the official client cannot make.
func (s *Server) Connection(t testing.TB) *grpc.ClientConn {
	t.Helper()
	return s.Client(t).ActiveConnection()
}

// Count counts the calls and the connections of a client.
type Count struct {
	// ConnectionEnded, when set, hears of every connection that ends.
	ConnectionEnded func()
}

func (Count) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (Count) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (Count) HandleRPC(_ context.Context, event stats.RPCStats) {
	if _, begins := event.(*stats.Begin); begins {
		counters.Add("grpc calls", 1)
	}
}

func (c Count) HandleConn(_ context.Context, event stats.ConnStats) {
	if _, ends := event.(*stats.ConnEnd); ends && c.ConnectionEnded != nil {
		c.ConnectionEnded()
	}
}
