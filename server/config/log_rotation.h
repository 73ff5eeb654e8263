// The value of --log-rotation-config-json: when a log file is moved away, and what becomes of it.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace regent::server {

struct LogRotation {
  int64_t megabytes_max = 100;  // "maxsize"; 0 means 100
  int64_t days_max = 0;         // "maxage" of what was moved away; 0: for ever
  int64_t files_max = 0;        // "maxbackups" kept; 0: all
  bool local_time = false;      // "localtime" in their names, not UTC
  bool compress = false;        // "compress" with gzip
};

// One JSON object of numbers, truth values, strings and nulls. Unknown keys are ignored, as etcd does.
absl::StatusOr<LogRotation> ParseLogRotation(std::string_view json);

}  // namespace regent::server
