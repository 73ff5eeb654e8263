// A file that holds space for the day when the disk is full: giving it up lets compaction and deletes, which need a
// little space to free much, still work.
//
// Owner: the log loop.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "storage/files.h"

namespace regent::storage {

class ReserveFile {
 public:
  ReserveFile(Files& files, std::string path, uint64_t bytes) : files_(files), path_(std::move(path)), bytes_(bytes) {}

  // Takes the space if it is not held. ResourceExhausted when the disk has too little: that is no reason not to start.
  // Called at start, and now and then after the space was given up.
  [[nodiscard]] absl::Status Hold();

  // Gives the space up; false when there was none to give.
  bool GiveUp();

  bool held() const { return held_; }

 private:
  Files& files_;
  const std::string path_;
  const uint64_t bytes_;
  bool held_ = false;
};

}  // namespace regent::storage
