#include "storage/log_folder.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "api/contract/status_macros.h"
#include "storage/log_hard_state.h"

namespace regent::storage {
namespace {

constexpr std::string_view kSegmentSuffix = ".log";
constexpr std::string_view kSparePrefix = "spare-";
constexpr size_t kDigits = 16;
constexpr uint64_t kFillStepBytes = 256 << 10;  // an append that arrives meanwhile waits for its sync

std::string ToHex(uint64_t number) {
  std::string text(kDigits, '0');
  for (size_t place = kDigits; place-- > 0; number >>= 4) text[place] = "0123456789abcdef"[number & 15];
  return text;
}

std::optional<uint64_t> FromHex(std::string_view text) {
  uint64_t number = 0;
  if (text.size() != kDigits) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (error != std::errc() || end != text.data() + text.size() || ToHex(number) != text) return std::nullopt;
  return number;
}

}  // namespace

absl::Status WriteZeroes(File& file, uint64_t from, uint64_t to) {
  static const std::array<char, 256 << 10> zeroes{};
  while (from < to) {
    const uint64_t bytes = std::min<uint64_t>(to - from, zeroes.size());
    REGENT_RETURN_IF_ERROR(file.WriteAt(from, std::string_view(zeroes.data(), bytes)));
    from += bytes;
  }
  return absl::OkStatus();
}

LogFolder::LogFolder(Files& files, std::string directory, const LogOptions& options)
    : files_(files),
      directory_(std::move(directory)),
      segment_bytes_(options.segment_bytes),
      prefill_bytes_(options.prefill_bytes),
      spares_max_(options.spare_segments_max),
      mutant_(options.mutant) {}

std::string LogFolder::PathOf(uint64_t sequence) const {
  return directory_ + "/" + ToHex(sequence) + std::string(kSegmentSuffix);
}

absl::StatusOr<LogFolderContent> LogFolder::List() {
  LogFolderContent content;
  REGENT_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.List(directory_));
  for (const std::string& name : names) {
    const std::string_view view = name;
    if (view.ends_with(kSegmentSuffix)) {
      if (const auto sequence = FromHex(view.substr(0, view.size() - kSegmentSuffix.size())); sequence) {
        content.segments.push_back(*sequence);
        continue;
      }
    }
    if (view.starts_with(kSparePrefix)) {
      if (const auto number = FromHex(view.substr(kSparePrefix.size())); number) {
        REGENT_ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                                files_.Open(directory_ + "/" + name, OpenMode::kExisting));
        REGENT_ASSIGN_OR_RETURN(const uint64_t bytes, file->Size());
        spares_.push_back({.name = name, .bytes = bytes});
        next_spare_number_ = std::max(next_spare_number_, *number + 1);
        continue;
      }
    }
    if (!HardStateFiles::IsName(name)) content.others.push_back(name);
  }
  std::sort(content.segments.begin(), content.segments.end());
  return content;
}

absl::StatusOr<std::unique_ptr<File>> LogFolder::OpenSegment(uint64_t sequence) {
  return files_.Open(PathOf(sequence), OpenMode::kExisting);
}

absl::StatusOr<Segment> LogFolder::CreateSegment(SegmentHeader header) {
  std::string name;
  REGENT_ASSIGN_OR_RETURN(std::unique_ptr<File> file, TakeSpareOrCreate(&name, &header.recycled));
  if (const absl::Status status = WriteHeaderAndName(*file, name, &header); !status.ok()) {
    // A full disk: give back what was taken, so that repeating the call starts from the same place.
    if (absl::IsResourceExhausted(status)) REGENT_RETURN_IF_ERROR(files_.Remove(directory_ + "/" + name));
    return status;
  }
  REGENT_ASSIGN_OR_RETURN(file, OpenSegment(header.sequence));
  return Segment{.header = header, .file = std::move(file)};
}

absl::StatusOr<std::unique_ptr<File>> LogFolder::TakeSpareOrCreate(std::string* name, bool* recycled) {
  filling_.reset();
  if (spares_.empty()) {
    *name = NewSpareName();
    *recycled = false;
    return files_.Open(directory_ + "/" + *name, OpenMode::kCreateNew);
  }
  *name = spares_.front().name;
  *recycled = spares_.front().recycled;
  spares_.erase(spares_.begin());
  return files_.Open(directory_ + "/" + *name, OpenMode::kExisting);
}

absl::Status LogFolder::WriteHeaderAndName(File& file, const std::string& name, SegmentHeader* header) {
  REGENT_RETURN_IF_ERROR(file.WriteAt(0, EncodeSegmentHeader(header)));
  REGENT_RETURN_IF_ERROR(file.SyncData());
  REGENT_RETURN_IF_ERROR(files_.Rename(directory_ + "/" + name, PathOf(header->sequence)));
  if (mutant_ == LogMutant::kRollWithoutFolderSync) return absl::OkStatus();
  return Sync();
}

absl::Status LogFolder::Retire(uint64_t sequence, std::unique_ptr<File> file) {
  REGENT_ASSIGN_OR_RETURN(const uint64_t bytes, file->Size());
  file.reset();
  if (spares_.size() < spares_max_ && bytes <= segment_bytes_) {
    filling_.reset();
    const std::string name = NewSpareName();
    REGENT_RETURN_IF_ERROR(files_.Rename(PathOf(sequence), directory_ + "/" + name));
    spares_.push_back({.name = name, .bytes = bytes});
  } else {
    REGENT_RETURN_IF_ERROR(files_.Remove(PathOf(sequence)));
  }
  return Sync();
}

absl::StatusOr<bool> LogFolder::PrepareSpare() {
  if (spares_.empty()) {
    if (spares_max_ == 0 || prefill_bytes_ == 0) return false;
    const std::string name = NewSpareName();
    REGENT_ASSIGN_OR_RETURN(filling_, files_.Open(directory_ + "/" + name, OpenMode::kCreateNew));
    spares_.push_back({.name = name, .recycled = false});
  }
  Spare& spare = spares_.back();
  const uint64_t wanted = std::min(segment_bytes_, kSegmentHeaderBytes + prefill_bytes_);
  if (filling_ == nullptr || spare.bytes >= wanted) return false;
  const uint64_t end = std::min(wanted, spare.bytes + kFillStepBytes);
  REGENT_RETURN_IF_ERROR(WriteZeroes(*filling_, spare.bytes, end));
  REGENT_RETURN_IF_ERROR(filling_->SyncData());
  spare.bytes = end;
  return end < wanted;
}

uint64_t LogFolder::spare_bytes() const {
  uint64_t bytes = 0;
  for (const Spare& spare : spares_) bytes += spare.bytes;
  return bytes;
}

std::string LogFolder::NewSpareName() { return std::string(kSparePrefix) + ToHex(next_spare_number_++); }

}  // namespace regent::storage
