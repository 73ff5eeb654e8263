#include "server/node/membership_changes.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "api/contract/errors.h"
#include "glog/logging.h"
#include "raft/configuration.h"
#include "storage/command.h"

namespace regent::server {
namespace {

constexpr size_t kWaitingMax = 100;
constexpr Duration kHealthInterval = std::chrono::seconds(5);  // etcd's: connected for so long is healthy
constexpr uint64_t kPromotionLagMax = 1000;                    // entries behind the leader

using Nodes = std::vector<raft::NodeId>;

const api::Member* Find(const std::vector<api::Member>& members, uint64_t id) {
  const auto found = std::find_if(members.begin(), members.end(), [&](const api::Member& m) { return m.id == id; });
  return found == members.end() ? nullptr : &*found;
}

bool Contains(const Nodes& nodes, uint64_t id) {
  return std::find(nodes.begin(), nodes.end(), raft::NodeId{id}) != nodes.end();
}

// The configuration that the request leads to.
struct Target {
  raft::Configuration configuration;

  raft::Configuration operator()(const api::MemberAddRequest& add) {
    const bool learns = add.is_learner || configuration.voters.size() == 1;
    (learns ? configuration.learners : configuration.voters).push_back({add.id});
    return configuration;
  }
  raft::Configuration operator()(const api::MemberRemoveRequest& remove) {
    std::erase(configuration.voters, raft::NodeId{remove.id});
    std::erase(configuration.learners, raft::NodeId{remove.id});
    return configuration;
  }
  raft::Configuration operator()(const api::MemberPromoteRequest& promote) {
    std::erase(configuration.learners, raft::NodeId{promote.id});
    configuration.voters.push_back({promote.id});
    return configuration;
  }
  template <typename Other>
  raft::Configuration operator()(const Other&) {
    return configuration;
  }
};

}  // namespace

MembershipChanges::MembershipChanges(const NodeSeams& seams, const NodeOptions& options, RaftDriver& driver,
                                     Applier& applier, std::function<Known()> known)
    : loop_(seams.raft_loop),
      options_(options),
      metrics_(seams.metrics),
      transport_(seams.transport),
      driver_(driver),
      applier_(applier),
      known_(std::move(known)) {}

void MembershipChanges::Add(MembershipRequest request) {
  absl::StatusOr<storage::Command> command = storage::DecodeCommand(request.command);
  if (!command.ok()) return Refuse(request, command.status());
  if (waiting_.size() >= kWaitingMax) return Refuse(request, api::ErrTooManyRequests());
  const MonotonicTime deadline =
      request.proposal.has_value() ? request.proposal->deadline : loop_.Now() + options_.request_timeout();
  waiting_.push_back({std::move(request), std::move(command->body), deadline});
  Advance();
}

void MembershipChanges::Advance() {
  if (std::exchange(advancing_, true)) return;  // a proposal leads back here
  const MonotonicTime now = loop_.Now();
  while (!waiting_.empty()) {
    Waiting& first = waiting_.front();
    if (first.deadline <= now) {
      Refuse(first.request, api::ErrTimeout());
    } else if (!Try(first)) {
      break;
    }
    waiting_.pop_front();
  }
  if (waiting_.empty()) PromoteAwaited();
  advancing_ = false;
}

void MembershipChanges::PromoteAwaited() {
  if (driver_.role() != raft::Role::kLeader || !Settled()) return;
  for (const api::Member& member : *known_().members) {
    if (!member.awaits_vote || !Contains(driver_.configuration().learners, member.id) || !CaughtUp(member.id)) continue;
    MembershipRequest promote{.command = storage::EncodeCommand({.body = api::MemberPromoteRequest{.id = member.id}}),
                              .from = raft::kNobody};
    raft::Configuration target = Target{driver_.configuration()}(api::MemberPromoteRequest{.id = member.id});
    if (driver_.ProposeConfiguration(std::move(target), promote)) {
      LOG(INFO) << "the member that was added has caught up and votes from now on: " << member.id;
    }
    return;  // one change at a time
  }
}

void MembershipChanges::FailAll(const absl::Status& why) {
  for (Waiting& waiting : std::exchange(waiting_, {})) Refuse(waiting.request, why);
}

// What is known here is then what the newest configuration was made with.
bool MembershipChanges::Settled() const {
  return !driver_.configuration().joint() && driver_.configuration_index() <= applier_.applied();
}

bool MembershipChanges::Try(Waiting& waiting) {
  if (driver_.role() != raft::Role::kLeader) {
    Refuse(waiting.request, api::ErrLeaderChanged());
    return true;
  }
  if (!Settled()) return false;
  absl::Status broken = absl::OkStatus();
  const Known known = known_();
  if (const auto* add = std::get_if<api::MemberAddRequest>(&waiting.body)) broken = Check(known, *add);
  if (const auto* remove = std::get_if<api::MemberRemoveRequest>(&waiting.body)) broken = Check(known, *remove);
  if (const auto* promote = std::get_if<api::MemberPromoteRequest>(&waiting.body)) broken = Check(known, *promote);
  const bool promotes = std::holds_alternative<api::MemberPromoteRequest>(waiting.body);
  if (!broken.ok()) {
    if (promotes) metrics_.server_learner_promote_failures.With({std::string(broken.message())}).Increment();
    Refuse(waiting.request, broken);
    return true;
  }
  raft::Configuration target = std::visit(Target{driver_.configuration()}, waiting.body);
  const bool proposed = driver_.ProposeConfiguration(std::move(target), waiting.request);
  if (promotes && proposed) metrics_.server_learner_promote_successes.Increment();
  return proposed;
}

void MembershipChanges::Refuse(MembershipRequest& request, absl::Status why) {
  if (request.proposal.has_value()) return request.proposal->done(std::move(why));
  transport_.Tell(request.from, WriteRefused{.sequence = request.sequence, .why = std::move(why)});
}

// ---- the rules -----------------------------------------------------------------------------------------------------

absl::Status MembershipChanges::Check(const Known& known, const api::MemberAddRequest& add) const {
  if (options_.strict_reconfiguration) {
    if (!add.is_learner && !EnoughStarted(known, {.more = 1})) return api::ErrMemberNotEnoughStarted();
    if (!ConnectedFully()) return api::ErrUnhealthy();
  }
  if (known.was_removed(add.id)) return api::ErrMemberNotFound();
  if (Find(*known.members, add.id) != nullptr) return api::ErrMemberExists();
  for (const api::Member& member : *known.members) {
    for (const std::string& url : add.peer_urls) {
      const bool taken = std::find(member.peer_urls.begin(), member.peer_urls.end(), url) != member.peer_urls.end();
      if (taken) return api::ErrPeerUrlExists();
    }
  }
  const int64_t learners = std::count_if(known.members->begin(), known.members->end(),
                                         [](const api::Member& member) { return member.is_learner; });
  if (add.is_learner && learners >= options_.learners_max) return api::ErrTooManyLearners();
  return absl::OkStatus();
}

absl::Status MembershipChanges::Check(const Known& known, const api::MemberRemoveRequest& remove) const {
  const Nodes& voters = driver_.configuration().voters;
  const bool votes = Contains(voters, remove.id);
  if (options_.strict_reconfiguration && votes) {
    if (!EnoughStarted(known, {.but_not = remove.id})) return api::ErrMemberNotEnoughStarted();
    // One that is down takes nothing from those that are up.
    const bool down = remove.id != options_.member_id && !transport_.ConnectedSince({remove.id}).has_value();
    if (!down && ConnectedVoters() - 1 < 1 + (voters.size() - 1) / 2) return api::ErrUnhealthy();
  }
  if (known.was_removed(remove.id) || !raft::IsMember(driver_.configuration(), {remove.id})) {
    return api::ErrMemberNotFound();
  }
  if (votes && voters.size() == 1) return api::ErrMemberNotEnoughStarted();
  return absl::OkStatus();
}

absl::Status MembershipChanges::Check(const Known& known, const api::MemberPromoteRequest& promote) const {
  if (!raft::IsMember(driver_.configuration(), {promote.id})) return api::ErrMemberNotFound();
  if (Contains(driver_.configuration().voters, promote.id)) return api::ErrMemberNotLearner();
  if (!CaughtUp(promote.id)) return api::ErrLearnerNotReady();
  // The learner has started: it keeps up.
  const bool enough = EnoughStarted(known, {.but_not = promote.id, .more = 1, .more_started = 1});
  return options_.strict_reconfiguration && !enough ? api::ErrMemberNotEnoughStarted() : absl::OkStatus();
}

// An absolute distance: a share of a long log may be more than the learner ever catches up with.
bool MembershipChanges::CaughtUp(uint64_t id) const {
  if (options_.mutants.promote_unready) return true;
  const std::vector<raft::PeerStatus> peers = driver_.peers();
  const auto peer = std::find_if(peers.begin(), peers.end(), [&](const auto& one) { return one.id.value == id; });
  const bool reached =
      peer != peers.end() && peer->match != raft::Index{} && transport_.ConnectedSince({id}).has_value();
  return reached && !peer->needs_snapshot && peer->match.value + kPromotionLagMax >= driver_.commit();
}

// Whether those voters that have started are a quorum of the voters after the change.
bool MembershipChanges::EnoughStarted(const Known& known, VoterChange change) const {
  size_t voters = change.more, started = change.more_started;
  for (const api::Member& member : *known.members) {
    if (member.is_learner || member.id == change.but_not) continue;
    ++voters;
    if (!member.name.empty()) ++started;
  }
  if (voters == 0) return false;  // the last one stays
  if (change.more == 1 && change.more_started == 0 && started == 1 && voters == 2)
    return true;  // one grows to two, or it never could
  return started >= voters / 2 + 1;
}

bool MembershipChanges::ConnectedLately(raft::NodeId id) const {
  if (id.value == options_.member_id) return true;
  const std::optional<MonotonicTime> since = transport_.ConnectedSince(id);
  return since.has_value() && *since + kHealthInterval <= loop_.Now();
}

size_t MembershipChanges::ConnectedVoters() const {
  const Nodes& voters = driver_.configuration().voters;
  return static_cast<size_t>(
      std::count_if(voters.begin(), voters.end(), [this](raft::NodeId id) { return ConnectedLately(id); }));
}

bool MembershipChanges::ConnectedFully() const { return ConnectedVoters() == driver_.configuration().voters.size(); }

}  // namespace regent::server
