package kubernetes

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/history"
)

const requestPatience = 60 * time.Second

// object has what the tests look at in any object, list or Status of the API.
type object struct {
	APIVersion string            `json:"apiVersion,omitempty"`
	Kind       string            `json:"kind,omitempty"`
	Metadata   metadata          `json:"metadata"`
	Data       any               `json:"data,omitempty"`
	Spec       map[string]any    `json:"spec,omitempty"`
	Items      []object          `json:"items,omitempty"`
	Status     json.RawMessage   `json:"status,omitempty"`
	Reason     string            `json:"reason,omitempty"`
	Message    string            `json:"message,omitempty"`
	Revision   int64             `json:"revision,omitempty"`
	Involved   map[string]string `json:"involvedObject,omitempty"`
}

type metadata struct {
	Name               string            `json:"name,omitempty"`
	Namespace          string            `json:"namespace,omitempty"`
	UID                string            `json:"uid,omitempty"`
	ResourceVersion    string            `json:"resourceVersion,omitempty"`
	DeletionTimestamp  string            `json:"deletionTimestamp,omitempty"`
	Continue           string            `json:"continue,omitempty"`
	RemainingItemCount int64             `json:"remainingItemCount,omitempty"`
	Annotations        map[string]string `json:"annotations,omitempty"`
	Labels             map[string]string `json:"labels,omitempty"`
}

// revision is the resource version as the number that it is in etcd.
func (o *object) revision() int64 {
	revision, _ := strconv.ParseInt(o.Metadata.ResourceVersion, 10, 64)
	return revision
}

// value is the entry "value" of a ConfigMap.
func (o *object) value() string {
	data, _ := o.Data.(map[string]any)
	text, _ := data["value"].(string)
	return text
}

func configMap(name, value string) *object {
	return &object{APIVersion: "v1", Kind: "ConfigMap", Metadata: metadata{Name: name}, Data: map[string]any{"value": value}}
}

func configMaps(namespace string) string { return "/api/v1/namespaces/" + namespace + "/configmaps" }

// call makes one request and decodes the answer, whatever its status.
func (a *apiServer) call(ctx context.Context, method, path string, body *object) (int, *object, error) {
	ctx, cancel := context.WithTimeout(ctx, requestPatience)
	defer cancel()
	var text []byte
	contentType := "application/json"
	if method == http.MethodPatch {
		contentType = "application/merge-patch+json"
	}
	if body != nil {
		text, _ = json.Marshal(body)
	}
	code, answer, err := a.raw(ctx, method, path, contentType, text)
	if err != nil {
		return 0, nil, err
	}
	decoded := &object{}
	if err := json.Unmarshal(answer, decoded); err != nil {
		return code, nil, fmt.Errorf("%s %s: %w in %.200q", method, path, err, answer)
	}
	return code, decoded, nil
}

// must makes a request that has to succeed.
func (a *apiServer) must(t *testing.T, method, path string, body *object) *object {
	t.Helper()
	code, answer, err := a.call(t.Context(), method, path, body)
	if err != nil || code >= 300 {
		t.Fatalf("%s %s (%s): %d %v %+v", method, path, a.name, code, err, answer)
	}
	return answer
}

// namespace creates a namespace for one row of the table.
func (c *cluster) namespace(t *testing.T, name string) string {
	t.Helper()
	c.cached.must(t, "POST", "/api/v1/namespaces", &object{APIVersion: "v1", Kind: "Namespace", Metadata: metadata{Name: name}})
	c.awaitPublished(t, name)
	return name
}

// watchEvent is one line of a watch.
type watchEvent struct {
	Type   string `json:"type"`
	Object object `json:"object"`
}

// watch opens a watch; the channel is closed when the server ends it or the context does.
func (a *apiServer) watch(ctx context.Context, path string, query url.Values) (<-chan watchEvent, error) {
	query.Set("watch", "1")
	response, err := a.open(ctx, "GET", path+"?"+query.Encode(), "", nil)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		return nil, fmt.Errorf("watch %s: %s", path, response.Status)
	}
	events := make(chan watchEvent, 1000)
	go func() {
		defer close(events)
		defer response.Body.Close()
		decoder := json.NewDecoder(bufio.NewReader(response.Body))
		for {
			var event watchEvent
			if decoder.Decode(&event) != nil {
				return
			}
			select {
			case events <- event:
			case <-ctx.Done():
				return
			}
		}
	}()
	return events, nil
}

// history translates an event of a ConfigMap. The API does not tell versions and previous values.
func (e *watchEvent) history() (history.Event, error) {
	event := history.Event{Key: e.Object.Metadata.Name, Value: e.Object.value(), Revision: e.Object.revision()}
	switch e.Type {
	case "ADDED":
		event.CreateRevision = event.Revision
	case "MODIFIED":
	case "DELETED":
		event.Kind = history.Delete
	default:
		return event, fmt.Errorf("unexpected event %s: %s %s", e.Type, e.Object.Reason, e.Object.Message)
	}
	return event, nil
}

// follower reads a watch of ConfigMaps and opens it again where it ended, until an object named "end" appears.
type follower struct {
	api      *apiServer
	path     string
	revision string
	checker  history.EventStream
	reopened int
}

func (f *follower) run(ctx context.Context) error {
	f.checker.Filtered = true
	for ; ; f.reopened++ {
		events, err := f.api.watch(ctx, f.path, url.Values{"resourceVersion": {f.revision}, "allowWatchBookmarks": {"true"}})
		if err != nil {
			select {
			case <-ctx.Done():
				return fmt.Errorf("after revision %s: %w, last: %w", f.revision, ctx.Err(), err)
			case <-time.After(50 * time.Millisecond):
				continue
			}
		}
		for event := range events {
			done, err := f.take(&event)
			if done || err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the watch saw nothing after revision %s: %w", f.revision, ctx.Err())
		}
	}
}

func (f *follower) take(event *watchEvent) (done bool, err error) {
	if event.Type == "BOOKMARK" {
		f.revision = event.Object.Metadata.ResourceVersion
		return false, f.checker.Progress(event.Object.revision())
	}
	translated, err := event.history()
	if err != nil {
		return false, err
	}
	if translated.Key == "end" {
		return true, nil
	}
	f.revision = event.Object.Metadata.ResourceVersion
	counters.Add("api watch events checked", 1)
	return false, f.checker.Response(translated.Revision, []history.Event{translated})
}
