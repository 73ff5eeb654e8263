#include "server/config/feature_gates.h"

#include <glog/logging.h>

#include <algorithm>
#include <array>
#include <optional>

#include "server/config/number.h"

namespace regent::server {
namespace {

constexpr std::string_view kAlpha = "ALPHA";
constexpr std::string_view kBeta = "BETA";
constexpr std::string_view kAllAlpha = "AllAlpha";
constexpr std::string_view kAllBeta = "AllBeta";

constexpr std::string_view kMembers = "there are no other members to compare with or to tell";
constexpr std::string_view kAlways = "this store behaves so in any case";

constexpr auto kGates = std::to_array<FeatureGate>({
    {kAllAlpha, kAlpha, false, "see the gates it stands for"},
    {kAllBeta, kBeta, false, "see the gates it stands for"},
    {"CompactHashCheck", kAlpha, false, kMembers},
    {"FastLeaseKeepAlive", kBeta, true, kAlways},
    {"InitialCorruptCheck", kAlpha, false, kMembers},
    {"LeaseCheckpoint", kAlpha, false, kMembers},
    {"LeaseCheckpointPersist", kAlpha, false, kMembers},
    {"PriorityRequest", kAlpha, false, "the limit of waiting proposals is the same for all"},
    {"SetMemberLocalAddr", kAlpha, false, kMembers},
    {"StopGRPCServiceOnDefrag", kAlpha, false, "a defragmentation stops no request"},
    {"TxnModeWriteWithSharedBuffer", kBeta, true, kAlways},
});

const FeatureGate* Find(std::string_view name) {
  const auto found = std::find_if(kGates.begin(), kGates.end(), [&](const FeatureGate& g) { return g.name == name; });
  return found == kGates.end() ? nullptr : &*found;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::span<const FeatureGate> KnownFeatureGates() { return kGates; }

absl::Status FeatureGates::Set(std::string_view text) {
  std::map<std::string, bool, std::less<>> given;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    if (part.empty()) continue;
    const size_t equals = part.find('=');
    const std::string name(Trim(part.substr(0, equals)));
    if (equals == std::string_view::npos) return absl::InvalidArgumentError("missing bool value for " + name);
    const std::string value(Trim(part.substr(equals + 1)));
    const std::optional<bool> parsed = ReadBool(value);
    if (!parsed) {
      return absl::InvalidArgumentError("invalid value of " + name + "=" + value +
                                        ", err: strconv.ParseBool: parsing \"" + value + "\": invalid syntax");
    }
    given[name] = *parsed;
  }
  for (const auto& [name, value] : given) {
    if (Find(name) == nullptr) return absl::InvalidArgumentError("unrecognized feature gate: " + name);
  }
  for (const auto& [name, value] : given) set_[name] = value;
  for (const auto& [all, stage] : {std::pair(kAllAlpha, kAlpha), std::pair(kAllBeta, kBeta)}) {
    const auto found = given.find(all);
    if (found == given.end()) continue;
    for (const FeatureGate& gate : kGates) {
      if (gate.stage == stage) set_.emplace(gate.name, found->second);
    }
  }
  return absl::OkStatus();
}

bool FeatureGates::enabled(std::string_view name) const {
  const FeatureGate* gate = Find(name);
  CHECK(gate != nullptr) << "no feature gate is called " << name;
  const auto set = set_.find(name);
  return set == set_.end() ? gate->by_default : set->second;
}

std::string FeatureGates::text() const {
  std::string text;
  for (const auto& [name, value] : set_) {
    if (!text.empty()) text += ',';
    text += name + (value ? "=true" : "=false");
  }
  return text;
}

}  // namespace regent::server
