// A file that log lines go to, moved away when it has become large.
//
//   server.log                              the one that is written
//   server-2026-01-02T15-04-05.678.log      moved away at that time; with .gz behind it when compressed
//
// Compressing and removing what is old happen on a thread of their own: a line never waits for them.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "absl/status/statusor.h"
#include "server/runtime/mutex.h"

namespace regent::server {

class LogFile {
 public:
  struct Rotation {
    uint64_t bytes_max = 100 << 20;  // the line that would exceed it begins a new file
    int64_t days_max = 0;            // files moved away longer ago are removed; 0: none is
    int64_t files_max = 0;           // the newest of them that stay; 0: all
    bool local_time = false;         // in their names; else UTC
    bool compress = false;
  };

  // Opens for appending, creates if needed. The error is worded as the system's: "open PATH: no such file or
  // directory".
  static absl::StatusOr<std::unique_ptr<LogFile>> Open(const std::string& path, std::optional<Rotation> rotation);

  ~LogFile();  // waits for what is being compressed
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // One whole line, from any thread. A disk that takes none loses it: there is nowhere to report to.
  void Write(std::string_view line);

 private:
  LogFile(std::string path, std::optional<Rotation> rotation) : path_(std::move(path)), rotation_(rotation) {}

  absl::Status Reopen(int flags) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MoveAway() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StartTidying() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tidy() const;
  std::string NameAt(std::chrono::system_clock::time_point time) const;

  const std::string path_;
  const std::optional<Rotation> rotation_;
  Mutex mutex_;
  int fd_ ABSL_GUARDED_BY(mutex_) = -1;
  uint64_t size_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread tidying_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace regent::server
