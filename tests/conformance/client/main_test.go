// Package client tests the gRPC surface with the official Go client, and with the bare generated stubs where that client
// hides what is on the wire.
package client

import (
	"errors"
	"os"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

func TestMain(m *testing.M) {
	code := counters.Main(m, "large requests beside small ones", "grpc calls", "errors compared", "watch events checked", "progress notifications",
		"lease expiries", "compactions", "server crashes")
	server.EndShared()
	os.Exit(code)
}

// must unwraps the answer of a call that has to succeed.
func must[T any](value T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// wantError checks code and text as they are on the wire.
func wantError(t testing.TB, err error, code codes.Code, text string) {
	t.Helper()
	got := status.Convert(err)
	if err == nil || got.Code() != code || got.Message() != text {
		t.Errorf("got %v, want code %v with the text %q", err, code, text)
	}
	counters.Add("errors compared", 1)
}

// equal compares two values and names them.
func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// keys are the keys of an answer, in its order.
func keys(response *clientv3.GetResponse) []string {
	var keys []string
	for _, kv := range response.Kvs {
		keys = append(keys, string(kv.Key))
	}
	return keys
}

// put writes a key and returns the revision that did it.
func put(t testing.TB, client *clientv3.Client, key, value string, options ...clientv3.OpOption) int64 {
	t.Helper()
	return must(client.Put(server.Context(t), key, value, options...))(t).Header.Revision
}

// kv is the bare KV service of a connection.
func kv(t testing.TB, s *server.Server) pb.KVClient { return pb.NewKVClient(s.Connection(t)) }

func putOp(key, value string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte(key), Value: []byte(value)}}}
}

func deleteOp(key, end string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{
		RequestDeleteRange: &pb.DeleteRangeRequest{Key: []byte(key), RangeEnd: []byte(end)}}}
}

func rangeOp(request *pb.RangeRequest) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: request}}
}

func txnOp(request *pb.TxnRequest) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: request}}
}

// clientError is the wire's error under the one that the official client makes of it.
func clientError(err error) error {
	var known rpctypes.EtcdError
	if errors.As(err, &known) {
		return status.Error(known.Code(), known.Error())
	}
	return err
}
