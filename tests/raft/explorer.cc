#include "tests/raft/explorer.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <utility>

#include "raft/configuration.h"
#include "raft/describe.h"
#include "raft/quorum.h"
#include "raft/random.h"
#include "tests/raft/cluster.h"

namespace regent::raft {
namespace {

ClusterOptions RandomCluster(Random& random, const ExploreOptions& options) {
  const uint64_t sizes[] = {1, 2, 3, 3, 3, 3, 3, 4, 5, 5};
  ClusterOptions cluster;
  const uint64_t voters = sizes[random.Below(std::size(sizes))];
  cluster.configuration = MakeConfiguration(voters, random.Below(4) == 0 ? 1 : 0);
  if (random.Below(8) == 0 && cluster.configuration.voters.size() > 2) {  // in the middle of a joint change
    cluster.configuration.outgoing_voters = {{1}, {2}};
    cluster.configuration.voters.erase(cluster.configuration.voters.begin());
  }
  cluster.others = random.Below(3);
  cluster.seed = options.seed;
  cluster.mutants = options.mutants;
  CoreOptions& core = cluster.core;
  core.election_ticks = 4 + static_cast<uint32_t>(random.Below(4));
  core.pre_vote = random.Below(4) != 0;
  core.check_quorum = random.Below(4) != 0;
  // Small limits are reached, large ones never; both happen.
  if (random.Below(2) == 0) core.append_message_bytes_max = 1 + random.Below(40);
  if (random.Below(2) == 0) core.in_flight_messages_max = 1 + static_cast<uint32_t>(random.Below(4));
  if (random.Below(2) == 0) core.in_flight_bytes_max = 1 + random.Below(100);
  if (random.Below(2) == 0) core.apply_bytes_max = 1 + random.Below(60);
  if (random.Below(3) != 0) core.memory_tail_bytes_max = random.Below(3) * 20;
  if (random.Below(2) == 0) core.step_bytes_max = 1 + random.Below(60);
  if (random.Below(3) == 0) core.uncommitted_bytes_max = 20 + random.Below(100);
  return cluster;
}

class Explorer {
 public:
  Explorer(const ExploreOptions& options, Coverage& coverage)
      : options_(options),
        coverage_(coverage),
        random_(options.seed),
        cluster_(RandomCluster(random_, options)),
        loss_percent_(random_.Below(3) == 0 ? random_.Below(40) : random_.Below(5)),
        disorder_percent_(random_.Below(2) == 0 ? random_.Below(60) : 0),
        crash_weight_(1 + random_.Below(4)) {
    cluster_.work_sends_snapshots = false;
    cluster_.watch = [this](uint64_t id, const Output& output) { Count(id, output); };
  }

  std::vector<std::string> Run() {
    for (uint32_t step = 0; step < options_.steps && Healthy(); ++step) OneStep();
    if (Healthy() && options_.demand_progress) DemandProgress();
    for (auto& [id, host] : cluster_.hosts()) {
      coverage_["truncations"] += host.truncations;
      coverage_["rewrites"] += host.rewrites;
      coverage_["installs"] += host.installs;
    }
    coverage_["leaders"] += cluster_.checker().leaders_seen();
    coverage_["commits"] += cluster_.checker().committed().value;
    std::vector<std::string> broken = cluster_.checker().violations();
    broken.insert(broken.end(), broken_.begin(), broken_.end());
    return broken;
  }

 private:
  struct Action {
    uint64_t weight;
    void (Explorer::*act)();
  };

  bool Healthy() const { return const_cast<Cluster&>(cluster_).checker().violations().empty() && broken_.empty(); }

  void OneStep() {
    const Action actions[] = {{22, &Explorer::Tick},    {50, &Explorer::Take},    {30, &Explorer::Persist},
                              {90, &Explorer::Deliver}, {15, &Explorer::Apply},   {10, &Explorer::AnswerFetch},
                              {16, &Explorer::Propose}, {8, &Explorer::Read},     {crash_weight_, &Explorer::Crash},
                              {20, &Explorer::Restart}, {2, &Explorer::Cut},      {1, &Explorer::Heal},
                              {1, &Explorer::PeerGone}, {5, &Explorer::Release},  {5, &Explorer::Campaign},
                              {6, &Explorer::Settle},   {3, &Explorer::Strand},   {4, &Explorer::Change},
                              {2, &Explorer::Transfer}, {1, &Explorer::StepDown}, {12, &Explorer::SendSnapshot}};
    uint64_t sum = 0;
    for (const Action& action : actions) sum += action.weight;
    uint64_t chosen = random_.Below(sum);
    for (const Action& action : actions) {
      if (chosen < action.weight) return (this->*action.act)();
      chosen -= action.weight;
    }
  }

  // A random node for which `fits` holds; 0: none.
  uint64_t Pick(const std::function<bool(const Cluster::Host&)>& fits) {
    std::vector<uint64_t> ids;
    for (const auto& [id, host] : cluster_.hosts()) {
      if (fits(host)) ids.push_back(id);
    }
    return ids.empty() ? 0 : ids[random_.Below(ids.size())];
  }
  uint64_t PickUp() {
    return Pick([](const Cluster::Host& host) { return host.core != nullptr; });
  }

  void Trace(const std::string& what) {
    if (options_.trace) std::printf("%s\n", what.c_str());
  }
  void Trace(const char* what, uint64_t id) {
    if (options_.trace) std::printf("%s %llu\n", what, static_cast<unsigned long long>(id));
  }

  void Tick() {
    const uint64_t id = PickUp();
    if (id == 0) return;
    Trace("tick", id);
    cluster_.Tick(id);
    coverage_["ticks"]++;
  }

  // Random single steps seldom lead far; these two carry a schedule to the next interesting place.
  void Campaign() {
    const uint64_t id = PickUp();
    if (id == 0 || cluster_.core(id).role() == Role::kLeader) return;
    Trace("campaign", id);
    for (auto& [other, host] : cluster_.hosts()) {
      if (host.core && random_.Below(2) == 0) cluster_.PeerGone(other, host.core->leader().value);
    }
    cluster_.Campaign(id);
  }

  // A leader writes down what nobody else gets: the stuff of conflicts and of figure 8.
  void Strand() {
    const uint64_t id = Pick([](const Cluster::Host& host) { return host.core && host.core->role() == Role::kLeader; });
    if (id == 0) return;
    Trace("strand", id);
    coverage_["leaders stranded"]++;
    cluster_.Propose(id, std::to_string(++proposals_));
    cluster_.Work(id);
    cluster_.DropAll([&](const Message& message) { return message.from.value == id; });
    if (random_.Below(2) == 0) Crash(id);
  }

  void Settle() {
    Trace("settle");
    cluster_.Settle();
  }

  void Take() {
    const uint64_t id = Pick([](const Cluster::Host& host) { return host.core && host.core->HasOutput(); });
    if (id == 0) return;
    Trace("take", id);
    cluster_.Take(id);
  }

  void Persist() {
    const uint64_t id = Pick([](const Cluster::Host& host) { return host.step.has_value(); });
    if (id == 0) return;
    Trace("persist", id);
    if (cluster_.host(id).step->install && random_.Below(4) == 0) {
      coverage_["installs failed"]++;
      cluster_.FailInstall(id);
      return;
    }
    cluster_.Persist(id);
    coverage_["steps persisted"]++;
  }

  void Deliver() {
    std::vector<Message>& network = cluster_.network();
    if (network.empty()) return;
    size_t position = 0;
    if (random_.Below(100) < disorder_percent_) {
      position = random_.Below(network.size());
      if (position > 0) coverage_["messages reordered"]++;
    }
    if (random_.Below(100) < loss_percent_) {
      Trace("lose " + Describe(network[position]));
      coverage_["messages lost"]++;
      return cluster_.Drop(position);
    }
    if (random_.Below(100) < 4) {
      coverage_["messages repeated"]++;
      cluster_.Repeat(position);
    }
    if (options_.trace) Trace("deliver " + Describe(network[position]));
    if (std::holds_alternative<AppendRejected>(network[position].body)) coverage_["appends rejected"]++;
    coverage_["messages delivered"]++;
    cluster_.Deliver(position);
  }

  void Apply() {
    const uint64_t id = Pick([](const Cluster::Host& host) { return host.core && !host.to_apply.empty(); });
    if (id == 0) return;
    Trace("apply", id);
    cluster_.Apply(id, 1 + random_.Below(4));
  }

  void AnswerFetch() {
    const uint64_t id = Pick([](const Cluster::Host& host) { return host.core && !host.fetches.empty(); });
    if (id == 0) return;
    Trace("fetch", id);
    cluster_.AnswerFetch(id);
  }

  void Propose() {
    uint64_t id = cluster_.Leader();
    if (id == 0 || random_.Below(8) == 0) id = PickUp();
    if (id == 0) return;
    std::string data = std::to_string(++proposals_);
    if (random_.Below(8) == 0) data.append(random_.Below(50), '.');
    Trace("propose " + data);
    const ProposeResult result = cluster_.Propose(id, data);
    const auto* refused = std::get_if<Refused>(&result);
    if (refused == nullptr) {
      coverage_["proposals"]++;
    } else {
      coverage_[refused->reason == Refused::Reason::kFull ? "proposals refused full" : "proposals refused"]++;
    }
  }

  void Read() {
    uint64_t id = PickUp();
    const auto leads = [](const Cluster::Host& host) { return host.core && host.core->role() == Role::kLeader; };
    if (random_.Below(2) == 0) id = Pick(leads);  // perhaps one that has been deposed and does not know
    if (id == 0) return;
    Trace("read at", id);
    coverage_[cluster_.Read(id, ++reads_) ? "reads" : "reads refused"]++;
  }

  void Crash() {
    const uint64_t id = PickUp();
    if (id != 0) Crash(id);
  }

  void Crash(uint64_t id) {
    Cluster::Host& host = cluster_.host(id);
    const auto torn = static_cast<Cluster::Torn>(random_.Below(4));
    const uint64_t entries = host.step ? random_.Below(host.step->append.size() + 1) : 0;
    if (host.step) coverage_["steps torn"]++;
    // The state machine may have lost what it had not flushed.
    const uint64_t floor = std::max(host.applied_durable, host.disk.base).value;
    const uint64_t applied = floor + random_.Below(host.core->applied().value - floor + 1);
    Trace("crash", id);
    cluster_.Crash(id, torn, entries, {applied});
    coverage_["crashes"]++;
  }

  void Restart() {
    const uint64_t id = Pick([](const Cluster::Host& host) { return host.core == nullptr; });
    if (id == 0) return;
    Trace("restart", id);
    cluster_.Restart(id, random_.Below(3) == 0 ? random_.Below(10) : 0);
  }

  void Cut() {
    const uint64_t id = PickUp();
    const uint64_t other = PickUp();
    if (id == other) return;
    Trace("cut", id);
    coverage_["cuts"]++;
    random_.Below(2) == 0 ? cluster_.Isolate(id) : cluster_.Cut(id, other);
  }

  void Heal() {
    Trace("heal");
    cluster_.Heal();
  }

  void PeerGone() {
    const uint64_t id = PickUp();
    if (id == 0 || cluster_.core(id).leader() == kNobody) return;
    Trace("leader gone for", id);
    coverage_["peer gone"]++;
    cluster_.PeerGone(id, cluster_.core(id).leader().value);
  }

  // Of what the state machine holds for good; who needs it will need a snapshot.
  void Release() {
    const uint64_t id = PickUp();
    if (id == 0) return;
    const Cluster::Host& host = cluster_.host(id);
    const uint64_t base = host.disk.base.value;
    const uint64_t applied = host.core->applied().value;
    if (applied <= base || host.step) return;
    const uint64_t through = base + 1 + random_.Below(applied - base);
    for (const LogFetch& fetch : host.fetches) {
      if (fetch.purpose == LogFetch::Purpose::kApply && fetch.from.value <= through) return;
    }
    Trace("release at", id);
    coverage_["releases"]++;
    cluster_.Release(id, {through});
  }

  // To a random set of nodes, mostly near the present one.
  void Change() {
    const uint64_t id = Pick([](const Cluster::Host& host) { return host.core && host.core->role() == Role::kLeader; });
    if (id == 0) return;
    Configuration target;
    for (const auto& [node, host] : cluster_.hosts()) {
      const Configuration& now = cluster_.core(id).configuration();
      const bool votes = IsVoter(now, {node});
      const uint64_t chance = random_.Below(8);
      if (chance == 0 ? !votes : votes) {
        target.voters.push_back({node});
      } else if (chance < 4) {
        target.learners.push_back({node});
      }
    }
    std::optional<Index> expected;
    if (random_.Below(8) == 0) expected = Index{random_.Below(20)};
    Trace("change at " + std::to_string(id) + " to " + Describe(target));
    const ProposeResult result = cluster_.Change(id, target, expected);
    coverage_[std::holds_alternative<Refused>(result) ? "changes refused" : "changes"]++;
  }

  void Transfer() {
    const uint64_t id = Pick([](const Cluster::Host& host) { return host.core && host.core->role() == Role::kLeader; });
    if (id == 0) return;
    const uint64_t to = Pick([](const Cluster::Host&) { return true; });
    Trace("transfer to", to);
    const ProposeResult result = cluster_.Transfer(id, to);
    coverage_[std::holds_alternative<Refused>(result) ? "transfers refused" : "transfers"]++;
  }

  void StepDown() {
    const uint64_t id = Pick([](const Cluster::Host& host) { return host.core && host.core->role() == Role::kLeader; });
    if (id == 0 || random_.Below(3) != 0) return;
    Trace("step down", id);
    cluster_.StepDown(id);
  }

  void SendSnapshot() {
    const uint64_t id = Pick([](const Cluster::Host& host) { return host.core && !host.snapshots.empty(); });
    if (id == 0) return;
    const bool sent = random_.Below(4) != 0;
    Trace(sent ? "snapshot sent by" : "snapshot not sent by", id);
    coverage_[sent ? "snapshots sent" : "snapshots not sent"]++;
    cluster_.SendSnapshot(id, sent);
  }

  void Count(uint64_t id, const Output& output) {
    if (options_.trace) Trace(Describe(output));
    for (const LogFetch& fetch : output.fetch) {
      coverage_[fetch.purpose == LogFetch::Purpose::kApply ? "fetches for apply" : "fetches for peers"]++;
    }
    if (output.install) coverage_["installs begun"]++;
    if (output.configuration)
      coverage_[output.configuration->configuration.joint() ? "joint states" : "joint states left"]++;
    for (const Message& message : output.send_after_persist) {
      const auto* request = std::get_if<VoteRequest>(&message.body);
      if (request != nullptr && request->leadership_transfer) coverage_["campaigns by transfer"]++;
    }
    coverage_["reads answered"] += output.reads.size();
    coverage_["reads failed"] += output.reads_failed.size();
    coverage_["entries applied"] += output.apply.size();
    if (output.role && output.role->role == Role::kPreCandidate) coverage_["pre-votes"]++;
    if (output.append.size() > 1) coverage_["group commits"]++;
    const Cluster::Host& host = cluster_.host(id);
    if (!output.append.empty() && output.append.front().index <= host.disk.last()) coverage_["conflicts"]++;
  }

  // After faults stop, a leader stands within a few election timeouts, and what it takes is applied everywhere.
  void DemandProgress() {
    Trace("faults stop");
    cluster_.work_sends_snapshots = true;
    cluster_.Heal();
    for (auto& [id, host] : cluster_.hosts()) {
      if (!host.core) cluster_.Restart(id);
    }
    Index wanted;
    for (int tick = 0; tick < 150 && Healthy(); ++tick) {
      for (auto& [id, host] : cluster_.hosts()) cluster_.Tick(id);
      cluster_.Settle();
      const uint64_t leader = cluster_.Leader();
      if (leader != 0 && wanted == Index{}) {
        const ProposeResult result = cluster_.Propose(leader, "final");
        if (const auto* proposed = std::get_if<Proposed>(&result)) wanted = proposed->index;
        continue;
      }
      // Whoever is a member must have it; a node that the configuration leaves out may sleep.
      const bool done = wanted != Index{} && leader != 0 &&
                        std::all_of(cluster_.hosts().begin(), cluster_.hosts().end(), [&](auto& pair) {
                          return pair.second.core->applied() >= wanted ||
                                 !IsMember(cluster_.core(leader).configuration(), pair.second.id);
                        });
      if (done) return;
    }
    if (Healthy()) broken_.push_back("no progress after the faults stopped:\n" + cluster_.Status());
  }

  const ExploreOptions options_;
  Coverage& coverage_;
  Random random_;
  Cluster cluster_;
  const uint64_t loss_percent_;
  const uint64_t disorder_percent_;
  const uint64_t crash_weight_;
  uint64_t proposals_ = 0;
  uint64_t reads_ = 0;
  std::vector<std::string> broken_;
};

}  // namespace

std::vector<std::string> Explore(const ExploreOptions& options, Coverage& coverage) {
  return Explorer(options, coverage).Run();
}

}  // namespace regent::raft
