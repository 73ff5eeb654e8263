#include "storage/rocks_manifest.h"

#include <cstdint>
#include <memory>

#include "api/contract/status_macros.h"
#include "storage/crc32c.h"
#include "storage/log_bytes.h"

namespace regent::storage {
namespace {

constexpr size_t kBlockBytes = 32 << 10;
constexpr size_t kHeaderBytes = 7;

enum FragmentType : uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

uint32_t Masked(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8u; }

enum class State : uint8_t { kGood, kDamaged, kCutOff };

struct Fragment {
  State state = State::kDamaged;
  size_t bytes = 0;  // with its header
  uint8_t type = 0;
};

// The fragment at `at`, which has room for a header in its block.
Fragment Examine(std::string_view file, size_t at) {
  if (file.size() - at < kHeaderBytes) return {.state = State::kCutOff};
  const char* header = file.data() + at;
  const size_t length = static_cast<unsigned char>(header[4]) | static_cast<unsigned char>(header[5]) << 8;
  const auto type = static_cast<uint8_t>(header[6]);
  if (at % kBlockBytes + kHeaderBytes + length > kBlockBytes) return {.state = State::kDamaged};
  if (at + kHeaderBytes + length > file.size()) return {.state = State::kCutOff};
  if (type < kFull || type > kLast) return {.state = State::kDamaged};
  const uint32_t crc = Masked(Crc32c(file.substr(at + kHeaderBytes - 1, 1 + length)));
  if (crc != GetU32(header)) return {.state = State::kDamaged};
  return {.state = State::kGood, .bytes = kHeaderBytes + length, .type = type};
}

struct Scan {
  size_t readable = 0;  // through the last whole record
  size_t stopped_at = 0;
  State state = State::kGood;  // of what is there; good: the end of the file
};

Scan ScanRecords(std::string_view file) {
  Scan scan;
  bool inside = false;  // a record, behind its first fragment
  for (size_t& at = scan.stopped_at; at < file.size();) {
    if (kBlockBytes - at % kBlockBytes < kHeaderBytes) {
      at += kBlockBytes - at % kBlockBytes;
      continue;
    }
    const Fragment fragment = Examine(file, at);
    scan.state = fragment.state;
    if (fragment.state == State::kGood && inside != (fragment.type == kMiddle || fragment.type == kLast)) {
      scan.state = State::kDamaged;
    }
    if (scan.state != State::kGood) return scan;
    at += fragment.bytes;
    inside = fragment.type == kFirst || fragment.type == kMiddle;
    if (!inside) scan.readable = at;
  }
  if (inside) scan.state = State::kCutOff;
  return scan;
}

bool AnyGoodBehind(std::string_view file, size_t at) {
  for (++at; at + kHeaderBytes <= file.size(); ++at) {
    if (at % kBlockBytes + kHeaderBytes <= kBlockBytes && Examine(file, at).state == State::kGood) return true;
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

size_t ReadableManifestBytes(std::string_view manifest) { return ScanRecords(manifest).readable; }

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
  const Scan scan = ScanRecords(*file);
  if (scan.state == State::kGood || file->find_first_not_of('\0', scan.stopped_at) == std::string::npos) {
    return std::nullopt;
  }
  const std::string place = path + " at offset " + std::to_string(scan.stopped_at);
  if (scan.state == State::kDamaged || AnyGoodBehind(*file, scan.stopped_at)) {
    return absl::DataLossError(place + ": the record there is damaged");
  }
  return place + ": a record that a crash cut off";
}

}  // namespace regent::storage
