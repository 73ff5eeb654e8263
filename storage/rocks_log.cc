#include "storage/rocks_log.h"

#include <cstdarg>
#include <cstdio>

#include "glog/logging.h"

namespace regent::storage {
namespace {

constexpr size_t kNoteBytesMax = 2048;

class RocksLog final : public rocksdb::Logger {
 public:
  explicit RocksLog(rocksdb::InfoLogLevel least) : rocksdb::Logger(least) {}

  // Notes without a level, and the listing of every option at the start.
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
  void LogHeader(const char* /*format*/, va_list /*arguments*/) override {}

  void Logv(const rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    if (level < GetInfoLogLevel() || level >= rocksdb::HEADER_LEVEL) return;
    char note[kNoteBytesMax];
    std::vsnprintf(note, sizeof(note), format, arguments);
    if (level == rocksdb::WARN_LEVEL) {
      LOG(WARNING) << "RocksDB: " << note;
    } else {
      LOG(ERROR) << "RocksDB: " << note;
    }
  }
};

}  // namespace

std::shared_ptr<rocksdb::Logger> MakeRocksLog(rocksdb::InfoLogLevel least) { return std::make_shared<RocksLog>(least); }

}  // namespace regent::storage
