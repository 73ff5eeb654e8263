package sidebyside

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

type jsonRow struct{ method, path, body string }

func post(path, body string) jsonRow { return jsonRow{"POST", path, body} }

// jsonRows are sent in this order to both servers.
var jsonRows = []jsonRow{
	post("/v3/kv/range", `{"key":"AA==","range_end":"AA=="}`),
	post("/v3/kv/put", `{"key":"YQ==","value":"MQ=="}`),
	post("/v3/kv/put", `{"key":"YQ==","value":"Mg==","prev_kv":true}`),
	post("/v3/kv/put", `{"key":"YQ==","value":"Mw==","prevKv":true}`),
	post("/v3/kv/put", `{"key":"Yg==","value":""}`),
	post("/v3/kv/put", `{"key":"Yw==","lease":"0"}`),
	post("/v3/kv/put", `{"key":"Yw==","lease":0,"ignore_value":true}`),
	post("/v3/kv/put", `{"key":"_-8=","value":"-_8="}`),
	post("/v3/kv/put", `{"key":"YQ","value":"MQ"}`),
	post("/v3beta/kv/put", `{"key":"YmV0YQ==","value":"MQ=="}`),
	post("/v3/kv/put", "  \n{ \"key\" : \"c3BhY2U=\" , \"value\":\"MQ==\" }  \n"),
	post("/v3/kv/put", `{"key":"dHJhaWxpbmc=","value":"MQ=="} and more`),
	post("/v3/kv/put", `{"key":"dW5rbm93bg==","value":"MQ==","nothing":{"a":[1,2,{"b":null}]},"other":"x"}`),
	post("/v3/kv/put", `{"key":"bnVsbA==","value":null,"lease":null}`),
	post("/v3/kv/put", `{"key":"XHUwMDQx","value":"\u004d\u0051=="}`),
	post("/v3/kv/put", `{}`),
	post("/v3/kv/put", ``),
	post("/v3/kv/put", `   `),
	post("/v3/kv/put", `{`),
	post("/v3/kv/put", `{"key":"YQ==",}`),
	post("/v3/kv/put", `{key:"YQ=="}`),
	post("/v3/kv/put", `{'key':'YQ=='}`),
	post("/v3/kv/put", `[]`),
	post("/v3/kv/put", `null`),
	post("/v3/kv/put", `"YQ=="`),
	post("/v3/kv/put", `7`),
	post("/v3/kv/put", `not json`),
	post("/v3/kv/put", `{"key":7}`),
	post("/v3/kv/put", `{"key":"*"}`),
	post("/v3/kv/put", `{"key":["YQ=="]}`),
	post("/v3/kv/put", `{"key":"YQ==","lease":"x"}`),
	post("/v3/kv/put", `{"key":"YQ==","lease":1.5}`),
	post("/v3/kv/put", `{"key":"YQ==","lease":"9223372036854775808"}`),
	post("/v3/kv/put", `{"key":"YQ==","prev_kv":"yes"}`),
	post("/v3/kv/put", `{"key":"YQ==","lease":"7"}`),
	post("/v3/kv/put", `{"key":"YQ==","lease":7}`),
	post("/v3/kv/put", `{"key":"YQ==","lease":7.0}`),
	post("/v3/kv/put", `{"key":"YQ==","value":"MQ==","ignore_value":true}`),
	post("/v3/kv/put", `{"key":"eHg=","ignoreValue":true}`),
	post("/v3/kv/range", `{"key":"YQ=="}`),
	post("/v3/kv/range", `{"key":"AA==","range_end":"AA=="}`),
	post("/v3/kv/range", `{"key":"AA==","rangeEnd":"AA==","limit":"2"}`),
	post("/v3/kv/range", `{"key":"AA==","range_end":"AA==","limit":2,"sort_order":"DESCEND","sort_target":"MOD"}`),
	post("/v3/kv/range", `{"key":"AA==","range_end":"AA==","sortOrder":1,"sortTarget":"VALUE","limit":3}`),
	post("/v3/kv/range", `{"key":"AA==","range_end":"AA==","count_only":true}`),
	post("/v3/kv/range", `{"key":"AA==","range_end":"AA==","keys_only":true,"revision":"3"}`),
	post("/v3/kv/range", `{"key":"AA==","range_end":"AA==","serializable":true,"max_mod_revision":"4"}`),
	post("/v3/kv/range", `{"key":"bm90aGluZw=="}`),
	post("/v3/kv/range", `{"key":"YQ==","sort_order":"SIDEWAYS"}`),
	post("/v3/kv/range", `{"key":"YQ==","sort_order":9}`),
	post("/v3/kv/range", `{"key":"YQ==","sort_order":-1}`),
	post("/v3/kv/range", `{"key":"YQ==","revision":"1000"}`),
	post("/v3/kv/range", `{"key":"YQ==","revision":"-1"}`),
	post("/v3/kv/range", `{}`),
	post("/v3/kv/txn", `{}`),
	post("/v3/kv/txn", `{"compare":[{"key":"YQ==","result":"GREATER","target":"VERSION","version":"0"}],
		"success":[{"request_put":{"key":"dA==","value":"MQ=="}},{"request_range":{"key":"dA=="}}],"failure":[{"request_range":{"key":"YQ=="}}]}`),
	post("/v3/kv/txn", `{"compare":[{"key":"YQ==","result":"EQUAL","target":"CREATE","createRevision":"77"}],
		"success":[{"requestPut":{"key":"dA==","value":"MQ=="}}],"failure":[{"requestRange":{"key":"YQ==","rangeEnd":"Yg=="}},
		{"requestTxn":{"success":[{"requestDeleteRange":{"key":"dA==","prevKv":true}}]}}]}`),
	post("/v3/kv/txn", `{"compare":[{"key":"YQ==","target":"VALUE","value":"Mg=="},{"key":"YQ==","target":"LEASE","lease":"0"},
		{"key":"YQ==","target":"MOD","mod_revision":3,"result":"NOT_EQUAL"}]}`),
	post("/v3/kv/txn", `{"success":[{"request_put":{"key":"dA=="}},{"request_put":{"key":"dA=="}}]}`),
	post("/v3/kv/txn", `{"success":[{}]}`),
	post("/v3/kv/txn", `{"success":[null]}`),
	post("/v3/kv/txn", `{"success":{}}`),
	post("/v3/kv/txn", `{"success":[[]]}`),
	post("/v3/kv/txn", `{"success":[{"request_put":{"key":"dA=="},"request_range":{"key":"dA=="}}]}`),
	post("/v3/kv/txn", `{"success":[{"request_put":null,"request_range":{"key":"dA=="}}]}`),
	post("/v3/kv/txn", `{"success":[{"request_put":"x"}]}`),
	post("/v3/kv/txn", `{"success":null,"compare":[]}`),
	post("/v3/kv/put", `{"key":"YQ==","key":"Yg=="}`),
	post("/v3/kv/range", `{"range_end":"AA==","rangeEnd":"AA==","key":"AA=="}`),
	post("/v3/kv/put", `{"key":"YQ==","prev_kv":"true"}`),
	post("/v3/kv/put", `{"key":"YQ==","prev_kv":1}`),
	post("/v3/kv/put", `{"key":"YQ==","lease":true}`),
	post("/v3/kv/put", `{"key":"YQ==","lease":"-07"}`),
	post("/v3/kv/put", `{"key":"YQ==","lease":" 7"}`),
	post("/v3/kv/put", `{"key":"YQ==","lease":1e1}`),
	post("/v3/kv/put", `{"key":"YQ==","lease":{}}`),
	post("/v3/kv/put", `{"key":"YQ==","lease":""}`),
	post("/v3/kv/put", `{"key":"YQ==","unknown":tru}`),
	post("/v3/kv/range", `{"key":"YQ==","sort_order":"1"}`),
	post("/v3/kv/range", `{"key":"YQ==","sort_order":1.0}`),
	post("/v3/kv/range", `{"key":"YQ==","limit":"007"}`),
	post("/v3/kv/range", `{"k\u0065y":"YQ=="}`),
	post("/v3/kv/put", "{\"key\":\"Y\nQ==\"}"),
	post("/v3/kv/put", "{\"key\":\"YQ\xff==\"}"),
	post("/v3/kv/put", "\xef\xbb\xbf{\"key\":\"YQ==\"}"),
	post("/v3/kv/txn", `{"compare":[{"target":"VERSION"}]}`),
	post("/v3/kv/deleterange", `{"key":"Yg==","prev_kv":true}`),
	post("/v3/kv/deleterange", `{"key":"Yg=="}`),
	post("/v3/kv/deleterange", `{"key":"YQ==","range_end":"AA==","prevKv":true}`),
	post("/v3/kv/deleterange", `{}`),
	post("/v3/kv/compaction", `{"revision":"5"}`),
	post("/v3/kv/compaction", `{"revision":"5"}`),
	post("/v3/kv/compaction", `{"revision":"5000"}`),
	post("/v3/kv/range", `{"key":"YQ==","revision":"2"}`),
	post("/v3/lease/grant", `{"ID":"77","TTL":"600"}`),
	post("/v3/lease/grant", `{"ID":77,"TTL":600}`),
	post("/v3/kv/put", `{"key":"bGVhc2U=","lease":"77"}`),
	post("/v3/lease/timetolive", `{"ID":"78","keys":true}`),
	post("/v3/kv/lease/leases", `{}`),
	post("/v3/lease/leases", ``),
	post("/v3/lease/revoke", `{"ID":"78"}`),
	post("/v3/kv/lease/revoke", `{"ID":"77"}`),
	post("/v3/maintenance/alarm", `{"action":"GET"}`),
	post("/v3/maintenance/hashkv", `{"revision":"1000"}`),
	post("/v3/maintenance/defragment", `{}`),
	post("/v3/kv/nothing", `{}`),
	post("/v3/", `{}`),
	post("/v3/kv/put/", `{}`),
	post("/v4/kv/put", `{}`),
	{"GET", "/v3/kv/put", ""},
	{"PUT", "/v3/kv/put", `{"key":"YQ=="}`},
	{"DELETE", "/v3/kv/range", ""},
	{"OPTIONS", "/v3/kv/put", ""},
	{"GET", "/v3/nothing", ""},
	post("/v3/kv/put?key=YQ==", ``),
	post("/v3/kv/put", `{"key":"Ymln","value":"`+strings.Repeat("QUFB", 524288)+`"}`), // 1.5 MiB: more than an entry may have
	post("/v3/kv/put", `{"key":"Ymln","value":"`+strings.Repeat("QUFB", 700000)+`"}`), // 2.1 MB: more than a message may have
	post("/v3/kv/range", `{"key":"AA==","range_end":"AA=="}`),
}

type jsonAnswer struct {
	status      int
	contentType string
	origin      string
	body        any
}

func exchange(t *testing.T, s *server.Server, row jsonRow) jsonAnswer {
	t.Helper()
	request := must(http.NewRequestWithContext(server.Context(t), row.method, s.Endpoint+row.path, strings.NewReader(row.body)))(t)
	request.Header.Set("Content-Type", "application/json")
	response := must(http.DefaultClient.Do(request))(t)
	defer response.Body.Close()
	text := must(io.ReadAll(response.Body))(t)
	answer := jsonAnswer{response.StatusCode, response.Header.Get("Content-Type"), response.Header.Get("Access-Control-Allow-Origin"), nil}
	if !strings.HasPrefix(answer.contentType, "application/json") {
		answer.body = string(text)
		return answer
	}
	if err := json.Unmarshal(text, &answer.body); err != nil {
		t.Errorf("%s answers with %q: %v", row.path, text, err)
	}
	return answer
}

// comparable drops what must differ: ids and terms; and the texts about malformed JSON, which etcd makes unstable on
// purpose.
func (a jsonAnswer) comparable(t *testing.T, row jsonRow) string {
	fields, _ := a.body.(map[string]any)
	if header, ok := fields["header"].(map[string]any); ok {
		for _, name := range []string{"cluster_id", "member_id", "raft_term"} {
			if text, ok := header[name].(string); !ok || text == "" {
				t.Errorf("%s: the header has no %s: %v", row.path, name, header)
			}
			delete(header, name)
		}
	}
	if a.status != http.StatusOK && a.contentType == "application/json" {
		counters.Add("json errors compared", 1)
		if text, _ := fields["message"].(string); fields["code"] == 3.0 && !strings.HasPrefix(text, "etcdserver: ") {
			fields["message"] = "malformed"
		}
	}
	return fmt.Sprintf("%d %s (%s) %s", a.status, a.contentType, a.origin, must(json.Marshal(a.body))(t))
}

func TestTheJSONGatewayAnswersAsEtcds(t *testing.T) {
	p := startPair(t)
	for _, row := range jsonRows {
		got, want := exchange(t, p.tested, row).comparable(t, row), exchange(t, p.etcd, row).comparable(t, row)
		if got != want {
			t.Errorf("%s %s %.200s\n  %.500s\n  etcd: %.500s", row.method, row.path, row.body, got, want)
		}
		counters.Add("json answers compared", 1)
	}
}

// The token and the names under which headers reach the services: without authentication only a bad version shows.
func TestHeadersReachTheServices(t *testing.T) {
	p := startPair(t)
	for _, header := range []string{"Grpc-Metadata-Hasleader", "Authorization", "Grpc-Metadata-Client-Api-Version"} {
		var answers []string
		for _, s := range []*server.Server{p.tested, p.etcd} {
			row := post("/v3/kv/range", `{"key":"YQ=="}`)
			request := must(http.NewRequestWithContext(server.Context(t), row.method, s.Endpoint+row.path, strings.NewReader(row.body)))(t)
			request.Header.Set(header, "true")
			response := must(http.DefaultClient.Do(request))(t)
			response.Body.Close()
			answers = append(answers, response.Status)
		}
		if answers[0] != answers[1] {
			t.Errorf("%s: %s, etcd %s", header, answers[0], answers[1])
		}
	}
}
