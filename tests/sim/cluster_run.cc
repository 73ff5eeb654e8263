#include "tests/sim/cluster_run.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "tests/sim/cluster_faults.h"
#include "tests/sim/hash_checker.h"
#include "tests/sim/machine.h"
#include "tests/sim/message_text.h"
#include "tests/sim/raft_invariants.h"

namespace regent::sim {

using namespace std::chrono_literals;

namespace {

// The fastest clock of any machine: who counts a lease's time counts no faster.
constexpr double kFastestClock = 1.05;
// A leader that stops waits for another one to take over.
constexpr Duration kHandOverPatience = 5s;
constexpr uint64_t kStepsBetweenLooksAtLeases = 100;  // they remember when they ended
constexpr Duration kLeastTime = 61s;
// Where members come and go so fast that what one leaves over another one never does.
constexpr Duration kMostTime = 15min;
constexpr uint64_t kOperationsOfJoiners = 60;

class ClusterSimulation {
 public:
  explicit ClusterSimulation(const ClusterRunOptions& options)
      : options_(options),
        random_(options.seed * 0x9e3779b97f4a7c15 + 2),
        scheduler_(random_()),
        truth_(verdict_),
        invariants_(truth_, verdict_),
        hashes_(truth_, verdict_, result_.counters.hashes),
        clients_(scheduler_.NewLoop("clients")),
        network_(scheduler_, random_()) {
    network_.Observe([this](const raft::Message& message) { OnSend(message); });
    network_.OnHeard([this](uint64_t from, uint64_t to, uint64_t incarnation) { OnHeard(from, to, incarnation); });
    network_.OnRefused([this](uint64_t id, server::RefusalReason reason) { OnRefused(id, reason); });
    if (options.mutants.second_life_heard) network_.ListenToSecondLives();
    scheduler_.SetStalls(60, 4ms);
    Heal();
    const size_t size = kSizes[options.seed % std::size(kSizes)];
    std::vector<api::Member> members;
    for (uint64_t id = 1; id <= size; ++id) {
      members.push_back(
          {.id = id, .name = absl::StrCat("m", id), .peer_urls = {absl::StrCat("http://10.0.0.", id, ":2380")}});
    }
    for (uint64_t id = 1; id <= size; ++id) {
      sites_.push_back(std::make_unique<Site>(*this, id, MachineOptions{.first_members = members}, FirstShare(size)));
    }
    membership_.emplace(*clients_, random_(), members,
                        MembershipClient::Events{
                            .any_node = [this] { return AnyNode(); },
                            .on_new = [this](uint64_t id, const std::vector<api::Member>& list) { Join(id, list); },
                            .on_gone = [this](uint64_t id) { Retire(id); }},
                        result_.counters.membership);
    plan_ = PlanFaults(random_, options.operations);
  }

  ClusterResult Run() {
    for (auto& site : sites_) Start(*site);
    ActOnStreams();
    ActOnMembers();
    ActOnHashes();
    while (!verdict_.broken() && !Finished()) {
      scheduler_.Step(scheduler_.now() + 1s);
      for (size_t i = 0; i < sites_.size(); ++i) Look(*sites_[i]);
      if (!plan_.empty() && Begun() >= plan_.front().at) {
        const Fault fault = plan_.front().fault;
        plan_.pop_front();
        ++result_.counters.faults;
        Inject(fault);
      }
    }
    if (!verdict_.broken()) Settle();
    for (auto& site : sites_) Disconnect(*site);
    return Conclude();
  }

 private:
  struct Site {
    Site(ClusterSimulation& simulation, uint64_t number, MachineOptions options, uint64_t operations)
        : id(number),
          machine(simulation.scheduler_, simulation.random_(), simulation.Complete(std::move(options), number),
                  simulation.truth_, simulation.verdict_),
          workload(simulation.scheduler_, *simulation.clients_, simulation.random_(),
                   {.operations = operations,
                    .least = simulation.start_ + kLeastTime,
                    .clock_rate = kFastestClock,
                    .keys = absl::StrCat("of m", number, " "),
                    .thought_max = simulation.pace_.thought_max,
                    .answered = &simulation.answered_},
                   simulation.truth_, simulation.verdict_, simulation.result_.counters.work),
          stream(*simulation.clients_, simulation.random_(), 2000, simulation.truth_, simulation.verdict_,
                 simulation.result_.counters.watch) {}

    const uint64_t id;
    Machine machine;
    Workload workload;
    WatchClient stream;
    bool gone = false;         // removed, or its disk is lost: it never comes back
    uint64_t second_life = 0;  // the incarnation of a process that runs under its id without its disk; 0: none
  };

  uint64_t FirstShare(size_t size) const { return options_.operations / std::min<size_t>(size, 3); }
  MachineOptions Complete(MachineOptions options, uint64_t id) {
    std::vector<api::Member> joining = std::move(options.node.joining);
    options.node = SmallMemberOptions(options_.mutants, id);
    options.node.joining = std::move(joining);
    options.node.on_removed = [this, id] { RetireLater(id); };
    options.node.on_forgot = [this, id] { OnRefused(id, server::RefusalReason::kForgot); };
    options.node.on_members = [this, id](const std::vector<api::Member>& list) { network_.SetMembers(id, list); };
    options.mutants = options_.mutants.store;
    options.clock_rate = 0.95 + 0.05 * static_cast<double>(random_() % 3);
    options.transport = &network_.TransportOf(id);
    return options;
  }

  Site* Find(uint64_t id) {
    const auto found = std::find_if(sites_.begin(), sites_.end(), [id](const auto& site) { return site->id == id; });
    return found == sites_.end() ? nullptr : found->get();
  }

  void OnSend(const raft::Message& message) {
    const Site* sender = Find(message.from.value);
    if (trace_.kept()) Note(Describe(message));
    if (sender != nullptr && sender->second_life != 0) return;  // nobody listens
    invariants_.OnSend(message, sender == nullptr ? raft::Index{} : sender->machine.durable());
  }
  void Note(std::string_view what) { trace_.Note(scheduler_.now() - start_, what); }

  // ---- members ---------------------------------------------------------------------------------------------------

  server::Node* AnyNode() {
    std::vector<server::Node*> running;
    for (const auto& site : sites_) {
      if (site->machine.node() != nullptr && !site->gone) running.push_back(site->machine.node());
    }
    return running.empty() ? nullptr : running[random_() % running.size()];
  }

  void Join(uint64_t id, const std::vector<api::Member>& list) {
    Note(absl::StrCat("== m", id, " joins"));
    server::NodeOptions told;
    told.joining = list;
    sites_.push_back(std::make_unique<Site>(*this, id, MachineOptions{.node = std::move(told)},
                                            kOperationsOfJoiners + std::exchange(left_over_, 0)));
    if (settling_) sites_.back()->workload.Rest();
    StartLater(*sites_.back(), RandomDuration(1ms, 2s));
  }

  // Not in the middle of what the node does.
  void RetireLater(uint64_t id) {
    clients_->Post([this, id] { Retire(id); });
  }
  void Retire(uint64_t id) {
    Site* site = Find(id);
    if (site == nullptr) return;
    EndSecondLife(*site);
    if (std::exchange(site->gone, true)) return;
    Note(absl::StrCat("== m", id, " is gone"));
    left_over_ += site->workload.left();
    LosePower(*site);
  }

  // ---- who begins anew under its old id --------------------------------------------------------------------------

  // Its incarnation is published, and no power loss makes anybody forget that.
  bool IsKnownForGood(uint64_t id) {
    const auto published = published_.find(id);
    return published != published_.end() && std::all_of(sites_.begin(), sites_.end(), [&](const auto& site) {
             if (site->gone) return true;
             if (site->machine.node() == nullptr) return false;
             const absl::StatusOr<raft::Index> persisted = site->machine.state_machine().PersistedApplied();
             return persisted.ok() && *persisted >= published->second;
           });
  }
  void NotePublished() {
    for (const api::Member& member : truth_.replay().Members()) {
      if (member.incarnation != 0) published_.emplace(member.id, truth_.replay().applied());
    }
  }
  // The member is gone for ever; what runs in its place is a stranger with its id. Nobody has warned it.
  void BeginSecondLife(Site& site) {
    ++result_.counters.second_lives;
    Retire(site.id);
    site.machine.LoseDisks();
    site.second_life = site.machine.incarnation();
    clients_->PostAfter(RandomDuration(1ms, 2s), [this, &site] {
      if (site.second_life == 0 || verdict_.broken()) return;
      site.machine.Start([] {});
      if (site.machine.node() != nullptr) Connect(site);
    });
  }
  void EndSecondLife(Site& site) {
    if (std::exchange(site.second_life, 0) == 0) return;
    Note(absl::StrCat("== m", site.id, " hears that it lost its disk"));
    network_.Disconnect(site.id);
    site.machine.LosePower();
  }
  void OnHeard(uint64_t from, uint64_t to, uint64_t incarnation) {
    const Site* site = Find(from);
    if (site == nullptr || site->second_life != incarnation) return;
    verdict_.Broken(absl::StrCat("m", to, " listens to m", from, ", which has lost its disk and begins anew"));
  }
  void OnRefused(uint64_t id, server::RefusalReason reason) {
    const Site* site = Find(id);
    if (reason == server::RefusalReason::kForgot && site != nullptr && !site->gone)
      return verdict_.Broken(absl::StrCat("m", id, " is told that it lost its disk, which it has"));
    if (reason != server::RefusalReason::kOther) RetireLater(id);
  }

  // Connections are made again all the time, and whoever is known as removed where he introduces himself hears so.
  void RetireRefused() {
    for (const auto& site : sites_) {
      if (site->gone || site->machine.node() == nullptr) continue;
      const bool refused = std::any_of(sites_.begin(), sites_.end(), [&](const auto& other) {
        return !other->gone && other->machine.node() != nullptr && network_.Reaches(site->id, other->id) &&
               other->machine.node()->WasRemoved(site->id);
      });
      if (refused) Retire(site->id);
    }
  }

  void ActOnMembers() {
    clients_->PostAfter(RandomDuration(200ms, pace_.fault_longest / 2), [this] {
      if (settling_) return;
      RetireRefused();
      NotePublished();
      membership_->Act();
      ActOnMembers();
    });
  }

  void ActOnHashes() {
    clients_->PostAfter(RandomDuration(100ms, pace_.fault_longest), [this] {
      if (settling_) return;
      if (server::Node* node = AnyNode(); node != nullptr) hashes_.Ask(*node);
      ActOnHashes();
    });
  }

  bool Finished() const {
    if (scheduler_.now() - start_ > kMostTime) return true;
    return left_over_ == 0 && std::all_of(sites_.begin(), sites_.end(),
                                          [](const auto& site) { return site->gone || site->workload.finished(); });
  }
  uint64_t Begun() const {
    uint64_t begun = 0;
    for (const auto& site : sites_) begun += site->workload.begun();
    return begun;
  }
  // One that is still a member, or was the last time that anybody looked.
  Site& Any() {
    std::vector<Site*> there;
    for (const auto& site : sites_) {
      if (!site->gone) there.push_back(site.get());
    }
    CHECK(!there.empty());
    return *there[random_() % there.size()];
  }
  Duration RandomDuration(Duration least, Duration most) {
    return least + Duration(static_cast<int64_t>(random_() % static_cast<uint64_t>((most - least).count())));
  }

  void Start(Site& site) {
    site.machine.Start([] {});
    if (site.machine.node() == nullptr) return;
    Connect(site);
    site.workload.Connect(*site.machine.node());
    site.stream.Connect(*site.machine.node());
  }
  void Connect(Site& site) {
    network_.Connect(site.id, site.machine.incarnation(), *site.machine.node(), site.machine.state_machine().Members());
  }
  void Disconnect(Site& site) {
    site.workload.Disconnect();
    site.stream.Disconnect();
  }
  void LosePower(Site& site) {
    Disconnect(site);
    network_.Disconnect(site.id);
    site.machine.LosePower();
  }

  void Look(Site& site) {
    if (scheduler_.steps() % kStepsBetweenLooksAtLeases == 0) site.workload.CheckLeases();
    if (site.gone || !site.machine.gave_up() || verdict_.broken()) return;
    ++result_.counters.broken_disks;
    scheduler_.RunFor(RandomDuration(1ms, 2s));
    LosePower(site);
    Start(site);
  }

  void Inject(Fault fault) {
    ClusterCounters& counters = result_.counters;
    Site& site = Any();
    Note(absl::StrCat("== ", NameOf(fault), ", m", site.id));
    switch (fault) {
      case Fault::kPowerLoss:
        ++counters.power_losses;
        LosePower(site);
        return StartLater(site, RandomDuration(1ms, pace_.fault_longest / 2));
      case Fault::kAllPowerLoss:
        ++counters.all_power_losses;
        for (auto& one : sites_) {
          if (one->gone) continue;
          LosePower(*one);
          StartLater(*one, RandomDuration(1ms, 1s));
        }
        return;
      case Fault::kCleanStop:
        return StopCleanly(site);
      case Fault::kBrokenDisk:
        if (site.machine.node() != nullptr) site.machine.BreakDisk();
        return;
      case Fault::kSlowDisk:
        if (site.machine.node() == nullptr) return;
        ++counters.slow_disks;
        return site.machine.StallDisk(RandomDuration(100ms, 4s));
      case Fault::kPause:
        if (site.machine.node() == nullptr) return;
        ++counters.pauses;
        return site.machine.Pause(RandomDuration(100ms, 10s));
      case Fault::kPartition:
        ++counters.partitions;
        network_.Isolate(site.id);
        return HealLater();
      case Fault::kOneWay:
        ++counters.one_way_cuts;
        for (const auto& other : sites_) {
          if (other->id != site.id) network_.Cut(site.id, other->id);
        }
        return HealLater();
      case Fault::kStorm:
        ++counters.storms;
        network_.SetWeather({.loss_one_in = 20, .repeat_one_in = 20, .delay_min = 100us, .delay_max = 80ms});
        return HealLater();
      case Fault::kFalseAlarm:
        ++counters.false_alarms;
        return network_.FalseAlarm(site.id);
      case Fault::kMoveLeader:
        return MoveLeader();
      case Fault::kDiskLost:
        if (membership_->Lose(site.id)) Retire(site.id);
        return;
      case Fault::kSecondLife:
        if (IsKnownForGood(site.id) && membership_->Lose(site.id)) BeginSecondLife(site);
        return;
      case Fault::kPausedAndCutOff:
        if (site.machine.node() == nullptr) return;
        ++counters.paused_and_cut_off;
        network_.Isolate(site.id);
        site.machine.Pause(RandomDuration(2s, 5s));
        return HealLater();
    }
  }

  void StartLater(Site& site, Duration wait) {
    clients_->PostAfter(wait, [this, &site] {
      if (site.machine.node() == nullptr && !site.gone && !verdict_.broken()) Start(site);
    });
  }
  void HealLater() {
    clients_->PostAfter(RandomDuration(200ms, pace_.fault_longest), [this] { Heal(); });
  }
  void Heal() {
    network_.Heal();
    network_.SetWeather({.loss_one_in = 0, .repeat_one_in = 0, .delay_min = 100us, .delay_max = 2ms});
  }

  // A full or slow disk may keep it, so the clean end is tried only on one that has a chance.
  void StopCleanly(Site& site) {
    if (site.machine.node() == nullptr || site.machine.gave_up()) return;
    ++result_.counters.clean_stops;
    site.machine.StopCleanly(kHandOverPatience);
    if (site.gone) return;  // it heard that it was removed
    Disconnect(site);
    network_.Disconnect(site.id);
    site.machine.Release();
    StartLater(site, RandomDuration(1ms, 2s));
  }

  void MoveLeader() {
    for (auto& site : sites_) {
      if (site->machine.node() == nullptr || site->gone) continue;
      ++result_.counters.leader_moves;
      site->machine.node()->MoveLeader(Any().id, [](const absl::StatusOr<std::monostate>&) {});
    }
  }

  void ActOnStreams() {
    clients_->PostAfter(std::chrono::milliseconds(random_() % 60), [this] {
      if (settling_) return;
      Any().stream.Act();
      ActOnStreams();
    });
  }

  // The faults are over: everybody comes back, agrees, and serves.
  void Settle() {
    settling_ = true;
    for (auto& site : sites_) site->workload.Rest();
    Heal();
    for (auto& site : sites_) site->machine.MendDisk();
    scheduler_.RunFor(5s);
    for (auto& site : sites_) {
      if (site->machine.node() == nullptr && !site->gone) Start(*site);
      Look(*site);
    }
    scheduler_.RunFor(20s);
    RetireRefused();
    std::vector<Site*> there;
    for (auto& site : sites_) {
      if (!site->gone) there.push_back(site.get());
    }
    for (const auto& site : sites_) {
      if (site->second_life == 0) continue;
      verdict_.Broken(absl::StrCat("m", site->id, ", which has lost its disk, has not heard so long after healing"));
    }
    for (Site* site : there) CheckSettled(*site);
    for (Site* site : there) site->stream.AskForProgress();
    scheduler_.RunFor(1s);
    for (Site* site : there) site->stream.CheckProgress();
  }

  void CheckSettled(Site& site) {
    if (verdict_.broken()) return;
    const storage::StateMachine& store = site.machine.state_machine();
    if (!site.machine.node()->ready())
      return verdict_.Broken(absl::StrCat("m", site.id, " is not ready after healing"));
    if (store.applied() != truth_.replay().applied()) {
      return verdict_.Broken(absl::StrCat("m", site.id, " has applied ", store.applied().value, " of ",
                                          truth_.replay().applied().value, " long after healing"));
    }
    if (store.digest() != truth_.replay().digest()) verdict_.Broken(absl::StrCat("m", site.id, " has another state"));
    if (!site.machine.node()->HasLeader())
      verdict_.Broken(absl::StrCat("m", site.id, " knows no leader after healing"));
    if (!site.workload.finished()) verdict_.Broken(absl::StrCat("m", site.id, " left a request without an answer"));
    site.workload.CheckLeases();
    site.workload.CheckLeasesGone();
    site.stream.CheckComplete();
  }

  ClusterResult Conclude() {
    result_.broken = verdict_.what();
    scheduler_.Trace(static_cast<uint64_t>(truth_.revision().value));
    scheduler_.Trace(truth_.replay().digest());
    result_.trace = trace_.lines();
    result_.trace_hash = scheduler_.trace_hash();
    result_.counters.network = network_.counters();
    result_.counters.messages_checked = invariants_.checked();
    result_.counters.entries = truth_.replay().applied().value;
    result_.counters.terms = truth_.replay().applied_term().value;
    for (const auto& site : sites_) {
      result_.counters.snapshots += static_cast<uint64_t>(site->machine.snapshots_installed());
    }
    result_.counters.virtual_seconds =
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(scheduler_.now() - start_).count());
    return result_;
  }

  const ClusterRunOptions options_;
  std::mt19937_64 random_;
  const Pace pace_ = kPaces[random_() % std::size(kPaces)];
  ClusterResult result_;
  Scheduler scheduler_;
  const MonotonicTime start_ = scheduler_.now();
  Verdict verdict_;
  Truth truth_;
  RaftInvariants invariants_;
  HashChecker hashes_;
  int64_t answered_ = 1;  // the highest revision that anybody was told
  MessageTrace trace_{options_.trace_lines};
  std::unique_ptr<SimulatedLoop> clients_;
  Network network_;
  std::vector<std::unique_ptr<Site>> sites_;
  std::optional<MembershipClient> membership_;
  std::map<uint64_t, raft::Index> published_;  // by member: its incarnation is, in this entry or an earlier one
  std::deque<PlannedFault> plan_;
  uint64_t left_over_ = 0;  // operations that removed members did not come to; the next one that joins does
  bool settling_ = false;
};

}  // namespace

ClusterResult RunCluster(const ClusterRunOptions& options) { return ClusterSimulation(options).Run(); }

}  // namespace regent::sim
