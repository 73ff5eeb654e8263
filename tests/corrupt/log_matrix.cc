// Every byte of a log of three small segments, changed in four ways, and every sector of it zeroed; with the final mark
// and without it. Regression tests RK-54, RK-56 and RK-58 are parts of it.
#include <cstdio>
#include <string>
#include <vector>

#include "storage/log_bytes.h"
#include "storage/log_format.h"
#include "tests/corrupt/matrix.h"
#include "tests/storage/damaged_log.h"

namespace regent::testing {
namespace {

constexpr char kStops[] = "stops: file, offset, index";
constexpr char kHarmless[] = "harmless: everything is there";
constexpr char kHarmlessTorn[] = "harmless: everything is there, a torn tail is logged";
constexpr char kTorn[] = "the last batch is discarded, a torn tail is logged";
constexpr char kGone[] = "the last batch reads as never written";
constexpr char kRepaired[] = "repaired from the other copy, which is logged";
constexpr char kRefused[] = "stops: both files, and what to do";

constexpr char kChanged[] = "one byte changed";
constexpr char kZeroed[] = "one sector zeroed";

struct Region {
  uint64_t begin = 0;
  std::string name;
};

// The regions of a segment, ascending; each goes up to the next one.
class RegionsOfSegment {
 public:
  RegionsOfSegment(DamagedLog& log, const std::string& path, bool newest) : path_(path) {
    const std::string content = log.Content(path);
    regions_ = {{0, "segment header"}, {72, "segment header, the rest of its page"}};
    std::vector<BatchPlace> batches;
    for (const BatchPlace& batch : log.batches()) {
      if (batch.path == path) batches.push_back(batch);
    }
    uint64_t end = storage::kSegmentHeaderBytes;
    for (size_t i = 0; i < batches.size(); ++i) {
      const bool last = newest && i + 1 == batches.size();
      const bool last_but_one = newest && i + 2 == batches.size();
      const bool mark = last && !batches[i].last_with_entries;
      const bool filler = last_but_one && !batches.back().last_with_entries;
      std::string owner = newest ? "batch of the newest segment" : "batch of an older segment";
      if (batches[i].last_with_entries) owner = "last batch, no mark behind it";
      if (filler) owner = "filler before the final mark";
      if (mark) owner = "final mark";
      AddBatch(content, batches[i], owner);
      end = batches[i].offset + storage::PaddedBatchBytes(batches[i].bytes);
    }
    if (end < content.size()) regions_.push_back({end, newest ? "zeroes ahead of the log" : "rest of a full segment"});
  }

  const std::string& At(uint64_t offset) const {
    size_t found = 0;
    while (found + 1 < regions_.size() && regions_[found + 1].begin <= offset) ++found;
    return regions_[found].name;
  }

  // Without the parts of a batch: a sector holds many.
  std::string OwnerAt(uint64_t offset) const {
    const std::string& name = At(offset);
    return name.substr(0, name.find(':'));
  }

 private:
  void AddBatch(const std::string& content, const BatchPlace& batch, const std::string& owner) {
    regions_.push_back({batch.offset, owner + ": header"});
    uint64_t at = batch.offset + storage::kBatchHeaderBytes;
    const uint64_t end = batch.offset + batch.bytes;
    while (at < end) {
      const uint64_t payload_bytes = storage::GetU32(content.data() + at + 4);
      regions_.push_back({at, owner + ": record header"});
      regions_.push_back({at + storage::kRecordHeaderBytes, owner + ": payload"});
      if (payload_bytes % 8 != 0) {
        regions_.push_back({at + storage::kRecordHeaderBytes + payload_bytes, owner + ": padding of a record"});
      }
      at += storage::RecordBytes(payload_bytes);
    }
    if (end % storage::kSectorBytes != 0) regions_.push_back({end, owner + ": padding of the sector"});
  }

  const std::string path_;
  std::vector<Region> regions_;
};

// What Open made of it, in words; empty when it must not happen.
std::string Judge(const DamagedLog::Outcome& outcome, const std::string& place, std::string* silent) {
  *silent = outcome.silent;
  if (!silent->empty()) return "";
  if (outcome.data_loss) {
    if (outcome.message.find(place) == std::string::npos) {
      *silent = "the place is not named: " + outcome.message;
      return "";
    }
    return kStops;
  }
  if (outcome.last_missing) return outcome.torn_bytes > 0 ? kTorn : kGone;
  if (outcome.repaired) return kRepaired;
  return outcome.torn_bytes > 0 ? kHarmlessTorn : kHarmless;
}

void DamageSegments(DamagedLog& log, int patterns, OutcomeTable& table) {
  const std::vector<std::string> paths = log.paths();
  for (const std::string& path : paths) {
    const RegionsOfSegment regions(log, path, path == paths.back());
    const std::string content = log.Content(path);
    const auto add = [&](uint64_t offset, const std::string& region, const char* column, std::string_view bytes) {
      const BatchPlace* batch = log.BatchAt(path, offset);
      const std::string place =
          path + " at offset " + (batch != nullptr ? std::to_string(batch->offset) + ", index " : "");
      const DamagedLog::Outcome outcome = log.OpenWith(path, offset, bytes);
      std::string silent;
      const std::string words = Judge(outcome, place, &silent);
      const bool window = region.starts_with("last batch");
      if (silent.empty() && outcome.last_missing && !window) silent = "the last batch is missing";
      if (silent.empty()) {
        table.Add(region, column, words);
      } else {
        table.AddSilent(path + " at " + std::to_string(offset), silent);
      }
    };
    for (int pattern = 0; pattern < patterns; ++pattern) {
      for (uint64_t offset = 0; offset < content.size(); ++offset) {
        const char changed = Flip(content[offset], offset, pattern);
        if (changed != content[offset]) add(offset, regions.At(offset), kChanged, {&changed, 1});
      }
    }
    const std::string zeroes(kDiskSectorBytes, '\0');
    for (uint64_t offset = 0; offset + zeroes.size() <= content.size(); offset += zeroes.size()) {
      add(offset, regions.OwnerAt(offset), kZeroed, zeroes);
    }
  }
}

// The two copies of term and vote, 512 bytes each.
void DamageHardState(DamagedLog& log, OutcomeTable& table) {
  for (const std::string copy : {"1", "2"}) {
    const std::string path = std::string(kTestFolder) + "/term-and-vote-" + copy;
    const std::string content = log.Content(path);
    const auto add = [&](uint64_t offset, const char* column, std::string_view bytes) {
      std::string silent;
      const DamagedLog::Outcome outcome = log.OpenWith(path, offset, bytes);
      const std::string words = Judge(outcome, path, &silent);
      const std::string region = std::string("term and vote, one copy: ") + (offset < 64 ? "fields" : "padding");
      if (silent.empty()) {
        table.Add(region, column, words);
      } else {
        table.AddSilent(path + " at " + std::to_string(offset), silent);
      }
    };
    for (int pattern = 0; pattern < kFlipPatterns; ++pattern) {
      for (uint64_t offset = 0; offset < content.size(); ++offset) {
        const char changed = Flip(content[offset], offset, pattern);
        if (changed != content[offset]) add(offset, kChanged, {&changed, 1});
      }
    }
    add(0, kZeroed, std::string(content.size(), '\0'));
  }
}

// Both copies: every field of one with the other one zeroed.
void DamageBothHardStates(OutcomeTable& table) {
  for (uint64_t offset = 0; offset < 64; ++offset) {
    MemoryDisk disk;
    OpenedLog opened;
    if (!disk.CreateFolder(kTestFolder).ok() || !(opened = OpenLog(disk, SmallLogOptions())).status.ok()) std::abort();
    opened.log.reset();
    const std::string first = std::string(kTestFolder) + "/term-and-vote-1";
    const std::string second = std::string(kTestFolder) + "/term-and-vote-2";
    const char changed = Flip(disk.Content(first)[offset], offset, 0);
    disk.Damage(first, offset, {&changed, 1});
    disk.Damage(second, 0, std::string(512, '\0'));
    const absl::Status status = OpenLog(disk, SmallLogOptions()).status;
    const std::string message(status.message());
    if (absl::IsDataLoss(status) && message.find(first + " at offset 0") != std::string::npos &&
        message.find(second + " at offset 0") != std::string::npos && message.find("Restore") != std::string::npos) {
      table.Add("term and vote, both copies", kChanged, kRefused);
    } else {
      table.AddSilent(first + " at " + std::to_string(offset), status.ToString());
    }
  }
}

// The same matrix must find a log that believes zeroes, one that takes every bad place for a torn tail, one whose
// records are not covered by their checksum, and one with a single copy of term and vote.
bool FindsPlantedBugs() {
  bool found_all = true;
  for (const storage::LogMutant mutant :
       {storage::LogMutant::kIgnoreSyncedThrough, storage::LogMutant::kZeroesEndTheLog,
        storage::LogMutant::kRecordHeaderUnchecked, storage::LogMutant::kOneHardStateCopy}) {
    OutcomeTable table("planted bug " + std::to_string(static_cast<int>(mutant)), {kChanged, kZeroed});
    DamagedLog log(DamagedLog::End::kMarked, mutant);
    if (mutant == storage::LogMutant::kOneHardStateCopy) {
      DamageHardState(log, table);
    } else {
      DamageSegments(log, mutant == storage::LogMutant::kRecordHeaderUnchecked ? 1 : 0, table);
    }
    std::printf("planted bug %d: %llu silent places found\n", static_cast<int>(mutant),
                static_cast<unsigned long long>(table.silent()));
    found_all &= table.silent() > 0;
  }
  return found_all;
}

}  // namespace

bool LogMatrix(const MatrixOptions& options) {
  OutcomeTable marked("log", {kChanged, kZeroed});
  DamagedLog log(DamagedLog::End::kMarked);
  uint64_t bytes = 0;
  for (const std::string& path : log.paths()) bytes += log.Content(path).size();
  std::printf("a log of %llu bytes in %zu segments\n", static_cast<unsigned long long>(bytes), log.paths().size());
  DamageSegments(log, options.patterns, marked);
  DamageHardState(log, marked);
  DamageBothHardStates(marked);

  OutcomeTable unmarked("log without its final mark", {kChanged, kZeroed});
  for (const auto end : {DamagedLog::End::kUnmarked, DamagedLog::End::kUnmarkedSmall}) {
    DamagedLog ended(end);
    DamageSegments(ended, 1, unmarked);
    if (!ended.unchanged()) return std::printf("FAILED: the log was not mended\n"), false;
  }
  const bool enough = bytes >= 256 << 10 && log.paths().size() == 3 && marked.places() >= bytes &&
                      marked.CountOf(kStops) > bytes && marked.CountOf(kRepaired) > 0 && unmarked.CountOf(kTorn) > 0;
  if (!enough || !log.unchanged()) std::printf("FAILED: the matrix is not what it claims to be\n");
  const bool right = marked.Close(options.page, options.page_use) & unmarked.Close(options.page, options.page_use);
  return FindsPlantedBugs() && enough && right && log.unchanged();
}

}  // namespace regent::testing
