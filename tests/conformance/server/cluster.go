package server

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Datastore is what kube-apiserver works on: one member, or a cluster.
type Datastore struct {
	// Endpoint is of all members, with commas between them, as --etcd-servers takes it.
	Endpoint string
	members  []*Server
	ended    *Server
}

// StartDatastore starts as many members as the environment's CONFORMANCE_MEMBERS says, or one. They are gone when the test
// ends.
func StartDatastore(t testing.TB, flags ...string) *Datastore {
	t.Helper()
	count, err := strconv.Atoi(os.Getenv("CONFORMANCE_MEMBERS"))
	if err != nil || count < 2 {
		only := Start(t, flags...)
		return &Datastore{Endpoint: only.Endpoint, members: []*Server{only}}
	}
	d := &Datastore{}
	var endpoints, peers []string
	for number := 1; number <= count; number++ {
		member := &Server{name: fmt.Sprintf("%s/m%d", t.Name(), number), program: Binary(), flags: flags, member: fmt.Sprint("m", number)}
		if err := member.allocate(); err != nil {
			t.Fatal(err)
		}
		endpoints, peers = append(endpoints, member.Endpoint), append(peers, member.member+"="+member.Peer)
		d.members = append(d.members, member)
	}
	d.Endpoint = strings.Join(endpoints, ",")
	for _, member := range d.members {
		member.initialCluster = strings.Join(peers, ",")
		if err := member.spawn(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { member.end(t) })
	}
	for _, member := range d.members {
		if err := member.awaitReady(); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// IsCluster says whether another member can take over.
func (d *Datastore) IsCluster() bool { return len(d.members) > 1 }

// Any is a member that answers.
func (d *Datastore) Any() *Server { return d.members[0] }

// Kill ends the only member, or the one that leads, as a crash does.
func (d *Datastore) Kill(t testing.TB) {
	t.Helper()
	d.ended = d.leader(t)
	d.ended.Kill()
}

// Stop ends it with SIGTERM and reports whether it went by itself.
func (d *Datastore) Stop(t testing.TB) bool {
	t.Helper()
	d.ended = d.leader(t)
	return d.ended.Stop()
}

// Restart starts what was ended again, and waits until it answers.
func (d *Datastore) Restart(t testing.TB) {
	t.Helper()
	d.ended.Restart(t)
}

func (d *Datastore) leader(t testing.TB) *Server {
	t.Helper()
	for began := time.Now(); time.Since(began) < startPatience; time.Sleep(100 * time.Millisecond) {
		for _, member := range d.members {
			if member.leads() {
				return member
			}
		}
	}
	t.Fatal("no member leads")
	return nil
}

func (s *Server) leads() bool {
	client, err := NewClient(s.Endpoint)
	if err != nil {
		return false
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	status, err := client.Status(ctx, s.Endpoint)
	return err == nil && status.Leader == status.Header.MemberId
}

// Client is an official client of all members that ends with the test.
func (d *Datastore) Client(t testing.TB) *clientv3.Client {
	t.Helper()
	return clientOf(t, d.Endpoint)
}
