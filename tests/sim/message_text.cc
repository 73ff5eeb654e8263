#include "tests/sim/message_text.h"

#include <chrono>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace regent::sim {
namespace {

struct BodyText {
  std::string operator()(const raft::AppendRequest& append) const {
    return absl::StrCat("append behind ", append.prev_index.value, "/", append.prev_term.value, ", ",
                        append.entries.size(), " entries, commit ", append.commit.value);
  }
  std::string operator()(const raft::AppendAccepted& accepted) const {
    return absl::StrCat("accepted through ", accepted.match.value);
  }
  std::string operator()(const raft::AppendRejected& rejected) const {
    return absl::StrCat("rejected ", rejected.rejected.value, ", try ", rejected.hint_index.value, "/",
                        rejected.hint_term.value);
  }
  std::string operator()(const raft::Heartbeat& heartbeat) const {
    return absl::StrCat("heartbeat, commit ", heartbeat.commit.value, ", round ", heartbeat.context);
  }
  std::string operator()(const raft::HeartbeatReply& reply) const {
    return absl::StrCat("heartbeat reply, round ", reply.context);
  }
  std::string operator()(const raft::VoteRequest& vote) const {
    return absl::StrCat("vote? log ends at ", vote.last_index.value, "/", vote.last_term.value,
                        vote.leadership_transfer ? ", the leader wants it" : "");
  }
  std::string operator()(const raft::VoteReply& reply) const { return reply.granted ? "vote granted" : "vote refused"; }
  std::string operator()(const raft::PreVoteRequest& vote) const {
    return absl::StrCat("would you vote in term ", vote.campaign_term.value, "? log ends at ", vote.last_index.value,
                        "/", vote.last_term.value);
  }
  std::string operator()(const raft::PreVoteReply& reply) const {
    return absl::StrCat(reply.granted ? "would vote" : "would not vote", " in term ", reply.campaign_term.value);
  }
  std::string operator()(const raft::ReadIndexRequest& read) const { return absl::StrCat("read? round ", read.round); }
  std::string operator()(const raft::ReadIndexReply& read) const {
    return absl::StrCat("read at ", read.index.value, ", round ", read.round);
  }
  std::string operator()(const raft::InstallSnapshot& snapshot) const {
    return absl::StrCat("snapshot ", snapshot.index.value, "/", snapshot.term.value);
  }
  std::string operator()(const raft::TimeoutNow&) const { return "campaign now"; }
};

}  // namespace

std::string Describe(const raft::Message& message) {
  return absl::StrCat("m", message.from.value, " -> m", message.to.value, "  term ", message.term.value, "  ",
                      std::visit(BodyText(), message.body));
}

void MessageTrace::Note(Duration at, std::string_view what) {
  if (!kept()) return;
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(at).count();
  lines_.push_back(absl::StrFormat("%11.6f  %s", static_cast<double>(micros) / 1e6, what));
  if (lines_.size() > lines_max_) lines_.pop_front();
}

}  // namespace regent::sim
