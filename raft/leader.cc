#include "raft/leader.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "raft/check.h"
#include "raft/quorum.h"

namespace regent::raft {
namespace {

std::optional<Term> TermBefore(const Node& node, const Progress& peer) {
  const Index before{peer.next.value - 1};
  if (const std::optional<Term> term = node.log.TermAt(before)) return term;
  if (peer.before_next && peer.before_next->index == before) return peer.before_next->term;
  return std::nullopt;
}

uint64_t DataBytes(const std::vector<Entry>& entries) {
  uint64_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.data.size();
  return bytes;
}

}  // namespace

Leader::Leader(Node& node) : first_of_term_{node.log.last_index().value + 1} {
  AddPeers(node, first_of_term_);
  node.Append({.index = first_of_term_, .term = node.term()});
}

void Leader::AddPeers(const Node& node, Index next) {
  for (const PlacedConfiguration& placed : node.membership.history()) {
    const Configuration& configuration = placed.configuration;
    for (const auto* ids : {&configuration.voters, &configuration.outgoing_voters, &configuration.learners}) {
      for (NodeId id : *ids) {
        if (id == node.id || peers_.contains(id)) continue;
        Progress& peer = peers_[id];
        peer.next = next;
        peer.recently_heard = true;  // a full election timeout to answer
      }
    }
  }
}

bool Leader::Tick(Node& node) {
  TickTransfer(node);
  if (++heartbeat_ticks_ >= node.options.heartbeat_ticks) {
    heartbeat_ticks_ = 0;
    SendHeartbeats(node);
  }
  if (++quorum_ticks_ < node.options.election_ticks) return true;
  quorum_ticks_ = 0;
  return !node.options.check_quorum || HeardQuorum(node);
}

bool Leader::HeardQuorum(Node& node) {
  const uint64_t heard = ReachedByQuorum(node.membership.current(), [&](NodeId id) -> uint64_t {
    if (id == node.id) return 1;
    const auto peer = peers_.find(id);
    return peer != peers_.end() && peer->second.recently_heard ? 1 : 0;
  });
  for (auto& [id, peer] : peers_) peer.recently_heard = false;
  return heard > 0;
}

void Leader::SendHeartbeats(Node& node) {
  for (auto& [id, peer] : peers_) {
    node.SendNow(id, Heartbeat{.commit = std::min(peer.match, node.commit), .context = reads_.context()});
  }
}

bool Leader::Append(Node& node, std::span<Bytes> batch) {
  uint64_t bytes = 0;
  for (const Bytes& data : batch) bytes += data.size();
  RAFT_CHECK(!transfer_, transfer_ ? transfer_->to.value : 0);
  const bool full = uncommitted_bytes_ > 0 && uncommitted_bytes_ + bytes > node.options.uncommitted_bytes_max;
  if (full && !node.mutants.uncommitted_unbounded) return false;
  uncommitted_bytes_ += bytes;
  for (Bytes& data : batch) {
    node.Append({.index = Index{node.log.last_index().value + 1}, .term = node.term(), .data = std::move(data)});
  }
  if (node.mutants.count_own_unpersisted_entries) AdvanceCommit(node);
  return true;
}

bool Leader::ConfigurationSettled(const Node& node) const {
  return node.membership.index() <= node.commit && !node.membership.current().joint();
}

std::optional<Refused::Reason> Leader::Change(Node& node, const ConfigurationChange& change) {
  using Reason = Refused::Reason;
  const Configuration& current = node.membership.current();
  if (transfer_) return Reason::kTransferring;
  // A majority may know of a newer configuration until an entry of this term is committed: two changes from one
  // configuration could then miss each other (Ongaro's correction of 2015 to section 4.1 of the thesis).
  if (node.commit < first_of_term_ && !node.mutants.change_before_own_term_commit) return Reason::kPending;
  if (!ConfigurationSettled(node) && !(node.mutants.change_while_pending && !current.joint())) return Reason::kPending;
  if (change.expected != node.membership.index()) return Reason::kConflict;
  if (change.target.joint() || !IsValid(change.target)) return Reason::kInvalid;
  AppendConfiguration(
      node, {.configuration = node.mutants.change_without_joint ? change.target : StepTowards(current, change.target),
             .context = change.context});
  return std::nullopt;
}

void Leader::AppendConfiguration(Node& node, const ConfigurationEntry& entry) {
  const Index index{node.log.last_index().value + 1};
  Bytes data(Encode(entry));
  uncommitted_bytes_ += data.size();
  node.Append({.index = index, .term = node.term(), .type = EntryType::kConfiguration, .data = std::move(data)});
  AddPeers(node, index);  // the entry is the first that a new node is sent
}

void Leader::AdvanceConfiguration(Node& node) {
  const bool committed = node.commit >= first_of_term_ && node.membership.index() <= node.commit;
  if (!committed || !node.membership.current().joint()) return;
  AppendConfiguration(node, {.configuration = LeaveJoint(node.membership.current()), .context = {}});
}

void Leader::DropPeers(const Node& node) {
  if (node.membership.index() > node.commit) return;
  std::erase_if(peers_, [&](const auto& peer) { return !IsMember(node.membership.current(), peer.first); });
}

bool Leader::IsOut(const Node& node) const {
  return ConfigurationSettled(node) && node.commit >= first_of_term_ && !IsVoter(node.membership.current(), node.id);
}

void Leader::HandOver(Node& node) {
  NodeId best;
  Index match;
  for (const auto& [id, peer] : peers_) {
    if (!IsVoter(node.membership.current(), id) || peer.match < match) continue;
    best = id;
    match = peer.match;
  }
  if (best != kNobody) node.SendNow(best, TimeoutNow{});
}

std::optional<Refused::Reason> Leader::Transfer(const Node& node, NodeId to) {
  if (!IsVoter(node.membership.current(), to) || to == node.id || !peers_.contains(to))
    return Refused::Reason::kBadTransferee;
  if (transfer_ && transfer_->to != to) return Refused::Reason::kTransferring;
  if (!transfer_) transfer_ = Transferring{.to = to};
  return std::nullopt;
}

void Leader::TickTransfer(const Node& node) {
  if (!transfer_) return;
  transfer_->asked = false;
  if (++transfer_->ticks >= node.options.election_ticks) transfer_.reset();
}

void Leader::AskTransferee(Node& node) {
  if (!transfer_ || transfer_->asked) return;
  const auto peer = peers_.find(transfer_->to);
  if (peer == peers_.end() || !IsVoter(node.membership.current(), transfer_->to)) return transfer_.reset();
  if (peer->second.match < node.log.last_index()) return;
  transfer_->asked = true;
  node.SendNow(transfer_->to, TimeoutNow{});
}

bool Leader::AddRead(Node& node, LeaderReads::Origin origin) {
  if (!reads_.HasRoom(node.options.reads_max)) return false;
  reads_.Add(origin);
  return true;
}

void Leader::OnAppendAccepted(Node& node, NodeId from, const AppendAccepted& reply) {
  const auto found = peers_.find(from);
  if (found == peers_.end() || reply.match > node.log.last_index()) return;
  Progress& peer = found->second;
  peer.recently_heard = true;
  if (peer.Accepted(reply.match)) AdvanceCommit(node);
}

void Leader::OnAppendRejected(Node& node, NodeId from, const AppendRejected& reply) {
  const auto found = peers_.find(from);
  if (found == peers_.end()) return;
  Progress& peer = found->second;
  peer.recently_heard = true;
  // The follower's entry at the hint has hint_term and its earlier ones no higher term; what this log holds above the
  // newest entry with at most that term cannot agree (fast backtracking: a round trip per term, not per entry).
  const Index hint = std::min(reply.hint_index, node.log.last_index());
  const Index agree = node.log.LastNotAbove(hint, reply.hint_term, std::min(hint, peer.match));
  if (peer.Rejected(reply.rejected, reply.hint_term == Term{} ? hint : agree)) peer.nudge = true;
}

void Leader::OnHeartbeatReply(Node& node, NodeId from, const HeartbeatReply& reply) {
  const auto found = peers_.find(from);
  if (found == peers_.end()) return;
  Progress& peer = found->second;
  peer.recently_heard = true;
  peer.probe_out = false;
  peer.nudge |= peer.match < node.log.last_index();
  // A context from the future was never sent by this leader.
  if (reply.context > peer.read_context && reply.context <= reads_.context()) {
    peer.read_context = reply.context;
    ConfirmReads(node);
  }
}

void Leader::OnFetched(Node& node, const LogFetch& fetch, FetchResult result) {
  const auto found = peers_.find(fetch.peer);
  if (found == peers_.end() || !found->second.fetching) return;
  Progress& peer = found->second;
  peer.fetching = false;
  if (std::holds_alternative<Released>(result)) return NeedSnapshot(node, fetch.peer, peer);
  std::vector<Entry>& entries = std::get<std::vector<Entry>>(result);
  RAFT_CHECK(!entries.empty() && entries.front().index == fetch.from, entries.size(), fetch.from.value);
  while (!entries.empty() && entries.back().index > fetch.through) entries.pop_back();
  if (!entries.empty() && entries.front().index.value + 1 == peer.next.value) {
    peer.before_next = {entries.front().index, entries.front().term};
    entries.erase(entries.begin());
  }
  // Meanwhile the peer may have moved: then Flush decides anew.
  const std::optional<Term> before = TermBefore(node, peer);
  if (entries.empty() || entries.front().index != peer.next || !before || !peer.MaySendEntries(node.options)) return;
  const Entry& last = entries.back();
  const Progress::Place place{last.index, last.term};
  const uint64_t bytes = DataBytes(entries);
  node.SendNow(fetch.peer, AppendRequest{.prev_index = Index{peer.next.value - 1},
                                         .prev_term = *before,
                                         .commit = node.commit,
                                         .entries = std::move(entries)});
  peer.Sent(place.index, bytes);
  peer.before_next = place;  // what follows it on disk needs no second look at its term
}

void Leader::NeedSnapshot(Node& node, NodeId to, Progress& peer) {
  peer.ProbeFrom(peer.next);
  peer.state = Progress::State::kSnapshot;
  node.pending.snapshots.push_back({.to = to, .term = node.term()});
}

void Leader::OnSnapshotReported(NodeId id, bool sent, Index index) {
  const auto found = peers_.find(id);
  if (found == peers_.end() || found->second.state != Progress::State::kSnapshot) return;
  Progress& peer = found->second;
  peer.ProbeFrom(Index{std::max(peer.match.value, sent ? index.value : 0) + 1});
}

void Leader::OnPeerGone(NodeId id) {
  const auto found = peers_.find(id);
  if (found == peers_.end() || found->second.state != Progress::State::kReplicate) return;
  found->second.ProbeFrom(Index{found->second.match.value + 1});  // what was in flight is lost
}

void Leader::AdvanceCommit(Node& node) {
  const Configuration& configuration = node.membership.current();
  const auto match_of = [&](NodeId id) -> uint64_t {
    if (id == node.id) {
      return node.mutants.count_own_unpersisted_entries ? node.log.last_index().value : node.durability.stable().value;
    }
    const auto peer = peers_.find(id);
    return peer == peers_.end() ? 0 : peer->second.match.value;
  };
  const uint64_t reached = node.mutants.joint_needs_incoming_only ? ReachedByQuorum(LeaveJoint(configuration), match_of)
                                                                  : ReachedByQuorum(configuration, match_of);
  const Index index = std::min(Index{reached}, node.log.last_index());
  if (index <= node.commit) return;
  // Paper, figure 8: an entry of an earlier term on a majority may still be overwritten. It is committed together with
  // the first entry of this term.
  if (index < first_of_term_ && !node.mutants.commit_earlier_terms_by_count) return;
  for (Index i = std::max(Index{node.commit.value + 1}, first_of_term_); i <= index; i.value++) {
    uncommitted_bytes_ -= node.log.At(i).data.size();
  }
  node.CommitThrough(index);
}

void Leader::Flush(Node& node) {
  AdvanceConfiguration(node);
  FlushReads(node);
  for (auto& [id, peer] : peers_) SendAppends(node, id, peer);
  DropPeers(node);
  AskTransferee(node);
}

void Leader::SendAppends(Node& node, NodeId to, Progress& peer) {
  bool sent = false;
  while (peer.next <= node.log.last_index() && peer.MaySendEntries(node.options) && SendOne(node, to, peer))
    sent = true;
  // Without new entries the peer still learns of commits, and a nudge finds out what it missed.
  const Index tellable = std::min(node.commit, Index{peer.next.value - 1});
  const bool news = peer.state == Progress::State::kReplicate && peer.commit_sent < tellable;
  if (!sent && !peer.fetching && peer.state != Progress::State::kSnapshot && !peer.probe_out && (news || peer.nudge)) {
    SendEmpty(node, to, peer);
  }
}

bool Leader::SendOne(Node& node, NodeId to, Progress& peer) {
  const std::optional<Term> before = TermBefore(node, peer);
  if (!before || peer.next < node.log.first_in_memory()) {
    FetchFor(node, to, peer);
    return false;
  }
  std::vector<Entry> entries = node.log.Slice(peer.next, node.log.last_index(), node.options.append_message_bytes_max);
  const Index last = entries.back().index;
  const uint64_t bytes = DataBytes(entries);
  node.SendNow(to, AppendRequest{.prev_index = Index{peer.next.value - 1},
                                 .prev_term = *before,
                                 .commit = node.commit,
                                 .entries = std::move(entries)});
  peer.Sent(last, bytes);
  peer.commit_sent = node.commit;
  peer.nudge = false;
  return true;
}

void Leader::SendEmpty(Node& node, NodeId to, Progress& peer) {
  const std::optional<Term> before = TermBefore(node, peer);
  if (!before) {
    FetchFor(node, to, peer);
    return;
  }
  node.SendNow(to,
               AppendRequest{.prev_index = Index{peer.next.value - 1}, .prev_term = *before, .commit = node.commit});
  if (peer.state == Progress::State::kProbe) peer.probe_out = true;
  peer.commit_sent = node.commit;
  peer.nudge = false;
}

void Leader::FetchFor(Node& node, NodeId to, Progress& peer) {
  const bool need_before = !TermBefore(node, peer);
  const Index from{need_before ? peer.next.value - 1 : peer.next.value};
  if (from <= node.log.base_index()) return NeedSnapshot(node, to, peer);
  peer.fetching = true;
  node.pending.fetch.push_back({.purpose = LogFetch::Purpose::kPeer,
                                .peer = to,
                                .term = node.term(),
                                .from = from,
                                .through = Index{node.log.first_in_memory().value - 1},
                                .bytes_max = node.options.append_message_bytes_max});
}

void Leader::FlushReads(Node& node) {
  // Until an entry of this term is committed the commit index may be too low: an earlier leader may have committed
  // more.
  if (node.commit < first_of_term_ && !node.mutants.read_before_own_term_commit) return;
  if (IsSoleVoter(node.membership.current(), node.id) || node.mutants.read_without_quorum) {
    Answer(node, reads_.TakeWaiting(node.commit));
  } else if (reads_.StartRound(node.commit)) {
    SendHeartbeats(node);
  }
}

void Leader::ConfirmReads(Node& node) {
  const uint64_t context = ReachedByQuorum(node.membership.current(), [&](NodeId id) -> uint64_t {
    if (id == node.id) return reads_.context();
    const auto peer = peers_.find(id);
    return peer == peers_.end() ? 0 : peer->second.read_context;
  });
  Answer(node, reads_.ConfirmedThrough(context));
}

void Leader::Answer(Node& node, const std::vector<LeaderReads::Confirmed>& confirmed) {
  for (const LeaderReads::Confirmed& read : confirmed) {
    if (const auto* id = std::get_if<ReadId>(&read.origin)) {
      node.pending.reads.push_back({.id = *id, .index = read.index});
    } else {
      const auto& remote = std::get<LeaderReads::Remote>(read.origin);
      node.SendNow(remote.node, ReadIndexReply{.round = remote.round, .index = read.index});
    }
  }
}

}  // namespace regent::raft
