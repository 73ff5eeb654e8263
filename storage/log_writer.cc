#include "storage/log_writer.h"

#include <algorithm>
#include <string>

#include "api/contract/status_macros.h"
#include "glog/logging.h"
#include "storage/log_folder.h"

namespace regent::storage {
namespace {

constexpr uint64_t kFillStepBytes = 256 << 10;  // an append that arrives meanwhile waits for its sync
constexpr uint64_t kBroughtAlongBytes = 256 << 10;

}  // namespace

uint64_t LogWriter::Add(RecordKind kind, uint64_t term, uint64_t index, std::string_view payload) {
  const uint64_t offset = at_.end + encoder_.bytes();
  encoder_.Add(kind, term, index, payload);
  return offset;
}

absl::Status LogWriter::Commit() {
  const std::string_view batch = encoder_.Finish(position(), at_.checksum);
  REGENT_RETURN_IF_ERROR(WriteAndSync(batch));
  at_.end += batch.size();
  at_.checksum = encoder_.checksum();
  at_.entries_unmarked = true;
  return absl::OkStatus();
}

uint64_t LogWriter::FillerBytes() const { return (kPageBytes - at_.end % kPageBytes) % kPageBytes; }

uint64_t LogWriter::MarkBytes() const { return FillerBytes() + PaddedBatchBytes(kBatchHeaderBytes); }

absl::Status LogWriter::WriteMark() {
  const LogPosition durable = position();
  const uint64_t filler_bytes = FillerBytes();
  uint32_t previous = at_.checksum;
  std::string mark;
  if (filler_bytes > 0) {
    encoder_.Begin(at_.seed, durable);
    encoder_.Add(RecordKind::kFiller, 0, 0, std::string(filler_bytes - kBatchHeaderBytes - kRecordHeaderBytes, '\0'));
    mark = encoder_.Finish(durable, previous);
    previous = encoder_.checksum();
  }
  CHECK_EQ(mark.size(), filler_bytes);
  encoder_.Begin(at_.seed, {.sequence = at_.sequence, .offset = at_.end + filler_bytes});
  mark += encoder_.Finish(durable, previous);
  REGENT_RETURN_IF_ERROR(WriteAndSync(mark));
  at_.end += mark.size();
  at_.checksum = encoder_.checksum();
  at_.entries_unmarked = false;
  return absl::OkStatus();
}

absl::Status LogWriter::WriteAndSync(std::string_view bytes) {
  const auto now = [this] { return options_.now ? options_.now() : std::chrono::steady_clock::time_point(); };
  const auto begun = now();
  absl::Status written = at_.file->WriteAt(at_.end, bytes);
  if (absl::IsResourceExhausted(written) && options_.make_room && options_.make_room()) {
    written = at_.file->WriteAt(at_.end, bytes);
  }
  // What a full disk left of the batch lies behind the end: the next batch overwrites it, a crash finds it torn.
  REGENT_RETURN_IF_ERROR(written);
  REGENT_RETURN_IF_ERROR(BringZeroesAlong(at_.end + bytes.size()));

  if (options_.mutant == LogMutant::kAppendWithoutSync) return absl::OkStatus();
  const auto start = now();
  if (options_.on_write) options_.on_write(start - begun);
  REGENT_RETURN_IF_ERROR(at_.file->SyncData());
  if (options_.on_sync) options_.on_sync(now() - start, bytes.size());
  return absl::OkStatus();
}

absl::Status LogWriter::BringZeroesAlong(uint64_t end) {
  if (end <= at_.file_bytes) return absl::OkStatus();
  at_.file_bytes = end;
  const uint64_t wanted = std::min(options_.segment_bytes, end + std::min(options_.prefill_bytes, kBroughtAlongBytes));
  if (wanted <= end) return absl::OkStatus();
  const absl::Status status = WriteZeroes(*at_.file, end, wanted);
  if (status.ok()) at_.file_bytes = wanted;
  return absl::IsResourceExhausted(status) ? absl::OkStatus() : status;
}

absl::StatusOr<bool> LogWriter::FillAhead() {
  const uint64_t wanted = std::min(options_.segment_bytes, at_.end + options_.prefill_bytes);
  const uint64_t step = std::min(kFillStepBytes, std::max<uint64_t>(options_.prefill_bytes / 2, 1));
  // Whole steps only, so that a little progress of the log does not cost a sync each time.
  if (at_.file_bytes >= wanted || (wanted - at_.file_bytes < step && wanted < options_.segment_bytes)) return false;
  const uint64_t end = std::min(wanted, at_.file_bytes + step);
  REGENT_RETURN_IF_ERROR(WriteZeroes(*at_.file, at_.file_bytes, end));
  REGENT_RETURN_IF_ERROR(at_.file->SyncData());
  at_.file_bytes = end;
  return end < wanted;
}

}  // namespace regent::storage
