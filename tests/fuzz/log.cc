// Any bytes as a log: Open ends in a log that can be read, appended to and opened again, or in DataLoss or
// FailedPrecondition; never in a crash or a large allocation. The first byte chooses:
//   0  the bytes are the newest segment, as they are
//   1  the bytes are a script of batches and records with good checksums: what a buggy writer could have written
//   2  the bytes are changes to a good log: {place, value} each
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "glog/logging.h"
#include "storage/crc32c.h"
#include "storage/log_bytes.h"
#include "storage/log_format.h"
#include "storage/log_store.h"
#include "tests/support/memory_disk.h"

namespace regent::testing {
namespace {

constexpr char kFolder[] = "/wal";
constexpr char kFirst[] = "/wal/0000000000000001.log";
constexpr uint64_t kSeed = 0x5eed;
constexpr storage::LogIdentity kIdentity{.cluster_id = 1, .node_id = 2};

storage::LogOptions Options() {
  storage::LogOptions options;
  options.segment_bytes = 16 << 10;
  options.prefill_bytes = 2 << 10;
  return options;
}

class Input {
 public:
  explicit Input(std::string_view bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  std::string_view rest() const { return bytes_; }
  uint64_t Take(size_t count) {
    uint64_t value = 0;
    for (; count > 0 && !bytes_.empty(); --count) {
      value = value << 8 | static_cast<unsigned char>(bytes_.front());
      bytes_.remove_prefix(1);
    }
    return value;
  }

 private:
  std::string_view bytes_;
};

// Term and vote beside the first segment, as a new log has them.
std::unique_ptr<MemoryDisk> NewDisk() {
  auto disk = std::make_unique<MemoryDisk>();
  CHECK(disk->CreateFolder(kFolder).ok());
  storage::RecoveredLog recovered;
  CHECK(storage::LogStore::Open(*disk, kFolder, kIdentity, Options(), &recovered).ok());
  return disk;
}

void Check(MemoryDisk& disk) {
  storage::RecoveredLog recovered;
  auto log = storage::LogStore::Open(disk, kFolder, kIdentity, Options(), &recovered);
  if (!log.ok()) {
    CHECK(absl::IsDataLoss(log.status()) || absl::IsFailedPrecondition(log.status())) << log.status();
    return;
  }
  CHECK_LE(recovered.base_index.value, recovered.last_index.value);
  for (uint64_t next = recovered.base_index.value + 1; next <= recovered.last_index.value;) {
    const auto entries = (*log)->Read({next}, 1000);
    CHECK(entries.ok()) << entries.status();
    CHECK(!entries->empty());
    CHECK_EQ(entries->front().index.value, next);
    next += entries->size();
  }
  const raft::Entry entry{.index = {recovered.last_index.value + 1}, .term = {9}, .data = std::string("after")};
  CHECK((*log)->Append({&entry, 1}).ok());
  CHECK((*log)->WriteMark().ok());
  log->reset();
  storage::RecoveredLog again;
  log = storage::LogStore::Open(disk, kFolder, kIdentity, Options(), &again);
  CHECK(log.ok()) << log.status();
  CHECK_EQ(again.last_index.value, entry.index.value);
}

void AsSegment(std::string_view bytes) {
  const std::unique_ptr<MemoryDisk> disk = NewDisk();
  disk->Damage(kFirst, 0, bytes);
  Check(*disk);
}

// The header's checksum of a batch whose fields were changed.
void Reseal(std::string* batch) {
  char seed[8];
  storage::PutU64(seed, kSeed);
  const std::string_view view = *batch;
  const uint32_t crc = storage::ExtendCrc32c(storage::Crc32c({seed, sizeof(seed)}), view.substr(0, 4));
  storage::PutU32(batch->data() + 4, storage::ExtendCrc32c(crc, view.substr(8, storage::kBatchHeaderBytes - 8)));
}

void AsScript(Input input) {
  const std::unique_ptr<MemoryDisk> disk = NewDisk();
  storage::SegmentHeader header{.identity = kIdentity, .sequence = 1, .seed = kSeed};
  header.previous_end = input.Take(1) % 2 == 0 ? 0 : input.Take(2);
  header.recycled = input.Take(1) % 2 == 1;
  std::string content = storage::EncodeSegmentHeader(&header);
  uint32_t previous = header.checksum;
  storage::BatchEncoder encoder;
  while (!input.empty() && content.size() < (1 << 16)) {
    const storage::LogPosition where{.sequence = 1, .offset = content.size()};
    encoder.Begin(kSeed, where);
    for (uint64_t records = input.Take(1) % 4; records > 0; --records) {
      const auto kind = static_cast<storage::RecordKind>(1 + input.Take(1) % 5);
      const uint64_t term = input.Take(1);
      const uint64_t index =
          input.Take(1) % 16 == 15 ? input.Take(8) % (storage::kLogIndexMax + 1) : input.Take(1) % 32;
      encoder.Add(kind, term, index, std::string(input.Take(1) * 8, 'p'));
    }
    std::string batch(encoder.Finish(where, previous));
    switch (input.Take(1) % 8) {
      case 0:
        storage::PutU64(batch.data() + 8, input.Take(8));
        break;  // bytes
      case 1:
        storage::PutU64(batch.data() + 32, input.Take(1));
        break;  // synced through
      case 2:
        storage::PutU64(batch.data() + 40, input.Take(8));
        break;
      case 3:
        storage::PutU32(batch.data() + 48, 7);
        break;  // the chain
      case 4:
        batch[batch.size() / 2] ^= 1;
        break;
      default:
        break;
    }
    Reseal(&batch);
    previous = storage::GetU32(batch.data() + 4);
    content += batch;
  }
  disk->Damage(kFirst, 0, content);
  Check(*disk);
}

void AsChanges(Input input) {
  static const MemoryDisk* const good = [] {
    MemoryDisk* disk = NewDisk().release();
    storage::RecoveredLog recovered;
    auto log = storage::LogStore::Open(*disk, kFolder, kIdentity, Options(), &recovered);
    for (uint64_t index = 1; index <= 60; ++index) {
      const raft::Entry entry{.index = {index}, .term = {index / 10 + 1}, .data = std::string(index * 20, 'g')};
      CHECK((*log)->Append({&entry, 1}).ok());
      if (index % 10 == 0) CHECK((*log)->WriteMark().ok());
    }
    return disk;
  }();
  const std::unique_ptr<MemoryDisk> disk = good->AfterCrash([](const UnsyncedPiece&) { return true; });
  const std::vector<std::string> names = *disk->List(kFolder);
  for (int changes = 0; changes < 64 && !input.empty(); ++changes) {
    const std::string path = std::string(kFolder) + "/" + names[input.Take(1) % names.size()];
    const auto value = static_cast<char>(input.Take(1));
    disk->Damage(path, input.Take(2), {&value, 1});
  }
  Check(*disk);
}

}  // namespace
}  // namespace regent::testing

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      regent::testing::AsSegment(bytes);
      break;
    case 1:
      regent::testing::AsScript(regent::testing::Input(bytes));
      break;
    default:
      regent::testing::AsChanges(regent::testing::Input(bytes));
      break;
  }
  return 0;
}
