#include "tests/sim/raft_invariants.h"

#include <algorithm>
#include <functional>
#include <string_view>
#include <variant>

#include "absl/strings/str_cat.h"

namespace regent::sim {

void RaftInvariants::OnSend(const raft::Message& message, raft::Index durable) {
  ++checked_;
  if (const auto* append = std::get_if<raft::AppendRequest>(&message.body)) {
    LeaderSpeaks(message);
    CheckEntries(message, *append);
  } else if (std::holds_alternative<raft::Heartbeat>(message.body) ||
             std::holds_alternative<raft::InstallSnapshot>(message.body)) {
    LeaderSpeaks(message);
  } else if (const auto* reply = std::get_if<raft::VoteReply>(&message.body); reply != nullptr && reply->granted) {
    const auto [vote, is_first] = votes_.emplace(std::pair(message.from, message.term), message.to);
    if (!is_first && vote->second != message.to) {
      verdict_.Broken(absl::StrCat("m", message.from.value, " votes for m", vote->second.value, " and for m",
                                   message.to.value, " in term ", message.term.value));
    }
  } else if (const auto* accepted = std::get_if<raft::AppendAccepted>(&message.body)) {
    if (accepted->match > durable) {
      verdict_.Broken(absl::StrCat("m", message.from.value, " acknowledges entry ", accepted->match.value,
                                   ", but its disk has no more than ", durable.value));
    }
  }
}

void RaftInvariants::LeaderSpeaks(const raft::Message& message) {
  const auto [leader, is_first] = leaders_.emplace(message.term, message.from);
  newest_ = std::max(newest_, message.term);
  if (!is_first && leader->second != message.from) {
    verdict_.Broken(absl::StrCat("m", leader->second.value, " and m", message.from.value, " both lead in term ",
                                 message.term.value));
  }
}

void RaftInvariants::CheckEntries(const raft::Message& message, const raft::AppendRequest& append) {
  raft::Term before = append.prev_term;
  for (const raft::Entry& entry : append.entries) {
    const Seen now{.hash = std::hash<std::string_view>()(entry.data.view()), .before = before};
    before = entry.term;
    const auto [seen, is_first] = entries_.emplace(std::pair(entry.index, entry.term), now);
    if (!is_first && (seen->second.hash != now.hash || seen->second.before != now.before)) {
      verdict_.Broken(absl::StrCat("two entries have index ", entry.index.value, " and term ", entry.term.value));
    }
    if (message.term == newest_ && truth_.Contradicts(entry)) {
      verdict_.Broken(absl::StrCat("m", message.from.value, ", which leads in term ", message.term.value,
                                   ", has another entry ", entry.index.value, " than was applied"));
    }
  }
}

}  // namespace regent::sim
