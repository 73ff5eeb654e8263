// Members, leadership, and what members ask of each other.
#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

#include "api/contract/errors.h"
#include "glog/logging.h"
#include "raft/configuration.h"
#include "server/node/node.h"

namespace regent::server {
namespace {

constexpr Duration kPublishAgain = std::chrono::seconds(1);

std::vector<api::Member> ForJoiners(std::vector<api::Member> members) {
  for (api::Member& member : members) member.is_learner = member.is_learner || member.awaits_vote;
  return members;
}

}  // namespace

// ---- members -------------------------------------------------------------------------------------------------------

// On the apply loop. A store that knows no members is that of a node that was begun before members were kept, and is
// alone, or its first entry is not applied yet.
void Node::OnMembers() {
  std::vector<api::Member> members = seams_.state_machine.Members();
  if (members.empty()) {
    members.push_back({.id = options_.member_id,
                       .name = options_.name,
                       .peer_urls = options_.peer_urls,
                       .client_urls = options_.client_urls});
  }
  const auto own = std::find_if(members.begin(), members.end(),
                                [this](const api::Member& member) { return member.id == options_.member_id; });
  is_learner_.store(own != members.end() && own->is_learner);
  std::set<uint64_t> removed = seams_.state_machine.RemovedMembers();
  const bool removed_here = removed.contains(options_.member_id);
  const bool forgot = own != members.end() && own->incarnation != 0 && options_.incarnation != 0 &&
                      own->incarnation != options_.incarnation;
  {
    const MutexLock lock(members_mutex_);
    members_ = std::make_shared<const std::vector<api::Member>>(std::move(members));
    removed_members_ = std::move(removed);
  }
  if (removed_here && options_.on_removed) options_.on_removed();
  if (forgot && options_.on_forgot) options_.on_forgot();
  seams_.raft_loop.Post([this] { TellMembers(); });
}

// Those that only the log names must be reached, too: without them their entry may never be committed.
void Node::TellMembers() {
  std::vector<api::Member> all = *CurrentMembers();
  const auto knows = [&](const api::Member& one) {
    return std::any_of(all.begin(), all.end(), [&](const api::Member& other) { return other.id == one.id; });
  };
  const raft::Index applied = applier_.applied();
  std::erase_if(announced_, [&](const NamedMember& named) {
    const bool dropped = named.index <= applied && !raft::IsMember(driver_.configuration(), {named.member.id});
    return knows(named.member) || WasRemoved(named.member.id) || dropped;
  });
  std::vector<api::Member> for_joiners = ForJoiners(all);
  for (const NamedMember& named : announced_) {
    const auto same = [&](const api::Member& other) { return other.id == named.member.id; };
    if (std::any_of(all.begin(), all.end(), same)) continue;
    all.push_back(named.member);
    for_joiners.push_back(named.member);
    // Those that a cluster begins with vote from its first entry on. Of those that this member was told when it joined
    // it was told that, too.
    const bool votes = named.index == raft::Index{1} || named.index == kToldWhenJoining;
    for_joiners.back().is_learner = named.member.is_learner || !votes;
  }
  {
    const MutexLock lock(members_mutex_);
    members_for_joiners_ = std::move(for_joiners);
  }
  if (options_.on_members) options_.on_members(all);
  DecideLocal();
  changes_.Advance();
  Publish();
}

void Node::Announce(std::vector<NamedMember> members) {
  if (members.empty()) return;
  std::move(members.begin(), members.end(), std::back_inserter(announced_));
  TellMembers();
}

std::shared_ptr<const std::vector<api::Member>> Node::CurrentMembers() const {
  const MutexLock lock(members_mutex_);
  return members_;
}

std::vector<api::Member> Node::MembersForJoiners() const {
  const MutexLock lock(members_mutex_);
  return members_for_joiners_.empty() ? ForJoiners(*members_) : members_for_joiners_;
}

bool Node::WasRemoved(uint64_t member) const {
  const MutexLock lock(members_mutex_);
  return removed_members_.contains(member);
}

void Node::MemberList(bool linearizable, api::MonotonicTime deadline, api::Done<std::vector<api::Member>> done) {
  if (stopping_.load(std::memory_order_relaxed)) return done(api::ErrStopped());
  if (!linearizable || options_.mutants.member_list_local) return done(*CurrentMembers());
  gate_.Wait(Bounded(deadline), [this, done = std::move(done)](absl::Status status) mutable {
    if (!status.ok()) return done(std::move(status));
    done(*CurrentMembers());
  });
}

// Tells the others this member's name, where its clients reach it and which folder it lives by, when that is news. On
// the raft loop.
void Node::Publish() {
  const std::shared_ptr<const std::vector<api::Member>> members = CurrentMembers();
  const auto own = std::find_if(members->begin(), members->end(),
                                [this](const api::Member& member) { return member.id == options_.member_id; });
  if (publishing_ || !ready() || stopping_.load() || own == members->end()) return;
  const bool same_folder = options_.incarnation == 0 || own->incarnation == options_.incarnation;
  if (own->name == options_.name && own->client_urls == options_.client_urls && same_folder) return;
  publishing_ = true;
  const api::MemberPublishRequest publish{.id = options_.member_id,
                                          .name = options_.name,
                                          .client_urls = options_.client_urls,
                                          .incarnation = options_.incarnation};
  ProposeOwn(publish, 0, [this](const absl::Status& status) {
    publishing_ = false;
    // FailedPrecondition: another folder's incarnation is published; on_forgot has heard it.
    if (status.ok() || status == api::ErrMemberNotFound() || status == api::ErrStopped()) return;
    if (absl::IsFailedPrecondition(status)) return;
    LOG(WARNING) << "this member could not publish its name and its client URLs, and tries again: " << status;
    seams_.raft_loop.PostAfter(kPublishAgain, [this] { Publish(); });
  });
}

// ---- leadership ----------------------------------------------------------------------------------------------------

void Node::MoveLeader(uint64_t target, api::Done<std::monostate> done) {
  if (stopping_.load(std::memory_order_relaxed)) return done(api::ErrStopped());
  if (driver_.leader() != options_.member_id) return done(api::ErrNotLeader());
  if (target == options_.member_id) return done(std::monostate{});
  seams_.raft_loop.Post([this, target, done = std::move(done)]() mutable {
    driver_.TransferLeadership({target}, Bounded(MonotonicTime::max()),
                               [done = std::move(done)](absl::Status status) mutable {
                                 if (!status.ok()) return done(std::move(status));
                                 done(std::monostate{});
                               });
  });
}

// ---- from other members --------------------------------------------------------------------------------------------

void Node::Step(raft::Message message) {
  seams_.raft_loop.Post([this, message = std::move(message)]() mutable { driver_.Step(std::move(message)); });
}

void Node::PeerGone(raft::NodeId peer) {
  seams_.raft_loop.Post([this, peer] { driver_.PeerGone(peer); });
}

void Node::OnNote(raft::NodeId from, PeerNote note) {
  seams_.raft_loop.Post([this, from, note = std::move(note)]() mutable {
    if (auto* writes = std::get_if<ForwardedWrites>(&note)) driver_.OnForwarded(from, std::move(*writes));
    if (const auto* refused = std::get_if<WriteRefused>(&note)) driver_.OnRefused(*refused);
    if (const auto* question = std::get_if<LeaseQuestion>(&note)) AnswerQuestion(from, *question);
    if (auto* answer = std::get_if<LeaseAnswer>(&note)) questions_.OnAnswer(std::move(*answer));
    if (auto* offer = std::get_if<SnapshotOffer>(&note)) receiver_.OnOffer(from, std::move(*offer));
    if (const auto* fetch = std::get_if<SnapshotFetch>(&note)) sender_.OnFetch(from, *fetch);
    if (auto* piece = std::get_if<SnapshotPiece>(&note)) receiver_.OnPiece(from, std::move(*piece));
    if (const auto* end = std::get_if<SnapshotEnd>(&note)) sender_.OnEnd(from, *end);
  });
}

namespace {

LeaseAnswer::Outcome OutcomeOf(const absl::Status& status) {
  if (status.ok()) return LeaseAnswer::Outcome::kDone;
  if (status == api::ErrTimeout()) return LeaseAnswer::Outcome::kTimeout;
  if (status == api::ErrStopped()) return LeaseAnswer::Outcome::kStopped;
  return LeaseAnswer::Outcome::kNotLeader;
}

}  // namespace

// A member that does not lead says so, and never asks on.
void Node::AnswerQuestion(raft::NodeId from, const LeaseQuestion& question) {
  LeaseAnswer answer{.number = question.number};
  if (driver_.role() != raft::Role::kLeader) {
    answer.outcome = LeaseAnswer::Outcome::kNotLeader;
    seams_.transport.Tell(from, std::move(answer));
    return;
  }
  if (question.kind == LeaseQuestion::Kind::kRenew) {
    return LeaseKeepAlive(question.lease,
                          [this, from, answer](absl::StatusOr<api::LeaseKeepAliveResult> result) mutable {
                            answer.outcome = OutcomeOf(result.status());
                            if (result.ok()) answer.ttl = result->ttl;
                            seams_.transport.Tell(from, std::move(answer));
                          });
  }
  const bool keys = question.kind == LeaseQuestion::Kind::kTimeToLiveAndKeys;
  LeaseTimeToLive(question.lease, keys,
                  [this, from, answer](absl::StatusOr<api::LeaseTimeToLiveResult> result) mutable {
                    answer.outcome = OutcomeOf(result.status());
                    if (result.ok()) {
                      answer.ttl = result->ttl;
                      answer.granted_ttl = result->granted_ttl;
                      answer.keys = std::move(result->keys);
                    }
                    seams_.transport.Tell(from, std::move(answer));
                  });
}

// Runs on the raft loop when the answer is there. Who knows no leader waits for one at the gate, not here.
void Node::AskLeader(LeaseQuestion::Kind kind, api::LeaseId lease, LeaderQuestions::Answered answered) {
  seams_.raft_loop.Post([this, kind, lease, answered = std::move(answered)]() mutable {
    const raft::NodeId leader{driver_.leader()};
    if (stopping_.load()) return answered(api::ErrStopped());
    if (leader == raft::kNobody || leader.value == options_.member_id) return answered(api::ErrLeaderChanged());
    questions_.Ask(leader, kind, lease, Bounded(MonotonicTime::max()), std::move(answered));
  });
}

bool Node::LeaderIsElsewhere() const {
  const uint64_t leader = driver_.leader();
  return leader != 0 && leader != options_.member_id;
}

// ---- snapshots -----------------------------------------------------------------------------------------------------

// The core looks whether it is still of use. If so it asks for the step below, perhaps in this very turn.
void Node::OnSnapshotArrived(raft::Message message) {
  arrived_snapshot_ = std::move(message);
  StepArrivedSnapshot();
}

// While a durable step is out the core would keep the snapshot for later, and nobody could tell what becomes of it.
void Node::StepArrivedSnapshot() {
  if (!arrived_snapshot_.has_value() || driver_.step_outstanding()) return;
  raft::Message message = *std::exchange(arrived_snapshot_, std::nullopt);
  const raft::Index index = std::get<raft::InstallSnapshot>(message.body).index;
  driver_.Step(std::move(message));
  if (!installing_) receiver_.OnInstalled(driver_.commit() >= index.value);
}

// Crash rules: the snapshot is whole and synced under its name; from the moment when the log begins anew behind it, a
// start puts it in the store's place.
void Node::Install(raft::StepId step, std::optional<raft::HardState> hard_state,
                   const raft::SnapshotToInstall& snapshot) {
  installing_ = true;
  seams_.metrics.server_snapshot_apply_in_progress_total.Set(1);
  log_.Reset(hard_state, snapshot.index, snapshot.term, [this, step, index = snapshot.index] {
    seams_.apply_loop.Post([this, step, index] {
      absl::StatusOr<std::shared_ptr<storage::Engine>> engine = seams_.snapshots->SwitchToReceived();
      if (!engine.ok()) {
        return options_.on_fatal("the snapshot cannot take the store's place: " + engine.status().ToString());
      }
      applier_.Replace(*std::move(engine));
      CHECK_EQ(applier_.applied().value, index.value) << "the snapshot is not what it was offered as";
      RemoveReplacedLater();
      seams_.raft_loop.Post([this, step, leases = seams_.state_machine.Leases()] {
        installing_ = false;
        seams_.metrics.server_snapshot_apply_in_progress_total.Set(0);
        keeper_.Replace(leases);
        driver_.OnInstalled(step);
        receiver_.OnInstalled(true);
      });
    });
  });
}

// Reads that began before may hold the old store for a while.
void Node::RemoveReplacedLater() {
  seams_.apply_loop.PostAfter(std::chrono::seconds(10), [this] {
    if (!stopping_.load() && !seams_.snapshots->RemoveReplaced()) RemoveReplacedLater();
  });
}

}  // namespace regent::server
