// Checks the file in which RocksDB says which files the store has: RocksDB names it when it is damaged, but not the
// place, and takes a damaged length for the end of the file.
//
//   MANIFEST := block*                 of 32768 bytes
//   block    := record* zeroes         a record does not cross a block; fewer than 7 bytes are left over
//   record   := checksum:u32 bytes:u16 type:u8 payload      little-endian; a masked CRC-32C of type and payload
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "storage/files.h"

namespace regent::storage {

// DataLoss with file and offset. A text tells of a tail that a crash tore: RocksDB ignores it.
absl::StatusOr<std::optional<std::string>> CheckManifest(Files& files, const std::string& store);

}  // namespace regent::storage
