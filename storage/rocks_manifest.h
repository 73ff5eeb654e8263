// How much of RocksDB's MANIFEST, the list of the changes of its files, can be read.
//
// RocksDB 7.8 takes a write to it that a loss of power tore for corruption, and does not open. The cure is to open with
// the list up to the first bad record. That is safe whatever made the record bad, because the store is a function of
// the log: an older list names an older state, a prefix of the batches; when its files are gone, RocksDB refuses it;
// when the log no longer reaches back to its applied index, the node refuses to start. Otherwise the replay makes up
// for it.
//
//   manifest := block*                      blocks of 32 KiB; the last one may be shorter
//   block    := fragment* zeroes            fewer than 7 bytes of zeroes, where no header fits
//   fragment := crc:4 length:2 type:1 data  little-endian; crc: CRC-32C of type and data, masked
//   record   := FULL(1) | FIRST(2) MIDDLE(3)* LAST(4)
#pragma once

#include <cstddef>
#include <string_view>

namespace regent::storage {

// Where the last record ends that is whole and has only whole ones before it.
size_t ReadableManifestBytes(std::string_view manifest);

}  // namespace regent::storage
