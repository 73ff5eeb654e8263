package badinput

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"regent/tests/conformance/server"
)

const (
	rangePath = "/etcdserverpb.KV/Range"
	putPath   = "/etcdserverpb.KV/Put"
	watchPath = "/etcdserverpb.Watch/Watch"
)

var goodRange = framed(0, marshal(&pb.RangeRequest{Key: []byte("a")}))

func marshal(message proto.Message) []byte {
	bytes, err := proto.Marshal(message)
	if err != nil {
		panic(err)
	}
	return bytes
}

func field(name, value string) [2]string { return [2]string{name, value} }

// asks is a row of a well-formed message that asks for what cannot be.
func asks(input string, ask func(ctx context.Context, c *grpc.ClientConn) error, want string, etcd ...string) row {
	r := row{input: input, want: want, do: func(t *testing.T, s *server.Server) string {
		err := ask(server.Context(t), s.Connection(t))
		text := status.Convert(err).Message()
		return strings.TrimSpace(fmt.Sprintf("grpc %d %.70s", status.Code(err), text))
	}}
	if len(etcd) > 0 {
		r.etcd = etcd[0]
	}
	return r
}

func puts(size int) func(context.Context, *grpc.ClientConn) error {
	return func(ctx context.Context, c *grpc.ClientConn) error {
		_, err := pb.NewKVClient(c).Put(ctx, &pb.PutRequest{Key: []byte("size"), Value: make([]byte, size)}, grpc.MaxCallSendMsgSize(1<<30))
		return err
	}
}

func txn(t *pb.TxnRequest) func(context.Context, *grpc.ClientConn) error {
	return func(ctx context.Context, c *grpc.ClientConn) error {
		_, err := pb.NewKVClient(c).Txn(ctx, t)
		return err
	}
}

func nested(levels int) *pb.TxnRequest {
	inner := &pb.TxnRequest{}
	for range levels {
		inner = &pb.TxnRequest{Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestTxn{RequestTxn: inner}}}}
	}
	return inner
}

func TestMessagesThatAreNone(t *testing.T) {
	run(t, []row{
		calls("a protobuf message that is none", callTo(rangePath), framed(0, []byte("\xff\xff\xff")),
			"grpc 13 grpc: error unmarshalling request: p…"),
		calls("a field that is longer than the message", callTo(rangePath), framed(0, []byte{0x0a, 0x7f, 'a'}),
			"grpc 13 grpc: error unmarshalling request: p…"),
		calls("field number 0", callTo(rangePath), framed(0, []byte{0x00, 0x01}),
			"grpc 13 grpc: error unmarshalling request: p…"),
		calls("a field of another type", callTo(rangePath), framed(0, []byte{0x08, 0x01, 0x0a, 0x01, 'a'}), "grpc 0"),
		calls("text that is not UTF-8", callTo("/grpc.health.v1.Health/Check"), framed(0, []byte{0x0a, 0x01, 0xff}),
			"grpc 13 grpc: error unmarshalling request: p…", "grpc 13 grpc: error unmarshalling request: s…"),
		calls("a health check of a service that is not there", callTo("/grpc.health.v1.Health/Check"), framed(0, []byte{0x0a, 0x01, 'x'}),
			"grpc 5 unknown service"),
		calls("no message", callTo(rangePath), nil, "grpc 13 the client sent no request", notAsked),
		calls("an empty body", callTo(rangePath), []byte{}, "grpc 13 the client sent no request", "grpc 2 EOF"),
		calls("two messages to a unary call", callTo(rangePath), append(bytes.Clone(goodRange), goodRange...), "grpc 0"),
		calls("a prefix that is cut off", callTo(rangePath), []byte{0, 0, 0}, "grpc 13 unexpected EOF", "grpc 2 EOF"),
		calls("a message that is cut off", callTo(rangePath), goodRange[:len(goodRange)-1],
			"grpc 13 unexpected EOF", "grpc 2 unexpected EOF"),
		calls("a length of 4 GiB", callTo(rangePath), []byte{0, 0xff, 0xff, 0xff, 0xff, 1},
			"grpc 8 grpc: received message larger than max (4294967295 vs. 2097152)"),
		calls("a compressed message without an encoding", callTo(rangePath), framed(1, []byte("xx")),
			"grpc 13 grpc: compressed flag set with identity or empty encoding"),
		calls("an encoding that nobody knows", callTo(rangePath, field("grpc-encoding", "zip")), framed(1, []byte("xx")),
			`grpc 12 grpc: Decompressor is not installed for grpc-encoding "zip"`),
		calls("gzip that is none", callTo(rangePath, field("grpc-encoding", "gzip")), framed(1, []byte("xx")),
			`grpc 12 grpc: Decompressor is not installed for grpc-encoding "gzip"`, "grpc 13 grpc: failed to decompress the message: unexpected EOF"),
		calls("flag 2", callTo(rangePath), framed(2, goodRange[5:]), "grpc 13 grpc: received unexpected payload format 2"),
		calls("a watch request that is none", callTo(watchPath), framed(0, []byte("\xff\xff\xff")),
			"grpc 13 grpc: failed to unmarshal the receiv…"),
		calls("a keepalive that is cut off", callTo("/etcdserverpb.Lease/LeaseKeepAlive"), []byte{0, 0, 0, 0, 9, 1},
			"grpc 13 unexpected EOF"),
	})
}

func TestCallsThatAreNone(t *testing.T) {
	run(t, []row{
		calls("a method that is not there", callTo("/etcdserverpb.KV/Nothing"), goodRange,
			"grpc 12 unknown method Nothing for service etcdserverpb.KV"),
		calls("a service that is not there", callTo("/no.Service/Range"), goodRange, "grpc 12 unknown service no.Service"),
		calls("a path without a method", callTo("/etcdserverpb.KV"), goodRange,
			`grpc 12 malformed method name: "/etcdserverpb.KV"`),
		calls("a path without a slash", callTo("Range"), goodRange,
			"reset PROTOCOL_ERROR", `grpc 12 malformed method name: "Range"`),
		calls("GET", callTo(rangePath, field(":method", "GET")), goodRange,
			`http 405 grpc 13 Received a HEADERS frame with :method "GET" which should be POST…`),
		calls("another content type", callTo(rangePath, field("content-type", "text/plain")), goodRange,
			`http 415 grpc 3 invalid gRPC request content-type "text/plain"`),
		calls("content type grpc-web", callTo(rangePath, field("content-type", "application/grpc-web")), goodRange,
			`http 415 grpc 3 invalid gRPC request content-type "application/grpc-web"…`),
		calls("no content type", callTo(rangePath, field("content-type", "")), goodRange,
			`http 415 grpc 3 invalid gRPC request content-type ""`),
		calls("no te", callTo(rangePath, field("te", "")), goodRange, "grpc 0"),
		calls("a time-out that is none", callTo(rangePath, field("grpc-timeout", "soon")), goodRange,
			`http 400 grpc 13 malformed grpc-timeout: "soon"`, `http 400 grpc 13 malformed grpc-timeout: strconv.ParseUint: parsing "soo": invalid synt…`),
		calls("a time-out of no unit", callTo(rangePath, field("grpc-timeout", "100")), goodRange,
			`http 400 grpc 13 malformed grpc-timeout: "100"`, `http 400 grpc 13 malformed grpc-timeout: transport: timeout unit is not recognized: "10…`),
		calls("a time-out that is over", callTo(rangePath, field("grpc-timeout", "0n")), goodRange,
			"grpc 4 context deadline exceeded"),
		calls("a time-out of nine digits", callTo(rangePath, field("grpc-timeout", "123456789S")), goodRange,
			`http 400 grpc 13 malformed grpc-timeout: "123456789S"`, `http 400 grpc 13 malformed grpc-timeout: transport: timeout string is too long: "123456…`),
		calls("binary metadata that is none", callTo(rangePath, field("x-bin", "***")), goodRange,
			"grpc 0", `http 400 grpc 13 malformed binary metadata "***" in header "x-bin": illegal base64 data…`),
		calls("a version that is not UTF-8", callTo(rangePath, field("client-api-version", "\xff")), goodRange,
			"grpc 3 etcdserver: invalid client api version"),
		calls("a header of 12 KiB", callTo(rangePath, field("x", strings.Repeat("x", 12<<10))), goodRange, "grpc 0"),
		calls("connection: close", callTo(rangePath, field("connection", "close")), goodRange, "reset PROTOCOL_ERROR"),
		calls("a header in capitals", callTo(rangePath, field("X-Y", "1")), goodRange, "reset PROTOCOL_ERROR"),
		calls("a line break in a header", callTo(rangePath, field("x", "a\r\nb: c")), goodRange, "reset PROTOCOL_ERROR"),
		calls("no path", callTo(""), goodRange, "reset PROTOCOL_ERROR", `grpc 12 malformed method name: ""`),
		calls("no method", callTo(rangePath, field(":method", "")), goodRange,
			"reset PROTOCOL_ERROR", `http 405 grpc 13 Received a HEADERS frame with :method "" which should be POST…`),
		calls("no scheme", callTo(rangePath, field(":scheme", "")), goodRange, "reset PROTOCOL_ERROR", "grpc 0"),
		calls("an unknown pseudo-header", callTo(rangePath, field(":nothing", "1")), goodRange, "reset PROTOCOL_ERROR"),
	})
}

func TestRequestsThatCannotBe(t *testing.T) {
	const large = 1572864
	lease := func(ttl int64) func(context.Context, *grpc.ClientConn) error {
		return func(ctx context.Context, c *grpc.ClientConn) error {
			_, err := pb.NewLeaseClient(c).LeaseGrant(ctx, &pb.LeaseGrantRequest{TTL: ttl})
			return err
		}
	}
	alarm := func(ctx context.Context, c *grpc.ClientConn) error {
		_, err := pb.NewMaintenanceClient(c).Alarm(ctx, &pb.AlarmRequest{Action: 99})
		return err
	}
	compare := &pb.TxnRequest{Compare: []*pb.Compare{{Target: pb.Compare_VERSION}}}
	many := &pb.TxnRequest{}
	for range 129 {
		read := &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte("a")}}
		many.Success = append(many.Success, &pb.RequestOp{Request: read})
	}
	run(t, []row{
		asks("a request just below the limit", puts(large-100), "grpc 0"),
		asks("a request at the limit", puts(large), "grpc 3 etcdserver: request is too large"),
		asks("a request above the limit", puts(large+1), "grpc 3 etcdserver: request is too large"),
		asks("a request just below what a message may have", puts(large+524288-100),
			"grpc 3 etcdserver: request is too large"),
		asks("a message above its limit", puts(large+524288),
			"grpc 8 grpc: received message larger than max (2097163 vs. 2097152)"),
		asks("a message of 64 MiB", puts(64<<20), "grpc 8 grpc: received message larger than max (67108875 vs. 2097152)"),
		asks("transactions in each other, 127 deep", txn(nested(127)), "grpc 0"),
		asks("transactions in each other, 129 deep", txn(nested(129)),
			"grpc 3 etcdserver: too many operations in txn request"),
		asks("transactions in each other, 2000 deep", txn(nested(2000)),
			"grpc 3 etcdserver: too many operations in txn request"),
		asks("transactions in each other, 9000 deep", txn(nested(9000)),
			"grpc 3 etcdserver: too many operations in txn request", "grpc 13 grpc: error unmarshalling request: p…"),
		asks("129 operations", txn(many), "grpc 3 etcdserver: too many operations in txn request"),
		asks("an operation of no kind", txn(&pb.TxnRequest{Success: []*pb.RequestOp{{}}}),
			"grpc 3 etcdserver: key not found"),
		asks("a comparison of no key", txn(compare), "grpc 3 etcdserver: key is not provided"),
		asks("a lease of 300 years", lease(9000000001), "grpc 11 etcdserver: too large lease TTL"),
		asks("an alarm action that is none", alarm,
			"grpc 3 etcdserver: unknown alarm action", notAsked), // etcd's process ends
	})
}

func TestFramesThatBreakTheProtocol(t *testing.T) {
	open := func(p *peer) { p.headers(1, callTo(watchPath), false) }
	run(t, []row{
		frames("DATA on stream 0", func(p *peer) { _ = p.framer.WriteData(0, false, []byte("x")) },
			"goaway PROTOCOL_ERROR", "closed"),
		frames("DATA on a stream that is not open", func(p *peer) { _ = p.framer.WriteData(5, false, []byte("x")) },
			"goaway PROTOCOL_ERROR", notAsked),
		frames("HEADERS on a stream of even number", func(p *peer) { p.headers(2, callTo(rangePath), false) },
			"goaway PROTOCOL_ERROR"),
		frames("HEADERS on stream 0", func(p *peer) { p.headers(0, callTo(rangePath), false) },
			"goaway PROTOCOL_ERROR", "closed"),
		frames("headers that HPACK does not know", func(p *peer) {
			_ = p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff, 0x0f}, EndHeaders: true})
		}, "goaway COMPRESSION_ERROR", "closed"),
		frames("WINDOW_UPDATE of nothing", func(p *peer) { _ = p.framer.WriteWindowUpdate(0, 0) },
			"goaway PROTOCOL_ERROR", "closed"),
		frames("a window that overflows", func(p *peer) { _ = p.framer.WriteWindowUpdate(0, 1<<31-1) },
			"goaway FLOW_CONTROL_ERROR", notAsked),
		frames("a stream's window that overflows", func(p *peer) { open(p); _ = p.framer.WriteWindowUpdate(1, 1<<31-1) },
			"reset FLOW_CONTROL_ERROR", notAsked),
		frames("SETTINGS of a wrong length", func(p *peer) { _ = p.framer.WriteRawFrame(http2.FrameSettings, 0, 0, []byte("12345")) },
			"goaway FRAME_SIZE_ERROR", "closed"),
		frames("SETTINGS on a stream", func(p *peer) { _ = p.framer.WriteRawFrame(http2.FrameSettings, 0, 1, nil) },
			"goaway PROTOCOL_ERROR", "closed"),
		frames("ENABLE_PUSH 2", func(p *peer) { _ = p.framer.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 2}) },
			"goaway PROTOCOL_ERROR", notAsked),
		frames("a frame size of 1", func(p *peer) { _ = p.framer.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1}) },
			"goaway PROTOCOL_ERROR", notAsked),
		frames("PUSH_PROMISE", func(p *peer) { open(p); _ = p.framer.WriteRawFrame(http2.FramePushPromise, 4, 1, []byte{0, 0, 0, 2}) },
			"goaway PROTOCOL_ERROR", notAsked),
		frames("CONTINUATION of nothing", func(p *peer) { _ = p.framer.WriteContinuation(1, true, []byte{0x82}) },
			"goaway PROTOCOL_ERROR", "closed"),
		frames("DATA in the middle of headers", func(p *peer) {
			_ = p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: encode(callTo(rangePath))[:4]})
			_ = p.framer.WriteData(1, false, []byte("x"))
		}, "goaway PROTOCOL_ERROR", "closed"),
		frames("RST_STREAM of nothing", func(p *peer) { _ = p.framer.WriteRSTStream(7, http2.ErrCodeCancel) },
			"goaway PROTOCOL_ERROR", notAsked),
		frames("PING of a wrong length", func(p *peer) { _ = p.framer.WriteRawFrame(http2.FramePing, 0, 0, []byte("1234")) },
			"goaway FRAME_SIZE_ERROR", "closed"),
		frames("a frame of 17 KiB", func(p *peer) { open(p); _ = p.framer.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, 17<<10)) },
			"goaway FRAME_SIZE_ERROR", "closed"),
		frames("padding longer than the frame", func(p *peer) { open(p); _ = p.framer.WriteRawFrame(http2.FrameData, 8, 1, []byte{200, 1}) },
			"goaway PROTOCOL_ERROR", "closed"),
		frames("DATA behind the end", func(p *peer) { // a watch, because it stays open when its client has ended its side
			open(p)
			_ = p.framer.WriteData(1, true, nil)
			_ = p.framer.WriteData(1, false, []byte("x"))
		}, "goaway STREAM_CLOSED", "reset STREAM_CLOSED"),
	})
}
