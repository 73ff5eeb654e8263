#include "raft/invariants.h"

#include <algorithm>
#include <optional>
#include <set>
#include <variant>

#include "raft/describe.h"
#include "raft/quorum.h"
#include "raft/state.h"

namespace regent::raft {
namespace {

std::string Text(uint64_t value) { return std::to_string(value); }

// An entry of a node's log as the core sees it: newer ones are in memory, older ones on its disk.
const Entry* EntryAt(const InvariantChecker::Observed& node, Index index) {
  const Log& log = node.core->state().node.log;
  if (index >= log.first_in_memory() && index <= log.last_index()) return &log.At(index);
  return index <= log.last_index() ? node.disk->At(index) : nullptr;
}

}  // namespace

const Entry* DurableState::At(Index index) const {
  if (index <= base || index > last()) return nullptr;
  return &entries[index.value - base.value - 1];
}

void InvariantChecker::Fail(NodeId node, const std::string& what) {
  violations_.push_back("node " + Text(node.value) + ": " + what);
}

void InvariantChecker::Started(NodeId node, Index applied) {
  Run& run = runs_[node];
  run.commit = run.applied = applied;
  run.term = run.led = {};
  run.reads.clear();
}

void InvariantChecker::BeginsCommitted(std::span<const Entry> entries) {
  for (const Entry& entry : entries) {
    if (entry.index > committed()) Commit(entry);
  }
}

void InvariantChecker::Commit(const Entry& entry) {
  committed_.push_back(entry);
  if (entry.type == EntryType::kConfiguration) committed_configurations_.push_back(entry.index);
}

void InvariantChecker::Check(std::span<const Observed> up, const std::map<NodeId, const DurableState*>& disks) {
  for (const Observed& node : up) {
    Run& run = runs_[node.core->id()];
    CheckCore(node, run);
    CheckLeader(node);
    CheckLog(node, run);
    CheckConfiguration(node);
  }
  for (const Observed& node : up) CheckCommit(node, runs_[node.core->id()], disks);
}

void InvariantChecker::CheckCore(const Observed& node, Run& run) {
  const Core& core = *node.core;
  const Core::State& state = core.state();
  if (core.term() < run.term) Fail(core.id(), "term goes back to " + Text(core.term().value));
  if (core.commit() < run.commit) Fail(core.id(), "commit index goes back to " + Text(core.commit().value));
  if (core.commit() > core.last_index()) Fail(core.id(), "commit index above the last index: " + Describe(core));
  if (core.persisted_index() > core.last_index()) Fail(core.id(), "persisted above the last index: " + Describe(core));
  for (Index i = core.persisted_index(); i > node.disk->base; i.value--) {
    const Entry* here = EntryAt(node, i);
    const Entry* there = node.disk->At(i);
    if (here == nullptr || there == nullptr || !(*here == *there)) {
      Fail(core.id(), "believes " + Text(i.value) + " durable, the disk differs");
    }
    if (core.persisted_index().value - i.value > 2) break;  // the rest was compared before
  }
  if (const auto* leader = std::get_if<Leader>(&state.role)) {
    for (const auto& [id, peer] : leader->peers()) {
      if (peer.in_flight.size() > state.node.options.in_flight_messages_max)
        Fail(core.id(), "too many appends in flight");
      if (peer.match > core.last_index() || peer.next <= peer.match) Fail(core.id(), "progress: " + Describe(core));
    }
  }
  run.term = core.term();
}

void InvariantChecker::CheckLeader(const Observed& node) {
  const Core& core = *node.core;
  if (core.role() != Role::kLeader) return;
  const auto [known, is_new] = leaders_.emplace(core.term(), core.id());
  if (!is_new) {
    if (known->second != core.id()) {
      Fail(core.id(), "second leader of term " + Text(core.term().value) + " beside " + Text(known->second.value));
    }
    return;
  }
  for (const Entry& entry : committed_) {
    const Entry* here = EntryAt(node, entry.index);
    if (entry.index > node.disk->base && (here == nullptr || here->term != entry.term)) {
      Fail(core.id(), "new leader of term " + Text(core.term().value) + " lacks the committed " + Describe(entry));
      return;
    }
  }
}

void InvariantChecker::CheckLog(const Observed& node, Run& run) {
  const Core& core = *node.core;
  std::vector<Term>& seen = run.terms;
  const bool still_leads = core.role() == Role::kLeader && run.led == core.term();
  run.led = core.role() == Role::kLeader ? core.term() : Term{};
  if (seen.size() > core.last_index().value) {
    if (still_leads) Fail(core.id(), "a leader's log shrinks to " + Text(core.last_index().value));
    seen.resize(core.last_index().value);
  }
  // From the newest back to the first place that is as it was: below it nothing has changed.
  const size_t seen_before = seen.size();
  seen.resize(core.last_index().value);
  for (Index i = core.last_index(); i > node.disk->base; i.value--) {
    const Entry* entry = EntryAt(node, i);
    if (entry == nullptr) return Fail(core.id(), "no entry " + Text(i.value));
    if (i.value <= seen_before && seen[i.value - 1] == entry->term) break;
    if (still_leads && i.value <= seen_before) Fail(core.id(), "a leader overwrites its entry " + Text(i.value));
    seen[i.value - 1] = entry->term;
    const Entry* previous = i.value - 1 > node.disk->base.value ? EntryAt(node, Index{i.value - 1}) : nullptr;
    if (entry->term < (previous == nullptr ? node.disk->base_term : previous->term)) {
      Fail(core.id(), "terms go back in the log at " + Describe(*entry));
    }
    if (previous == nullptr && i.value != 1) break;  // released: the entry before is not comparable
    const Term previous_term = previous == nullptr ? Term{} : previous->term;
    const auto [known, is_new] = entries_.try_emplace({i, entry->term}, Known{previous_term, *entry});
    if (!is_new && (known->second.previous_term != previous_term || !(known->second.entry == *entry))) {
      Fail(core.id(), "log matching is broken at " + Describe(*entry));
    }
  }
}

// What the node believes is what its log says, and a leader's changes keep the rules.
void InvariantChecker::CheckConfiguration(const Observed& node) {
  const Core& core = *node.core;
  const Membership& membership = core.state().node.membership;
  const Index at = membership.index();
  const Entry* entry = at > node.disk->base ? EntryAt(node, at) : nullptr;
  if (at > node.disk->base) {
    const auto decoded = entry == nullptr ? std::nullopt : DecodeConfigurationEntry(entry->data);
    if (!decoded || decoded->configuration != membership.current()) {
      Fail(core.id(), "the configuration of " + Text(at.value) + " is not in the log: " + Describe(core));
    }
  }
  Index in_base;
  for (Index i : committed_configurations_) {
    if (i <= node.disk->base) in_base = i;
  }
  if (at <= node.disk->base && at != in_base) {
    Fail(core.id(), "believes in the configuration of " + Text(at.value) + ", not of " + Text(in_base.value));
  }
  for (Index i = core.last_index(); i > std::max(at, node.disk->base); i.value--) {
    const Entry* later = EntryAt(node, i);
    if (later != nullptr && later->type == EntryType::kConfiguration) Fail(core.id(), "overlooks " + Describe(*later));
    if (core.last_index().value - i.value > 8) break;  // a longer way back was looked at before
  }
  const auto& history = membership.history();
  for (size_t i = 1; i < history.size(); ++i) {
    const Configuration& before = history[i - 1].configuration;
    const Configuration& after = history[i].configuration;
    if (before.voters.empty()) continue;  // a new node: it has not heard of any before
    const auto set = [](const std::vector<NodeId>& ids) { return std::set<NodeId>(ids.begin(), ids.end()); };
    // The same voters, into a joint state, or out of it: then any two quorums meet.
    const bool meets = before.joint() ? set(after.voters) == set(before.voters) && !after.joint()
                                      : set(after.joint() ? after.outgoing_voters : after.voters) == set(before.voters);
    if (!meets) Fail(core.id(), "quorums need not meet: " + Describe(history[i - 1]) + " " + Describe(history[i]));
  }
  const auto* leader = std::get_if<Leader>(&core.state().role);
  if (leader == nullptr) return;
  if (history.size() > 2 && history[history.size() - 2].index > core.commit() &&
      history[history.size() - 2].index >= leader->first_of_term()) {
    Fail(core.id(), "two changes under way: " + Describe(core));
  }
  if (at > leader->first_of_term() && core.commit() < leader->first_of_term()) {
    Fail(core.id(), "changes the configuration before it has committed in its term: " + Describe(core));
  }
}

void InvariantChecker::Installed(NodeId node, const SnapshotToInstall& snapshot) {
  Run& run = runs_[node];
  if (snapshot.index > committed() || committed_[snapshot.index.value - 1].term != snapshot.term) {
    Fail(node, "installs a snapshot of what is not committed, " + Text(snapshot.index.value));
  }
  run.applied = run.commit = std::max(run.commit, snapshot.index);
  run.terms.assign(snapshot.index.value, Term{});
}

void InvariantChecker::CheckCommit(const Observed& node, Run& run, const std::map<NodeId, const DurableState*>& disks) {
  const Core& core = *node.core;
  const Index first{run.commit.value + 1};
  run.commit = core.commit();
  // The rule of figure 8, seen at once; that breaking it loses entries takes a rare schedule to show.
  const Term newest = core.state().node.log.TermAt(core.commit()).value_or(core.term());
  if (core.role() == Role::kLeader && first <= core.commit() && newest != core.term()) {
    Fail(core.id(), "leader of term " + Text(core.term().value) + " commits an entry of term " + Text(newest.value));
  }
  for (Index i = first; i <= core.commit(); i.value++) {
    const Entry* entry = EntryAt(node, i);
    if (entry == nullptr) continue;  // behind a snapshot, or reported by CheckLog
    if (i <= committed()) {
      if (!(committed_[i.value - 1] == *entry)) {
        Fail(core.id(), "commits " + Describe(*entry) + ", but " + Describe(committed_[i.value - 1]) + " is committed");
      }
      continue;
    }
    if (i.value != committed_.size() + 1) return Fail(core.id(), "commits " + Text(i.value) + " with a gap");
    const uint64_t on_disks = ReachedByQuorum(core.configuration(), [&](NodeId id) -> uint64_t {
      const auto disk = disks.find(id);
      if (disk == disks.end()) return 0;
      const Entry* there = disk->second->At(i);
      return i <= disk->second->base || (there != nullptr && *there == *entry) ? 1 : 0;
    });
    if (on_disks == 0) Fail(core.id(), "commits " + Describe(*entry) + " without a quorum of disks");
    Commit(*entry);
  }
}

void InvariantChecker::Applied(NodeId node, const Entry& entry, const DurableState& disk) {
  Run& run = runs_[node];
  if (entry.index.value != run.applied.value + 1) Fail(node, "applies " + Describe(entry) + " out of order");
  run.applied = entry.index;
  if (entry.index > committed() || !(committed_[entry.index.value - 1] == entry)) {
    Fail(node, "applies " + Describe(entry) + ", which is not committed");
  }
  const Entry* there = disk.At(entry.index);
  if (entry.index > disk.base && (there == nullptr || !(*there == entry))) {
    Fail(node, "applies " + Describe(entry) + ", which is not durable there");
  }
}

void InvariantChecker::Sent(const Message& message, const DurableState& sender) {
  const HardState& durable = sender.hard_state;
  const auto fail = [&](const std::string& why) { Fail(message.from, Describe(message) + ": " + why); };
  const MessageBody& body = message.body;
  // These two promise nothing: nobody adopts the term of the first, and the second tells a leader its own term.
  const bool promises =
      !std::holds_alternative<PreVoteRequest>(body) && !std::holds_alternative<ReadIndexRequest>(body);
  if (promises && message.term > durable.term) fail("the term is not durable");
  if (message.term < durable.term) return;  // promises nothing any more
  if (const auto* accepted = std::get_if<AppendAccepted>(&body)) {
    if (accepted->match > sender.last()) fail("acknowledges more than is durable");
    // The log meant is the leader's, not the sender's: that may have been overwritten in memory by a later leader.
    const Run& leader = runs_[message.to];
    const Entry* last = sender.At(accepted->match);
    if (last != nullptr && leader.term == message.term && accepted->match.value <= leader.terms.size() &&
        leader.terms[accepted->match.value - 1] != last->term) {
      fail("acknowledges an entry that the disk holds in another term");
    }
  }
  const auto* reply = std::get_if<VoteReply>(&body);
  if (reply != nullptr && reply->granted && durable.vote != message.to) fail("the vote is not durable");
  if (std::holds_alternative<VoteRequest>(body) && durable.vote != message.from) fail("the own vote is not durable");
}

void InvariantChecker::ReadAsked(NodeId node, ReadId id) { runs_[node].reads[id] = committed(); }

void InvariantChecker::ReadAnswered(NodeId node, ReadId id, Index index) {
  const auto found = runs_[node].reads.find(id);
  if (found == runs_[node].reads.end()) return Fail(node, "answers read " + Text(id.value) + " that nobody asked");
  if (index < found->second) {
    Fail(node, "stale read " + Text(id.value) + " at " + Text(index.value) + ", " + Text(found->second.value) +
                   " was committed when it began");
  }
  runs_[node].reads.erase(found);
}

}  // namespace regent::raft
