#include "server/runtime/json_log.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <ctime>

namespace regent::server {
namespace {

// Fields travel through glog's text behind characters that JSON strings never contain.
constexpr char kFieldStart = '\x1e';
constexpr char kFieldValue = '\x1f';

std::string_view LevelName(google::LogSeverity severity) {
  constexpr std::array<std::string_view, 4> kNames = {"info", "warn", "error", "fatal"};
  return kNames.at(static_cast<size_t>(severity));
}

google::LogSeverity LeastSeverity(std::string_view level) {
  if (level == "warn") return google::GLOG_WARNING;
  if (level == "error") return google::GLOG_ERROR;
  if (level == "panic" || level == "dpanic" || level == "fatal") return google::GLOG_FATAL;
  return google::GLOG_INFO;
}

std::string Timestamp(const google::LogMessageTime& time) {
  const time_t seconds = time.timestamp();
  tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 64> text{};
  const size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text.data() + length, text.size() - length, ".%06dZ", time.usec());
  return text.data();
}

// The path as written in the source tree, without what stands before it on the build machine.
std::string_view Caller(std::string_view full_filename) {
  for (const std::string_view root : {"/server/", "/storage/", "/raft/", "/api/"}) {
    const size_t at = full_filename.rfind(root);
    if (at != std::string_view::npos) return full_filename.substr(at + 1);
  }
  const size_t slash = full_filename.rfind('/');
  return slash == std::string_view::npos ? full_filename : full_filename.substr(slash + 1);
}

// The length of the valid UTF-8 sequence at the front of `text`, 0 if there is none.
size_t SequenceLength(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const size_t length = first < 0x80                    ? 1
                        : first >= 0xc2 && first < 0xe0 ? 2
                        : (first & 0xf0) == 0xe0        ? 3
                        : first >= 0xf0 && first < 0xf5 ? 4
                                                        : 0;
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return 0;
  }
  return length;
}

void AppendFields(std::string_view fields, std::string& line) {
  while (!fields.empty()) {
    fields.remove_prefix(1);  // kFieldStart
    const size_t end = fields.find(kFieldStart);
    const std::string_view field = fields.substr(0, end);
    fields.remove_prefix(end == std::string_view::npos ? fields.size() : end);
    const size_t value = field.find(kFieldValue);
    if (value == std::string_view::npos) continue;
    line += "," + JsonString(field.substr(0, value)) + ":" + std::string(field.substr(value + 1));
  }
}

}  // namespace

std::string JsonString(std::string_view text) {
  std::string json = "\"";
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    const char c = text[0];
    if (length == 0) {
      json += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (c == '\n') {
      json += "\\n";
    } else if (c == '\t') {
      json += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x", c);
      json += escaped.data();
    } else {
      json += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return json + "\"";
}

std::ostream& operator<<(std::ostream& out, const Field& field) {
  return out << kFieldStart << field.key_ << kFieldValue << field.json_;
}

JsonLog::JsonLog(std::string_view level) : least_(LeastSeverity(level)) {
  google::InitGoogleLogging("regent");
  FLAGS_stderrthreshold = google::NUM_SEVERITIES;
  for (google::LogSeverity severity = 0; severity < google::NUM_SEVERITIES; ++severity) {
    google::SetLogDestination(severity, "");
  }
  google::AddLogSink(this);
}

JsonLog::~JsonLog() {
  google::RemoveLogSink(this);
  google::ShutdownGoogleLogging();
}

void JsonLog::send(google::LogSeverity severity, const char* full_filename, const char* /*base_filename*/, int line,
                   const google::LogMessageTime& time, const char* message, size_t message_length) {
  if (severity < least_) return;
  const std::string_view text(message, message_length);
  const size_t fields = std::min(text.find(kFieldStart), text.size());
  std::string json = "{\"level\":\"" + std::string(LevelName(severity)) + "\",\"ts\":\"" + Timestamp(time) +
                     "\",\"caller\":" + JsonString(std::string(Caller(full_filename)) + ":" + std::to_string(line)) +
                     ",\"msg\":" + JsonString(text.substr(0, fields));
  AppendFields(text.substr(fields), json);
  json += "}\n";
  // One write: lines of several threads do not mix. There is nowhere to report a failure to.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, json.data(), json.size());
}

}  // namespace regent::server
