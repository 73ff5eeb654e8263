#include "storage/rocks_reader.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/metadata.h"
#include "rocksdb/sst_file_reader.h"
#include "storage/rocks_log.h"

namespace regent::storage {
namespace {

constexpr size_t kReadAheadBytes = 1 << 20;

std::string_view ToView(const rocksdb::Slice& slice) { return std::string_view(slice.data(), slice.size()); }

class Reader final : public RocksReader {
 public:
  Reader(std::unique_ptr<rocksdb::DB> db, std::string directory)
      : db_(std::move(db)), directory_(std::move(directory)) {
    db_->GetLiveFilesMetaData(&files_);
  }

  absl::Status ForEach(absl::FunctionRef<absl::Status(std::string_view row, std::string_view value)> on_row) override {
    const std::unique_ptr<rocksdb::Iterator> row(db_->NewIterator(ReadOptions()));
    for (row->SeekToFirst(); row->Valid(); row->Next()) {
      if (absl::Status status = on_row(ToView(row->key()), ToView(row->value())); !status.ok()) return status;
    }
    return Check(row->status());
  }

  absl::Status VerifyChecksums() override { return Check(db_->VerifyChecksum(ReadOptions())); }

  uint64_t files() const override { return files_.size(); }
  uint64_t bytes() const override {
    uint64_t bytes = 0;
    for (const rocksdb::LiveFileMetaData& file : files_) bytes += file.size;
    return bytes;
  }

 private:
  static rocksdb::ReadOptions ReadOptions() {
    rocksdb::ReadOptions options;
    options.verify_checksums = true;
    options.fill_cache = false;
    options.total_order_seek = true;
    options.readahead_size = kReadAheadBytes;
    return options;
  }

  absl::Status Check(const rocksdb::Status& status) const {
    if (status.ok()) return absl::OkStatus();
    return absl::DataLossError("the store in " + directory_ + " cannot be read: " + status.ToString());
  }

  const std::unique_ptr<rocksdb::DB> db_;
  const std::string directory_;
  std::vector<rocksdb::LiveFileMetaData> files_;
};

// The first damaged table in the words of its reader; those of a failed opening may name another file. Empty when every
// table is whole.
std::string FindDamagedTable(const rocksdb::Options& options, const std::string& directory) {
  std::vector<std::string> names;
  if (!options.env->GetChildren(directory, &names).ok()) return "";
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    if (!name.ends_with(".sst")) continue;
    rocksdb::SstFileReader reader(options);
    rocksdb::Status status = reader.Open(directory + "/" + name);
    if (status.ok()) status = reader.VerifyChecksum();
    if (!status.ok()) return directory + "/" + name + ": " + status.ToString();
  }
  return "";
}

}  // namespace

absl::StatusOr<std::unique_ptr<RocksReader>> RocksReader::Open(const std::string& directory) {
  rocksdb::Options options;
  options.paranoid_checks = true;
  options.info_log = MakeRocksLog(rocksdb::FATAL_LEVEL);
  options.max_open_files = 100;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::OpenForReadOnly(options, directory, &db);
  if (!status.ok()) {
    const std::string table = FindDamagedTable(options, directory);
    return absl::DataLossError("the store in " + directory +
                               " cannot be opened: " + (table.empty() ? status.ToString() : table));
  }
  return std::make_unique<Reader>(std::unique_ptr<rocksdb::DB>(db), directory);
}

}  // namespace regent::storage
