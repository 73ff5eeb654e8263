package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/figures"
	"regent/tests/conformance/server"
	"regent/tests/conformance/history"
)

const (
	crashPatience = 2 * time.Minute
	// From the end of the member that leads to the first 200 of /readyz.
	failoverPatience = 5 * time.Second
)

// load is writers that create ConfigMaps through both API servers, with followers that watch all of it.
type load struct {
	path      string
	cluster   *cluster
	writes    history.Writes
	answered  atomic.Int64
	stop      chan struct{}
	writers   sync.WaitGroup
	followers []*follower
	followed  chan error
	cancel    context.CancelFunc
}

// startLoad writes through both servers and watches through the given ones.
func startLoad(t *testing.T, c *cluster, namespace string, watching ...*apiServer) *load {
	t.Helper()
	l := &load{path: configMaps(c.namespace(t, namespace)), cluster: c, stop: make(chan struct{}), followed: make(chan error, 2)}
	ctx, cancel := context.WithTimeout(t.Context(), 2*crashPatience)
	l.cancel = cancel
	t.Cleanup(cancel)
	revision := c.uncached.must(t, "GET", l.path, nil).Metadata.ResourceVersion
	for _, a := range watching {
		f := &follower{api: a, path: l.path, revision: revision}
		l.followers = append(l.followers, f)
		go func() { l.followed <- f.run(ctx) }()
	}
	for writer := range 4 {
		l.writers.Go(func() { l.write(ctx, writer, c.both()[writer%2]) })
	}
	return l
}

// write creates one object after the other. What ends with an error may have been done; no name is used twice, so that
// nothing can be taken for the outcome of something else.
func (l *load) write(ctx context.Context, writer int, a *apiServer) {
	for i := 0; ; i++ {
		select {
		case <-l.stop:
			return
		default:
		}
		name := fmt.Sprintf("w%d-%05d", writer, i)
		code, answer, err := a.call(ctx, "POST", l.path, configMap(name, name))
		write := history.Write{Kind: history.Put, Key: name, Value: name}
		if err != nil || code != http.StatusCreated {
			l.writes.Uncertain(write)
			select { // nobody may be there to answer
			case <-l.stop:
			case <-time.After(20 * time.Millisecond):
			}
			continue
		}
		write.Revision = answer.revision()
		l.writes.Acknowledged(write)
		l.answered.Add(1)
	}
}

// await waits for so many more answered writes.
func (l *load) await(t *testing.T, count int64) {
	t.Helper()
	target := l.answered.Load() + count
	for deadline := time.Now().Add(crashPatience); l.answered.Load() < target; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d writes were answered", l.answered.Load(), target)
		}
	}
}

// finish ends the writers, waits for the followers and judges everything.
func (l *load) finish(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.writers.Wait()
	l.cluster.uncached.must(t, "POST", l.path, configMap("end", ""))
	for range l.followers {
		if err := <-l.followed; err != nil {
			t.Error(err)
		}
	}
	l.cancel()
	acknowledged, uncertain := l.writes.All()
	for _, f := range l.followers {
		if err := f.checker.Complete(acknowledged, uncertain); err != nil {
			t.Errorf("the watch through the %s server: %v", f.api.name, err)
		}
		t.Logf("watch through the %s server: %d events, opened again %d times", f.api.name, len(f.checker.Events()), f.reopened)
	}
	final := map[string]string{}
	list := l.cluster.uncached.must(t, "GET", l.path, nil)
	for _, item := range list.Items {
		if name := item.Metadata.Name; name != "end" && name != publishedName {
			final[item.Metadata.Name] = item.value()
		}
	}
	if err := l.writes.Survived(final); err != nil {
		t.Error(err)
	}
	figures.Add(t, "writes meanwhile", "%d answered, %d uncertain", len(acknowledged), len(uncertain))
	counters.Add("writes under crashes", len(acknowledged))
	compareLists(t, l.cluster, l.path)
}

func apiServerRestarts(t *testing.T, c *cluster) {
	l := startLoad(t, c, "apiserver-restarts", c.uncached)
	before := c.cached.must(t, "GET", l.path, nil).Metadata.ResourceVersion
	for _, end := range []string{"SIGKILL", "SIGKILL", "SIGTERM"} {
		l.await(t, 200)
		if end == "SIGTERM" {
			// It waits for open watches, up to a minute.
			if !c.cached.process.Terminate(crashPatience) {
				t.Errorf("kube-apiserver does not end within %v of SIGTERM", crashPatience)
			}
		} else {
			c.cached.kill()
		}
		counters.Add("kube-apiserver crashes", 1)
		began := time.Now()
		c.cached.start(t)
		c.cached.awaitReady(t)
		figures.Since(t, "kube-apiserver ready again after "+end, began)
		expired(t, c.cached, l.path, before)
	}
	l.await(t, 200)
	l.finish(t)
}

// expired checks that a revision from before the server's start, which its cache cannot know, is refused.
func expired(t *testing.T, a *apiServer, path, revision string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), requestPatience)
	defer cancel()
	events, err := a.watch(ctx, path, url.Values{"resourceVersion": {revision}})
	if err != nil {
		t.Fatal(err)
	}
	if event := <-events; event.Type != "ERROR" || event.Object.Reason != "Expired" {
		t.Errorf("%s: a watch from before its start: %+v", a.name, event)
	}
}

func datastoreRestarts(t *testing.T, c *cluster) {
	l := startLoad(t, c, "datastore-restarts", c.both()...)
	for _, end := range []string{"SIGKILL", "SIGKILL", "SIGTERM"} {
		l.await(t, 200)
		if end == "SIGTERM" {
			if !c.datastore.Stop(t) {
				t.Error("the datastore does not end by itself after SIGTERM")
			}
		} else {
			c.datastore.Kill(t)
		}
		counters.Add("datastore crashes", 1)
		began := time.Now()
		if c.datastore.IsCluster() {
			failsOver(t, c, end, began)
		}
		c.datastore.Restart(t)
		for _, a := range c.both() {
			a.awaitReady(t)
		}
		figures.Since(t, "ready again after the datastore's "+end, began)
	}
	l.await(t, 200)
	l.finish(t)
}

// failsOver checks that the API servers are ready soon though the member that led is gone.
func failsOver(t *testing.T, c *cluster, end string, began time.Time) {
	t.Helper()
	for _, a := range c.both() {
		a.awaitReady(t)
	}
	figures.Since(t, "ready again without the leader, after its "+end, began)
	if took := time.Since(began); server.IsRegent() && took > failoverPatience {
		t.Errorf("ready %v after the leader's %s, more than %v", took, end, failoverPatience)
	}
}

// compareLists compares a list through both servers at one revision.
func compareLists(t *testing.T, c *cluster, path string) {
	t.Helper()
	if err := c.sameList(t.Context(), path); err != nil {
		t.Error(err)
	}
}

// sameList asks the cache for what is there now, and the datastore for what was there at the revision of that answer. The
// other way round the server with the cache would ask the datastore too.
func (c *cluster) sameList(ctx context.Context, path string) error {
	fromCache, revision, err := c.cached.wholeList(ctx, path)
	if err != nil {
		return err
	}
	stored, _, err := c.uncached.wholeList(ctx, path+"?resourceVersionMatch=Exact&resourceVersion="+revision)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(fromCache, stored) {
		return fmt.Errorf("%s at revision %s: %d objects in the cache and %d in the datastore, and they differ", path, revision,
			len(fromCache), len(stored))
	}
	return nil
}

// wholeList is a list's objects and its revision.
func (a *apiServer) wholeList(ctx context.Context, path string) (items []any, revision string, err error) {
	code, text, err := a.raw(ctx, "GET", path, "", nil)
	// After a crash of the datastore a cache may still be filling.
	for deadline := time.Now().Add(requestPatience); code == http.StatusTooManyRequests && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
		code, text, err = a.raw(ctx, "GET", path, "", nil)
	}
	var list struct {
		Metadata struct{ ResourceVersion string }
		Items    []any
	}
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil || code != http.StatusOK {
		return nil, "", fmt.Errorf("%s (%s): %d %w %.200s", path, a.name, code, err, text)
	}
	return list.Items, list.Metadata.ResourceVersion, nil
}

// sameLists compares every listable kind.
func sameLists(t *testing.T, c *cluster) {
	output, code := c.cached.kubectl(t, "", "get", "--raw", "/apis")
	if code != 0 {
		t.Fatal(output)
	}
	var groups struct {
		Groups []struct {
			PreferredVersion struct{ GroupVersion string }
		}
	}
	if err := json.Unmarshal([]byte(output), &groups); err != nil {
		t.Fatal(err)
	}
	paths := []string{"/api/v1"}
	for _, group := range groups.Groups {
		paths = append(paths, "/apis/"+group.PreferredVersion.GroupVersion)
	}
	compared := 0
	for _, path := range paths {
		_, text, err := c.cached.raw(t.Context(), "GET", path, "", nil)
		var resources struct {
			Resources []struct {
				Name  string
				Verbs []string
			}
		}
		if err == nil {
			err = json.Unmarshal(text, &resources)
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, resource := range resources.Resources {
			// What cannot be watched is not stored.
			if slices.Contains(resource.Verbs, "list") && slices.Contains(resource.Verbs, "watch") {
				compareLists(t, c, path+"/"+resource.Name)
				compared++
			}
		}
	}
	figures.Add(t, "kinds compared", "%d", compared)
	if compared < 30 {
		t.Errorf("only %d kinds", compared)
	}
}
