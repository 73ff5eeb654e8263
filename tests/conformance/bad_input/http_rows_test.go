package badinput

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"regent/tests/conformance/server"
)

// says sends bytes and tells the first line of the answer and the beginning of its body.
func says(input, text, want string, etcd ...string) row {
	r := row{input: input, want: want, do: func(t *testing.T, s *server.Server) string {
		connection := connect(t, s)
		defer connection.Close()
		go func() { _, _ = io.WriteString(connection, text) }()
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil {
			return "closed"
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(response.Body, 120))
		return strings.TrimSpace(fmt.Sprintf("http %d %s", response.StatusCode, strings.ReplaceAll(string(body), "\u00a0", " ")))
	}}
	if len(etcd) > 0 {
		r.etcd = etcd[0]
	}
	return r
}

func posts(path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\nConnection: close\r\n\r\n%s", path, len(body), body)
}

func gets(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
}

func TestHTTPThatIsNone(t *testing.T) {
	deep := strings.Repeat(`{"success":[{"request_txn":`, 20000) + "{}" + strings.Repeat("}]}", 20000)
	run(t, []row{
		says("bytes that are no protocol", "\x16\x03\x01\x02\x00\x01\x00", "http 400 400 Bad Request", notAsked),
		says("a preface that breaks off", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "closed"),
		says("no version", "GET /health\r\n\r\n", "http 400 400 Bad Request", "closed"),
		says("another version", "GET /health HTTP/9.9\r\nHost: x\r\n\r\n",
			"http 505 505 HTTP Version Not Supported: unsupported protocol version", "closed"),
		says("no host", "GET /version HTTP/1.1\r\nConnection: close\r\n\r\n",
			"http 400 400 Bad Request", "http 400 400 Bad Request: missing required Host header"),
		says("two hosts",
			"GET /version HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", "http 400 400 Bad Request"),
		says("a header without a colon", "GET /version HTTP/1.1\r\nHost: x\r\nwhat\r\n\r\n", "http 400 400 Bad Request"),
		says("a blank before a colon", "GET /version HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
			"http 400 400 Bad Request", "http 400 400 Bad Request: invalid header name"),
		says("headers of 2 MiB", "GET /version HTTP/1.1\r\nHost: x\r\nA: "+strings.Repeat("a", 2<<20)+"\r\n\r\n",
			"http 431 431 Request Header Fields Too Large"),
		says("a length that is none",
			"POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n", "http 400 400 Bad Request"),
		says("two lengths",
			"POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "http 400 400 Bad Request"),
		says("a chunk that is none", "POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
			"http 501 501 Not Implemented: unsupported transfer encoding", `http 400 {"code":3…`),
		says("an unknown transfer encoding", "POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: rot13\r\n\r\n{}",
			"http 501 501 Not Implemented: unsupported transfer encoding", "http 501 Unsupported transfer encoding"),
		says("a path that is none", "GET nothing HTTP/1.1\r\nHost: x\r\n\r\n", "http 400 400 Bad Request"),
		says("an escape that is none", gets("/%zz"), "http 400 400 Bad Request"),
		says("a page that is not there", gets("/nothing"), "http 404 404 page not found"),
		says("GET where one posts", gets("/v3/kv/put"), `http 501 {"code":12…`),
		says("POST where one gets", posts("/health", ""), "http 405 Method Not Allowed"),
		says("DELETE where one gets", strings.Replace(gets("/version"), "GET", "DELETE", 1), "http 405 Method Not Allowed"),
		says("JSON that breaks off", posts("/v3/kv/put", `{"key":`), `http 400 {"code":3…`),
		says("JSON of another kind", posts("/v3/kv/put", `[]`), `http 400 {"code":3…`),
		says("base64 that is none", posts("/v3/kv/put", `{"key":"*"}`), `http 400 {"code":3…`),
		says("a number beyond 64 bits", posts("/v3/kv/put", `{"key":"YQ==","lease":"9223372036854775808"}`),
			`http 400 {"code":3…`),
		says("no key", posts("/v3/kv/put", `{}`), `http 400 {"code":3…`),
		says("JSON 20000 deep", posts("/v3/kv/txn", deep), `http 400 {"code":3…`),
		says("JSON 20000 deep that nobody asked for", posts("/v3/kv/put", `{"x":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)+"}"),
			`http 400 {"code":3…`),
		says("JSON above what a message may have", posts("/v3/kv/put", `{"key":"YQ==","value":"`+strings.Repeat("QUFB", 1<<20)+`"}`),
			"http 413 413 Request Entity Too Large", `http 429 {"code":8…`),
	})
}
