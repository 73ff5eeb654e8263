package badinput

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

const endsWithin = 30 * time.Second

// place is where a server shall start: its flags, and its data folder, prepared by the row.
type place struct {
	host   string
	ports  []int
	folder string // has "data" in it
	flags  []string
}

func (p *place) data(path ...string) string {
	return filepath.Join(append([]string{p.folder, "data"}, path...)...)
}

func (p *place) arguments() []string {
	client, peer := fmt.Sprintf("http://%s:%d", p.host, p.ports[0]), fmt.Sprintf("http://%s:%d", p.host, p.ports[1])
	return append([]string{"--name=n", "--data-dir=" + p.data(), "--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=n=" + peer}, p.flags...)
}

func newPlace(t *testing.T) *place {
	t.Helper()
	host := server.LoopbackHost()
	ports, err := server.FreePorts(host, 2)
	if err != nil {
		t.Fatal(err)
	}
	return &place{host: host, ports: ports, folder: t.TempDir()}
}

// launch starts the program here, with whatever log it writes.
func (p *place) launch(t *testing.T, program string, arguments ...string) *server.Process {
	t.Helper()
	log := filepath.Join(server.Artefacts(t.Name()), filepath.Base(program)+".log")
	process, err := server.Launch(log, nil, program, arguments...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Kill)
	return process
}

// use lets the program run here until it serves, and ends it.
func (p *place) use(t *testing.T, program string) {
	t.Helper()
	process := p.launch(t, program, p.arguments()...)
	p.await(t, process)
	process.Terminate(endsWithin)
}

func (p *place) await(t *testing.T, process *server.Process) {
	t.Helper()
	// A server listens before it has written anything: up is who answers for its health.
	health := "http://" + net.JoinHostPort(p.host, fmt.Sprint(p.ports[0])) + "/health"
	for end := time.Now().Add(endsWithin); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		response, err := http.Get(health)
		if err != nil {
			continue
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return
		}
	}
	t.Fatalf("the server does not come up\n%s", process.Tail())
}

// startRow is a start that cannot be. prepare makes the place what it is.
type startRow struct {
	input   string
	prepare func(t *testing.T, p *place)
	code    int
	says    string
}

func flag(words ...string) func(*testing.T, *place) {
	return func(_ *testing.T, p *place) { p.flags = append(p.flags, words...) }
}

// used is a folder that the server has served from, with something done to it afterwards.
func used(change func(t *testing.T, p *place)) func(*testing.T, *place) {
	return func(t *testing.T, p *place) {
		p.use(t, server.Binary())
		change(t, p)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func edit(name string, change func(text string) string) func(*testing.T, *place) {
	return used(func(t *testing.T, p *place) {
		text, err := os.ReadFile(p.data("member", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, p.data("member", name), change(string(text)))
	})
}

func gone(names ...string) func(*testing.T, *place) {
	return used(func(t *testing.T, p *place) {
		if err := os.RemoveAll(p.data(append([]string{"member"}, names...)...)); err != nil {
			t.Fatal(err)
		}
	})
}

func flipped(at int) func(string) string {
	return func(text string) string { return text[:at] + string(text[at]^1) + text[at+1:] }
}

var startRows = []startRow{
	{"a flag that is none", flag("--no-such-flag"), 2, "flag provided but not defined: -no-such-flag"},
	{"a word that is none", flag("start"), 1, `"start" is not a valid flag`},
	{"a URL that is none", flag("--listen-client-urls=nonsense"), 2, "URL scheme must be http, https, unix, or unixs: nonsense"},
	{"a URL without a port", flag("--listen-client-urls=http://127.0.0.1"), 2, `URL address does not have the form "host:port"`},
	{"a name to listen on", flag("--listen-client-urls=http://example.org:1"), 1, "expected IP in URL for binding"},
	{"an address of somebody else", flag("--listen-client-urls=http://192.0.2.1:2379"), 1, "192.0.2.1:2379: bind: cannot assign requested address"},
	{"a number that is none", flag("--max-txn-ops=many"), 2, "invalid value"},
	{"a configuration file that is not there", flag("--config-file=/no/such/file"), 1, "open /no/such/file: no such file or directory"},
	{"times that do not fit together", flag("--election-timeout=100"), 1, "should be at least as 5 times as"},
	{"a port in use", func(t *testing.T, p *place) {
		listener, err := net.Listen("tcp", net.JoinHostPort(p.host, fmt.Sprint(p.ports[0])))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
	}, 1, "bind: address already in use"},
	{"a data folder that is a file", func(t *testing.T, p *place) { write(t, p.data(), "") }, 1, "/data"},
	{"a data folder below a file", func(t *testing.T, p *place) { p.flags = append(p.flags, "--data-dir=/dev/null/x") }, 1, "/dev/null/x"},
	{"a data folder in a file system that takes none", flag("--data-dir=/proc/regent"), 1, "/proc/regent"},
}

// The rows below are about what is Regent's own: etcd cannot be asked.
var folderRows = []startRow{
	{"files of somebody else", func(t *testing.T, p *place) { write(t, p.data("member", "letter.txt"), "Dear") }, 1,
		"holds files that are not Regent's"},
	{"the folder of an etcd", func(t *testing.T, p *place) { p.use(t, server.Tool(t, "etcd")) }, 1,
		"holds the data of an etcd server, which Regent does not open in place"},
	{"a folder that another process uses", func(t *testing.T, p *place) {
		process := p.launch(t, server.Binary(), p.arguments()...)
		p.await(t, process)
		ports, err := server.FreePorts(p.host, 2)
		if err != nil {
			t.Fatal(err)
		}
		p.ports = ports
	}, 1, "is in use: "},
	{"a format of the future", edit("identity", func(text string) string {
		return strings.Replace(text, "format 1\n", "format 2\n", 1)
	}), 1, "identity"},
	{"a bit of the identity", edit("identity", flipped(30)), 1, "identity"},
	{"an empty identity", edit("identity", func(string) string { return "" }), 1, "identity"},
	{"an identity that is cut off", edit("identity", func(text string) string { return text[:len(text)/2] }), 1, "identity"},
	{"an identity that cannot be read", used(func(t *testing.T, p *place) {
		if err := os.Rename(p.data("member", "identity"), p.data("moved")); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(p.data("member", "identity"), 0o755); err != nil {
			t.Fatal(err)
		}
	}), 1, "identity"},
	{"no identity", gone("identity"), 1, "which says by whom, is missing"},
	{"a bit of the pointer to the store", edit("store-current", flipped(8)), 1, "store-current"},
	{"no pointer to the store", gone("store-current"), 1, "which says which store counts, is missing"},
	{"no log", gone("wal"), 1, "has been in use, but its log is not in"},
	{"no store", gone("store-0000000000000001"), 1, "is missing"},
}

func TestStartsThatCannotBe(t *testing.T) {
	for _, r := range startRows {
		t.Run(r.input, func(t *testing.T) {
			t.Parallel()
			start(t, r, server.Binary(), server.IsRegent())
			start(t, r, server.Tool(t, "etcd"), false)
		})
	}
	if !server.IsRegent() {
		return
	}
	for _, r := range folderRows {
		t.Run(r.input, func(t *testing.T) {
			t.Parallel()
			start(t, r, server.Binary(), true)
		})
	}
}

// start tries the row with one program. What a server of another kind says about files is its own affair.
func start(t *testing.T, r startRow, program string, exact bool) {
	t.Helper()
	p := newPlace(t)
	r.prepare(t, p)
	process := p.launch(t, program, p.arguments()...)
	select {
	case <-process.Exited():
	case <-time.After(endsWithin):
		t.Fatalf("%s serves, or does not end", program)
	}
	output, _ := os.ReadFile(process.Log)
	text := strings.ReplaceAll(string(output), `\"`, `"`)
	if code := process.ExitCode(); code != r.code {
		t.Errorf("%s ends with %d, not with %d\n%s", program, code, r.code, text)
	}
	if !strings.Contains(text, r.says) && exact {
		t.Errorf("%s does not say %q but\n%s", program, r.says, text)
	}
	counters.Add("rows of the command line", 1)
	counters.Add("rows", 1)
}
