package differential

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

const (
	seedsPerRun      = 2
	rounds           = 28 // of a seed
	requestsPerRound = 360
	streamsPerRound  = 20
	// What a whole run must have compared.
	requestsMin = 20000
	streamsMin  = 1000
)

// The same ids on both sides, so that headers are equal.
var identity = []string{"--initial-advertise-peer-urls=http://127.0.0.1:2380", "--initial-cluster=conformance=http://127.0.0.1:2380"}

// pair is the server under test and the etcd beside it, with the connections to both.
type pair struct {
	servers     [2]*server.Server
	connections [2]*grpc.ClientConn
}

func startPair(t testing.TB, flags ...string) *pair {
	t.Helper()
	flags = append(append([]string{}, identity...), flags...)
	p := &pair{servers: [2]*server.Server{tested: server.Start(t, flags...), etcd: server.StartEtcd(t, flags...)}}
	for side, s := range p.servers {
		connection, err := dial(s.Endpoint)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { connection.Close() })
		p.connections[side] = connection
	}
	return p
}

// restart ends both servers, as a crash does or in order, and starts them again.
func (p *pair) restart(t testing.TB, crash bool) {
	t.Helper()
	for side, s := range p.servers {
		if crash {
			s.Kill()
			counters.Add("crashes", 1)
		} else if s.Stop() {
			counters.Add("stops", 1)
		} else {
			t.Errorf("%s does not stop", sideNames[side])
		}
	}
	for _, s := range p.servers {
		s.Restart(t)
	}
}

// firstSeed is that of this run; CONFORMANCE_SEED replays another one.
func firstSeed(t testing.TB) uint64 {
	text := os.Getenv("CONFORMANCE_SEED")
	if text == "" {
		return 1
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("CONFORMANCE_SEED: %v", err)
	}
	return seed
}

// onlySome says that the command line names tests, as a replay does: then the whole is not judged.
func onlySome() bool { return flag.Lookup("test.run").Value.String() != "" }

var allCoverage = newFieldCoverage()

func TestTheSameRequestsGetTheSameAnswers(t *testing.T) {
	first, seeds := firstSeed(t), uint64(seedsPerRun)
	if os.Getenv("CONFORMANCE_TIER") == "full" {
		seeds *= 10
	}
	t.Run("all", func(t *testing.T) {
		for seed := first; seed < first+seeds; seed++ {
			t.Run(fmt.Sprintf("seed_%d", seed), func(t *testing.T) {
				t.Parallel()
				runSeed(t, seed)
			})
		}
	})
	if t.Failed() || onlySome() {
		return
	}
	if requests, streams := counters.Value("requests compared"), counters.Value("watch streams"); requests < requestsMin || streams < streamsMin {
		t.Errorf("only %d requests and %d watch streams were compared; %d and %d are wanted", requests, streams, requestsMin, streamsMin)
	}
	if missing := allCoverage.missing(); len(missing) > 0 {
		t.Errorf("values that no request has had: %v", missing)
	}
	counters.Add("values of fields covered", allCoverage.covered())
}

// run is one seed's dialogue with its streams.
type run struct {
	*dialogue
	t         *testing.T
	seed      uint64
	pair      *pair
	generator *generator
	streams   []*streamPair
	named     int
	recorded  []recordedStream // for the canaries
}

type recordedStream struct {
	all       []*watch
	exact     bool
	responses []*pb.WatchResponse
}

func runSeed(t *testing.T, seed uint64) {
	p := startPair(t, "--max-request-bytes=65536", "--watch-progress-notify-interval=200ms")
	r := &run{dialogue: newDialogue(p.connections, allCoverage), t: t, seed: seed, pair: p, generator: newGenerator(seed)}
	for round := range rounds {
		if err := r.round(round); err != nil {
			t.Fatalf("seed %d, round %d, %v\nreplay: tests/run conformance --seed %d --only '^TestTheSameRequestsGetTheSameAnswers$/^all$/^seed_%d$'",
				seed, round, err, seed, seed)
		}
	}
	for _, extreme := range extremes() {
		if _, err := r.ask(extreme); err != nil {
			t.Fatal(err)
		}
		counters.Add("extreme values asked", 1)
	}
	plantAnswers(t, r.samples)
	plantStreams(t, r.recorded)
}

// round opens streams, talks for a while, waits until all streams have everything, compares them and the state of the
// stores, and restarts the servers every now and then.
func (r *run) round(number int) error {
	for i := range streamsPerRound {
		// A few streams are waited for after each request; that takes its time.
		if err := r.openStream(i == 0 && number%2 == 0); err != nil {
			return err
		}
	}
	for range requestsPerRound {
		if err := r.step(); err != nil {
			return err
		}
	}
	if number%4 == 1 {
		if err := r.deleteBigValues(); err != nil {
			return err
		}
	}
	if number%4 == 3 {
		if err := r.restartAndResume(number%8 == 3); err != nil {
			return err
		}
	}
	if err := r.finishStreams(); err != nil {
		return err
	}
	return r.compareStores()
}

// step is one request, and perhaps something on a stream.
func (r *run) step() error {
	g := r.generator
	g.revision, g.compacted = r.dialogue.revision, max(r.dialogue.compacted, 1)
	if g.chance(5) {
		if err := r.touchStream(); err != nil {
			return err
		}
	}
	request := g.next()
	if request.method == "KV/Compact" {
		// A watch that is behind may or may not lose its events to a compaction: nobody is behind then.
		if err := r.barrier(func(*streamPair) bool { return true }); err != nil {
			return err
		}
	}
	if _, err := r.ask(request); err != nil {
		return err
	}
	return r.barrier(func(s *streamPair) bool { return s.exact })
}

func (r *run) barrier(which func(*streamPair) bool) error {
	for _, s := range r.streams {
		if which(s) {
			if err := s.barrier(r.revision); err != nil {
				return err
			}
		}
	}
	return nil
}

// compareStores reads everything, and hashes at several revisions.
func (r *run) compareStores() error {
	everything := &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}}
	requests := []request{call("KV/Range", everything), call("KV/RangeStream", everything), call("Lease/LeaseLeases", &pb.LeaseLeasesRequest{})}
	for _, revision := range []int64{0, r.revision, r.revision + 1, r.compacted - 1, r.compacted, r.compacted + 1, (r.compacted + r.revision) / 2} {
		requests = append(requests, call("Maintenance/HashKV", &pb.HashKVRequest{Revision: max(revision, 0)}),
			call("KV/Range", &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}, Revision: max(revision, 0)}))
	}
	for id := range int64(11) {
		requests = append(requests, call("Lease/LeaseTimeToLive", &pb.LeaseTimeToLiveRequest{ID: id, Keys: true}))
	}
	for _, request := range requests {
		if _, err := r.ask(request); err != nil {
			return err
		}
	}
	counters.Add("whole stores compared", 1)
	return nil
}
