// RocksDB's MANIFEST, the list of the changes of its files: how much of it can be read, and where it is damaged.
//
// RocksDB 7.8 takes a write to it that a loss of power tore for corruption, and does not open. The cure is to open with
// the list up to the first bad record. That is safe whatever made the record bad, because the store is a function of
// the log: an older list names an older state, a prefix of the batches; when its files are gone, RocksDB refuses it;
// when the log no longer reaches back to its applied index, the node refuses to start. Otherwise the replay makes up
// for it. A damaged length, on the other hand, RocksDB takes for the end of the list, and says nothing.
//
//   manifest := block*                      blocks of 32 KiB; the last one may be shorter
//   block    := fragment* zeroes            fewer than 7 bytes of zeroes, where no header fits
//   fragment := crc:4 length:2 type:1 data  little-endian; crc: CRC-32C of type and data, masked
//   record   := FULL(1) | FIRST(2) MIDDLE(3)* LAST(4)
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "storage/files.h"

namespace regent::storage {

// Where the last record ends that is whole and has only whole ones before it.
size_t ReadableManifestBytes(std::string_view manifest);

// Looks at the MANIFEST of the store in the folder `store`, without changing it. DataLoss with file and offset. A text
// tells of a tail that a crash tore.
absl::StatusOr<std::optional<std::string>> CheckManifest(Files& files, const std::string& store);

}  // namespace regent::storage
