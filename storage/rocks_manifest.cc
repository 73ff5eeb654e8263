#include "storage/rocks_manifest.h"

#include <algorithm>
#include <string_view>

#include "api/contract/status_macros.h"
#include "storage/crc32c.h"
#include "storage/log_bytes.h"

namespace regent::storage {
namespace {

constexpr size_t kBlockBytes = 32768;
constexpr size_t kHeaderBytes = 7;
constexpr uint8_t kLastType = 4;

uint32_t Masked(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8u; }

enum class RecordState { kGood, kDamaged, kCutOff };

struct Record {
  RecordState state = RecordState::kDamaged;
  size_t bytes = 0;  // with its header
};

// The record at `at`, which has room for a header in its block.
Record Examine(std::string_view file, size_t at) {
  if (file.size() - at < kHeaderBytes) return {.state = RecordState::kCutOff};
  const char* header = file.data() + at;
  const size_t payload = static_cast<unsigned char>(header[4]) | static_cast<unsigned char>(header[5]) << 8;
  const auto type = static_cast<uint8_t>(header[6]);
  if (at % kBlockBytes + kHeaderBytes + payload > kBlockBytes) return {.state = RecordState::kDamaged};
  if (at + kHeaderBytes + payload > file.size()) return {.state = RecordState::kCutOff};
  if (type == 0 || type > kLastType) return {.state = RecordState::kDamaged};
  const uint32_t crc = Masked(Crc32c(file.substr(at + 6, 1 + payload)));
  if (crc != GetU32(header)) return {.state = RecordState::kDamaged};
  return {.state = RecordState::kGood, .bytes = kHeaderBytes + payload};
}

bool AnyGoodBehind(std::string_view file, size_t at) {
  for (++at; at + kHeaderBytes <= file.size(); ++at) {
    if (at % kBlockBytes + kHeaderBytes <= kBlockBytes && Examine(file, at).state == RecordState::kGood) return true;
  }
  return false;
}

absl::StatusOr<std::string> ReadWhole(Files& files, const std::string& path) {
  REGENT_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, files.Open(path, OpenMode::kExisting));
  REGENT_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  std::string bytes(size, '\0');
  REGENT_ASSIGN_OR_RETURN(const size_t count, file->ReadAt(0, bytes.data(), bytes.size()));
  bytes.resize(count);
  return bytes;
}

}  // namespace

absl::StatusOr<std::optional<std::string>> CheckManifest(Files& files, const std::string& store) {
  REGENT_ASSIGN_OR_RETURN(std::string name, ReadWhole(files, store + "/CURRENT"));
  if (!name.starts_with("MANIFEST-") || !name.ends_with('\n')) {
    return absl::DataLossError(store + "/CURRENT is damaged at offset 0: it names no MANIFEST");
  }
  name.pop_back();
  const std::string path = store + "/" + name;
  const absl::StatusOr<std::string> file = ReadWhole(files, path);
  if (absl::IsNotFound(file.status())) {
    return absl::DataLossError(store + "/CURRENT is damaged at offset 0, or " + path + " is missing");
  }
  if (!file.ok()) return file.status();
  for (size_t at = 0; at < file->size();) {
    if (kBlockBytes - at % kBlockBytes < kHeaderBytes) {
      at += kBlockBytes - at % kBlockBytes;
      continue;
    }
    const Record record = Examine(*file, at);
    if (record.state == RecordState::kGood) {
      at += record.bytes;
      continue;
    }
    if (file->find_first_not_of('\0', at) == std::string::npos) break;
    const std::string place = path + " at offset " + std::to_string(at);
    if (record.state == RecordState::kDamaged || AnyGoodBehind(*file, at)) {
      return absl::DataLossError(place + ": the record there is damaged");
    }
    return place + ": a record that a crash cut off";
  }
  return std::nullopt;
}

}  // namespace regent::storage
