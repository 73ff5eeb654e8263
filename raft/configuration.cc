#include "raft/configuration.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "raft/quorum.h"

namespace regent::raft {
namespace {

constexpr char kVersion = 1;
constexpr size_t kHeaderBytes = 7;

void PutNumber(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

uint64_t GetNumber(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

bool AreDistinct(const std::vector<NodeId>& ids) {
  return std::set<NodeId>(ids.begin(), ids.end()).size() == ids.size() &&
         std::find(ids.begin(), ids.end(), kNobody) == ids.end() && ids.size() <= kConfigurationNodesMax;
}

bool SameNodes(const std::vector<NodeId>& a, const std::vector<NodeId>& b) {
  return std::set<NodeId>(a.begin(), a.end()) == std::set<NodeId>(b.begin(), b.end());
}

}  // namespace

std::string Encode(const ConfigurationEntry& entry) {
  const Configuration& configuration = entry.configuration;
  std::string out(1, kVersion);
  for (const auto* ids : {&configuration.voters, &configuration.outgoing_voters, &configuration.learners}) {
    PutNumber(out, ids->size(), 2);
  }
  for (const auto* ids : {&configuration.voters, &configuration.outgoing_voters, &configuration.learners}) {
    for (NodeId id : *ids) PutNumber(out, id.value, 8);
  }
  return out + entry.context;
}

std::optional<ConfigurationEntry> DecodeConfigurationEntry(std::string_view payload) {
  if (payload.size() < kHeaderBytes || payload[0] != kVersion) return std::nullopt;
  ConfigurationEntry entry;
  Configuration& configuration = entry.configuration;
  std::string_view rest = payload.substr(kHeaderBytes);
  size_t count_at = 1;
  for (auto* ids : {&configuration.voters, &configuration.outgoing_voters, &configuration.learners}) {
    const uint64_t count = GetNumber(payload.substr(std::exchange(count_at, count_at + 2), 2));
    if (count > kConfigurationNodesMax || rest.size() < count * 8) return std::nullopt;
    for (uint64_t i = 0; i < count; ++i) ids->push_back({GetNumber(rest.substr(i * 8, 8))});
    rest.remove_prefix(count * 8);
  }
  if (!IsValid(configuration)) return std::nullopt;
  entry.context = rest;
  return entry;
}

bool IsValid(const Configuration& configuration) {
  const std::vector<NodeId>& voters = configuration.voters;
  return !voters.empty() && AreDistinct(voters) && AreDistinct(configuration.outgoing_voters) &&
         AreDistinct(configuration.learners) &&
         std::none_of(configuration.learners.begin(), configuration.learners.end(),
                      [&](NodeId learner) { return std::find(voters.begin(), voters.end(), learner) != voters.end(); });
}

Configuration StepTowards(const Configuration& current, const Configuration& target) {
  Configuration step = target;
  if (!SameNodes(current.voters, target.voters)) step.outgoing_voters = current.voters;
  return step;
}

Configuration LeaveJoint(const Configuration& joint) {
  Configuration next = joint;
  next.outgoing_voters.clear();
  return next;
}

bool IsMember(const Configuration& configuration, NodeId id) {
  const std::vector<NodeId>& learners = configuration.learners;
  return IsVoter(configuration, id) || std::find(learners.begin(), learners.end(), id) != learners.end();
}

}  // namespace regent::raft
