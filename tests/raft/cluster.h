// A simulated cluster of cores: disks in memory that lose what was not persisted, a network that the test rules message
// by message, and the invariant checker behind every step. Nothing happens by itself: tests, scripts and the explorer
// decide what comes next. Deterministic.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "raft/core.h"
#include "raft/invariants.h"

namespace regent::raft {

struct ClusterOptions {
  Configuration configuration;  // every node in it exists
  uint64_t others = 0;          // nodes that exist and are in no configuration yet, numbered behind the rest
  CoreOptions core;
  CoreMutants mutants;
  uint64_t seed = 1;
};

// Nodes 1 .. voters vote, learners follow.
Configuration MakeConfiguration(uint64_t voters, uint64_t learners = 0);

class Cluster {
 public:
  struct Host {
    NodeId id;
    DurableState disk;
    Index applied_durable;       // what the state machine finds after a crash
    std::unique_ptr<Core> core;  // null: down
    std::optional<Output> step;  // given to the log, not durable yet
    std::deque<LogFetch> fetches;
    std::deque<SnapshotToSend> snapshots;
    PlacedConfiguration applied_configuration;  // with applied_durable: in the state machine
    std::deque<Entry> to_apply;
    std::vector<Entry> applied;  // in this run
    std::vector<Read> reads;
    std::vector<ReadId> reads_failed;
    uint64_t starts = 0;
    uint64_t installs = 0;     // of snapshots
    uint64_t truncations = 0;  // of durable entries
    uint64_t rewrites = 0;     // of an entry that the disk held already
  };
  enum class Torn : uint8_t { kNothingWritten, kHardStateWritten, kPartOfEntriesWritten, kAllWritten };

  explicit Cluster(ClusterOptions options);

  bool work_sends_snapshots = true;                    // Work and Settle send them; otherwise only SendSnapshot does
  std::function<void(uint64_t, const Output&)> watch;  // sees every output before it takes effect

  std::map<uint64_t, Host>& hosts() { return hosts_; }
  Host& host(uint64_t id) { return hosts_.at(id); }
  Core& core(uint64_t id) { return *hosts_.at(id).core; }
  bool Up(uint64_t id) { return hosts_.at(id).core != nullptr; }
  InvariantChecker& checker() { return checker_; }
  std::vector<Message>& network() { return network_; }

  // Inputs. Each checks the invariants afterwards.
  void Tick(uint64_t id, uint32_t times = 1);
  bool Campaign(uint64_t id);  // ticks until the role changes, two election timeouts at most
  ProposeResult Propose(uint64_t id, const std::string& data);
  bool Read(uint64_t id, uint64_t read);
  void PeerGone(uint64_t id, uint64_t peer);
  // From the configuration that the node believes in, or `expected`.
  ProposeResult Change(uint64_t id, const Configuration& target, std::optional<Index> expected = {});
  ProposeResult Transfer(uint64_t id, uint64_t to);
  void StepDown(uint64_t id);

  // The owner's work, one kind at a time.
  Output Take(uint64_t id);   // TakeOutput; its parts wait in the host and in the network
  bool Persist(uint64_t id);  // the step becomes durable, its messages leave; or the snapshot is installed
  bool FailInstall(uint64_t id);
  // The transfer of the oldest snapshot asked for ends: the message arrives or is lost like any other; `sent` is
  // reported.
  bool SendSnapshot(uint64_t id, bool sent = true);
  bool Apply(uint64_t id, size_t entries_max = SIZE_MAX);
  bool AnswerFetch(uint64_t id);
  // Delivers, repeats or loses network()[position]. A message to a node that is down or cut off is lost.
  void Deliver(size_t position);
  void Repeat(size_t position) { network_.push_back(network_[position]); }
  void Drop(size_t position) { network_.erase(network_.begin() + static_cast<ptrdiff_t>(position)); }
  void DropAll(const std::function<bool(const Message&)>& which);

  void Crash(uint64_t id, Torn torn = Torn::kNothingWritten, size_t entries_written = 0, Index applied_durable = {});
  void Restart(uint64_t id, size_t tail_entries = 0);
  void Release(uint64_t id, Index through);  // the disk forgets entries
  void Cut(uint64_t a, uint64_t b) { cut_.insert(Link(a, b)); }
  void Isolate(uint64_t id);
  void Heal() { cut_.clear(); }

  // Everything that needs no time, until nothing is left to do.
  void Settle();
  // Take and persist at one node only; its messages wait in the network.
  void Work(uint64_t id);
  // A leader by one node's campaign, with everything settled.
  void Elect(uint64_t id);
  uint64_t Leader() const;  // the up node that leads the highest term; 0: none

  void Check();
  std::string Status();

 private:
  static std::pair<uint64_t, uint64_t> Link(uint64_t a, uint64_t b) { return {std::min(a, b), std::max(a, b)}; }
  PlacedConfiguration ConfigurationAt(const Host& host, Index through) const;
  void Start(Host& host, size_t tail_entries);
  static void Install(Host& host, const SnapshotToInstall& snapshot);
  void Write(Host& host, const Output& step, Torn torn, size_t entries_written);
  void Arrive(Message message);
  void Send(const std::vector<Message>& messages, const Host& host);

  ClusterOptions options_;
  std::map<uint64_t, Host> hosts_;
  std::vector<Message> network_;
  std::set<std::pair<uint64_t, uint64_t>> cut_;
  InvariantChecker checker_;
};

// A disk with the given terms at indexes 1, 2, ...; entries carry no data but the no-op's.
std::vector<Entry> EntriesOfTerms(const std::vector<uint64_t>& terms);

}  // namespace regent::raft
