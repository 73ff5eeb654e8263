#include "storage/log_inspection.h"

#include <algorithm>
#include <utility>

#include "api/contract/status_macros.h"
#include "storage/log_hard_state.h"
#include "storage/log_read.h"

namespace regent::storage {
namespace {

constexpr size_t kReadBytesMax = 1 << 20;

}  // namespace

LogInspection::LogInspection(Files& files, const std::string& directory) : folder_(files, directory, LogOptions()) {}

absl::StatusOr<std::unique_ptr<LogInspection>> LogInspection::Open(Files& files, const std::string& directory,
                                                                   std::optional<LogIdentity> identity) {
  std::unique_ptr<LogInspection> log(new LogInspection(files, directory));
  InspectedLog& findings = log->findings_;
  findings.identity = identity;
  REGENT_ASSIGN_OR_RETURN(const LogFolderContent content, log->folder_.List());
  findings.spare_bytes = log->folder_.spare_bytes();
  for (const std::string& name : content.others) {
    if (name != "lock") findings.notes.push_back("not a file of the log: " + directory + "/" + name);
  }
  if (!content.segments.empty()) REGENT_RETURN_IF_ERROR(log->ReadSegments(content.segments));
  REGENT_RETURN_IF_ERROR(log->ReadHardState(files, directory, !content.segments.empty()));
  if (content.segments.empty() && findings.hard_state.value_or(raft::HardState{}) != raft::HardState{}) {
    findings.damage.push_back("the log has lost all of its segments: " + directory + " has term and vote alone");
  }
  return log;
}

absl::Status LogInspection::NoteDamage(const absl::Status& status) {
  if (status.ok()) return status;
  if (!absl::IsDataLoss(status) && !absl::IsFailedPrecondition(status)) return status;
  findings_.damage.emplace_back(status.message());
  return absl::OkStatus();
}

absl::Status LogInspection::ReadSegments(const std::vector<uint64_t>& sequences) {
  for (auto sequence = sequences.rbegin(); sequence != sequences.rend() && !findings_.identity; ++sequence) {
    REGENT_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, folder_.OpenSegment(*sequence));
    const absl::StatusOr<SegmentHeader> header = ReadSegmentHeader(*file, 0);
    if (header.ok()) findings_.identity = header->identity;
  }
  const absl::Status recovered =
      RecoverLog(folder_, sequences, findings_.identity.value_or(LogIdentity{}), LogMutant::kNone, &found_);
  REGENT_RETURN_IF_ERROR(NoteDamage(recovered));
  for (const uint64_t stray : found_.strays) {
    findings_.notes.push_back("released, and left behind by a crash: " + folder_.PathOf(stray));
  }
  if (found_.segments.empty()) return absl::OkStatus();
  readable_ = found_.index.Complete().ok();
  if (readable_) {
    findings_.base_index = {found_.index.base_index()};
    findings_.base_term = {found_.index.base_term()};
    findings_.last_index = {found_.index.last_index()};
    findings_.last_term = {found_.index.last_term()};
  }
  if (recovered.ok() && found_.tail.torn_bytes > 0) {
    findings_.torn_tail = TornTail{.path = folder_.PathOf(found_.segments.rbegin()->first),
                                   .offset = found_.newest().end,
                                   .bytes = found_.tail.torn_bytes};
  }
  return DescribeSegments();
}

absl::Status LogInspection::DescribeSegments() {
  size_t position = 0;
  for (const auto& [sequence, segment] : found_.segments) {
    const SegmentScan& scan = found_.scans[position++];
    InspectedSegment seen{.sequence = sequence,
                          .path = folder_.PathOf(sequence),
                          .end = scan.end,
                          .batches = scan.batches,
                          .marks = scan.marks,
                          .recycled = segment.header.recycled};
    REGENT_ASSIGN_OR_RETURN(seen.bytes, segment.file->Size());
    findings_.segments.push_back(std::move(seen));
  }
  if (!readable_) return absl::OkStatus();
  for (uint64_t index = found_.index.base_index() + 1; index <= found_.index.last_index(); ++index) {
    const uint64_t sequence = found_.index.At(index).sequence;
    InspectedSegment& seen = findings_.segments[sequence - findings_.segments.front().sequence];
    if (seen.entries++ == 0) seen.first_index = index;
    seen.last_index = index;
  }
  return absl::OkStatus();
}

absl::Status LogInspection::ReadHardState(Files& files, const std::string& directory, bool log_exists) {
  HardStateFiles hard_state(files, directory, findings_.identity.value_or(LogIdentity{}), LogMutant::kNone);
  const auto loaded = hard_state.Load(log_exists ? HardStateFiles::Log::kPresent : HardStateFiles::Log::kMissing);
  if (!loaded.ok()) return NoteDamage(loaded.status());
  findings_.hard_state = *loaded;
  if (!hard_state.damage().empty()) {
    findings_.damage.push_back(hard_state.damage() + "; the other copy is whole, and the next start repairs this one");
  }
  return absl::OkStatus();
}

absl::Status LogInspection::ForEach(absl::FunctionRef<absl::Status(const raft::Entry&)> on_entry) const {
  if (!readable_) return absl::OkStatus();
  for (uint64_t next = found_.index.base_index() + 1; next <= found_.index.last_index();) {
    REGENT_ASSIGN_OR_RETURN(const std::vector<raft::Entry> entries,
                            ReadEntries(found_.segments, found_.index, next, kReadBytesMax, LogMutant::kNone));
    for (const raft::Entry& entry : entries) REGENT_RETURN_IF_ERROR(on_entry(entry));
    next += entries.size();
  }
  return absl::OkStatus();
}

}  // namespace regent::storage
