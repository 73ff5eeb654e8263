#include "raft/core.h"

#include <algorithm>
#include <utility>

#include "raft/check.h"
#include "raft/quorum.h"
#include "raft/state.h"

namespace regent::raft {
namespace {

Node MakeNode(CoreStart start, const CoreOptions& options, const CoreMutants& mutants) {
  RAFT_CHECK(start.id != kNobody);
  RAFT_CHECK(start.base_index <= start.applied && start.applied <= start.last_index, start.base_index.value,
             start.applied.value, start.last_index.value);
  RAFT_CHECK(start.last_term <= start.hard_state.term, start.last_term.value, start.hard_state.term.value);
  RAFT_CHECK(options.election_ticks > options.heartbeat_ticks && options.heartbeat_ticks > 0, options.election_ticks,
             options.heartbeat_ticks);
  Log log(start.base_index, start.base_term, start.last_index, start.last_term, start.terms, std::move(start.tail));
  // Logs are compared above the commit index, and that begins at the applied index.
  Membership membership({start.configuration_index, std::move(start.configuration)},
                        std::move(start.later_configurations));
  RAFT_CHECK(membership.history().front().index <= start.applied && membership.index() <= start.last_index,
             membership.history().front().index.value, start.applied.value, membership.index().value);
  RAFT_CHECK(IsSoleVoter(membership.current(), start.id) || log.known_from().value <= start.applied.value + 1,
             log.known_from().value, start.applied.value);
  Random random(start.seed);
  const uint64_t read_round = random.Next();
  return {.id = start.id,
          .options = options,
          .mutants = mutants,
          .membership = std::move(membership),
          .log = std::move(log),
          .durability = Durability(start.hard_state, start.last_index),
          .apply = ApplyQueue(start.applied),
          .commit = start.applied,
          .random = random,
          .read_round = read_round,
          .pending = {}};
}

}  // namespace

Core::Core(CoreStart start, CoreOptions options, CoreMutants mutants)
    : state_(new State{.node = MakeNode(std::move(start), options, mutants), .role = Follower{}, .reported = {}}) {
  State& state = *state_;
  std::get<Follower>(state.role).patience_ticks = state.node.RandomElectionTicks();
  state.reported = {.term = state.node.term(), .leader = kNobody, .role = Role::kFollower};
  state.reported_configuration = state.node.membership.history().back();
  state.campaign_at_once = state.changed = IsSoleVoter(state.node.membership.current(), state.node.id);
}

Core::~Core() = default;
Core::Core(Core&&) noexcept = default;

NodeId Core::id() const { return state_->node.id; }
Term Core::term() const { return state_->node.term(); }
Role Core::role() const { return state_->CurrentRole(); }
NodeId Core::leader() const { return state_->CurrentLeader(); }
Index Core::commit() const { return state_->node.commit; }
Index Core::last_index() const { return state_->node.log.last_index(); }
Index Core::persisted_index() const { return state_->node.durability.stable(); }
Index Core::applied() const { return state_->node.apply.applied(); }
const Configuration& Core::configuration() const { return state_->node.membership.current(); }
Index Core::configuration_index() const { return state_->node.membership.index(); }

NodeId Core::transferee() const {
  const auto* leader = std::get_if<Leader>(&state_->role);
  return leader != nullptr ? leader->transferee() : kNobody;
}

std::vector<PeerStatus> Core::peers() const {
  std::vector<PeerStatus> peers;
  const auto* leader = std::get_if<Leader>(&state_->role);
  if (leader == nullptr) return peers;
  for (const auto& [id, peer] : leader->peers()) {
    peers.push_back({.id = id,
                     .match = peer.match,
                     .recently_heard = peer.recently_heard,
                     .needs_snapshot = peer.state == Progress::State::kSnapshot});
  }
  return peers;
}

// Time.

void Core::Tick() {
  State& state = *state_;
  state.changed = true;
  if (state.campaign_at_once) return;  // TakeOutput campaigns
  if (auto* follower = std::get_if<Follower>(&state.role)) {
    if (!follower->Tick(state.node)) return;
    if (state.node.MayCampaign()) {
      state.Campaign();
    } else {
      follower->LoseLeader(state.node);
    }
  } else if (auto* pre_candidate = std::get_if<PreCandidate>(&state.role)) {
    if (++pre_candidate->ticks >= pre_candidate->patience_ticks) state.Campaign();
  } else if (auto* candidate = std::get_if<Candidate>(&state.role)) {
    if (++candidate->ticks >= candidate->patience_ticks) state.Campaign();
  } else if (!std::get<Leader>(state.role).Tick(state.node)) {
    state.BecomeFollower(state.node.term(), kNobody);
  }
}

// Clients.

ProposeResult Core::Propose(Bytes data) { return ProposeBatch({&data, 1}); }

ProposeResult Core::ProposeBatch(std::span<Bytes> batch) {
  auto* leader = std::get_if<Leader>(&state_->role);
  if (leader == nullptr) return Refused{.reason = Refused::Reason::kNotLeader, .leader = state_->CurrentLeader()};
  if (leader->transferee() != kNobody) {
    return Refused{.reason = Refused::Reason::kTransferring, .leader = state_->node.id};
  }
  if (!leader->Append(state_->node, batch)) {
    return Refused{.reason = Refused::Reason::kFull, .leader = state_->node.id};
  }
  state_->changed = true;
  return Proposed{.term = state_->node.term(), .index = state_->node.log.last_index()};
}

ProposeResult Core::ProposeConfiguration(ConfigurationChange change) {
  auto* leader = std::get_if<Leader>(&state_->role);
  if (leader == nullptr) return Refused{.reason = Refused::Reason::kNotLeader, .leader = state_->CurrentLeader()};
  if (const auto reason = leader->Change(state_->node, change))
    return Refused{.reason = *reason, .leader = state_->node.id};
  state_->changed = true;
  return Proposed{.term = state_->node.term(), .index = state_->node.log.last_index()};
}

ProposeResult Core::TransferLeadership(NodeId to) {
  auto* leader = std::get_if<Leader>(&state_->role);
  if (leader == nullptr) return Refused{.reason = Refused::Reason::kNotLeader, .leader = state_->CurrentLeader()};
  if (const auto reason = leader->Transfer(state_->node, to))
    return Refused{.reason = *reason, .leader = state_->node.id};
  state_->changed = true;
  return Proposed{.term = state_->node.term(), .index = state_->node.log.last_index()};
}

void Core::StepDown() {
  if (!std::holds_alternative<Leader>(state_->role)) return;
  state_->BecomeFollower(state_->node.term(), kNobody);
  state_->changed = true;
}

bool Core::ReadIndex(ReadId id) {
  State& state = *state_;
  if (auto* leader = std::get_if<Leader>(&state.role)) {
    if (!leader->AddRead(state.node, id)) return false;
  } else if (auto* follower = std::get_if<Follower>(&state.role)) {
    if (follower->leader == kNobody || !follower->reads.HasRoom(state.node.options.reads_max)) return false;
    follower->reads.Add(id);
  } else {
    return false;
  }
  state.changed = true;
  return true;
}

// The owner's answers.

void Core::Persisted(StepId step) {
  State& state = *state_;
  state.changed = true;
  state.node.durability.Persisted(step, state.node.log, state.node.mutants);
  if (auto* candidate = std::get_if<Candidate>(&state.role)) {
    if (candidate->OnPersisted(state.node) == VoteOutcome::kWon) state.BecomeLeader();
  } else if (auto* leader = std::get_if<Leader>(&state.role)) {
    leader->AdvanceCommit(state.node);
  }
}

void Core::Applied(Index through) {
  state_->node.apply.Applied(through);
  state_->changed = true;
}

void Core::Fetched(const LogFetch& fetch, FetchResult result) {
  State& state = *state_;
  state.changed = true;
  if (fetch.purpose == LogFetch::Purpose::kApply) {
    if (!state.node.apply.Awaits(fetch)) return;
    RAFT_CHECK(std::holds_alternative<std::vector<Entry>>(result), fetch.from.value, fetch.through.value);
    state.node.apply.Fetched(fetch, std::move(std::get<std::vector<Entry>>(result)));
    return;
  }
  auto* leader = std::get_if<Leader>(&state.role);
  if (leader != nullptr && fetch.term == state.node.term()) leader->OnFetched(state.node, fetch, std::move(result));
}

void Core::Installed(StepId step) {
  State& state = *state_;
  Node& node = state.node;
  state.changed = true;
  SnapshotToInstall snapshot = node.durability.Installed(step);
  // Entries of a leader that knows the snapshot agree with it, so none of it was committed here otherwise.
  RAFT_CHECK(node.commit <= snapshot.index, node.commit.value, snapshot.index.value);
  // Nothing behind the snapshot stays, not even a configuration: it may belong to a history that lost.
  if (!node.mutants.snapshot_keeps_log || snapshot.index >= node.log.last_index()) {
    node.log.Reset(snapshot.index, snapshot.term);
  }
  if (!node.mutants.snapshot_keeps_configuration) node.membership.Reset(std::move(snapshot.configuration));
  node.apply.Reset(snapshot.index);
  node.commit = snapshot.index;
  if (const NodeId leader = state.CurrentLeader(); leader != kNobody) {
    node.SendWhenDurable(leader, AppendAccepted{.match = snapshot.index}, snapshot.index);
  }
}

void Core::InstallFailed(StepId step) {
  state_->node.durability.InstallFailed(step);
  state_->changed = true;
}

void Core::SnapshotReported(NodeId peer, Term term, bool sent, Index index) {
  auto* leader = std::get_if<Leader>(&state_->role);
  if (leader == nullptr || term != state_->node.term()) return;
  leader->OnSnapshotReported(peer, sent, index);
  state_->changed = true;
}

void Core::PeerGone(NodeId peer, Term term) {
  State& state = *state_;
  if (term != state.node.term()) return;
  state.changed = true;
  if (auto* follower = std::get_if<Follower>(&state.role)) follower->OnPeerGone(state.node, peer);
  if (auto* leader = std::get_if<Leader>(&state.role)) leader->OnPeerGone(peer);
}

// Output.

bool Core::HasOutput() const { return state_->changed; }

Output Core::TakeOutput() {
  State& state = *state_;
  Node& node = state.node;
  if (std::exchange(state.campaign_at_once, false)) state.BecomeCandidate(State::Reason::kTimeout);
  if (auto* leader = std::get_if<Leader>(&state.role)) {
    leader->Flush(node);
    if (leader->IsOut(node)) {
      leader->HandOver(node);
      state.BecomeFollower(node.term(), kNobody);
    }
  }
  if (auto* follower = std::get_if<Follower>(&state.role)) follower->Flush(node);

  Output output = std::exchange(node.pending, {});
  node.durability.TakeInto(output, node.log, node.options.step_bytes_max);
  const Index limit = node.mutants.apply_before_persist ? node.commit : std::min(node.commit, node.durability.stable());
  if (!node.durability.InstallPending()) {
    node.apply.TakeInto(output, node.log, limit, node.term(), node.options.apply_bytes_max);
  }
  node.TrimLog();

  const PlacedConfiguration& configuration = node.membership.history().back();
  if (configuration != state.reported_configuration)
    output.configuration = state.reported_configuration = configuration;
  const RoleChange now{.term = node.term(), .leader = state.CurrentLeader(), .role = state.CurrentRole()};
  if (now != state.reported) output.role = state.reported = now;
  state.changed = false;
  return output;
}

}  // namespace regent::raft
