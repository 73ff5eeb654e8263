// Log lines in etcd's format: one JSON object a line on stderr, {"level","ts","caller","msg", fields…}. Code logs
// through glog; this sink formats. Structured values are streamed as fields:
//
//   LOG(INFO) << "ready to serve client requests" << Field("address", address);
//   {"level":"info","ts":"2026-01-02T03:04:05.678901Z","caller":"server/server.cc:42","msg":"ready …","address":"…"}
#pragma once

#include <glog/logging.h>

#include <concepts>
#include <ostream>
#include <string>
#include <string_view>

namespace regent::server {

// A JSON string with quotes, escaped; bytes that are not valid UTF-8 become U+FFFD.
std::string JsonString(std::string_view text);

// One key and value behind the message.
class Field {
 public:
  Field(std::string_view key, std::string_view value) : key_(key), json_(JsonString(value)) {}
  Field(std::string_view key, const char* value) : Field(key, std::string_view(value)) {}
  Field(std::string_view key, bool value) : key_(key), json_(value ? "true" : "false") {}
  template <std::integral Integer>
  Field(std::string_view key, Integer value) : key_(key), json_(std::to_string(value)) {}

  friend std::ostream& operator<<(std::ostream& out, const Field& field);

 private:
  std::string key_;
  std::string json_;
};

// The sink. One object for the life of the process, made by main before anything logs; it is the only output of glog.
class JsonLog : public google::LogSink {
 public:
  // `level`: debug, info, warn, error, panic, fatal; lines below it are dropped.
  explicit JsonLog(std::string_view level);
  ~JsonLog() override;
  JsonLog(const JsonLog&) = delete;
  JsonLog& operator=(const JsonLog&) = delete;

  void send(google::LogSeverity severity, const char* full_filename, const char* base_filename, int line,
            const google::LogMessageTime& time, const char* message, size_t message_length) override;

 private:
  google::LogSeverity least_;
};

}  // namespace regent::server
