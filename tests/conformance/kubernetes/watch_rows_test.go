package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/figures"
	"regent/tests/conformance/history"
)

// rewrite creates, changes and deletes ConfigMaps one after the other and reports each change with its revision.
func rewrite(t *testing.T, c *cluster, path string, rounds int) []history.Write {
	t.Helper()
	var writes []history.Write
	for i := range rounds {
		name, a := fmt.Sprint("w", i%5), c.both()[i%2]
		put := func(method, target, value string) {
			answer := a.must(t, method, target, configMap(name, value))
			writes = append(writes, history.Write{Kind: history.Put, Key: name, Value: value, Revision: answer.revision()})
		}
		switch i / 5 % 3 {
		case 0:
			put("POST", path, fmt.Sprint(i))
		case 1:
			put("PUT", path+"/"+name, fmt.Sprint(i))
		case 2:
			// The answer to a deletion does not tell its revision; the event must lie between its neighbours.
			a.must(t, "DELETE", path+"/"+name, nil)
			writes = append(writes, history.Write{Kind: history.Delete, Key: name})
		}
	}
	return writes
}

// compare checks a watch's events against writes that were made one after the other.
func compare(t *testing.T, name string, events []history.Event, writes []history.Write) {
	t.Helper()
	if len(events) != len(writes) {
		t.Fatalf("%s: %d events of %d writes", name, len(events), len(writes))
	}
	var checker history.EventStream
	checker.Filtered = true
	for i, event := range events {
		write := writes[i]
		same := event.Kind == write.Kind && event.Key == write.Key
		if write.Kind == history.Put {
			same = same && event.Value == write.Value && event.Revision == write.Revision
		}
		if !same {
			t.Errorf("%s: event %d is %+v, the write was %+v", name, i, event, write)
		}
		if err := checker.Response(event.Revision, []history.Event{event}); err != nil {
			t.Errorf("%s: event %d: %v", name, i, err)
		}
	}
	counters.Add("api watch events checked", len(events))
}

func replays(t *testing.T, c *cluster) {
	path := configMaps(c.namespace(t, "replays"))
	before := c.uncached.must(t, "GET", path, nil).Metadata.ResourceVersion
	writes := rewrite(t, c, path, 60)
	ctx, cancel := context.WithTimeout(t.Context(), requestPatience)
	defer cancel()
	for _, a := range c.both() {
		events, err := a.watch(ctx, path, url.Values{"resourceVersion": {before}})
		if err != nil {
			t.Fatal(err)
		}
		var seen []history.Event
		for len(seen) < len(writes) {
			event, open := <-events
			if !open {
				t.Fatalf("%s: the watch ended after %d events", a.name, len(seen))
			}
			translated, err := event.history()
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, translated)
		}
		compare(t, a.name, seen, writes)
	}
}

func initialEvents(t *testing.T, c *cluster) {
	path := configMaps(c.namespace(t, "initial"))
	c.fill(t, path, 30)
	ctx, cancel := context.WithTimeout(t.Context(), requestPatience)
	defer cancel()
	for _, a := range c.both() {
		events, err := a.watch(ctx, path, url.Values{"sendInitialEvents": {"true"}, "allowWatchBookmarks": {"true"},
			"resourceVersionMatch": {"NotOlderThan"}})
		if err != nil {
			t.Fatalf("%s: %v", a.name, err)
		}
		seen := map[string]bool{}
		for event := range events {
			if event.Type == "BOOKMARK" {
				if event.Object.Metadata.Annotations["k8s.io/initial-events-end"] != "true" {
					t.Errorf("%s: a bookmark without the mark: %+v", a.name, event.Object.Metadata)
				}
				break
			}
			if event.Type != "ADDED" {
				t.Errorf("%s: %s among the initial events", a.name, event.Type)
			}
			seen[event.Object.Metadata.Name] = true
			counters.Add("api watch events checked", 1)
		}
		if len(seen) != 30+c.published() {
			t.Errorf("%s: %d initial objects", a.name, len(seen))
		}
		a.must(t, "PUT", path+"/c00000", configMap("c00000", a.name))
		if next := <-events; next.Type != "MODIFIED" || next.Object.value() != a.name {
			t.Errorf("%s: after the initial events comes %+v", a.name, next)
		}
	}
}

func eventTTL(t *testing.T, c *cluster) {
	path := "/api/v1/namespaces/" + c.namespace(t, "events") + "/events"
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	created := time.Now()
	object := &object{APIVersion: "v1", Kind: "Event", Metadata: metadata{Name: "a"},
		Involved: map[string]string{"kind": "Namespace", "name": "events", "namespace": "events"}}
	object = c.cached.must(t, "POST", path, object)
	for _, a := range c.both() {
		events, err := a.watch(ctx, path, url.Values{"resourceVersion": {object.Metadata.ResourceVersion}})
		if err != nil {
			t.Fatal(err)
		}
		event, open := <-events
		if !open || event.Type != "DELETED" || event.Object.Metadata.Name != "a" {
			t.Fatalf("%s: instead of the deletion: %+v (open %v)", a.name, event, open)
		}
		if lived := time.Since(created); lived < time.Minute {
			t.Errorf("%s: the event lived for %v only", a.name, lived)
		}
	}
	figures.Since(t, "an event of 60 s is deleted after", created)
	counters.Add("expired events", 1)
	if code, _, _ := c.uncached.call(ctx, "GET", path+"/a", nil); code != http.StatusNotFound {
		t.Errorf("the event is still there: %d", code)
	}
}

const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boxes.conformance.test}
spec:
  group: conformance.test
  scope: Namespaced
  names: {plural: boxes, singular: box, kind: Box}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

func customResources(t *testing.T, c *cluster) {
	namespace := c.namespace(t, "custom")
	if output, code := c.cached.kubectl(t, definition, "apply", "-f", "-"); code != 0 {
		t.Fatal(output)
	}
	output, code := c.cached.kubectl(t, "", "wait", "--for=condition=Established", "--timeout=60s", "crd/boxes.conformance.test")
	if code != 0 {
		t.Fatal(output)
	}
	path := "/apis/conformance.test/v1/namespaces/" + namespace + "/boxes"
	revision := ""
	for _, a := range c.both() {
		revision = awaitServed(t, a, path)
	}
	box := "apiVersion: conformance.test/v1\nkind: Box\nmetadata: {name: a, namespace: custom}\nspec: {size: 1}\n"
	for _, input := range []string{box, strings.Replace(box, "size: 1", "size: 2", 1)} {
		if output, code := c.uncached.kubectl(t, input, "apply", "--validate=false", "-f", "-"); code != 0 {
			t.Fatal(output)
		}
	}
	if output, code := c.cached.kubectl(t, "", "delete", "--namespace="+namespace, "box.conformance.test", "a"); code != 0 {
		t.Fatal(output)
	}
	ctx, cancel := context.WithTimeout(t.Context(), requestPatience)
	defer cancel()
	for _, a := range c.both() {
		events, err := a.watch(ctx, path, url.Values{"resourceVersion": {revision}})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"ADDED", "MODIFIED", "DELETED"} {
			if event := <-events; event.Type != want || event.Object.Metadata.Name != "a" {
				t.Errorf("%s: %+v instead of %s", a.name, event, want)
			}
			counters.Add("api watch events checked", 1)
		}
	}
}

// awaitServed waits until a server knows the new kind, and returns the revision of an empty list of it. Each server learns
// of it by its own watch.
func awaitServed(t *testing.T, a *apiServer, path string) string {
	t.Helper()
	for deadline := time.Now().Add(requestPatience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		code, text, err := a.raw(t.Context(), "GET", path, "", nil)
		if err == nil && code == http.StatusOK && strings.Contains(string(text), `"items":[]`) {
			return a.must(t, "GET", path, nil).Metadata.ResourceVersion
		}
	}
	t.Fatalf("%s does not serve %s", a.name, path)
	return ""
}
