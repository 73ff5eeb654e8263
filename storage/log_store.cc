#include "storage/log_store.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "api/contract/status_macros.h"
#include "glog/logging.h"
#include "storage/log_folder.h"
#include "storage/log_format.h"
#include "storage/log_hard_state.h"
#include "storage/log_index.h"
#include "storage/log_read.h"
#include "storage/log_recovery.h"
#include "storage/log_writer.h"

namespace regent::storage {
namespace {

// A different seed for every segment of every process: splitmix64.
uint64_t SegmentSeed(uint64_t seed, uint64_t sequence) {
  uint64_t mixed = seed + sequence * 0x9E3779B97F4A7C15;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
  return mixed ^ (mixed >> 31);
}

RecordKind KindOf(raft::EntryType type) {
  return type == raft::EntryType::kConfiguration ? RecordKind::kConfiguration : RecordKind::kNormal;
}

class SegmentedLog : public LogStore {
 public:
  SegmentedLog(Files& files, const std::string& directory, LogIdentity identity, LogOptions options)
      : options_(std::move(options)),
        identity_(identity),
        folder_(files, directory, options_),
        hard_state_(files, directory, identity, options_.mutant),
        writer_(options_) {}

  absl::Status Recover(RecoveredLog* recovered);

  absl::Status Append(std::span<const raft::Entry> entries) override;
  absl::Status SaveHardState(const raft::HardState& state) override;
  absl::StatusOr<std::vector<raft::Entry>> Read(raft::Index from, size_t bytes_max) override;
  absl::Status Release(raft::Index through) override;
  absl::Status Reset(raft::Index base_index, raft::Term base_term) override;
  bool MarkWanted() const override { return writer_.entries_unmarked(); }
  absl::Status WriteMark() override;
  absl::StatusOr<bool> Prepare() override;
  raft::Index base_index() const override { return {index_.base_index()}; }
  raft::Index last_index() const override { return {index_.last_index()}; }
  uint64_t bytes_on_disk() const override;

 private:
  absl::Status CreateFirstSegment();
  absl::Status MakeDurable(const LogRecovery& found);
  absl::Status EnsureFits(uint64_t batch_bytes);
  absl::Status Roll();
  absl::Status CreateSegment(const SegmentHeader& header);
  absl::Status RetireReleased(uint64_t through);

  // Remembers the first error that is not a full disk: the log is fenced from then on.
  absl::Status Fence(absl::Status status) {
    if (!status.ok() && !absl::IsResourceExhausted(status) && failed_.ok()) failed_ = status;
    return status;
  }

  const LogOptions options_;
  const LogIdentity identity_;
  LogFolder folder_;
  HardStateFiles hard_state_;
  LogWriter writer_;
  LogIndex index_;
  std::map<uint64_t, Segment> segments_;  // by sequence, contiguous; the writer is at the end of the last one
  std::vector<uint64_t> strays_;          // removed at the first Release: by then the owner has compared log and store
  absl::Status failed_;
};

absl::Status SegmentedLog::Recover(RecoveredLog* recovered) {
  REGENT_ASSIGN_OR_RETURN(const LogFolderContent content, folder_.List());
  for (const std::string& name : content.others) recovered->notes.push_back("left alone in the log's folder: " + name);
  const bool exists = !content.segments.empty();
  LogRecovery found;
  if (exists) {
    REGENT_RETURN_IF_ERROR(RecoverLog(folder_, content.segments, identity_, options_.mutant, &found));
  }
  REGENT_ASSIGN_OR_RETURN(const std::optional<raft::HardState> state,
                          hard_state_.Load(exists ? HardStateFiles::Log::kPresent : HardStateFiles::Log::kMissing));
  if (!exists && state && *state != raft::HardState{}) {
    return absl::DataLossError("the log has lost all of its segments: term and vote are there, " + folder_.PathOf(1) +
                               " and its successors are not");
  }

  // Nothing was changed up to here.
  REGENT_RETURN_IF_ERROR(hard_state_.Repair());
  if (!hard_state_.damage().empty())
    recovered->notes.push_back("repaired from the other copy: " + hard_state_.damage());
  recovered->hard_state = state.value_or(raft::HardState{});
  recovered->created = !exists;
  if (!exists) return CreateFirstSegment();
  REGENT_RETURN_IF_ERROR(MakeDurable(found));
  if (found.tail.torn_bytes > 0) {
    recovered->torn_bytes = found.tail.torn_bytes;
    recovered->torn_where =
        folder_.PathOf(found.segments.rbegin()->first) + " at offset " + std::to_string(found.newest().end);
  }
  recovered->base_index = {found.index.base_index()};
  recovered->base_term = {found.index.base_term()};
  recovered->last_index = {found.index.last_index()};
  recovered->last_term = {found.index.last_term()};
  recovered->terms = found.outline.terms();
  recovered->configurations = found.outline.configurations();
  index_ = std::move(found.index);
  segments_ = std::move(found.segments);
  strays_ = std::move(found.strays);
  return absl::OkStatus();
}

absl::Status SegmentedLog::CreateFirstSegment() {
  index_.BeginAtFirstEntry(1);
  return CreateSegment({.identity = identity_, .sequence = 1, .seed = SegmentSeed(options_.seed, 1)});
}

// What was read may lie in the system's memory only, after the process alone died. The torn tail is wiped, so that
// nothing of it can ever be taken for a part of what is written there next.
absl::Status SegmentedLog::MakeDurable(const LogRecovery& found) {
  const Segment& newest = found.segments.rbegin()->second;
  if (found.tail.zero_end > found.newest().end) {
    REGENT_RETURN_IF_ERROR(WriteZeroes(*newest.file, found.newest().end, found.tail.zero_end));
  }
  if (options_.mutant != LogMutant::kOpenWithoutSync) {
    for (const auto& [sequence, segment] : found.segments) REGENT_RETURN_IF_ERROR(segment.file->SyncData());
    REGENT_RETURN_IF_ERROR(folder_.Sync());
  }
  REGENT_ASSIGN_OR_RETURN(const uint64_t file_bytes, newest.file->Size());
  writer_.ContinueAt({.file = newest.file.get(),
                      .sequence = newest.header.sequence,
                      .seed = newest.header.seed,
                      .end = found.newest().end,
                      .checksum = found.newest().checksum,
                      .file_bytes = file_bytes,
                      .entries_unmarked = !found.newest().ends_in_mark});
  return absl::OkStatus();
}

absl::Status SegmentedLog::Append(std::span<const raft::Entry> entries) {
  if (!failed_.ok()) return failed_;
  if (entries.empty()) return absl::OkStatus();
  const uint64_t first = entries.front().index.value;
  CHECK_GT(first, index_.base_index()) << "the base of the log is released";
  CHECK_LE(first, index_.last_index() + 1) << "entries are missing";

  uint64_t batch_bytes = kBatchHeaderBytes;
  for (const raft::Entry& entry : entries) batch_bytes += RecordBytes(std::string_view(entry.data).size());
  REGENT_RETURN_IF_ERROR(Fence(EnsureFits(batch_bytes)));

  writer_.Begin();
  uint64_t offset = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    const raft::Entry& entry = entries[i];
    CHECK_EQ(entry.index.value, first + i) << "entries are not contiguous";
    const uint64_t at = writer_.Add(KindOf(entry.type), entry.term.value, entry.index.value, entry.data);
    if (i == 0) offset = at;
  }
  const auto sequence = static_cast<uint32_t>(writer_.position().sequence);
  REGENT_RETURN_IF_ERROR(Fence(writer_.Commit()));
  for (const raft::Entry& entry : entries) {
    const std::string_view data = entry.data;
    const absl::Status added =
        index_.AddEntry(entry.index.value, entry.term.value,
                        {.sequence = sequence, .payload_bytes = static_cast<uint32_t>(data.size()), .offset = offset});
    CHECK(added.ok()) << added;
    offset += RecordBytes(data.size());
  }
  return absl::OkStatus();
}

absl::Status SegmentedLog::SaveHardState(const raft::HardState& state) {
  if (!failed_.ok()) return failed_;
  absl::Status saved = hard_state_.Save(state);
  if (absl::IsResourceExhausted(saved) && options_.make_room && options_.make_room()) saved = hard_state_.Save(state);
  return Fence(std::move(saved));
}

absl::Status SegmentedLog::EnsureFits(uint64_t batch_bytes) {
  return writer_.Fits(batch_bytes) ? absl::OkStatus() : Roll();
}

absl::Status SegmentedLog::Roll() {
  const LogPosition end = writer_.position();
  const SegmentHeader header{.identity = identity_,
                             .sequence = end.sequence + 1,
                             .seed = SegmentSeed(options_.seed, end.sequence + 1),
                             .previous_end = end.offset,
                             .previous_checksum = writer_.checksum()};
  absl::Status created = CreateSegment(header);
  if (absl::IsResourceExhausted(created) && options_.make_room && options_.make_room()) created = CreateSegment(header);
  return created;
}

absl::Status SegmentedLog::CreateSegment(const SegmentHeader& header) {
  REGENT_ASSIGN_OR_RETURN(Segment segment, folder_.CreateSegment(header));
  REGENT_ASSIGN_OR_RETURN(const uint64_t file_bytes, segment.file->Size());
  writer_.ContinueAt({.file = segment.file.get(),
                      .sequence = segment.header.sequence,
                      .seed = segment.header.seed,
                      .checksum = segment.header.checksum,
                      .file_bytes = file_bytes});
  segments_.emplace(header.sequence, std::move(segment));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<raft::Entry>> SegmentedLog::Read(raft::Index from, size_t bytes_max) {
  if (!failed_.ok()) return failed_;
  if (from.value <= index_.base_index()) {
    return absl::NotFoundError("the log begins behind index " + std::to_string(index_.base_index()));
  }
  if (from.value > index_.last_index()) {
    return absl::OutOfRangeError("the log ends at index " + std::to_string(index_.last_index()));
  }
  return ReadEntries(segments_, index_, from.value, bytes_max, options_.mutant);
}

absl::Status SegmentedLog::Release(raft::Index through) {
  if (!failed_.ok()) return failed_;
  for (; !strays_.empty(); strays_.erase(strays_.begin())) {
    REGENT_ASSIGN_OR_RETURN(std::unique_ptr<File> file, folder_.OpenSegment(strays_.front()));
    REGENT_RETURN_IF_ERROR(Fence(folder_.Retire(strays_.front(), std::move(file))));
  }
  return Fence(RetireReleased(through.value));
}

// The oldest segment may go when what is left still says where the log begins: by a base record, or by a live entry
// that is released itself and becomes the base.
absl::Status SegmentedLog::RetireReleased(uint64_t through) {
  while (segments_.size() > 1) {
    const uint64_t oldest = segments_.begin()->first;
    if (index_.base_sequence() <= oldest) {
      const std::optional<uint64_t> first_behind = index_.FirstIndexBehind(oldest);
      if (!first_behind || *first_behind > through) break;
      index_.MoveBase(*first_behind);
    }
    std::unique_ptr<File> file = std::move(segments_.begin()->second.file);
    segments_.erase(segments_.begin());
    REGENT_RETURN_IF_ERROR(folder_.Retire(oldest, std::move(file)));
  }
  return absl::OkStatus();
}

absl::Status SegmentedLog::Reset(raft::Index base_index, raft::Term base_term) {
  if (!failed_.ok()) return failed_;
  REGENT_RETURN_IF_ERROR(Fence(EnsureFits(kBatchHeaderBytes + RecordBytes(0))));
  writer_.Begin();
  writer_.Add(RecordKind::kBase, base_term.value, base_index.value, {});
  const uint64_t sequence = writer_.position().sequence;
  REGENT_RETURN_IF_ERROR(Fence(writer_.Commit()));
  index_.SetBase(base_index.value, base_term.value, sequence);
  return Fence(RetireReleased(base_index.value));
}

absl::Status SegmentedLog::WriteMark() {
  if (!failed_.ok()) return failed_;
  if (!MarkWanted()) return absl::OkStatus();
  // The header of a new segment says by itself that the one before was synced.
  if (!writer_.Fits(writer_.MarkBytes())) return Fence(Roll());
  return Fence(writer_.WriteMark());
}

absl::StatusOr<bool> SegmentedLog::Prepare() {
  if (!failed_.ok()) return failed_;
  absl::StatusOr<bool> more = writer_.FillAhead();
  if (more.ok() && !*more && writer_.position().offset > options_.segment_bytes / 2) more = folder_.PrepareSpare();
  // Without space there is nothing to prepare; whoever needs it reports it.
  if (absl::IsResourceExhausted(more.status())) return false;
  if (!more.ok()) failed_ = more.status();
  return more;
}

uint64_t SegmentedLog::bytes_on_disk() const {
  uint64_t bytes = folder_.spare_bytes();
  for (const auto& [sequence, segment] : segments_) {
    const absl::StatusOr<uint64_t> size = segment.file->Size();
    if (size.ok()) bytes += *size;
  }
  return bytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LogStore>> LogStore::Open(Files& files, const std::string& directory,
                                                         LogIdentity identity, LogOptions options,
                                                         RecoveredLog* recovered) {
  CHECK_GT(options.segment_bytes, 2 * kSegmentHeaderBytes);
  *recovered = RecoveredLog{};
  auto log = std::make_unique<SegmentedLog>(files, directory, identity, std::move(options));
  REGENT_RETURN_IF_ERROR(log->Recover(recovered));
  return log;
}

}  // namespace regent::storage
