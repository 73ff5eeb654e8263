#include "raft/follower.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "raft/check.h"

namespace regent::raft {
namespace {

void Reject(Node& node, NodeId leader, const AppendRequest& request) {
  // Entries through the commit index agree with every leader, so the hint never lies below it.
  const Index newest = std::min(request.prev_index, node.log.last_index());
  const Index hint = node.log.LastNotAbove(newest, request.prev_term, node.commit);
  node.SendWhenDurable(leader, AppendRejected{.rejected = request.prev_index,
                                              .hint_index = hint,
                                              .hint_term = node.log.TermAt(hint).value_or(Term{})});
}

// Paper, figure 2, AppendEntries 3 and 4: delete from the first conflict on, append what is new. Entries already here
// stay untouched even if the log goes on behind them: a late, shorter append must not shorten the log.
void Merge(Node& node, std::vector<Entry> entries) {
  const Log& log = node.log;
  auto entry = entries.begin();
  for (; entry != entries.end() && entry->index <= log.last_index(); ++entry) {
    const std::optional<Term> here = log.TermAt(entry->index);
    if (here == entry->term || (!here && entry->index <= node.commit)) continue;
    RAFT_CHECK(entry->index > node.commit, entry->index.value, entry->term.value, node.commit.value, node.term().value);
    break;
  }
  if (entry == entries.end() && !node.mutants.truncate_on_every_append) return;
  const Index first = entry == entries.end()
                          ? Index{entries.empty() ? log.last_index().value + 1 : entries.back().index.value + 1}
                          : entry->index;
  if (first <= log.last_index()) node.TruncateFrom(first);
  for (; entry != entries.end(); ++entry) node.Append(std::move(*entry));
}

// The entries follow each other and prev, and carry no term above the leader's. Anything else never came from a core.
bool WellFormed(const AppendRequest& request, Term term) {
  Index index = request.prev_index;
  Term last = request.prev_term;
  for (const Entry& entry : request.entries) {
    index.value++;
    if (entry.index != index || entry.term < last || entry.term > term) return false;
    if (entry.type == EntryType::kConfiguration && !DecodeConfigurationEntry(entry.data)) return false;
    last = entry.term;
  }
  return true;
}

}  // namespace

bool Follower::Tick(const Node& node) {
  ++silent_ticks;
  reads.Tick(node.options.election_ticks);
  return silent_ticks >= patience_ticks;
}

void Follower::LoseLeader(Node& node) {
  leader = kNobody;
  silent_ticks = 0;
  for (ReadId id : reads.FailAll()) node.pending.reads_failed.push_back(id);
}

void Follower::OnAppend(Node& node, NodeId from, AppendRequest request) {
  if (node.durability.InstallPending()) return;  // the leader asks again
  if (!WellFormed(request, node.term())) return;
  const Index last_new{request.prev_index.value + request.entries.size()};
  if (last_new <= node.commit) {  // a late append: everything in it is here and committed
    node.SendWhenDurable(from, AppendAccepted{.match = node.commit}, node.commit);
    return;
  }
  if (request.prev_index > node.commit && node.log.TermAt(request.prev_index) != request.prev_term &&
      !(node.mutants.append_without_log_matching && request.prev_index <= node.log.last_index())) {
    Reject(node, from, request);
    return;
  }
  Merge(node, std::move(request.entries));
  node.CommitThrough(std::min(request.commit, last_new));
  node.SendWhenDurable(from, AppendAccepted{.match = last_new}, last_new);
}

void Follower::OnHeartbeat(Node& node, NodeId from, const Heartbeat& heartbeat) {
  // A leader never names an index that this node has not acknowledged as durable. If the log does not reach it, the
  // disk lost data: not guessing is safe, the leader's appends find out.
  if (heartbeat.commit <= node.log.last_index()) node.CommitThrough(heartbeat.commit);
  node.SendWhenDurable(from, HeartbeatReply{.context = heartbeat.context});
}

void Follower::OnInstallSnapshot(Node& node, NodeId from, const InstallSnapshot& snapshot) {
  if (node.durability.InstallPending()) return;
  if (!IsValid(snapshot.configuration.configuration) || snapshot.configuration.index > snapshot.index ||
      snapshot.term > node.term()) {
    return;
  }
  // What the log holds needs no snapshot. If the entry is here, so is everything before it, as the leader has it.
  if (snapshot.index <= node.commit || node.log.TermAt(snapshot.index) == snapshot.term) {
    node.CommitThrough(snapshot.index);
    node.SendWhenDurable(from, AppendAccepted{.match = snapshot.index}, snapshot.index);
    return;
  }
  node.durability.WantInstall(
      {.from = from, .index = snapshot.index, .term = snapshot.term, .configuration = snapshot.configuration});
}

void Follower::OnReadIndexReply(Node& node, NodeId from, const ReadIndexReply& reply) {
  if (from != leader) return;
  for (ReadId id : reads.Answered(reply.round)) node.pending.reads.push_back({.id = id, .index = reply.index});
}

void Follower::OnPeerGone(Node& node, NodeId peer) {
  if (peer != leader) return;
  LoseLeader(node);
  patience_ticks = static_cast<uint32_t>(node.random.Below(uint64_t{node.options.peer_gone_ticks_max} + 1));
}

void Follower::Flush(Node& node) {
  if (leader == kNobody || !reads.HasWaiting()) return;
  const uint64_t round = ++node.read_round;
  reads.StartRound(round);
  node.SendNow(leader, ReadIndexRequest{.round = round});
}

}  // namespace regent::raft
