#include "server/runtime/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <vector>

#include "server/runtime/system_error.h"

namespace regent::server {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kCompressed = ".gz";
constexpr size_t kTimeLength = sizeof("2026-01-02T15-04-05.678") - 1;

// Where names of moved files begin and end.
struct NameParts {
  std::string front;  // "server-"
  std::string back;   // ".log"
};

NameParts PartsOf(const std::string& path) {
  const fs::path name = fs::path(path).filename();
  const std::string extension = name.extension();
  const std::string whole = name;
  return {whole.substr(0, whole.size() - extension.size()) + "-", extension};
}

fs::path FolderOf(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

// The time in the name of a file that was moved away, as written there; empty for any other file.
std::string TimeIn(const std::string& name, const NameParts& parts) {
  const std::string_view rest = std::string_view(name).substr(std::min(parts.front.size(), name.size()));
  if (name.compare(0, parts.front.size(), parts.front) != 0 || rest.size() < kTimeLength) return "";
  const std::string_view tail = rest.substr(kTimeLength);
  const bool is_ours = tail == parts.back || tail == parts.back + std::string(kCompressed);
  const bool is_time = rest[4] == '-' && rest[10] == 'T' && rest[19] == '.';
  return is_ours && is_time ? std::string(rest.substr(0, kTimeLength)) : "";
}

bool CopyCompressed(const std::string& from, const std::string& to) {
  const std::unique_ptr<FILE, int (*)(FILE*)> source(std::fopen(from.c_str(), "rbe"), &std::fclose);
  if (source == nullptr) return false;
  const gzFile target = gzopen(to.c_str(), "wbe");
  if (target == nullptr) return false;
  std::vector<char> block(1 << 16);
  bool good = true;
  for (size_t size = 1; good && size > 0;) {
    size = std::fread(block.data(), 1, block.size(), source.get());
    good = size == 0 || gzwrite(target, block.data(), static_cast<unsigned>(size)) == static_cast<int>(size);
  }
  return (gzclose(target) == Z_OK) && good && std::ferror(source.get()) == 0;
}

// The original goes only when the whole copy is there.
void Compress(const fs::path& file) {
  const std::string copy = file.string() + std::string(kCompressed);
  std::error_code ignored;
  fs::remove(CopyCompressed(file, copy) ? file : fs::path(copy), ignored);
}

}  // namespace

absl::StatusOr<std::unique_ptr<LogFile>> LogFile::Open(const std::string& path, std::optional<Rotation> rotation) {
  std::unique_ptr<LogFile> file(new LogFile(path, rotation));  // the constructor is private
  const MutexLock lock(file->mutex_);
  if (absl::Status opened = file->Reopen(O_APPEND); !opened.ok()) return opened;
  if (rotation) file->StartTidying();
  return file;
}

LogFile::~LogFile() {
  const MutexLock lock(mutex_);
  if (tidying_.joinable()) tidying_.join();
  if (fd_ >= 0) close(fd_);
}

absl::Status LogFile::Reopen(int flags) {
  if (fd_ >= 0) close(fd_);
  fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, rotation_ ? 0600 : 0666);
  if (fd_ < 0) return absl::UnavailableError("open " + path_ + ": " + SystemError(errno));
  struct stat status {};
  size_bytes_ = fstat(fd_, &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
  return absl::OkStatus();
}

void LogFile::Write(std::string_view line) {
  const MutexLock lock(mutex_);
  if (rotation_ && size_bytes_ > 0 && size_bytes_ + line.size() > rotation_->bytes_max) MoveAway();
  if (fd_ < 0) return;
  const ssize_t written = write(fd_, line.data(), line.size());
  if (written > 0) size_bytes_ += static_cast<uint64_t>(written);
}

void LogFile::MoveAway() {
  struct stat old {};
  const bool has_mode = fstat(fd_, &old) == 0;
  auto now = std::chrono::system_clock::now();
  std::error_code ignored;
  while (fs::exists(NameAt(now), ignored)) now += std::chrono::milliseconds(1);  // no file takes the place of another
  const bool moved = std::rename(path_.c_str(), NameAt(now).c_str()) == 0;
  if (!Reopen(O_APPEND).ok()) return;  // lines are lost until it works
  if (!moved) {
    size_bytes_ = 0;  // goes on in the old file, and tries again after as much
    return;
  }
  if (has_mode) fchmod(fd_, old.st_mode & 07777);
  StartTidying();
}

void LogFile::StartTidying() {
  if (rotation_->days_max == 0 && rotation_->files_max == 0 && !rotation_->compress) return;
  if (tidying_.joinable()) tidying_.join();
  tidying_ = std::thread([this] { Tidy(); });
}

void LogFile::Tidy() const {
  const NameParts parts = PartsOf(path_);
  std::vector<std::pair<std::string, fs::path>> files;  // by their time
  std::error_code error;
  for (fs::directory_iterator entry(FolderOf(path_), error), end; !error && entry != end; entry.increment(error)) {
    const std::string time = TimeIn(entry->path().filename(), parts);
    if (!time.empty()) files.emplace_back(time, entry->path());
  }
  std::sort(files.rbegin(), files.rend());
  const auto age_max = std::chrono::hours(24) * std::min<int64_t>(rotation_->days_max, 36500);
  const std::string oldest = TimeIn(fs::path(NameAt(std::chrono::system_clock::now() - age_max)).filename(), parts);
  int64_t kept = 0;
  for (const auto& [time, file] : files) {
    const bool too_many = rotation_->files_max > 0 && kept >= rotation_->files_max;
    const bool too_old = rotation_->days_max > 0 && time < oldest;
    if (too_many || too_old) {
      fs::remove(file, error);
      continue;
    }
    ++kept;
    if (rotation_->compress && file.extension() != kCompressed) Compress(file);
  }
}

std::string LogFile::NameAt(std::chrono::system_clock::time_point time) const {
  const time_t seconds = std::chrono::system_clock::to_time_t(time);
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count() % 1000;
  tm calendar{};
  rotation_->local_time ? localtime_r(&seconds, &calendar) : gmtime_r(&seconds, &calendar);
  std::array<char, 64> text{};
  const size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H-%M-%S", &calendar);
  std::snprintf(text.data() + length, text.size() - length, ".%03d", static_cast<int>(milliseconds));
  const NameParts parts = PartsOf(path_);
  return FolderOf(path_) / (parts.front + text.data() + parts.back);
}

}  // namespace regent::server
