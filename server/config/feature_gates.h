// The feature gates of etcd 3.7: switches "Name=true,Other=false" in one value. AllAlpha and AllBeta set every gate of
// their stage that is not set by itself.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace regent::server {

struct FeatureGate {
  std::string_view name;
  std::string_view stage;  // "ALPHA" or "BETA"
  bool by_default;
  std::string_view why_without_effect;  // completes "has no effect here: "
};

std::span<const FeatureGate> KnownFeatureGates();  // in the order of their names

class FeatureGates {
 public:
  // Adds the gates of one value. Errors have etcd's texts; nothing is changed then.
  absl::Status Set(std::string_view text);

  // REQUIRES: a known name.
  bool enabled(std::string_view name) const;

  // What was set, in the order of the names, as one would write it.
  std::string text() const;

 private:
  std::map<std::string, bool, std::less<>> set_;
};

}  // namespace regent::server
