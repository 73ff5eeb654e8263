#include "raft/describe.h"

#include <optional>
#include <variant>

#include "raft/state.h"

namespace regent::raft {
namespace {

template <typename Tag>
std::string Text(Number<Tag> number) {
  return std::to_string(number.value);
}

std::string Place(Term term, Index index) { return Text(term) + "/" + Text(index); }

std::string List(const std::vector<NodeId>& ids) {
  std::string text;
  for (NodeId id : ids) text += (text.empty() ? "" : " ") + Text(id);
  return "(" + text + ")";
}

std::string List(const std::vector<Entry>& entries) {
  std::string text;
  for (const Entry& entry : entries) text += (text.empty() ? "" : " ") + Describe(entry);
  return "[" + text + "]";
}

struct DescribeBody {
  std::string operator()(const AppendRequest& m) const {
    return "Append prev=" + Place(m.prev_term, m.prev_index) + " commit=" + Text(m.commit) +
           (m.entries.empty() ? "" : " " + List(m.entries));
  }
  std::string operator()(const AppendAccepted& m) const { return "Accepted match=" + Text(m.match); }
  std::string operator()(const AppendRejected& m) const {
    return "Rejected prev=" + Text(m.rejected) + " hint=" + Place(m.hint_term, m.hint_index);
  }
  std::string operator()(const Heartbeat& m) const {
    return "Heartbeat commit=" + Text(m.commit) + (m.context == 0 ? "" : " context=" + std::to_string(m.context));
  }
  std::string operator()(const HeartbeatReply& m) const {
    return "HeartbeatReply" + (m.context == 0 ? "" : " context=" + std::to_string(m.context));
  }
  std::string operator()(const VoteRequest& m) const {
    return "VoteRequest last=" + Place(m.last_term, m.last_index) + (m.leadership_transfer ? " transfer" : "");
  }
  std::string operator()(const VoteReply& m) const { return m.granted ? "VoteReply granted" : "VoteReply refused"; }
  std::string operator()(const PreVoteRequest& m) const {
    return "PreVoteRequest for=" + Text(m.campaign_term) + " last=" + Place(m.last_term, m.last_index);
  }
  std::string operator()(const PreVoteReply& m) const {
    return "PreVoteReply for=" + Text(m.campaign_term) + (m.granted ? " granted" : " refused");
  }
  std::string operator()(const ReadIndexRequest& m) const {
    return "ReadIndexRequest round=" + std::to_string(m.round);
  }
  std::string operator()(const ReadIndexReply& m) const {
    return "ReadIndexReply round=" + std::to_string(m.round) + " index=" + Text(m.index);
  }
  std::string operator()(const InstallSnapshot& m) const {
    return "InstallSnapshot " + Place(m.term, m.index) + " " + Describe(m.configuration);
  }
  std::string operator()(const TimeoutNow&) const { return "TimeoutNow"; }
};

}  // namespace

const char* RoleName(Role role) {
  switch (role) {
    case Role::kFollower:
      return "follower";
    case Role::kPreCandidate:
      return "pre-candidate";
    case Role::kCandidate:
      return "candidate";
    case Role::kLeader:
      return "leader";
  }
  return "?";
}

std::string Describe(const Entry& entry) {
  if (entry.type == EntryType::kConfiguration) {
    const std::optional<ConfigurationEntry> decoded = DecodeConfigurationEntry(entry.data);
    return Place(entry.term, entry.index) + " {" + (decoded ? Describe(decoded->configuration) : "damaged") + "}";
  }
  return Place(entry.term, entry.index) + (entry.data.empty() ? "" : " \"" + entry.data.str() + "\"");
}

std::string Describe(const Configuration& configuration) {
  std::string text = "voters=" + List(configuration.voters);
  if (!configuration.outgoing_voters.empty()) text += " outgoing=" + List(configuration.outgoing_voters);
  if (!configuration.learners.empty()) text += " learners=" + List(configuration.learners);
  return text;
}

std::string Describe(const PlacedConfiguration& placed) {
  return "{" + Describe(placed.configuration) + "}@" + Text(placed.index);
}

std::string Describe(const Message& message) {
  return Text(message.from) + "->" + Text(message.to) + " term=" + Text(message.term) + " " +
         std::visit(DescribeBody{}, message.body);
}

std::string Describe(const Output& output) {
  std::string text;
  const auto line = [&](const std::string& part) { text += part + "\n"; };
  for (const Message& message : output.send) line("send " + Describe(message));
  if (output.step) {
    line(
        "step " + Text(*output.step) +
        (output.hard_state ? " term=" + Text(output.hard_state->term) + " vote=" + Text(output.hard_state->vote) : "") +
        (output.append.empty() ? "" : " append " + List(output.append)));
  }
  if (output.install) {
    line("  install " + Place(output.install->term, output.install->index) + " " +
         Describe(output.install->configuration));
  }
  for (const Message& message : output.send_after_persist) line("  then send " + Describe(message));
  for (const LogFetch& fetch : output.fetch) {
    line(std::string("fetch for ") + (fetch.purpose == LogFetch::Purpose::kApply ? "apply" : Text(fetch.peer)) + " [" +
         Text(fetch.from) + ", " + Text(fetch.through) + "]");
  }
  for (const SnapshotToSend& snapshot : output.snapshots) line("snapshot to " + Text(snapshot.to));
  if (!output.apply.empty()) line("apply " + List(output.apply));
  for (const Read& read : output.reads) line("read " + Text(read.id) + " at " + Text(read.index));
  for (ReadId id : output.reads_failed) line("read " + Text(id) + " failed");
  if (output.configuration) line("configuration " + Describe(*output.configuration));
  if (output.role) {
    line(std::string("role ") + RoleName(output.role->role) + " term=" + Text(output.role->term) +
         " leader=" + Text(output.role->leader));
  }
  return text;
}

std::string Describe(const Core& core) {
  const Node& node = core.state().node;
  std::string text = "node " + Text(core.id()) + ": " + RoleName(core.role()) + " term=" + Text(core.term()) +
                     " vote=" + Text(node.durability.current().vote) + " leader=" + Text(core.leader()) +
                     " commit=" + Text(core.commit()) + " last=" + Place(node.log.last_term(), core.last_index()) +
                     " persisted=" + Text(core.persisted_index()) + " applied=" + Text(core.applied());
  if (core.configuration_index() > Index{}) {
    text += "\n  configuration " + Describe(node.membership.history().back());
  }
  if (const auto* leader = std::get_if<Leader>(&core.state().role)) {
    for (const auto& [id, peer] : leader->peers()) {
      const char* const names[] = {"probe", "replicate", "snapshot"};
      text += "\n  " + Text(id) + ": " + names[static_cast<int>(peer.state)] + " match=" + Text(peer.match) +
              " next=" + Text(peer.next);
      if (!peer.in_flight.empty()) text += " in-flight=" + std::to_string(peer.in_flight.size());
    }
  }
  return text;
}

}  // namespace regent::raft
