// Package differential sends the same random requests to the server under test and to the real etcd, over the bare gRPC
// stubs, and compares what comes back field by field: answers, errors, hashes of the history, and whole event streams.
//
// Everything random comes from one seed. A run is a dialogue: a request goes to both sides at once, and the next one is
// sent when both have answered; so both histories are the same, and every answer is a function of the history. What is
// not (times, terms, the order of equal elements) is taken out by normalize, in one place, or stands in differences.go.
package differential

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"regent/tests/conformance/server"
)

const (
	callPatience = 2 * time.Minute
	messageMax   = 1 << 30
)

// dial opens a connection of its own that softens nothing: no retries, no translation of errors.
func dial(endpoint string) (*grpc.ClientConn, error) {
	quick := backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.2, MaxDelay: 50 * time.Millisecond}
	return grpc.NewClient("passthrough:///"+strings.TrimPrefix(endpoint, "http://"),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStatsHandler(server.Count{}),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: quick, MinConnectTimeout: 5 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageMax), grpc.MaxCallSendMsgSize(messageMax),
			grpc.WaitForReady(true)))
}

// request is one call: the method without its package, and the messages that the client sends (one but for streams).
type request struct {
	method   string
	messages []proto.Message
}

func call(method string, messages ...proto.Message) request { return request{method, messages} }

func (r request) String() string {
	text := r.method
	for _, message := range r.messages {
		text += fmt.Sprintf(" {%v}", message)
	}
	if len(text) > 2000 {
		text = fmt.Sprintf("%s… (%d bytes)", text[:2000], len(text))
	}
	return text
}

// answer is everything that a client sees of a call.
type answer struct {
	messages []proto.Message
	err      error
}

// method says how a call is made and what its answers are.
type method struct {
	answer func() proto.Message
	stream *grpc.StreamDesc // nil: unary
}

var methods = map[string]method{
	"KV/Range":               {answer: func() proto.Message { return &pb.RangeResponse{} }},
	"KV/Put":                 {answer: func() proto.Message { return &pb.PutResponse{} }},
	"KV/DeleteRange":         {answer: func() proto.Message { return &pb.DeleteRangeResponse{} }},
	"KV/Txn":                 {answer: func() proto.Message { return &pb.TxnResponse{} }},
	"KV/Compact":             {answer: func() proto.Message { return &pb.CompactionResponse{} }},
	"KV/RangeStream":         {func() proto.Message { return &pb.RangeStreamResponse{} }, &grpc.StreamDesc{ServerStreams: true}},
	"Lease/LeaseGrant":       {answer: func() proto.Message { return &pb.LeaseGrantResponse{} }},
	"Lease/LeaseRevoke":      {answer: func() proto.Message { return &pb.LeaseRevokeResponse{} }},
	"Lease/LeaseTimeToLive":  {answer: func() proto.Message { return &pb.LeaseTimeToLiveResponse{} }},
	"Lease/LeaseLeases":      {answer: func() proto.Message { return &pb.LeaseLeasesResponse{} }},
	"Lease/LeaseKeepAlive":   {func() proto.Message { return &pb.LeaseKeepAliveResponse{} }, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}},
	"Maintenance/Alarm":      {answer: func() proto.Message { return &pb.AlarmResponse{} }},
	"Maintenance/HashKV":     {answer: func() proto.Message { return &pb.HashKVResponse{} }},
	"Maintenance/Hash":       {answer: func() proto.Message { return &pb.HashResponse{} }},
	"Maintenance/Status":     {answer: func() proto.Message { return &pb.StatusResponse{} }},
	"Maintenance/Defragment": {answer: func() proto.Message { return &pb.DefragmentResponse{} }},
}

// send makes the call on one side and waits for its end.
func send(connection *grpc.ClientConn, r request) answer {
	ctx, cancel := context.WithTimeout(context.Background(), callPatience)
	defer cancel()
	how := methods[r.method]
	var result answer
	if how.stream == nil {
		message := how.answer()
		if result.err = connection.Invoke(ctx, "/etcdserverpb."+r.method, r.messages[0], message); result.err == nil {
			result.messages = []proto.Message{message}
		}
	} else {
		result.messages, result.err = sendStream(ctx, connection, how, r)
	}
	return result
}

// sendStream sends every message, each after the answer to the one before, and reads to the end.
func sendStream(ctx context.Context, connection *grpc.ClientConn, how method, r request) ([]proto.Message, error) {
	stream, err := connection.NewStream(ctx, how.stream, "/etcdserverpb."+r.method)
	if err != nil {
		return nil, err
	}
	var messages []proto.Message
	for i, message := range r.messages {
		if err := stream.SendMsg(message); err != nil && !errors.Is(err, io.EOF) { // EOF: the error comes with RecvMsg
			return messages, err
		}
		if !how.stream.ClientStreams || i+1 == len(r.messages) {
			continue
		}
		received := how.answer()
		if err := stream.RecvMsg(received); err != nil {
			return messages, err
		}
		messages = append(messages, received)
	}
	if err := stream.CloseSend(); err != nil {
		return messages, err
	}
	for {
		received := how.answer()
		err := stream.RecvMsg(received)
		if errors.Is(err, io.EOF) {
			return messages, nil
		}
		if err != nil {
			return messages, err
		}
		messages = append(messages, received)
	}
}
