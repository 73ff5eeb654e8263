#include "tests/storage/log_workload.h"

#include <algorithm>
#include <utility>

#include "glog/logging.h"

namespace regent::testing {

using raft::Entry;

storage::LogOptions SmallLogOptions(storage::LogMutant mutant) {
  storage::LogOptions options;
  options.segment_bytes = 16 << 10;
  options.prefill_bytes = 4 << 10;
  options.spare_segments_max = 2;
  options.mutant = mutant;
  return options;
}

uint64_t LogModel::TermAt(uint64_t index) const {
  if (index == base_index) return base_term;
  return entries.at(index - base_index - 1).term.value;
}

std::string DifferenceTo(const LogModel& model, const storage::RecoveredLog& recovered, storage::LogStore& log) {
  if (recovered.hard_state != model.hard_state) {
    return "term and vote are " + std::to_string(recovered.hard_state.term.value) + " and " +
           std::to_string(recovered.hard_state.vote.value) + ", not " + std::to_string(model.hard_state.term.value) +
           " and " + std::to_string(model.hard_state.vote.value);
  }
  const uint64_t base = recovered.base_index.value;
  const std::string words = "base " + std::to_string(base) + ", last " + std::to_string(recovered.last_index.value);
  const std::string expected = "; expected base " + std::to_string(model.base_index) + " (released through " +
                               std::to_string(model.released_through) + "), last " + std::to_string(model.last_index());
  if (base < model.base_index || base > std::max(model.base_index, model.released_through)) return words + expected;
  if (recovered.last_index.value != model.last_index()) return words + expected;
  if (recovered.base_term.value != model.TermAt(base)) return "term of the base" + expected;
  if (recovered.last_term.value != model.TermAt(model.last_index())) return "term of the last" + expected;
  for (uint64_t next = base + 1; next <= model.last_index();) {
    const absl::StatusOr<std::vector<Entry>> read = log.Read({next}, 5000);
    if (!read.ok()) return "read of " + std::to_string(next) + ": " + read.status().ToString();
    if (read->empty()) return "nothing read at " + std::to_string(next);
    for (const Entry& entry : *read) {
      if (entry != model.entries.at(next - model.base_index - 1)) return "entry " + std::to_string(next) + " differs";
      ++next;
    }
  }
  return "";
}

absl::Status LogDriver::Step(storage::LogStore& log) {
  in_flight_ = acknowledged_;
  last_ = Choose();
  return Repeat(log);
}

absl::Status LogDriver::Repeat(storage::LogStore& log) {
  absl::Status status = last_(log);
  if (status.ok()) acknowledged_ = in_flight_;
  return status;
}

LogDriver::Operation LogDriver::Choose() {
  const uint64_t sum = uint64_t{workload_.append} + workload_.conflict + workload_.hard_state + workload_.release +
                       workload_.reset + workload_.mark + workload_.prepare;
  uint64_t draw = Random(sum);
  const auto is = [&draw](uint32_t weight) {
    if (draw < weight) return true;
    draw -= weight;
    return false;
  };
  const uint64_t next = acknowledged_.last_index() + 1;
  if (is(workload_.append)) return AppendFrom(next);
  if (is(workload_.conflict)) {
    // Committed entries are never replaced.
    const uint64_t first = std::max(acknowledged_.base_index, acknowledged_.released_through) + 1;
    return AppendFrom(next > first ? std::max(first, next - 1 - Random(std::min<uint64_t>(next - first, 12))) : next);
  }
  if (is(workload_.hard_state)) return SaveHardState();
  if (is(workload_.release)) return Release();
  if (is(workload_.reset)) return Reset();
  if (is(workload_.mark)) return [](storage::LogStore& log) { return log.WriteMark(); };
  return [](storage::LogStore& log) { return log.Prepare().status(); };
}

LogDriver::Operation LogDriver::AppendFrom(uint64_t first) {
  // Lower terms come back, too (figure 8).
  const uint64_t term = 1 + Random(20);
  std::vector<Entry> entries;
  for (uint64_t count = 1 + Random(4); count > 0; --count) {
    size_t bytes = Random(workload_.payload_bytes_max + 1);
    if (workload_.large_payload_bytes > 0 && Random(40) == 0) bytes = workload_.large_payload_bytes;
    std::string payload(bytes, '\0');
    for (char& byte : payload) byte = static_cast<char>(random_());
    entries.push_back({.index = {first + entries.size()},
                       .term = {term},
                       .type = Random(10) == 0 ? raft::EntryType::kConfiguration : raft::EntryType::kNormal,
                       .data = std::move(payload)});
  }
  in_flight_.entries.resize(first - in_flight_.base_index - 1);
  in_flight_.entries.insert(in_flight_.entries.end(), entries.begin(), entries.end());
  return [entries](storage::LogStore& log) { return log.Append(entries); };
}

LogDriver::Operation LogDriver::SaveHardState() {
  in_flight_.hard_state = {.term = {acknowledged_.hard_state.term.value + Random(3)}, .vote = {Random(4)}};
  return [state = in_flight_.hard_state](storage::LogStore& log) { return log.SaveHardState(state); };
}

LogDriver::Operation LogDriver::Release() {
  const uint64_t from = std::max(acknowledged_.base_index, acknowledged_.released_through);
  const uint64_t through = from + Random(acknowledged_.last_index() - from + 1);
  in_flight_.released_through = std::max(in_flight_.released_through, through);
  return [through](storage::LogStore& log) { return log.Release({through}); };
}

LogDriver::Operation LogDriver::Reset() {
  const uint64_t from = std::max(acknowledged_.base_index, acknowledged_.released_through);
  in_flight_.base_index = in_flight_.released_through = from + Random(100);
  in_flight_.base_term = 1 + Random(20);
  in_flight_.entries.clear();
  return [index = in_flight_.base_index, term = in_flight_.base_term](storage::LogStore& log) {
    return log.Reset({index}, {term});
  };
}

OpenedLog OpenLog(storage::Files& files, const storage::LogOptions& options) {
  OpenedLog opened;
  auto log = storage::LogStore::Open(files, kTestFolder, kTestIdentity, options, &opened.recovered);
  opened.status = log.status();
  if (log.ok()) opened.log = *std::move(log);
  return opened;
}

std::vector<std::string> SegmentPaths(MemoryDisk& disk) {
  std::vector<std::string> paths;
  const auto names = disk.List(kTestFolder);
  CHECK(names.ok()) << names.status();
  for (const std::string& name : *names) {
    if (name.ends_with(".log")) paths.push_back(std::string(kTestFolder) + "/" + name);
  }
  return paths;
}

}  // namespace regent::testing
