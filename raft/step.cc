// Core::Step: which message does what in which role, and the changes of role.
#include <utility>
#include <variant>

#include "raft/check.h"
#include "raft/core.h"
#include "raft/quorum.h"
#include "raft/state.h"

namespace regent::raft {
namespace {

bool FromLeader(const MessageBody& body) {
  return std::holds_alternative<AppendRequest>(body) || std::holds_alternative<Heartbeat>(body) ||
         std::holds_alternative<InstallSnapshot>(body) || std::holds_alternative<ReadIndexReply>(body) ||
         std::holds_alternative<TimeoutNow>(body);
}

}  // namespace

void Core::Step(Message message) {
  State& state = *state_;
  if (message.to != id() || message.from == id() || message.from == kNobody) return;  // not for a correct sender to do
  state.changed = true;
  if (const auto* request = std::get_if<PreVoteRequest>(&message.body))
    return state.OnPreVoteRequest(message, *request);
  if (const auto* reply = std::get_if<PreVoteReply>(&message.body)) return state.OnPreVoteReply(message, *reply);
  if (message.term < state.node.term()) return state.OnLowerTerm(message);
  if (message.term > state.node.term()) {
    const auto* request = std::get_if<VoteRequest>(&message.body);
    if (request != nullptr && !request->leadership_transfer && state.IgnoresCandidates()) return;
    state.BecomeFollower(message.term, FromLeader(message.body) ? message.from : kNobody);
  }
  state.Dispatch(std::move(message));
}

void Core::State::Dispatch(Message message) {
  const NodeId from = message.from;
  if (FromLeader(message.body)) {
    HeardLeader(from);
    auto& follower = std::get<Follower>(role);
    if (auto* append = std::get_if<AppendRequest>(&message.body)) {
      follower.OnAppend(node, from, std::move(*append));
    } else if (const auto* heartbeat = std::get_if<Heartbeat>(&message.body)) {
      follower.OnHeartbeat(node, from, *heartbeat);
    } else if (const auto* read = std::get_if<ReadIndexReply>(&message.body)) {
      follower.OnReadIndexReply(node, from, *read);
    } else if (const auto* snapshot = std::get_if<InstallSnapshot>(&message.body)) {
      follower.OnInstallSnapshot(node, from, *snapshot);
    } else if (node.MayCampaign()) {  // TimeoutNow
      BecomeCandidate(Reason::kLeadershipTransfer);
    }
    return;
  }
  if (const auto* request = std::get_if<VoteRequest>(&message.body)) return OnVoteRequest(from, *request);
  if (const auto* reply = std::get_if<VoteReply>(&message.body)) return OnVoteReply(from, *reply);

  // What is left goes to the leader of this term; an answer may come when it has stepped down.
  auto* leader = std::get_if<Leader>(&role);
  if (leader == nullptr) return;
  if (const auto* accepted = std::get_if<AppendAccepted>(&message.body))
    leader->OnAppendAccepted(node, from, *accepted);
  if (const auto* rejected = std::get_if<AppendRejected>(&message.body))
    leader->OnAppendRejected(node, from, *rejected);
  if (const auto* reply = std::get_if<HeartbeatReply>(&message.body)) leader->OnHeartbeatReply(node, from, *reply);
  if (const auto* read = std::get_if<ReadIndexRequest>(&message.body)) {
    // Without room the follower asks again after an election timeout.
    [[maybe_unused]] const bool added = leader->AddRead(node, LeaderReads::Remote{.node = from, .round = read->round});
  }
}

// A message of the leader of the current term: candidates give up, a follower's clock starts anew.
void Core::State::HeardLeader(NodeId leader) {
  RAFT_CHECK(!std::holds_alternative<Leader>(role), node.id.value, leader.value, node.term().value);  // two leaders
  if (!std::holds_alternative<Follower>(role)) BecomeFollower(node.term(), leader);
  auto& follower = std::get<Follower>(role);
  RAFT_CHECK(follower.leader == kNobody || follower.leader == leader, node.id.value, leader.value,
             follower.leader.value, node.term().value);
  if (follower.leader == kNobody) {
    follower.leader = leader;
    follower.patience_ticks = node.RandomElectionTicks();
  }
  follower.silent_ticks = 0;
}

// The leader is alive as far as this node knows. A leader checks its own quorum, so it counts as alive itself.
bool Core::State::IgnoresCandidates() const {
  if (const auto* follower = std::get_if<Follower>(&role)) return follower->Sticky(node);
  return std::holds_alternative<Leader>(role) && node.options.check_quorum;
}

// A stale sender learns the term from any answer. Without it two cohorts could block each other forever: one with the
// higher term, which the other's leader cannot replace because it never hears of that term.
void Core::State::OnLowerTerm(const Message& message) {
  if (node.mutants.silent_to_lower_terms) return;
  if (const auto* append = std::get_if<AppendRequest>(&message.body)) {
    node.SendWhenDurable(message.from, AppendRejected{.rejected = append->prev_index});
  } else if (std::holds_alternative<Heartbeat>(message.body)) {
    node.SendWhenDurable(message.from, HeartbeatReply{});
  } else if (std::holds_alternative<VoteRequest>(message.body)) {
    node.SendWhenDurable(message.from, VoteReply{.granted = false});
  }
}

// Never changes this node; the sender's term may be anything.
void Core::State::OnPreVoteRequest(const Message& message, const PreVoteRequest& request) {
  const bool stale = request.campaign_term <= node.term();
  if (stale && node.mutants.silent_to_lower_terms) return;
  if (!stale && IgnoresCandidates()) return;
  const bool granted = !stale && node.LogIsUpToDate(request.last_index, request.last_term);
  node.SendWhenDurable(message.from, PreVoteReply{.campaign_term = request.campaign_term, .granted = granted});
}

void Core::State::OnPreVoteReply(const Message& message, const PreVoteReply& reply) {
  if (message.term > node.term()) return BecomeFollower(message.term, kNobody);
  auto* candidate = std::get_if<PreCandidate>(&role);
  if (candidate == nullptr || reply.campaign_term.value != node.term().value + 1) return;
  switch (candidate->OnReply(node, message.from, reply.granted)) {
    case VoteOutcome::kWon:
      return BecomeCandidate(Reason::kTimeout);
    case VoteOutcome::kLost:
      return BecomeFollower(node.term(), kNobody);
    case VoteOutcome::kPending:
      return;
  }
}

void Core::State::OnVoteRequest(NodeId from, const VoteRequest& request) {
  auto* follower = std::get_if<Follower>(&role);
  const NodeId vote = node.durability.current().vote;
  const bool free = vote == from || (vote == kNobody && follower != nullptr && follower->leader == kNobody) ||
                    (node.mutants.vote_twice && follower != nullptr);
  const bool granted = free && node.LogIsUpToDate(request.last_index, request.last_term);
  if (granted) {
    node.durability.Vote(from);
    if (follower != nullptr) follower->silent_ticks = 0;
  }
  node.SendWhenDurable(from, VoteReply{.granted = granted});
}

void Core::State::OnVoteReply(NodeId from, const VoteReply& reply) {
  auto* candidate = std::get_if<Candidate>(&role);
  if (candidate == nullptr) return;
  switch (candidate->OnReply(node, from, reply.granted)) {
    case VoteOutcome::kWon:
      return BecomeLeader();
    case VoteOutcome::kLost:
      return BecomeFollower(node.term(), kNobody);
    case VoteOutcome::kPending:
      return;
  }
}

NodeId Core::State::CurrentLeader() const {
  if (const auto* follower = std::get_if<Follower>(&role)) return follower->leader;
  return std::holds_alternative<Leader>(role) ? node.id : kNobody;
}

void Core::State::LeaveRole() {
  std::vector<ReadId> failed;
  if (auto* follower = std::get_if<Follower>(&role)) failed = follower->reads.FailAll();
  if (auto* leader = std::get_if<Leader>(&role)) failed = leader->FailReads();
  node.pending.reads_failed.insert(node.pending.reads_failed.end(), failed.begin(), failed.end());
}

void Core::State::BecomeFollower(Term term, NodeId leader) {
  // A follower's patience survives a new term: one that hears only losing candidates must get its turn.
  const auto* before = std::get_if<Follower>(&role);
  const Follower next{.leader = leader,
                      .silent_ticks = before != nullptr ? before->silent_ticks : 0,
                      .patience_ticks = before != nullptr ? before->patience_ticks : node.RandomElectionTicks(),
                      .reads = {}};
  LeaveRole();
  if (term > node.term()) node.durability.EnterTerm(term);
  role = next;
}

void Core::State::Campaign() {
  if (node.options.pre_vote && !IsSoleVoter(node.membership.current(), node.id)) {
    BecomePreCandidate();
  } else {
    BecomeCandidate(Reason::kTimeout);
  }
}

void Core::State::BecomePreCandidate() {
  LeaveRole();
  role = PreCandidate{.votes = {}, .ticks = 0, .patience_ticks = node.RandomElectionTicks()};
  std::get<PreCandidate>(role).Ask(node);
}

void Core::State::BecomeCandidate(Reason reason) {
  LeaveRole();
  node.durability.EnterTerm(Term{node.term().value + 1});
  node.durability.Vote(node.id);
  role = Candidate{.votes = {},
                   .ticks = 0,
                   .patience_ticks = node.RandomElectionTicks(),
                   .leadership_transfer = reason == Reason::kLeadershipTransfer};
  std::get<Candidate>(role).Ask(node);
}

void Core::State::BecomeLeader() {
  LeaveRole();
  role = Leader(node);
}

}  // namespace regent::raft
