package commandline

import (
	"fmt"
	"strings"
	"testing"

	"regent/tests/conformance/server"
)

type commandLine struct {
	arguments   []string
	environment []string
	file        *string // content of a configuration file
}

// row is one command line, and words that both programs must say. Where Regent means to differ, it says other words.
type row struct {
	commandLine
	says    string
	differs *difference
}

// difference is what Regent does instead, on purpose.
type difference struct {
	code int
	says string
}

func refuses(says string) *difference { return &difference{1, says} }

// flags is a row of words; what the listeners need is added, at its front.
func flags(words, says string, differs ...*difference) row {
	line := commandLine{arguments: append(listeners(), strings.Fields(words)...)}
	return row{line, says, only(differs)}
}

// bare is a row of exactly these words. It must not come so far as to listen.
func bare(words, says string, differs ...*difference) row {
	return row{commandLine{arguments: strings.Fields(words)}, says, only(differs)}
}

// variables is a row with an environment.
func variables(environment, words, says string) row {
	line := commandLine{arguments: append(listeners(), strings.Fields(words)...), environment: strings.Fields(environment)}
	return row{commandLine: line, says: says}
}

// file is a row with a configuration file, to which the listeners are added.
func file(text, says string, differs ...*difference) row {
	text += "\n" + strings.ReplaceAll(strings.ReplaceAll(strings.Join(listeners(), "\n"), "--", ""), "=", ": ") + "\n"
	return row{commandLine{file: &text}, says, only(differs)}
}

// bareFile is a row with exactly this file.
func bareFile(text, says string, differs ...*difference) row {
	return row{commandLine{file: &text}, says, only(differs)}
}

func only(differs []*difference) *difference {
	if len(differs) == 0 {
		return nil
	}
	return differs[0]
}

func listeners() []string {
	host := server.LoopbackHost()
	return []string{"--listen-client-urls=http://" + host + ":0", "--advertise-client-urls=http://" + host + ":1",
		"--listen-peer-urls=http://" + host + ":0"}
}

const ready = "ready to serve client requests"

// tooShort makes a server say that it has read everything before it, and end.
const tooShort = "--election-timeout[400ms] should be at least as 5 times as --heartbeat-interval[100ms]"

func words() []row {
	return []row{
		bare("--no-such", "flag provided but not defined: -no-such"),
		bare("--no-such=1 --help", "flag provided but not defined: -no-such"),
		bare("--help --no-such", "--unsafe-no-fsync"), bare("-h", "--listen-client-urls"), bare("-h=false", "--feature-gates"),
		bare("--version", "etcd Version: 3.7.3"), bare("--version foo", `"foo" is not a valid flag`),
		bare("--version=false --election-timeout=400", tooShort),
		bare("foo", `"foo" is not a valid flag`), bare("--name a foo --no-such", `"foo" is not a valid flag`),
		bare("-- x", `"x" is not a valid flag`), bare("-", `"-" is not a valid flag`),
		bare("---name=a", "bad flag syntax: ---name=a"), bare("--=x", "bad flag syntax: --=x"), bare("-=x", "bad flag syntax: -=x"),
		bare("--name", "flag needs an argument: -name"),
		bare("--experimental-initial-corrupt-check=true", "flag provided but not defined: -experimental-initial-corrupt-check"),
		bare("--enable-v2", "flag provided but not defined: -enable-v2"), bare("--debug", "flag provided but not defined: -debug"),
		bare("--discovery=x", "flag provided but not defined: -discovery"),
		bare("--discovery-proxy=x", "flag provided but not defined: -discovery-proxy"),
		bare("--force --v --test.outputdir=x --election-timeout=400", tooShort),
		bare("--retry-interval 3", `"3" is not a valid flag`),
		bare("--unsafe-no-fsync true", `"true" is not a valid flag`),
	}
}

func values() []row {
	return []row{
		bare("--max-txn-ops=many", `invalid value "many" for flag -max-txn-ops: parse error`),
		bare("--max-txn-ops=-1", `invalid value "-1" for flag -max-txn-ops: parse error`),
		bare("--max-txn-ops=0x10 --election-timeout=400", tooShort),
		bare("--max-txn-ops=0_1_0 --election-timeout=400", tooShort),
		bare("--max-txn-ops=1__0", `invalid value "1__0" for flag -max-txn-ops: parse error`),
		bare("--max-txn-ops=99999999999999999999", `invalid value "99999999999999999999" for flag -max-txn-ops: value out of range`),
		bare("--pre-vote=maybe", `invalid boolean value "maybe" for -pre-vote: parse error`),
		bare("--socket-reuse-port=x", `invalid boolean value "x" for -socket-reuse-port: parse error`),
		bare("--grpc-keepalive-min-time=5", `invalid value "5" for flag -grpc-keepalive-min-time: parse error`),
		bare("--backend-batch-interval=x", `invalid value "x" for flag -backend-batch-interval: parse error`),
		bare("--snapshot-catchup-entries=x", `invalid value "x" for flag -snapshot-catchup-entries: parse error`),
		bare("--quota-backend-bytes=x", `invalid value "x" for flag -quota-backend-bytes: parse error`),
		bare("--max-concurrent-streams=-1", `-max-concurrent-streams: strconv.ParseUint: parsing "-1": invalid syntax`),
		bare("--max-concurrent-streams=4294967296", `strconv.ParseUint: parsing "4294967296": value out of range`),
		bare("--initial-cluster-state=old", `invalid value "old" for flag -initial-cluster-state: invalid value`),
		bare("--initial-cluster-state=", `invalid value "" for flag -initial-cluster-state: invalid value`),
		bare("--discovery-fallback=x", `invalid value "x" for flag -discovery-fallback: invalid value`),
		bare("--v2-deprecation=not-yet", `invalid value "not-yet" for flag -v2-deprecation: invalid value "not-yet"`),
		bare("--cors=foo", `invalid value "foo" for flag -cors: URL scheme must be http, https, unix, or unixs: foo`),
		bare("--cors=", `invalid value "" for flag -cors: URL scheme must be http, https, unix, or unixs: `),
		bare("--cors=*,http://a:1", `URL scheme must be http, https, unix, or unixs: *`),
		bare("--feature-gates=Foo=true", "-feature-gates: unrecognized feature gate: Foo"),
		bare("--feature-gates=LeaseCheckpoint", "-feature-gates: missing bool value for LeaseCheckpoint"),
		bare("--feature-gates=LeaseCheckpoint=2",
			`invalid value of LeaseCheckpoint=2, err: strconv.ParseBool: parsing "2": invalid syntax`),
		bare("--listen-client-urls=127.0.0.1:1", `parse "127.0.0.1:1": first path segment in URL cannot contain colon`),
		bare("--listen-client-urls=localhost:1", `URL scheme must be http, https, unix, or unixs: localhost:1`),
		bare("--listen-client-urls=http://127.0.0.1", `URL address does not have the form "host:port": http://127.0.0.1`),
		bare("--listen-peer-urls=ftp://127.0.0.1:1", `URL scheme must be http, https, unix, or unixs: ftp://127.0.0.1:1`),
		bare("--listen-metrics-urls=http://127.0.0.1:1/x", "URL must not contain a path: http://127.0.0.1:1/x"),
		bare("--listen-client-http-urls=http://127.0.0.1:x", `parse "http://127.0.0.1:x": invalid port ":x" after host`),
		bare("--listen-client-urls=http://127.0.0.1:1,", `-listen-client-urls: URL scheme must be http, https, unix, or unixs: `),
	}
}

func whole() []row {
	return []row{
		bare("--election-timeout=400", tooShort),
		bare("--election-timeout=60000", "--election-timeout[60000ms] is too long, and should be set less than 50000ms"),
		bare("--heartbeat-interval=0", "--heartbeat-interval must be >0 (set to 0ms)"),
		bare("--election-timeout=0", "--election-timeout must be >0 (set to 0ms)"),
		bare("--listen-client-urls=http://127.0.0.1:0", "--advertise-client-urls is required when --listen-client-urls is set explicitly"),
		bare("--listen-client-urls=http://example.org:1 --advertise-client-urls=http://a:1",
			"expected IP in URL for binding (http://example.org:1)"),
		bare("--listen-client-urls=http://:1 --advertise-client-urls=http://a:1", "expected IP in URL for binding (http://:1)"),
		bare("--listen-peer-urls=http://example.org:1", "expected IP in URL for binding (http://example.org:1)"),
		bare("--listen-client-http-urls=http://example.org:1", "expected IP in URL for binding (http://example.org:1)"),
		bare("--listen-metrics-urls=http://example.org:1", "expected IP in URL for binding (http://example.org:1)"),
		bare("--advertise-client-urls=http://:1", `must be in the format "host:port", "unix:/path/to/socket"`),
		bare("--initial-advertise-peer-urls=http://:1", `--initial-advertise-peer-urls "http://:1" must be "host:port"`),
		flags("--listen-client-urls=http://127.0.0.1:70000", "listen tcp: address 70000: invalid port"),
		flags("--listen-client-urls=http://127.9.9.9:23791 --listen-client-http-urls=http://127.9.9.9:23791",
			"cannot bind both --listen-client-urls and --listen-client-http-urls on the same url http://127.9.9.9:23791"),
		bare("--log-format=xml", "unknown log format: xml, supported values json, console"),
		bare("--log-level=loud", `unrecognized level: "loud"`, refuses(`unrecognized level: "loud"`)), // etcd panics
		bare("--logger=capnslog", "--logger=capnslog is removed in v3.5"), bare("--logger=foo", `unknown logger option "foo"`),
		bare("--log-outputs=default,stderr", `multi logoutput for "default" is not supported yet`),
		bare("--log-outputs=/no/such/x", `open sink "/no/such/x": open /no/such/x: no such file or directory`),
		bare("--enable-log-rotation", "--log-outputs requires a single file path when --log-rotate-config-json is defined"),
		bare("--enable-log-rotation --log-outputs=a,b", "--log-outputs requires a single file path"),
		bare("--enable-log-rotation --log-outputs=a --log-rotation-config-json={x",
			"improperly formatted log rotation config: invalid character 'x' looking for beginning of object key string"),
		bare("--enable-log-rotation --log-outputs=a --log-rotation-config-json=",
			"improperly formatted log rotation config: unexpected end of JSON input"),
		bare(`--enable-log-rotation --log-outputs=a --log-rotation-config-json={"maxsize":"a"}`,
			"invalid log rotation config: json: cannot unmarshal string into Go struct field logRotationConfig.Logger.maxsize of type int"),
		bare("--feature-gates=LeaseCheckpointPersist=true",
			"enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint"),
		bare("--compact-hash-check-time=0", "--compact-hash-check-time must be >0 (set to 0s)"),
		bare("--compact-hash-check-time=-1s", "--compact-hash-check-time must be >0 (set to -1s)"),
		bare("--discovery-fallback=proxy", `v2 proxy is deprecated, and --discovery-fallback can't be configured as "proxy"`),
		bare("--config-file=/no/such", "open /no/such: no such file or directory"),
		flags("--data-dir=/dev/null/x", "/dev/null/x"),
	}
}

func bootstrap() []row {
	return []row{
		flags("--name=", `couldn't find local name "" in the initial cluster configuration`),
		flags("--name=a,b", "error setting up initial cluster: URL scheme must be http, https, unix, or unixs: "),
		flags("--initial-cluster=", `couldn't find local name "default" in the initial cluster configuration`),
		flags("--initial-cluster=a=http://localhost:2380", `couldn't find local name "default" in the initial cluster configuration`),
		flags("--initial-cluster=xx", "error setting up initial cluster: URL scheme must be http, https, unix, or unixs: "),
		flags("--initial-cluster=default=foo", "error setting up initial cluster: URL scheme must be http, https, unix, or unixs: foo"),
		flags("--initial-cluster=default=http://127.0.0.1:2380",
			"--initial-cluster has default=http://127.0.0.1:2380 but missing from --initial-advertise-peer-urls=http://localhost:2380"),
		flags("--initial-cluster=default=http://localhost:2380,default=http://localhost:2381",
			"--initial-cluster has default=http://localhost:2381 but missing from --initial-advertise-peer-urls=http://localhost:2380"),
		flags("--initial-advertise-peer-urls=http://localhost:2380,http://localhost:2381",
			"--initial-advertise-peer-urls has http://localhost:2381 but missing from --initial-cluster="),
		flags("--initial-cluster=default=http://localhost:2380,b=http://localhost:2380",
			"initial cluster b=http://localhost:2380,default=http://localhost:2380 has duplicate url"),
		flags("--initial-cluster-state=existing", "cannot fetch cluster info from peer urls"),
		flags("--name=b --initial-cluster=b=http://localhost:2380 --initial-cluster-token=t", ready),
		flags("--name=node-1", ready), flags("--name=x --initial-advertise-peer-urls=http://127.0.0.1:1", ready),
	}
}

func refused() []row {
	const tls = "is not supported by this version of regent: TLS is not there yet"
	const discovery = "is not supported by this version of regent: discovery of members is not there yet"
	return []row{
		bare("--tls-min-version=TLS1.0", `unexpected TLS version "TLS1.0"`, refuses(tls)),
		bare("--tls-min-version=TLS1.3 --tls-max-version=TLS1.2", "is greater than max version", refuses(tls)),
		flags("--cipher-suites=x", `unexpected TLS cipher suite "x"`, refuses("--cipher-suites "+tls)),
		flags("--listen-client-urls=https://127.0.0.1:0", "TLS key/cert (--cert-file, --key-file) must be provided",
			refuses("TLS is not supported by this version")),
		flags("--listen-peer-urls=https://127.0.0.1:0", "KeyFile and CertFile are not presented"),
		flags("--cert-file=/x", ready, refuses("--cert-file "+tls)), // etcd ignores what no listener needs
		flags("--client-cert-auth", ready, refuses("--client-cert-auth "+tls)),
		flags("--client-cert-auth=false --cert-file= --auto-tls=0 --tls-min-version=TLS1.2", ready),
		bare("--discovery-token=x", "both --discovery-token and --discovery-endpoints must be set", refuses("--discovery-token "+discovery)),
		flags("--discovery-dial-timeout=2000ms --discovery-token=", ready),
		flags("--force-new-cluster", ready),
		flags("--force-new-cluster=false", ready),
		bare("--enable-distributed-tracing --distributed-tracing-sampling-rate=-1", "tracing sampling rate must be positive",
			refuses("distributed tracing is not there yet")),
		flags("--distributed-tracing-sampling-rate=-1", ready),
		flags("--auth-token=foo", "auth: invalid auth options", refuses("--auth-token is not supported")),
		flags("--auth-token=simple --bcrypt-cost=3", ready),
	}
}

func environments() []row {
	const conflict = "conflicting environment variable is shadowed by corresponding command-line flag"
	return []row{
		variables("ETCD_NAME=a", "--name=a", conflict), variables("ETCD_NAME=", "--name=a", conflict),
		variables("ETCD_NAME=a ETCD_MAX_TXN_OPS=x", "--name=b", conflict), variables("ETCD_V=x", "--v", conflict),
		variables("ETCD_MAX_TXN_OPS=x", "", `invalid value "x" for ETCD_MAX_TXN_OPS: parse error`),
		variables("ETCD_PRE_VOTE=x", "", `invalid value "x" for ETCD_PRE_VOTE: parse error`),
		variables("ETCD_LISTEN_METRICS_URLS=x", "",
			`invalid value "x" for ETCD_LISTEN_METRICS_URLS: URL scheme must be http, https, unix, or unixs: x`),
		variables("ETCD_FEATURE_GATES=x", "", `invalid value "x" for ETCD_FEATURE_GATES: missing bool value for x`),
		variables("ETCD_INITIAL_CLUSTER_STATE=x", "", `invalid value "x" for ETCD_INITIAL_CLUSTER_STATE: invalid value`),
		variables("ETCD_ELECTION_TIMEOUT=400", "", tooShort), variables("ETCD_CONFIG_FILE=/no", "", "open /no: no such file or directory"),
		variables("ETCD_CONFIG_FILE=/no", "--config-file=/no2", "open /no2: no such file or directory"),
		variables("ETCD_ENABLE_V2=false ETCD_ON_K8S=yes", "", "unrecognized environment variable"),
		variables("ETCD_VERSION=3.4 ETCD_NAME=n", "", "recognized and used environment variable"),
		variables("ETCD_VERIFY=all ETCD_HELP=1", "", "ETCD_VERIFY=all"),
	}
}

func files() []row {
	line := func(says string) *difference { return refuses("config.yml line 1: " + says) }
	return []row{
		file("name: a", ready), file("unknown: 5\nproxy: off\nexperimental-x: true", ready),
		file("NAME: a\nversion: true\nconfig-file: /x\ncert-file: /x", ready), file("watch-progress-notify-interval: 5000000000", ready),
		file("strict-reconfig-check: yes\nlog-outputs: [stdout]", ready), file("initial-cluster-state: ''\ncors: ''\nname: ~", ready),
		file("client-transport-security:\nsocket-options: {reuse-port: true}", ready), file("election-timeout: 400\n---\nname: b", tooShort),
		file("feature-gates: InitialCorruptCheck=true\nmax-wals: 3", ready), file("heartbeat-interval: 1e2\nelection-timeout: 0x190", tooShort),
		bareFile(`{"name":"a","election-timeout":400}`, tooShort), bareFile("name: a\nname: b\nelection-timeout: 400", tooShort),
		bareFile("election-timeout: 4_00", tooShort), bareFile("a: &x 400\nelection-timeout: *x", tooShort),
		bareFile("heartbeat-interval: 500\nelection-timeout: 1000", "--election-timeout[1000ms]"),
		bareFile("listen-client-urls: 127.0.0.1:1",
			`unexpected error setting up listen-client-urls: parse "127.0.0.1:1": first path segment in URL cannot contain colon`),
		bareFile("feature-gates: Foo=true", "unrecognized feature gate: Foo"),
		bareFile("initial-cluster-state: old", `unexpected clusterState "old"`),
		bareFile("compact-hash-check-time: 0", "--compact-hash-check-time must be >0 (set to 0s)"),
		bareFile("peer-transport-security:", "invalid peer-transport-security"),
		// etcd says these in the words of Go's decoder, without file and line.
		bareFile("[]", "cannot unmarshal array", line("the file must hold a map")), bareFile("foo", "cannot unmarshal string", line("")),
		bareFile("a: b: c", "mapping values are not allowed", line("")), bareFile("\t: x", "cannot start any token", line("")),
		bareFile("a: *x", "unknown anchor", line("")), bareFile("x: \"open", "unexpected end of stream", line("")),
		bareFile("? [a]\n: x", "invalid map key", line("a key must be a name")),
		bareFile("name: [a]", "of type string", line("name must be a string")), bareFile("name: 5", "of type string", line("name must be a string")),
		bareFile("name: true", "of type string", line("name must be a string")),
		bareFile("heartbeat-interval: 100ms", "of type uint", line("heartbeat-interval must be a whole number")),
		bareFile("heartbeat-interval: '100'", "of type uint", line("heartbeat-interval must be a whole number")),
		bareFile("heartbeat-interval: 1.5", "of type uint", line("heartbeat-interval must be a whole number")),
		bareFile("max-txn-ops: -1", "of type uint", line("max-txn-ops must be a whole number")),
		bareFile("max-concurrent-streams: 4294967296", "of type uint32", line("max-concurrent-streams must be")),
		bareFile("watch-progress-notify-interval: 5s", "of type time.Duration", line("watch-progress-notify-interval must be")),
		bareFile("strict-reconfig-check: 'no'", "of type bool", line("strict-reconfig-check must be")),
		bareFile("strict-reconfig-check: 1", "of type bool", line("strict-reconfig-check must be")),
		bareFile("log-outputs: stderr", "of type []string", line("log-outputs must be a list")),
		bareFile("listen-client-urls: [http://127.0.0.1:0]", "of type string", line("listen-client-urls must be a string")),
		bareFile("socket-options: 5", "of type transport.SocketOpts", line("invalid socket-options")),
		bareFile("client-transport-security: 5", "of type embed.securityConfig", line("invalid client-transport-security")),
		file("client-transport-security: {cert-file: /x}", ready, refuses("client-transport-security.cert-file in")),
	}
}

func tuning() []row {
	return []row{
		flags("--max-wals=3 --max-snapshots=2 --snapshot-count=5 --snapshot-catchup-entries=1", ready),
		flags("--backend-bbolt-freelist-type=array --backend-batch-limit=5 --backend-batch-interval=1s", ready),
		flags("--raft-read-timeout=6s --raft-write-timeout=6s --initial-election-tick-advance=false", ready),
		flags("--v2-deprecation=gone --enable-pprof --max-learners=0 --strict-reconfig-check=false", ready),
		flags("--metrics=foo --log-level= --log-format= --feature-gates=,, --host-whitelist=", ready),
		flags("--log-level=DEBUG --listen-metrics-urls= --corrupt-check-time=1m --downgrade-check-time=1s", ready),
		flags("--watch-progress-notify-interval=5ms --compaction-batch-limit=10 --compaction-sleep-interval=1ms", ready),
		flags("--wal-dir=logs --pre-vote=false --max-concurrent-streams=0 --bootstrap-defrag-threshold-megabytes=1", ready),
		flags("--warning-apply-duration=1s --warning-unary-request-duration=1s --enable-grpc-gateway=false", ready),
	}
}

func TestTheSameWordsMeanTheSame(t *testing.T) {
	for name, rows := range map[string][]row{"words": words(), "values": values(), "whole": whole(), "bootstrap": bootstrap(),
		"refused": refused(), "environments": environments(), "files": files(), "tuning": tuning()} {
		t.Run(name, func(t *testing.T) {
			for _, row := range rows {
				t.Run(title(row), func(t *testing.T) {
					t.Parallel()
					compare(t, row)
				})
			}
		})
	}
}

func title(r row) string {
	if r.file != nil {
		return strings.SplitN(*r.file, "\n", 2)[0]
	}
	var shown []string
	for _, word := range append(append([]string{}, r.environment...), r.arguments...) {
		if !strings.Contains(word, "http://127.") || len(r.arguments) < 4 {
			shown = append(shown, word)
		}
	}
	return strings.Join(shown, " ")
}

func compare(t *testing.T, r row) {
	etcd := run(t, server.Tool(t, "etcd"), r.commandLine)
	got := run(t, server.Binary(), r.commandLine)
	for _, complaint := range judge(r, etcd, got, isRegent()) {
		t.Error(complaint)
	}
}

// judge says what is wrong with two outcomes of a row.
func judge(r row, etcd, got outcome, mayDiffer bool) []string {
	var complaints []string
	if !says(etcd, r.says) {
		complaints = append(complaints, fmt.Sprintf("etcd does not say %q but\n%s", r.says, etcd.text))
	}
	code, words := etcd.code, r.says
	if r.differs != nil && mayDiffer {
		code, words = r.differs.code, r.differs.says
		if etcd.code == code && says(etcd, words) && says(got, r.says) {
			complaints = append(complaints, "the row says that Regent differs, and it does not")
		}
	}
	if got.code != code {
		complaints = append(complaints, fmt.Sprintf("ends with %d, not with %d (-1: it serves)\n%s", got.code, code, got.text))
	}
	if !says(got, words) {
		complaints = append(complaints, fmt.Sprintf("does not say %q but\n%s", words, got.text))
	}
	return complaints
}

// The comparison has to find planted differences.
func TestTheComparisonFindsDifferences(t *testing.T) {
	same, other := outcome{1, `{"error":"no \"x\""}`}, outcome{1, "something else"}
	plain := row{says: `no "x"`}
	differing := row{says: `no "x"`, differs: refuses("not there yet")}
	for name, planted := range map[string]struct {
		row        row
		etcd, got  outcome
		complaints int
	}{
		"none":                        {plain, same, same, 0},
		"another code":                {plain, same, outcome{2, same.text}, 1},
		"it serves":                   {plain, same, outcome{starts, same.text}, 1},
		"other words":                 {plain, same, other, 1},
		"etcd's words have changed":   {plain, other, same, 1},
		"a difference as announced":   {differing, same, outcome{1, "not there yet"}, 0},
		"a difference that is gone":   {differing, outcome{1, same.text + "not there yet"}, outcome{1, same.text + "not there yet"}, 1},
		"a difference of other words": {differing, same, other, 1},
	} {
		if got := judge(planted.row, planted.etcd, planted.got, true); len(got) != planted.complaints {
			t.Errorf("%s: %d complaints: %v", name, len(got), got)
		}
	}
	if got := judge(differing, same, same, false); len(got) != 0 {
		t.Errorf("the control differs: %v", got)
	}
}

// says looks for words in the output, in JSON lines or not.
func says(o outcome, words string) bool {
	return strings.Contains(strings.ReplaceAll(o.text, `\"`, `"`), words)
}
