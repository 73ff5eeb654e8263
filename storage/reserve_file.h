// A file that holds space for the day when the disk is full: giving it up lets compaction and deletes, which need a
// little space to free much, still work. A last part of it is kept for a start on a disk that is full by then: opening
// the store and the first entry of a term need some, too.
//
// Owner: who starts the node, then the log loop.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "storage/files.h"

namespace regent::storage {

class ReserveFile {
 public:
  struct Sizes {
    uint64_t bytes = 0;
    uint64_t for_start_bytes = 0;  // of them
  };

  // `path`: in a folder that exists.
  ReserveFile(Files& files, std::string path, Sizes sizes) : files_(files), path_(std::move(path)), sizes_(sizes) {}

  // Takes the space if it is not held. ResourceExhausted when the disk has too little: that is no reason not to start;
  // the part for a start is held then, if there is room for it. Called at start, and now and then after the space was
  // given up. It does not try where it would not fit: others need that space.
  [[nodiscard]] absl::Status Hold();

  // Gives the space up, all but the part for a start; false when there was none to give.
  bool GiveUp();

  // Gives that part up, too.
  [[nodiscard]] absl::Status GiveUpForStart();

  bool held() const { return held_; }
  // It is not held because the disk is full, or was. A file system that cannot keep space for other reasons is not low.
  bool space_is_low() const { return space_is_low_; }

 private:
  absl::Status KeepForStart(File& file, uint64_t free_bytes);

  Files& files_;
  const std::string path_;
  const Sizes sizes_;
  bool held_ = false;
  bool space_is_low_ = false;
};

}  // namespace regent::storage
