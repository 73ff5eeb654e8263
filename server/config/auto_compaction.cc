#include "server/config/auto_compaction.h"

#include <charconv>
#include <string>

#include "api/contract/status_macros.h"
#include "server/config/duration.h"

namespace regent::server {
namespace {

constexpr int64_t kHoursMax = std::chrono::duration_cast<std::chrono::hours>(std::chrono::nanoseconds::max()).count();

absl::Status Bad(const std::string& text, const std::string& why) {
  return absl::InvalidArgumentError("--auto-compaction-retention \"" + text + "\" " + why);
}

}  // namespace

absl::StatusOr<AutoCompaction> ParseAutoCompaction(const Settings& settings) {
  const bool periodic = settings.auto_compaction_mode == "periodic";
  if (!periodic && settings.auto_compaction_mode != "revision") {
    return absl::InvalidArgumentError("unknown auto-compaction-mode \"" + settings.auto_compaction_mode + "\"");
  }
  const std::string& text = settings.auto_compaction_retention;
  if (text.empty()) return AutoCompaction{};
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number >= 0) {
    if (!periodic) return AutoCompaction{.revisions = number};
    if (number > kHoursMax) return Bad(text, "is too many hours");
    return AutoCompaction{.period = std::chrono::hours(number)};
  }
  REGENT_ASSIGN_OR_RETURN(const std::chrono::nanoseconds duration, ParseDuration(text));
  if (duration.count() < 0) return Bad(text, "is negative");
  return periodic ? AutoCompaction{.period = duration} : AutoCompaction{.revisions = duration.count()};
}

}  // namespace regent::server
