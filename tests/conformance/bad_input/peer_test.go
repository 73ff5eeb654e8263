package badinput

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"regent/tests/conformance/server"
)

// peer speaks HTTP/2 frames, to do what no client library does.
type peer struct {
	net.Conn
	framer  *http2.Framer
	decoder *hpack.Decoder
	fields  map[string]string // of the last block of headers
}

func connect(t *testing.T, s *server.Server) net.Conn {
	t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(s.Endpoint, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	_ = connection.SetDeadline(time.Now().Add(server.CallPatience))
	return connection
}

// dial opens a connection with the preface and the settings that it takes.
func dial(t *testing.T, s *server.Server) *peer {
	t.Helper()
	connection := connect(t, s)
	p := &peer{Conn: connection, framer: http2.NewFramer(connection, connection)}
	p.framer.AllowIllegalWrites, p.framer.AllowIllegalReads = true, true
	p.decoder = hpack.NewDecoder(4096, func(field hpack.HeaderField) { p.fields[field.Name] = field.Value })
	_, _ = io.WriteString(connection, http2.ClientPreface)
	_ = p.framer.WriteSettings()
	return p
}

type fields [][2]string

// callTo is what a client sends for a call; fields of the same name are replaced, those without a value left out.
func callTo(path string, others ...[2]string) fields {
	all := fields{{":method", "POST"}, {":scheme", "http"}, {":path", path}, {":authority", "localhost"},
		{"content-type", "application/grpc"}, {"te", "trailers"}}
	for _, other := range others {
		replaced := false
		for i := range all {
			if all[i][0] == other[0] {
				all[i][1], replaced = other[1], true
			}
		}
		if !replaced {
			all = append(all, other)
		}
	}
	return all
}

func encode(all fields) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range all {
		if field[1] != "" {
			_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
		}
	}
	return block.Bytes()
}

func (p *peer) headers(stream uint32, all fields, end bool) {
	_ = p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: encode(all), EndHeaders: true, EndStream: end})
}

// framed puts the five bytes of gRPC before a message.
func framed(flag byte, message []byte) []byte {
	size := len(message)
	return append([]byte{flag, byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size)}, message...)
}

// lastPing ends a flood: its answer says that the server has taken everything.
var lastPing = [8]byte{'t', 'h', 'e', ' ', 'l', 'a', 's', 't'}

// outcome reads until the stream or the connection has ended, and says how in a line. It writes nothing: others do. So the
// server's settings are not acknowledged, which no server waits for.
func (p *peer) outcome(stream uint32) string {
	for {
		frame, err := p.framer.ReadFrame()
		if err != nil {
			return ended(err)
		}
		switch f := frame.(type) {
		case *http2.PingFrame:
			if f.IsAck() && f.Data == lastPing {
				return "taken"
			}
		case *http2.GoAwayFrame:
			if f.ErrCode != http2.ErrCodeNo {
				return "goaway " + f.ErrCode.String()
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == stream {
				return "reset " + f.ErrCode.String()
			}
		case *http2.HeadersFrame:
			p.fields = map[string]string{}
			if _, err := p.decoder.Write(f.HeaderBlockFragment()); err != nil {
				return "bad headers"
			}
			if f.StreamEnded() && f.StreamID == stream {
				return p.verdict()
			}
		case *http2.DataFrame:
			if f.StreamEnded() && f.StreamID == stream {
				return "http " + p.fields[":status"]
			}
		}
	}
}

func ended(err error) string {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "silence"
	}
	return "closed"
}

// verdict is the status of a call. Of a text only the beginning is told: what a library says about bytes varies.
func (p *peer) verdict() string {
	if p.fields["grpc-status"] == "" {
		return "http " + p.fields[":status"]
	}
	text := p.fields["grpc-message"]
	const told = 70
	text = strings.ReplaceAll(text, "%C2%A0", " ") // protobuf's texts are unstable on purpose
	if len(text) > told {
		text = text[:told]
	}
	prefix := ""
	if status := p.fields[":status"]; status != "" && status != "200" {
		prefix = "http " + status + " "
	}
	return strings.TrimSpace(fmt.Sprintf("%sgrpc %s %s", prefix, p.fields["grpc-status"], text))
}

// exchange is one call with these headers and this body.
func exchange(t *testing.T, s *server.Server, all fields, body []byte) string {
	p := dial(t, s)
	defer p.Close()
	p.headers(1, all, body == nil)
	go p.body(1, body)
	return p.outcome(1)
}

// body sends what fits into the window; the servers open it as they read.
func (p *peer) body(stream uint32, body []byte) {
	const frame = 16384
	for len(body) > frame {
		if p.framer.WriteData(stream, false, body[:frame]) != nil {
			return
		}
		body = body[frame:]
	}
	if body != nil {
		_ = p.framer.WriteData(stream, true, body)
	}
}

// calls is a row of a call.
func calls(input string, all fields, body []byte, want string, etcd ...string) row {
	r := row{input: input, want: want, do: func(t *testing.T, s *server.Server) string { return exchange(t, s, all, body) }}
	if len(etcd) > 0 {
		r.etcd = etcd[0]
	}
	return r
}

// frames is a row of frames, sent after the preface.
func frames(input string, send func(p *peer), want string, etcd ...string) row {
	r := row{input: input, want: want, do: func(t *testing.T, s *server.Server) string {
		p := dial(t, s)
		defer p.Close()
		send(p)
		return p.outcome(1)
	}}
	if len(etcd) > 0 {
		r.etcd = etcd[0]
	}
	return r
}
