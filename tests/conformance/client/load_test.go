package client

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/history"
	"regent/tests/conformance/server"
)

const (
	loadWriters = 6
	loadWrites  = 150 // of each writer
)

// write does the writer's i-th change and reports every key that it changed. Each writer has its own keys, four of them,
// so that each is written, overwritten, deleted and created again.
func write(ctx context.Context, c *clientv3.Client, writer, i int, acknowledged func(history.Write)) error {
	key := func(n int) string { return fmt.Sprintf("load/%d/%d", writer, (i+n)%4) }
	value := fmt.Sprintf("%d.%d", writer, i)
	if i%5 == 4 {
		response, err := c.Delete(ctx, key(0))
		if err == nil && response.Deleted > 0 {
			acknowledged(history.Write{Kind: history.Delete, Key: key(0), Revision: response.Header.Revision})
		}
		return err
	}
	if i%3 == 0 {
		ops := []clientv3.Op{clientv3.OpPut(key(0), value), clientv3.OpPut(key(1), value), clientv3.OpPut("unwatched", value)}
		response, err := c.Txn(ctx).Then(ops...).Commit()
		if err != nil {
			return err
		}
		for n := range 2 {
			acknowledged(history.Write{Kind: history.Put, Key: key(n), Value: value, Revision: response.Header.Revision})
		}
		return nil
	}
	response, err := c.Put(ctx, key(0), value)
	if err == nil {
		acknowledged(history.Write{Kind: history.Put, Key: key(0), Value: value, Revision: response.Header.Revision})
	}
	return err
}

// writeAll runs all writers to their ends.
func writeAll(t *testing.T, s *server.Server, writes *history.Writes) {
	var group sync.WaitGroup
	for writer := range loadWriters {
		client := s.Client(t)
		group.Go(func() {
			for i := range loadWrites {
				if err := write(server.Context(t), client, writer, i, writes.Acknowledged); err != nil {
					t.Errorf("writer %d, write %d: %v", writer, i, err)
					return
				}
			}
		})
	}
	group.Wait()
}

// follow checks one watch until it has seen the last revision. It reports through t and may run in any goroutine.
func follow(t *testing.T, watch clientv3.WatchChan, checker *history.EventStream, name string) {
	for response := range watch {
		if err := response.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if response.IsProgressNotify() {
			counters.Add("progress notifications", 1)
			if err := checker.Progress(response.Header.Revision); err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			continue
		}
		var events []history.Event
		ended := false
		for _, event := range response.Events {
			if string(event.Kv.Key) == "load/end" {
				ended = true
				continue
			}
			events = append(events, history.FromWire([]*mvccpb.Event{(*mvccpb.Event)(event)})...)
		}
		counters.Add("watch events checked", len(events))
		if err := checker.Response(response.Header.Revision, events); err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if ended {
			return
		}
	}
	t.Errorf("%s: the watch ended before the writes", name)
}

func TestWatchesUnderWriteLoadMissNothingAndDoubleNothing(t *testing.T) {
	s := server.Start(t, "--watch-progress-notify-interval=100ms")
	ctx, cancel := context.WithTimeout(t.Context(), 2*server.CallPatience)
	defer cancel()
	var writes history.Writes
	checkers := map[string]*history.EventStream{}
	var group sync.WaitGroup
	start := func(name string, options ...clientv3.OpOption) {
		checker := &history.EventStream{WithPrevious: true}
		checkers[name] = checker
		options = append(options, clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithProgressNotify(), clientv3.WithCreatedNotify())
		watch := s.Client(t).Watch(ctx, "load/", options...)
		equal(t, "created", (<-watch).Created, true)
		group.Go(func() { follow(t, watch, checker, name) })
	}
	for i := range 3 {
		start(fmt.Sprint("live ", i))
	}
	written := make(chan struct{})
	go func() { defer close(written); writeAll(t, s, &writes) }()
	for i := range 3 {
		// These begin somewhere in the middle and have to catch up with a store that goes on.
		start(fmt.Sprint("replaying ", i), clientv3.WithRev(2))
	}
	<-written
	start("replaying everything", clientv3.WithRev(2))
	put(t, s.Client(t), "load/end", "")
	group.Wait()
	acknowledged, _ := writes.All()
	for name, checker := range checkers {
		if err := checker.Complete(acknowledged, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	verifyFinalState(t, s, &writes)
}

// verifyFinalState compares what is stored with what was acknowledged.
func verifyFinalState(t *testing.T, s *server.Server, writes *history.Writes) {
	t.Helper()
	final := map[string]string{}
	for _, kv := range must(s.Client(t).Get(server.Context(t), "load/", clientv3.WithPrefix()))(t).Kvs {
		if !strings.HasSuffix(string(kv.Key), "/end") {
			final[string(kv.Key)] = string(kv.Value)
		}
	}
	if err := writes.Survived(final); err != nil {
		t.Error(err)
	}
}

// TestNoAcknowledgedWriteIsLostInACrash also lets watches of the official client resume over the crashes by themselves.
func TestNoAcknowledgedWriteIsLostInACrash(t *testing.T) {
	s := server.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*server.CallPatience)
	defer cancel()
	var writes history.Writes
	checker := &history.EventStream{WithPrevious: true}
	watch := s.Client(t).Watch(ctx, "load/", clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithCreatedNotify())
	equal(t, "created", (<-watch).Created, true)
	followed := make(chan struct{})
	go func() { defer close(followed); follow(t, watch, checker, "over the crashes") }()

	var group sync.WaitGroup
	stop := make(chan struct{})
	var progress [loadWriters]chan struct{}
	for writer := range loadWriters {
		client := s.Client(t)
		progress[writer] = make(chan struct{}, 1)
		group.Go(func() { writeThroughCrashes(ctx, client, writer, &writes, progress[writer], stop) })
	}
	for range 3 {
		for range 20 {
			for writer := range loadWriters {
				select {
				case <-progress[writer]:
				case <-ctx.Done():
					t.Fatalf("writer %d stands still", writer)
				}
			}
		}
		s.Kill()
		s.Restart(t)
		counters.Add("server crashes", 1)
	}
	close(stop)
	group.Wait()
	put(t, s.Client(t), "load/end", "")
	<-followed
	acknowledged, uncertain := writes.All()
	t.Logf("%d writes acknowledged, %d uncertain", len(acknowledged), len(uncertain))
	if err := checker.Complete(acknowledged, uncertain); err != nil {
		t.Error(err)
	}
	verifyFinalState(t, s, &writes)
}

// writeThroughCrashes puts one key again and again; what ended with an error may have been done.
func writeThroughCrashes(ctx context.Context, c *clientv3.Client, writer int, writes *history.Writes,
	progress chan<- struct{}, stop <-chan struct{}) {
	key := fmt.Sprintf("load/%d", writer)
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		value := fmt.Sprint(i)
		response, err := c.Put(ctx, key, value)
		if err != nil {
			writes.Uncertain(history.Write{Kind: history.Put, Key: key, Value: value})
			continue
		}
		writes.Acknowledged(history.Write{Kind: history.Put, Key: key, Value: value, Revision: response.Header.Revision})
		select {
		case progress <- struct{}{}:
		default:
		}
	}
}
