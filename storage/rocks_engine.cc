#include "storage/rocks_engine.h"

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "glog/logging.h"
#include "rocksdb/cache.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/listener.h"
#include "rocksdb/rate_limiter.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/checkpoint.h"
#include "rocksdb/write_buffer_manager.h"
#include "storage/keys.h"
#include "storage/rocks_log.h"
#include "storage/rocks_manifest.h"

namespace regent::storage {
namespace {

rocksdb::Slice ToSlice(std::string_view bytes) { return rocksdb::Slice(bytes.data(), bytes.size()); }
std::string_view ToView(const rocksdb::Slice& slice) { return std::string_view(slice.data(), slice.size()); }

// The filters know the keys of version rows: everything of the row before its revision.
class KeyPrefixTransform final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "regent.KeyPrefix.1"; }
  bool InDomain(const rocksdb::Slice& row) const override {
    return row.size() > kPositionBytes && row[0] == kVersionRows;
  }
  rocksdb::Slice Transform(const rocksdb::Slice& row) const override {
    return rocksdb::Slice(row.data(), row.size() - kPositionBytes);
  }
  bool FullLengthEnabled(size_t* /*length*/) const override { return false; }
};

// Event rows come in ascending order: the memtable takes each behind the one before without searching.
class EventRowTransform final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "regent.EventRow.1"; }
  bool InDomain(const rocksdb::Slice& row) const override { return row.size() > 1 && row[0] == kEventRows; }
  rocksdb::Slice Transform(const rocksdb::Slice& row) const override { return rocksdb::Slice(row.data(), 1); }
};

// After a failed flush or compaction this release may hang or leak; the log has everything, so stop and replay.
class FailStop final : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override {
    LOG(FATAL) << "the store's disk failed in the background (reason " << static_cast<int>(reason)
               << "): " << error->ToString();
  }
};

class RocksIterator final : public RowIterator {
 public:
  RocksIterator(rocksdb::DB* db, rocksdb::ReadOptions options, std::string upper_bound, Scope scope)
      : upper_bound_(std::move(upper_bound)), upper_bound_slice_(upper_bound_) {
    options.iterate_upper_bound = &upper_bound_slice_;
    options.prefix_same_as_start = scope == Scope::kOneKey;
    options.total_order_seek = scope != Scope::kOneKey;
    options.fill_cache = scope != Scope::kAll;
    iterator_.reset(db->NewIterator(options));
  }

  void Seek(std::string_view row) override {
    iterator_->Seek(ToSlice(row));
    CheckStatus();
  }
  void Next() override {
    iterator_->Next();
    CheckStatus();
  }
  bool Valid() const override { return iterator_->Valid(); }
  std::string_view row() const override { return ToView(iterator_->key()); }
  std::string_view value() const override { return ToView(iterator_->value()); }

 private:
  void CheckStatus() const {
    if (!iterator_->Valid())
      CHECK(iterator_->status().ok()) << "the store cannot be read: " << iterator_->status().ToString();
  }

  const std::string upper_bound_;
  const rocksdb::Slice upper_bound_slice_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

// UINT64_MAX: unknown.
uint64_t FreeBytesOf(rocksdb::Env& environment, const std::string& folder) {
  uint64_t bytes = 0;
  const rocksdb::Status status = environment.GetFreeSpace(folder, &bytes);
  return status.ok() ? bytes : UINT64_MAX;
}

// A compaction that finds the disk full ends the process, and would again after each start. So a start without room for
// a file of the store begins without compactions.
bool HasRoomToCompact(uint64_t free_bytes, const rocksdb::Options& options) {
  return free_bytes >= options.target_file_size_base;
}

class RocksEngine final : public Engine {
 public:
  RocksEngine(std::unique_ptr<rocksdb::DB> db, uint64_t generation, RocksMutant mutant)
      : db_(std::move(db)),
        generation_(generation),
        mutant_(mutant),
        compacts_(!db_->GetOptions().disable_auto_compactions) {}

  bool Get(std::string_view row, std::string* value) const override { return Read(Checked(), row, value); }

  std::unique_ptr<RowIterator> Iterate(std::string upper_bound, Scope scope) const override {
    return std::make_unique<RocksIterator>(db_.get(), Checked(), std::move(upper_bound), scope);
  }

  void Write(const Batch& batch) override {
    rocksdb::WriteBatch rows(batch.size_bytes() + 64);
    for (size_t i = 0; i < batch.count(); ++i) {
      const Batch::Operation operation = batch.at(i);
      if (operation.put) {
        rows.Put(ToSlice(operation.row), ToSlice(operation.value));
      } else {
        rows.Delete(ToSlice(operation.row));
      }
    }
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    const rocksdb::Status status = db_->Write(options, &rows);
    CHECK(status.ok()) << "the store cannot be written: " << status.ToString();
  }

  absl::Status Flush() override {
    if (!compacts_ && HasRoomToCompact(FreeBytes(), db_->GetOptions())) CompactFromNowOn();
    if (FreeBytes() < UnflushedBytes()) return absl::ResourceExhaustedError("too little space to flush the store");
    rocksdb::FlushOptions options;
    options.wait = true;
    const rocksdb::Status status = db_->Flush(options);
    if (!status.ok()) return absl::InternalError("the store cannot be flushed: " + status.ToString());
    return absl::OkStatus();
  }

  std::optional<std::string> GetPersisted(std::string_view row) const override {
    rocksdb::ReadOptions options = Checked();
    options.read_tier = rocksdb::kPersistedTier;
    std::string value;
    if (!Read(options, row, &value)) return std::nullopt;
    return value;
  }

  void DropRange(std::string_view begin, std::string_view end) override {
    const rocksdb::Slice first = ToSlice(begin);
    const rocksdb::Slice last = ToSlice(end);
    const rocksdb::Status status =
        rocksdb::DeleteFilesInRange(db_.get(), db_->DefaultColumnFamily(), &first, &last, /*include_end=*/false);
    LOG_IF(WARNING, !status.ok()) << "files of purged events stay: " << status.ToString();
  }

  // A log_size_for_flush above 0 would skip the flush when there is no write-ahead log.
  absl::Status Checkpoint(const std::string& directory) override {
    if (absl::Status flushed = Flush(); !flushed.ok()) return flushed;
    rocksdb::Checkpoint* made = nullptr;
    rocksdb::Status status = rocksdb::Checkpoint::Create(db_.get(), &made);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
    if (status.ok()) status = checkpoint->CreateCheckpoint(directory, /*log_size_for_flush=*/0);
    if (!status.ok()) return absl::InternalError("no checkpoint of the store: " + status.ToString());
    return absl::OkStatus();
  }

  uint64_t generation() const override { return generation_; }

 private:
  rocksdb::ReadOptions Checked() const {
    rocksdb::ReadOptions options;
    options.verify_checksums = mutant_ != RocksMutant::kBlocksUnchecked;
    return options;
  }

  uint64_t FreeBytes() const { return FreeBytesOf(*db_->GetEnv(), db_->GetName()); }

  uint64_t UnflushedBytes() const {
    uint64_t bytes = 0;
    return db_->GetIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &bytes) ? bytes : 0;
  }

  void CompactFromNowOn() {
    if (compacts_.exchange(true)) return;
    const rocksdb::Status set = db_->SetOptions({{"disable_auto_compactions", "false"}});
    LOG(INFO) << "the disk has room again: the store compacts" << (set.ok() ? "" : ": " + set.ToString());
  }

  bool Read(const rocksdb::ReadOptions& options, std::string_view row, std::string* value) const {
    const rocksdb::Status status = db_->Get(options, ToSlice(row), value);
    CHECK(status.ok() || status.IsNotFound()) << "the store cannot be read: " << status.ToString();
    return status.ok();
  }

  const std::unique_ptr<rocksdb::DB> db_;
  const uint64_t generation_;
  const RocksMutant mutant_;
  std::atomic<bool> compacts_;
};

// RocksOptions::unsafe_no_sync: every sync is reported as done and is not.
class NoSyncFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  using FSWritableFileOwnerWrapper::FSWritableFileOwnerWrapper;
  rocksdb::IOStatus Sync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus RangeSync(uint64_t, uint64_t, const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }
};

class NoSyncFolder final : public rocksdb::FSDirectoryWrapper {
 public:
  explicit NoSyncFolder(std::unique_ptr<rocksdb::FSDirectory>&& folder)
      : rocksdb::FSDirectoryWrapper(std::move(folder)) {}
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus FsyncWithDirOptions(const rocksdb::IOOptions&, rocksdb::IODebugContext*,
                                        const rocksdb::DirFsyncOptions&) override {
    return rocksdb::IOStatus::OK();
  }
};

class NoSyncFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  NoSyncFileSystem() : rocksdb::FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "regent.NoSync"; }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* context) override {
    return Wrap(target()->NewWritableFile(path, options, file, context), file);
  }
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* context) override {
    return Wrap(target()->ReopenWritableFile(path, options, file, context), file);
  }
  rocksdb::IOStatus ReuseWritableFile(const std::string& path, const std::string& old_path,
                                      const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* file,
                                      rocksdb::IODebugContext* context) override {
    return Wrap(target()->ReuseWritableFile(path, old_path, options, file, context), file);
  }
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* folder,
                                 rocksdb::IODebugContext* context) override {
    rocksdb::IOStatus status = target()->NewDirectory(path, options, folder, context);
    if (status.ok()) *folder = std::make_unique<NoSyncFolder>(std::move(*folder));
    return status;
  }

 private:
  static rocksdb::IOStatus Wrap(rocksdb::IOStatus status, std::unique_ptr<rocksdb::FSWritableFile>* file) {
    if (status.ok()) *file = std::make_unique<NoSyncFile>(std::move(*file));
    return status;
  }
};

// It lives as long as the process: engines and their background work may outlive any owner here.
rocksdb::Env* NoSyncEnvironment() {
  static rocksdb::Env* const environment = rocksdb::NewCompositeEnv(std::make_shared<NoSyncFileSystem>()).release();
  return environment;
}

rocksdb::CompressionType FastCompression() {
  const std::vector<rocksdb::CompressionType> supported = rocksdb::GetSupportedCompressions();
  const bool lz4 = std::find(supported.begin(), supported.end(), rocksdb::kLZ4Compression) != supported.end();
  return lz4 ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
}

rocksdb::BlockBasedTableOptions TableOptions(std::shared_ptr<rocksdb::Cache> cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = std::move(cache);
  table.block_size = 8 << 10;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.whole_key_filtering = false;  // every version row is found by the prefix of its key
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  // Charged to the cache, but found without asking it.
  table.metadata_cache_options.unpartitioned_pinning = rocksdb::PinningTier::kAll;
  table.max_auto_readahead_size = 0;  // the kernel reads ahead well, and RocksDB would ask it to for cached blocks too
  table.format_version = 5;
  return table;
}

rocksdb::Options MakeOptions(const RocksOptions& options) {
  const uint64_t memtable_bytes = std::clamp<uint64_t>(options.memory_bytes / 8, 64 << 10, 64 << 20);
  const std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(options.memory_bytes, /*num_shard_bits=*/4);
  rocksdb::Options result;
  if (options.unsafe_no_sync) result.env = NoSyncEnvironment();
  if (options.environment != nullptr) result.env = options.environment;
  result.create_if_missing = true;
  result.paranoid_checks = true;
  result.fail_if_options_file_error = !options.options_file_may_fail;  // a disk that fails here fails
  result.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(options.memory_bytes / 2, cache);
  result.write_buffer_size = memtable_bytes;
  result.max_write_buffer_number = 4;
  result.prefix_extractor = std::make_shared<KeyPrefixTransform>();
  result.memtable_prefix_bloom_size_ratio = 0.05;
  result.memtable_insert_with_hint_prefix_extractor = std::make_shared<EventRowTransform>();
  result.allow_concurrent_memtable_write = false;  // there is one writer
  result.table_factory.reset(rocksdb::NewBlockBasedTableFactory(TableOptions(cache)));
  result.compression = FastCompression();
  // Values of some size are written once, by the flush; compactions move the small rest of their rows. What is left in
  // the oldest files moves on when half of them is garbage, or when its row is compacted.
  result.enable_blob_files = true;
  result.min_blob_size = kBlobBytesMin;
  result.blob_file_size = 4 * memtable_bytes;
  result.blob_compression_type = result.compression;
  result.blob_cache = cache;
  result.enable_blob_garbage_collection = true;
  result.blob_garbage_collection_age_cutoff = 0.1;
  result.blob_garbage_collection_force_threshold = 0.5;
  result.level_compaction_dynamic_level_bytes = true;
  result.target_file_size_base = memtable_bytes;
  result.max_bytes_for_level_base = 4 * memtable_bytes;
  result.max_background_jobs = static_cast<int>(options.background_threads);
  result.rate_limiter.reset(
      rocksdb::NewGenericRateLimiter(static_cast<int64_t>(options.flush_bytes_per_second), /*refill_period_us=*/100'000,
                                     /*fairness=*/10, rocksdb::RateLimiter::Mode::kWritesOnly, /*auto_tuned=*/true));
  result.bytes_per_sync = 1 << 20;
  result.allow_fallocate = false;  // on a disk that is nearly full it would take what is left, for nothing
  result.avoid_flush_during_shutdown = true;
  result.avoid_unnecessary_blocking_io = true;
  result.max_open_files = 1000;
  result.info_log = MakeRocksLog(rocksdb::WARN_LEVEL);
  result.max_manifest_file_size = 16 << 20;
  result.stats_dump_period_sec = 0;
  result.stats_persist_period_sec = 0;
  result.listeners.push_back(std::make_shared<FailStop>());
  return result;
}

// True when the MANIFEST had a bad end and now ends before it; see rocks_manifest.h.
bool CutManifest(rocksdb::Env* environment, const std::string& directory) {
  std::string name, manifest;
  if (!rocksdb::ReadFileToString(environment, directory + "/CURRENT", &name).ok()) return false;
  if (!name.empty() && name.back() == '\n') name.pop_back();
  const std::string path = directory + "/" + name;
  if (!rocksdb::ReadFileToString(environment, path, &manifest).ok()) return false;
  const size_t readable = ReadableManifestBytes(manifest);
  if (readable == 0 || readable == manifest.size()) return false;
  LOG(WARNING) << path << " is bad at offset " << readable << " of " << manifest.size()
               << ", as a loss of power leaves it: the store goes back to the state before that";
  // A crash here leaves the one or the other; RocksDB removes files with this suffix.
  const std::string beside = path + ".dbtmp";
  rocksdb::Status status = rocksdb::WriteStringToFile(environment, rocksdb::Slice(manifest.data(), readable), beside,
                                                      /*should_sync=*/true);
  if (status.ok()) status = environment->RenameFile(beside, path);
  LOG_IF(ERROR, !status.ok()) << "the bad end of " << path << " stays: " << status.ToString();
  return status.ok();
}

}  // namespace

absl::StatusOr<std::shared_ptr<Engine>> OpenRocksEngine(const std::string& directory, uint64_t generation,
                                                        const RocksOptions& options) {
  rocksdb::DB* db = nullptr;
  rocksdb::Options rocks = MakeOptions(options);
  const size_t slash = directory.find_last_of('/');
  const std::string parent = slash == std::string::npos ? "." : directory.substr(0, slash + 1);
  rocks.disable_auto_compactions = !HasRoomToCompact(FreeBytesOf(*rocks.env, parent), rocks);
  LOG_IF(WARNING, rocks.disable_auto_compactions) << "the disk is nearly full: the store does not compact";
  rocksdb::Status status = rocks.env->CreateDirIfMissing(directory);  // whose absence Open would report as an error
  if (status.ok()) status = rocksdb::DB::Open(rocks, directory, &db);
  if (status.IsCorruption() && CutManifest(rocks.env, directory)) status = rocksdb::DB::Open(rocks, directory, &db);
  if (!status.ok()) return absl::DataLossError("the store in " + directory + " cannot be opened: " + status.ToString());
  return std::make_shared<RocksEngine>(std::unique_ptr<rocksdb::DB>(db), generation, options.mutant);
}

}  // namespace regent::storage
