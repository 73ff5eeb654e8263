package badinput

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"regent/tests/conformance/server"
)

// hostile is a row of a client that means harm, or only does it. It goes on while others have to be served, and says what
// became of its connection.
func hostile(input string, attack func(t *testing.T, s *server.Server) string, want string) row {
	return row{input: input, want: want, etcd: notAsked, do: func(t *testing.T, s *server.Server) string {
		done := make(chan string, 1)
		var group sync.WaitGroup
		group.Go(func() { done <- attack(t, s) })
		serves(t, s) // beside it
		group.Wait()
		return <-done
	}}
}

// flood sends frames until the server has had enough, or so many are sent, and tells how the connection ended; "taken" when
// the server has borne it all.
func flood(count int, each func(p *peer, i int) error) func(t *testing.T, s *server.Server) string {
	return func(t *testing.T, s *server.Server) string {
		p := dial(t, s)
		defer p.Close()
		ended := make(chan string, 1)
		go func() { ended <- p.outcome(0) }()
		_ = p.SetDeadline(time.Now().Add(2 * server.CallPatience))
		for i := range count {
			if each(p, i) != nil {
				break
			}
		}
		_ = p.framer.WritePing(false, lastPing)
		return <-ended
	}
}

// waits opens many connections, sends each the beginning of something, and lets them stand.
func waits(count int, beginning string) func(t *testing.T, s *server.Server) string {
	return func(t *testing.T, s *server.Server) string {
		for range count {
			connection := connect(t, s)
			defer connection.Close()
			_, _ = io.WriteString(connection, beginning)
		}
		serves(t, s)
		return "stands"
	}
}

// unread asks for large answers on many streams and reads none of them.
func unread(t *testing.T, s *server.Server) string {
	p := dial(t, s)
	defer p.Close()
	request := framed(0, marshal(&pb.RangeRequest{Key: []byte("big"), RangeEnd: []byte("bih")}))
	for i := range uint32(100) {
		p.headers(2*i+1, callTo(rangePath), false)
		_ = p.framer.WriteData(2*i+1, true, request)
	}
	time.Sleep(time.Second) // nothing is to be awaited: it is about what happens while nobody reads
	serves(t, s)
	return "stands"
}

func slowly(t *testing.T, s *server.Server) string {
	connection := connect(t, s)
	defer connection.Close()
	text := posts("/v3/kv/range", `{"key":"YQ=="}`)
	for i := range len(text) - 1 {
		if _, err := io.WriteString(connection, text[i:i+1]); err != nil {
			return "closed"
		}
		time.Sleep(5 * time.Millisecond)
	}
	serves(t, s)
	return "stands"
}

// bomb is a block of headers that is small on the wire and large when it is read: one entry of the table, named again and
// again.
func bomb() []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range callTo(rangePath) {
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	_ = encoder.WriteField(hpack.HeaderField{Name: "x", Value: strings.Repeat("x", 4000)})
	return append(block.Bytes(), bytes.Repeat([]byte{0x80 | 62}, 12000)...) // 48 MB
}

func TestClientsThatMeanHarm(t *testing.T) {
	open := encode(callTo(watchPath))
	headers := func(p *peer, i int, block []byte) error {
		return p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: block, EndHeaders: true})
	}
	const stopped = "goaway ENHANCE_YOUR_CALM | goaway PROTOCOL_ERROR | goaway INTERNAL_ERROR | goaway NO_ERROR | closed"
	run(t, []row{
		hostile("100000 PINGs", flood(100000, func(p *peer, i int) error {
			return p.framer.WritePing(false, [8]byte{byte(i)})
		}), "goaway ENHANCE_YOUR_CALM | closed"),
		hostile("100000 SETTINGS", flood(100000, func(p *peer, _ int) error { return p.framer.WriteSettings() }), stopped+" | taken"),
		hostile("100000 streams, reset at once", flood(100000, func(p *peer, i int) error {
			if err := headers(p, i, open); err != nil {
				return err
			}
			return p.framer.WriteRSTStream(uint32(2*i+1), http2.ErrCodeCancel)
		}), stopped),
		hostile("100000 streams that stay open", flood(100000, func(p *peer, i int) error { return headers(p, i, open) }), stopped+" | taken"),
		hostile("CONTINUATION without an end", flood(50000, func(p *peer, i int) error {
			if i == 0 {
				return p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: open})
			}
			return p.framer.WriteContinuation(1, false, encode(fields{{fmt.Sprint("x", i), strings.Repeat("x", 1000)}}))
		}), stopped),
		hostile("empty CONTINUATION without an end", flood(100000, func(p *peer, i int) error {
			if i == 0 {
				return p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: open})
			}
			return p.framer.WriteContinuation(1, false, nil)
		}), stopped),
		hostile("empty DATA without an end", flood(100000, func(p *peer, i int) error {
			if i == 0 {
				return headers(p, 0, open)
			}
			return p.framer.WriteData(1, false, nil)
		}), stopped+" | taken"),
		hostile("PRIORITY without an end", flood(100000, func(p *peer, i int) error {
			return p.framer.WritePriority(uint32(2*i+1), http2.PriorityParam{StreamDep: uint32(2*i + 3)})
		}), stopped+" | taken"),
		hostile("100 blocks of headers that unpack to 48 MB", flood(100, func(p *peer, i int) error {
			block := bomb()
			return headers(p, i, block[:min(len(block), 16000)])
		}), stopped+" | taken"),
		hostile("1000 connections that say nothing", waits(1000, ""), "stands"),
		hostile("1000 connections with a preface alone", waits(1000, http2.ClientPreface), "stands"),
		hostile("1000 connections with half a preface", waits(1000, "PRI * HT"), "stands"),
		hostile("500 connections with half a frame", waits(500, http2.ClientPreface+"\x00\x40\x00\x00\x00\x00"), "stands"),
		hostile("500 connections with half an HTTP request", waits(500,
			"POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{"), "stands"),
		hostile("a byte at a time", slowly, "stands"),
		hostile("a client that reads nothing", unread, "stands"),
		hostile("a watch that nobody reads", unreadWatch, "stands"),
	})
}

// unreadWatch opens a watch and never reads; everybody else writes much.
func unreadWatch(t *testing.T, s *server.Server) string {
	p := dial(t, s)
	defer p.Close()
	p.headers(1, callTo(watchPath), false)
	_ = p.framer.WriteData(1, false, framed(0, marshal(createAll())))
	c, err := server.NewClient(s.Endpoint)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	for i := range 100 { // 40 MB over a few keys
		if _, err := c.Put(server.Context(t), fmt.Sprint("big", i%4), strings.Repeat("v", 400000)); err != nil {
			return err.Error()
		}
	}
	answer, err := c.Get(server.Context(t), "big", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil || answer.Count == 0 {
		return fmt.Sprint("nothing there: ", err)
	}
	return "stands"
}

func createAll() *pb.WatchRequest {
	return &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
		CreateRequest: &pb.WatchCreateRequest{Key: []byte{0}, RangeEnd: []byte{0}}}}
}
