package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/figures"
	"regent/tests/conformance/history"
)

// fill creates so many ConfigMaps, through both servers at once.
func (c *cluster) fill(t *testing.T, path string, count int) {
	t.Helper()
	const workers = 16
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for i := worker; i < count; i += workers {
				code, answer, err := c.both()[i%2].call(t.Context(), "POST", path, configMap(fmt.Sprintf("c%05d", i), fmt.Sprint(i)))
				if err != nil || code != http.StatusCreated {
					t.Errorf("creation %d: %d %v %+v", i, code, err, answer)
					return
				}
			}
		})
	}
	group.Wait()
}

func pages(t *testing.T, c *cluster) {
	path := configMaps(c.namespace(t, "pages"))
	c.fill(t, path, 1200)
	all := 1200 + c.published()
	for _, a := range c.both() {
		seen := map[string]bool{}
		next, revision := "", ""
		for page, row := range []struct{ items, remaining int }{{500, all - 500}, {500, all - 1000}, {all - 1000, 0}} {
			list := a.must(t, "GET", path+"?limit=500&continue="+url.QueryEscape(next), nil)
			if len(list.Items) != row.items || list.Metadata.RemainingItemCount != int64(row.remaining) {
				t.Errorf("page %d (%s): %d items, %d remaining, want %v", page, a.name, len(list.Items), list.Metadata.RemainingItemCount, row)
			}
			if (list.Metadata.Continue == "") != (row.remaining == 0) {
				t.Errorf("page %d (%s): continue is %q", page, a.name, list.Metadata.Continue)
			}
			if revision != "" && list.Metadata.ResourceVersion != revision {
				t.Errorf("page %d (%s) is of revision %s after %s", page, a.name, list.Metadata.ResourceVersion, revision)
			}
			next, revision = list.Metadata.Continue, list.Metadata.ResourceVersion
			for _, item := range list.Items {
				seen[item.Metadata.Name] = true
			}
			// What comes and goes between two pages is not in the later ones.
			c.uncached.must(t, "POST", path, configMap(fmt.Sprint("d", a.name, page), ""))
			if page < 2 {
				c.uncached.must(t, "DELETE", path+fmt.Sprint("/d", a.name, page), nil)
			}
		}
		if len(seen) != all || seen["d"+a.name+"1"] {
			t.Errorf("%s: %d different items", a.name, len(seen))
		}
		c.uncached.must(t, "DELETE", path+"/d"+a.name+"2", nil)
	}
}

// consistentLists uses a kind that no other row writes, because the metrics are by kind.
func consistentLists(t *testing.T, c *cluster) {
	path := "/api/v1/namespaces/" + c.namespace(t, "consistent") + "/secrets"
	var checker history.ConsistentLists
	const rounds = 200
	var took []time.Duration
	for i := range rounds {
		name := fmt.Sprint("s", i%50)
		write := history.Write{Kind: history.Put, Key: name}
		if i/50%2 == 0 {
			secret := &object{APIVersion: "v1", Kind: "Secret", Metadata: metadata{Name: name}}
			write.Revision = c.uncached.must(t, "POST", path, secret).revision()
		} else {
			// The answer to a deletion does not tell its revision.
			write.Kind = history.Delete
			c.uncached.must(t, "DELETE", path+"/"+name, nil)
		}
		checker.Acknowledged(write)
		began := time.Now()
		list := c.cached.must(t, "GET", path, nil)
		took = append(took, time.Since(began))
		seen := history.List{Revision: list.revision(), Objects: map[string]int64{}}
		for _, item := range list.Items {
			seen.Objects[item.Metadata.Name] = item.revision()
		}
		if err := checker.Listed(seen); err != nil {
			t.Fatalf("list %d: %v", i, err)
		}
		counters.Add("consistent lists", 1)
	}
	const waits = "apiserver_watch_cache_read_wait_seconds"
	all := c.cached.metric(t, waits+"_count", `resource="secrets"`)
	quick := c.cached.metric(t, waits+"_bucket", `resource="secrets"`, `le="0.2"`)
	fallbacks := c.cached.metric(t, "apiserver_watch_cache_consistent_read_total", `resource="secrets"`, `fallback="true"`)
	figures.Latencies(t, "a consistent list from the cache", took)
	figures.Add(t, "waits of the cache", "%.0f, %.1f %% of them up to 0.2 s, %.0f fallbacks", all, 100*quick/max(all, 1), fallbacks)
	if all == 0 || quick < 0.99*all || fallbacks > 0 {
		t.Errorf("%.0f waits, %.0f of them up to 0.2 s, %.0f fallbacks", all, quick, fallbacks)
	}
}

// compaction also shows what the API makes of a continue token and of a watch whose revision is gone.
func compaction(t *testing.T, c *cluster) {
	client := c.datastore.Client(t)
	path := configMaps(c.namespace(t, "compacted"))
	c.fill(t, path, 40)
	first := map[*apiServer]*object{}
	revision := int64(0)
	for _, a := range c.both() {
		first[a] = a.must(t, "GET", path+"?limit=10", nil)
		revision = max(revision, first[a].revision())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	churned := churn(t, ctx, c, path)
	began := time.Now()
	compacted := int64(0)
	watch := client.Watch(ctx, "compact_rev_key")
	for compacted < revision {
		select {
		case response, open := <-watch:
			if !open || response.Err() != nil {
				t.Fatalf("compact_rev_key: %v %v", response.Err(), ctx.Err())
			}
			fmt.Sscan(string(response.Events[0].Kv.Value), &compacted)
			counters.Add("compactions by kube-apiserver", 1)
		case <-ctx.Done():
			t.Fatalf("compact_rev_key did not reach revision %d: it is %d", revision, compacted)
		}
	}
	figures.Add(t, "compacted by kube-apiserver", "after %.0f s and %d rewritten objects", time.Since(began).Seconds(), churned())
	for _, a := range c.both() {
		t.Run("a list is continued after it, "+a.name, func(t *testing.T) { continued(t, ctx, a, path, first[a], 30+c.published()) })
	}
	t.Run("a watch from before it is refused", func(t *testing.T) {
		expired(t, c.uncached, path, first[c.uncached].Metadata.ResourceVersion)
	})
}

// churn rewrites an object until the context ends; the function tells how often.
func churn(t *testing.T, ctx context.Context, c *cluster, path string) func() int {
	counted := make(chan int, 1)
	counted <- 0
	go func() {
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			code, answer, err := c.uncached.call(ctx, "PUT", path+"/c00000", configMap("c00000", strings.Repeat(fmt.Sprint(i%10), 10000)))
			if ctx.Err() == nil && (err != nil || code != http.StatusOK) {
				t.Errorf("rewriting: %d %v %+v", code, err, answer)
				return
			}
			counted <- 1 + <-counted
		}
	}()
	return func() int {
		count := <-counted
		counted <- count
		return count
	}
}

// continued asks for the page after one whose revision is compacted. A server with a cache learns of a compaction up to 15 s
// late, so it may still know the answer for a while.
func continued(t *testing.T, ctx context.Context, a *apiServer, path string, first *object, want int) {
	t.Helper()
	for {
		code, answer, err := a.call(ctx, "GET", path+"?limit=10&continue="+url.QueryEscape(first.Metadata.Continue), nil)
		switch {
		case err != nil:
			t.Fatal(err)
		case code == http.StatusOK:
			select {
			case <-ctx.Done():
				t.Fatalf("%s: a list of a compacted revision goes on", a.name)
			case <-time.After(500 * time.Millisecond):
			}
			continue
		case code != http.StatusGone || answer.Reason != "Expired" || answer.Metadata.Continue == "":
			t.Fatalf("%s: %d %+v", a.name, code, answer)
		}
		rest := a.must(t, "GET", path+"?continue="+url.QueryEscape(answer.Metadata.Continue), nil)
		if len(rest.Items) != want || rest.Items[0].Metadata.Name != "c00010" || rest.revision() <= first.revision() {
			t.Errorf("%s: the inconsistent rest is %d items at revision %d", a.name, len(rest.Items), rest.revision())
		}
		return
	}
}

func databaseSize(t *testing.T, c *cluster) {
	for deadline := time.Now().Add(2 * time.Minute); ; {
		size := c.cached.metric(t, "apiserver_storage_size_bytes")
		if size > 0 {
			figures.Add(t, "apiserver_storage_size_bytes", "%.1f MB", size/1e6)
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("apiserver_storage_size_bytes stays 0")
		}
		time.Sleep(time.Second)
	}
}
