// Where log lines go and how they look: etcd's formats, on stderr, stdout or in files. Code logs through glog and
// json_log.h; this sink is glog's only output.
//
//   json:     {"level":"info","ts":"2026-01-02T03:04:05.678901Z","caller":"server/server.cc:42","msg":"…","key":"…"}
//   console:  2026-01-02T03:04:05.678901Z<tab>info<tab>server/server.cc:42<tab>…<tab>{"key": "…"}
#pragma once

#include <glog/logging.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/runtime/log_file.h"

namespace regent::server {

enum class LogFormat { kJson, kConsole };

// A line as it is written, with its end. `message` is glog's text, fields included.
struct LogLine {
  google::LogSeverity severity = google::GLOG_INFO;
  std::string time;
  std::string caller;
  std::string_view message;
};
std::string FormatLogLine(const LogLine& line, LogFormat format);

// One object for the life of the process, made by main before anything logs.
class ServerLog final : public google::LogSink {
 public:
  struct Options {
    std::string level = "info";  // debug, info, warn, error, dpanic, panic, fatal; lines below it are dropped
    LogFormat format = LogFormat::kJson;
    std::vector<std::string> outputs = {"default"};  // also stderr, systemd/journal: all stderr; stdout; paths
    std::optional<LogFile::Rotation> rotation;       // of files
  };

  // The error names the file that cannot be written.
  static absl::StatusOr<std::unique_ptr<ServerLog>> Open(const Options& options);

  ~ServerLog() override;
  ServerLog(const ServerLog&) = delete;
  ServerLog& operator=(const ServerLog&) = delete;

  void send(google::LogSeverity severity, const char* full_filename, const char* base_filename, int line,
            const google::LogMessageTime& time, const char* message, size_t message_length) override;

 private:
  explicit ServerLog(const Options& options);

  const google::LogSeverity least_;
  const LogFormat format_;
  std::vector<int> descriptors_;                 // stderr, stdout
  std::vector<std::unique_ptr<LogFile>> files_;  // /dev/null among the outputs: neither
};

}  // namespace regent::server
