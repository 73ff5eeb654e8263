// RocksDB's notes, without the file LOG that it would write into its folder: warnings and errors go to the server's own
// log, the rest is dropped. On a full disk the writer of that file ends the process in builds with assertions, as
// Debian's are.
#pragma once

#include <memory>

#include "rocksdb/env.h"

namespace regent::storage {

// Notes from `least` on. rocksdb::InfoLogLevel::FATAL_LEVEL: nothing but what ends the process.
std::shared_ptr<rocksdb::Logger> MakeRocksLog(rocksdb::InfoLogLevel least);

}  // namespace regent::storage
