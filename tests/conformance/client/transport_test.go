package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"

	"regent/tests/conformance/server"
)

func TestAUnixSocketIsAListenerToo(t *testing.T) {
	s := server.StartOnUnixSocket(t)
	c := s.Client(t)
	revision := put(t, c, "a", "1")
	got := must(c.Get(server.Context(t), "a"))(t)
	equal(t, "value", string(got.Kvs[0].Value), "1")
	stream := openWatch(t, s)
	stream.create(t, &watchRequest{Key: []byte("a"), StartRevision: revision})
	stream.events(t, 1)
	s.Kill()
	s.Restart(t)
	equal(t, "revision after a crash", put(t, c, "a", "2"), revision+1)
}

// TestPingsAtTheClientsIntervalAreTolerated is stricter than kube-apiserver, which pings every 30 s: 10 s is the least
// that the official client does.
func TestPingsAtTheClientsIntervalAreTolerated(t *testing.T) {
	t.Parallel()
	s := server.Start(t)
	var ended atomic.Int64
	c, err := server.NewClient(s.Endpoint, func(config *clientv3.Config) {
		config.DialKeepAliveTime, config.DialKeepAliveTimeout = 10*time.Second, 10*time.Second
		count := server.Count{ConnectionEnded: func() { ended.Add(1) }}
		config.DialOptions = append(config.DialOptions, grpc.WithStatsHandler(count))
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const quiet = 44 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), quiet+server.CallPatience)
	defer cancel()
	watch := c.Watch(ctx, "a", clientv3.WithCreatedNotify())
	<-watch
	select {
	case response := <-watch:
		t.Errorf("the watch got %v", response)
	case <-time.After(quiet):
	}
	equal(t, "connections that ended", ended.Load(), 0)
	put(t, c, "a", "1")
	equal(t, "events", len((<-watch).Events), 1)
}

// rawConnection speaks HTTP/2 frames, to do what no client library does.
type rawConnection struct {
	net.Conn
	framer *http2.Framer
}

func dialRaw(t *testing.T, s *server.Server) *rawConnection {
	t.Helper()
	connection := must(net.Dial("tcp", strings.TrimPrefix(s.Endpoint, "http://")))(t)
	t.Cleanup(func() { connection.Close() })
	raw := &rawConnection{connection, http2.NewFramer(connection, connection)}
	if _, err := io.WriteString(connection, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := raw.framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return raw
}

// openStream starts a call that stays open.
func (c *rawConnection) openStream(t *testing.T, path string) {
	t.Helper()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", path}, {":authority", "localhost"},
		{"te", "trailers"}, {"content-type", "application/grpc"}} {
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAClientThatAbusesPingsIsToldToCalmDown(t *testing.T) {
	s := server.Start(t)
	raw := dialRaw(t, s)
	raw.openStream(t, "/etcdserverpb.Watch/Watch")
	go func() {
		for i := range 100 {
			if raw.framer.WritePing(false, [8]byte{byte(i)}) != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	_ = raw.SetReadDeadline(time.Now().Add(server.CallPatience))
	for {
		frame, err := raw.framer.ReadFrame()
		if err != nil {
			t.Fatalf("the connection ended without GOAWAY: %v", err)
		}
		if goAway, ok := frame.(*http2.GoAwayFrame); ok && goAway.ErrCode != http2.ErrCodeNo {
			equal(t, "error code", goAway.ErrCode, http2.ErrCodeEnhanceYourCalm)
			equal(t, "text", string(goAway.DebugData()), "too_many_pings")
			return
		}
	}
}

func TestACallWithoutAServiceOfThatNameIsUnimplemented(t *testing.T) {
	s := server.Shared(t)
	err := s.Connection(t).Invoke(server.Context(t), "/no.Service/Method", &watchRequest{}, &watchRequest{})
	if err == nil || !strings.Contains(fmt.Sprint(err), "code = Unimplemented") {
		t.Errorf("got %v", err)
	}
}

func TestManyConnectionsAndStreamsAtOnce(t *testing.T) {
	s := server.Start(t)
	writer := s.Client(t)
	const connections, streams = 60, 10
	var open []*watchStream
	for range connections {
		c := s.Client(t)
		for range streams {
			open = append(open, openWatchOn(t, c.ActiveConnection()))
		}
	}
	for _, stream := range open {
		stream.create(t, &watchRequest{Key: []byte("a")})
	}
	put(t, writer, "a", "1")
	for _, stream := range open {
		stream.events(t, 1)
	}
}
