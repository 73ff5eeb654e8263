package client

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

// One client's large work must not make another's small one wait for its end. The bound is far above what a put takes, and
// below what waiting behind the whole work of the others would take.
const fairnessBound = 5 * time.Second

// putsBeside puts small values through a connection of its own while the others work, and returns how long each took.
func putsBeside(t *testing.T, s *server.Server, work func(ctx context.Context, done int) error) []time.Duration {
	t.Helper()
	client := s.Client(t)
	ctx, stop := context.WithCancel(server.Context(t))
	var group sync.WaitGroup
	group.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if err := work(ctx, i); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			counters.Add("large requests beside small ones", 1)
		}
	})
	var took []time.Duration
	for begun := time.Now(); time.Since(begun) < 3*time.Second; {
		before := time.Now()
		if _, err := client.Put(ctx, "small", "v"); err != nil {
			t.Error(err)
			break
		}
		took = append(took, time.Since(before))
	}
	stop()
	group.Wait()
	slices.Sort(took)
	if len(took) > 0 {
		t.Logf("%d puts beside it: median %v, p99 %v, slowest %v", len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
		if slowest := took[len(took)-1]; slowest > fairnessBound {
			t.Errorf("a put took %v", slowest)
		}
	}
	return took
}

func TestHugeAnswersDoNotHoldOthersUp(t *testing.T) {
	s := server.Start(t, "--quota-backend-bytes=1073741824")
	c := s.Client(t)
	value := strings.Repeat("0123456789abcdef", 64<<10) // 1 MiB
	for i := range 100 {
		if _, err := c.Put(server.Context(t), fmt.Sprintf("huge/%03d", i), value); err != nil {
			t.Fatal(err)
		}
	}
	putsBeside(t, s, func(ctx context.Context, _ int) error {
		got, err := c.Get(ctx, "huge/", clientv3.WithPrefix())
		if err == nil && len(got.Kvs) != 100 {
			t.Errorf("%d keys", len(got.Kvs))
		}
		return err
	})
}

func TestUploadsDoNotHoldOthersUp(t *testing.T) {
	s := server.Start(t, "--quota-backend-bytes=4294967296")
	c := s.Client(t)
	value := strings.Repeat("0123456789abcdef", 64<<10)
	putsBeside(t, s, func(ctx context.Context, i int) error {
		var group sync.WaitGroup
		errs := make(chan error, 16)
		for n := range 16 {
			group.Go(func() {
				if _, err := c.Put(ctx, fmt.Sprintf("upload/%d", n), value); err != nil {
					errs <- err
				}
			})
		}
		group.Wait()
		close(errs)
		return <-errs
	})
}
