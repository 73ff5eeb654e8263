#include "server/runtime/server_log.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "server/runtime/json_log.h"

namespace regent::server {
namespace {

std::string_view LevelName(google::LogSeverity severity) {
  constexpr std::array<std::string_view, 4> kNames = {"info", "warn", "error", "fatal"};
  return kNames.at(static_cast<size_t>(severity));
}

google::LogSeverity LeastSeverity(std::string level) {
  for (char& c : level) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (level == "warn" || level == "warning") return google::GLOG_WARNING;
  if (level == "error") return google::GLOG_ERROR;
  if (level == "panic" || level == "dpanic" || level == "fatal") return google::GLOG_FATAL;
  return google::GLOG_INFO;
}

std::string Timestamp(const google::LogMessageTime& time) {
  return UtcText(static_cast<double>(time.timestamp()) + (time.usec() + 0.5) / 1e6);
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

// Appends the fields of a glog text as members of a JSON object, each after `before` but the first after `first`.
void AppendFields(std::string_view fields, std::string_view first, LogFormat format, std::string& line) {
  const bool is_json = format == LogFormat::kJson;
  std::string_view before = first;
  while (!fields.empty()) {
    fields.remove_prefix(1);  // kFieldStart
    const size_t end = fields.find(kFieldStart);
    const std::string_view field = fields.substr(0, end);
    fields.remove_prefix(end == std::string_view::npos ? fields.size() : end);
    const size_t value = field.find(kFieldValue);
    if (value == std::string_view::npos) continue;
    line += before;
    line += JsonString(field.substr(0, value)) + (is_json ? ":" : ": ") + std::string(field.substr(value + 1));
    before = is_json ? "," : ", ";
  }
}

}  // namespace

std::string FormatLogLine(const LogLine& line, LogFormat format) {
  const size_t fields = std::min(line.message.find(kFieldStart), line.message.size());
  const std::string_view text = line.message.substr(0, fields);
  const std::string level(LevelName(line.severity));
  if (format == LogFormat::kJson) {
    std::string json = "{\"level\":\"" + level + "\",\"ts\":\"" + line.time +
                       "\",\"caller\":" + JsonString(line.caller) + ",\"msg\":" + JsonString(text);
    AppendFields(line.message.substr(fields), ",", format, json);
    return json + "}\n";
  }
  std::string console = line.time + "\t" + level + "\t" + line.caller + "\t" + std::string(text);
  const size_t size_before = console.size();
  AppendFields(line.message.substr(fields), "\t{", format, console);
  return console + (console.size() == size_before ? "\n" : "}\n");
}

ServerLog::ServerLog(const Options& options) : least_(LeastSeverity(options.level)), format_(options.format) {
  google::InitGoogleLogging("regent");
  FLAGS_stderrthreshold = google::NUM_SEVERITIES;
  for (google::LogSeverity severity = 0; severity < google::NUM_SEVERITIES; ++severity) {
    google::SetLogDestination(severity, "");
  }
  google::AddLogSink(this);
}

absl::StatusOr<std::unique_ptr<ServerLog>> ServerLog::Open(const Options& options) {
  std::vector<int> descriptors;
  std::vector<std::unique_ptr<LogFile>> files;
  const auto add = [&](int descriptor) {
    if (std::count(descriptors.begin(), descriptors.end(), descriptor) == 0) descriptors.push_back(descriptor);
  };
  const bool silent = std::count(options.outputs.begin(), options.outputs.end(), "/dev/null") > 0;
  for (const std::string& output : silent ? std::vector<std::string>() : options.outputs) {
    if (output == "stdout") {
      add(STDOUT_FILENO);
    } else if (output == "default" || output == "stderr" || output == "systemd/journal") {
      add(STDERR_FILENO);
    } else {
      absl::StatusOr<std::unique_ptr<LogFile>> file = LogFile::Open(output, options.rotation);
      if (!file.ok()) {
        return absl::UnavailableError("open sink \"" + output + "\": " + std::string(file.status().message()));
      }
      files.push_back(*std::move(file));
    }
  }
  std::unique_ptr<ServerLog> log(new ServerLog(options));  // the constructor is private
  log->descriptors_ = std::move(descriptors);
  log->files_ = std::move(files);
  return log;
}

ServerLog::~ServerLog() {
  google::RemoveLogSink(this);
  google::ShutdownGoogleLogging();
}

void ServerLog::send(google::LogSeverity severity, const char* full_filename, const char* /*base_filename*/, int line,
                     const google::LogMessageTime& time, const char* message, size_t message_length) {
  if (severity < least_) return;
  const std::string text = FormatLogLine({.severity = severity,
                                          .time = Timestamp(time),
                                          .caller = std::string(Caller(full_filename)) + ":" + std::to_string(line),
                                          .message = std::string_view(message, message_length)},
                                         format_);
  // One write: lines of several threads do not mix. There is nowhere to report a failure to.
  for (const int descriptor : descriptors_) {
    [[maybe_unused]] const ssize_t written = write(descriptor, text.data(), text.size());
  }
  for (const auto& file : files_) file->Write(text);
}

}  // namespace regent::server
