// How code logs: through glog, with structured values streamed as fields. server_log.h formats and writes the lines.
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

// Fields travel through glog's text behind characters that JSON strings never contain.
inline constexpr char kFieldStart = '\x1e';
inline constexpr char kFieldValue = '\x1f';

// A JSON string with quotes, escaped; bytes that are not valid UTF-8 become U+FFFD.
std::string JsonString(std::string_view text);

// A time since 1970 as log lines have it: "2026-01-02T03:04:05.678901Z".
std::string UtcText(double unix_seconds);

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

}  // namespace regent::server
