package kubernetes

import (
	"net/url"
	"testing"
	"time"

	"regent/tests/conformance/figures"
	"regent/tests/conformance/history"
)

const pageSize = 500

// compareAllLists lists a collection that nobody changes whole and in pages through both servers: all must be equal.
func (c *cluster) compareAllLists(t *testing.T, path string, count int) {
	t.Helper()
	var first map[string]int64
	for _, a := range c.both() {
		for way, list := range map[string]func(*testing.T, *apiServer, string) map[string]int64{"whole": listWhole, "in pages of 500": listPages} {
			objects := list(t, a, path)
			if len(objects) != count {
				t.Errorf("%s through the %s server: %d objects, not %d", way, a.name, len(objects), count)
			}
			if first == nil {
				first = objects
			}
			if err := history.SameObjects(first, objects); err != nil {
				t.Errorf("%s through the %s server: %v", way, a.name, err)
			}
		}
	}
}

func add(objects map[string]int64, list *object) {
	for _, item := range list.Items {
		objects[item.Metadata.Name] = item.revision()
	}
}

func listWhole(t *testing.T, a *apiServer, path string) map[string]int64 {
	var took []time.Duration
	var objects map[string]int64
	for range 20 {
		objects = map[string]int64{}
		began := time.Now()
		list := a.must(t, "GET", path, nil)
		took = append(took, time.Since(began))
		add(objects, list)
	}
	figures.Latencies(t, "10,000 objects listed whole, "+a.name, took)
	return objects
}

func listPages(t *testing.T, a *apiServer, path string) map[string]int64 {
	var took []time.Duration
	objects := map[string]int64{}
	next, revision := "", ""
	for page := 0; page == 0 || next != ""; page++ {
		began := time.Now()
		list := a.must(t, "GET", path+"?limit=500&continue="+url.QueryEscape(next), nil)
		took = append(took, time.Since(began))
		next = list.Metadata.Continue
		if next != "" && len(list.Items) != pageSize {
			t.Errorf("page %d (%s) has %d objects", page, a.name, len(list.Items))
		}
		if revision != "" && list.Metadata.ResourceVersion != revision {
			t.Errorf("page %d (%s) is of revision %s after %s", page, a.name, list.Metadata.ResourceVersion, revision)
		}
		revision = list.Metadata.ResourceVersion
		add(objects, list)
	}
	figures.Latencies(t, "a page of 500 of 10,000 objects, "+a.name, took)
	return objects
}
