#include "tests/support/rocks_disk.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "rocksdb/system_clock.h"

namespace regent::testing {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus ToIoStatus(const absl::Status& status) {
  if (status.ok()) return IOStatus::OK();
  const std::string words(status.message());
  if (absl::IsNotFound(status)) return IOStatus::PathNotFound(words);
  if (absl::IsResourceExhausted(status)) return IOStatus::NoSpace(words);
  return IOStatus::IOError(words);
}

std::string WithoutTrailingSlash(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

std::string NameOf(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

class SilentLogger final : public rocksdb::Logger {
 public:
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
  size_t GetLogFileSize() const override { return 0; }
};

class HeldLock final : public rocksdb::FileLock {
 public:
  explicit HeldLock(std::unique_ptr<storage::FileLock> lock) : lock_(std::move(lock)) {}

 private:
  const std::unique_ptr<storage::FileLock> lock_;
};

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  explicit SequentialFile(std::unique_ptr<storage::File> file) : file_(std::move(file)) {}
  IOStatus Read(size_t size, const IOOptions&, Slice* result, char* scratch, IODebugContext*) override {
    const absl::StatusOr<size_t> count = file_->ReadAt(at_, scratch, size);
    if (!count.ok()) return ToIoStatus(count.status());
    at_ += *count;
    *result = Slice(scratch, *count);
    return IOStatus::OK();
  }
  IOStatus Skip(uint64_t size) override {
    at_ += size;
    return IOStatus::OK();
  }

 private:
  const std::unique_ptr<storage::File> file_;
  uint64_t at_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  explicit RandomAccessFile(std::unique_ptr<storage::File> file) : file_(std::move(file)) {}
  IOStatus Read(uint64_t offset, size_t size, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    const absl::StatusOr<size_t> count = file_->ReadAt(offset, scratch, size);
    if (!count.ok()) return ToIoStatus(count.status());
    *result = Slice(scratch, *count);
    return IOStatus::OK();
  }

 private:
  const std::unique_ptr<storage::File> file_;
};

}  // namespace

// ---- the background thread -----------------------------------------------------------------------------------------

class RocksDisk::Worker {
 public:
  Worker() : thread_([this] { Run(); }) {}
  ~Worker() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stop_ = true;
      changed_.notify_all();
    }
    thread_.join();
  }

  void Schedule(void (*function)(void*), void* argument, Job job, void* tag, void (*unscheduled)(void*)) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Task task{.function = function, .argument = argument, .job = job, .tag = tag, .unscheduled = unscheduled};
    // Flushes first, as the pool of the higher priority has them.
    const auto behind = [](const Task& other) { return other.job != Job::kFlush; };
    const auto at = job == Job::kFlush ? std::find_if(tasks_.begin(), tasks_.end(), behind) : tasks_.end();
    tasks_.insert(at, task);
    changed_.notify_all();
  }

  int UnSchedule(void* tag) {
    std::vector<Task> gone;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const auto rest =
          std::stable_partition(tasks_.begin(), tasks_.end(), [&](const Task& t) { return t.tag != tag; });
      gone.assign(rest, tasks_.end());
      tasks_.erase(rest, tasks_.end());
    }
    for (const Task& task : gone) {
      if (task.unscheduled != nullptr) task.unscheduled(task.argument);
    }
    return static_cast<int>(gone.size());
  }

  // Before each change of the disk.
  void Gate() {
    if (std::this_thread::get_id() != thread_.get_id()) return;
    std::unique_lock<std::mutex> lock(mutex_);
    YieldAndWait(lock);
  }

  void Step() {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!Busy()) return;
    may_run_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !may_run_; });
  }

  void RunBeside(const std::function<void()>& call, const std::function<void()>& between) {
    bool done = false;
    std::thread beside([&] {
      call();
      const std::lock_guard<std::mutex> lock(mutex_);
      done = true;
      changed_.notify_all();
    });
    while (true) {
      {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [&] { return done || Busy(); });
        if (done && !Busy()) break;
      }
      Step();
      between();
    }
    beside.join();
  }

  bool busy() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return Busy();
  }
  Job job() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return job_;
  }

 private:
  struct Task {
    void (*function)(void*) = nullptr;
    void* argument = nullptr;
    Job job = Job::kNone;
    void* tag = nullptr;
    void (*unscheduled)(void*) = nullptr;
  };

  bool Busy() const { return job_ != Job::kNone || !tasks_.empty(); }

  void YieldAndWait(std::unique_lock<std::mutex>& lock) {
    may_run_ = false;
    changed_.notify_all();
    changed_.wait(lock, [this] { return may_run_ || stop_; });
  }

  void Run() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return stop_ || (may_run_ && !tasks_.empty()); });
      if (stop_) return;
      const Task task = tasks_.front();
      tasks_.pop_front();
      job_ = task.job;
      lock.unlock();
      task.function(task.argument);
      lock.lock();
      job_ = Job::kNone;
      may_run_ = false;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  Job job_ = Job::kNone;
  bool may_run_ = false;
  bool stop_ = false;
  std::thread thread_;  // last: it uses the rest
};

// ---- files ---------------------------------------------------------------------------------------------------------

class RocksDisk::FileSystem final : public rocksdb::FileSystem {
 public:
  FileSystem(storage::Files& files, RocksDiskOptions options, Worker& worker)
      : files_(files), options_(options), worker_(worker) {}

  const char* Name() const override { return "regent.RocksDisk"; }

  IOStatus NewSequentialFile(const std::string& path, const FileOptions&,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result, IODebugContext*) override {
    absl::StatusOr<std::unique_ptr<storage::File>> file = files_.Open(path, storage::OpenMode::kExisting);
    if (!file.ok()) return ToIoStatus(file.status());
    *result = std::make_unique<SequentialFile>(*std::move(file));
    return IOStatus::OK();
  }

  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result, IODebugContext*) override {
    absl::StatusOr<std::unique_ptr<storage::File>> file = files_.Open(path, storage::OpenMode::kExisting);
    if (!file.ok()) return ToIoStatus(file.status());
    *result = std::make_unique<RandomAccessFile>(*std::move(file));
    return IOStatus::OK();
  }

  // Empty, also when there is one: as open(2) with O_CREAT and O_TRUNC.
  IOStatus NewWritableFile(const std::string& path, const FileOptions&,
                           std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext*) override {
    if (!options_.options_file && NameOf(path).starts_with("OPTIONS-")) return IOStatus::IOError("not wanted: " + path);
    worker_.Gate();
    absl::StatusOr<std::unique_ptr<storage::File>> file = files_.Open(path, storage::OpenMode::kExisting);
    if (file.ok()) {
      if (const absl::Status cut = (*file)->Truncate(0); !cut.ok()) return ToIoStatus(cut);
    } else {
      file = files_.Open(path, storage::OpenMode::kCreateNew);
    }
    if (!file.ok()) return ToIoStatus(file.status());
    const std::string name = NameOf(path);
    const bool synced = !(options_.dropped.tables && name.ends_with(".sst")) &&
                        !(options_.dropped.manifest && name.starts_with("MANIFEST-"));
    *result = std::make_unique<WritableFile>(*std::move(file), synced, worker_);
    return IOStatus::OK();
  }

  IOStatus NewDirectory(const std::string& path, const IOOptions&, std::unique_ptr<rocksdb::FSDirectory>* result,
                        IODebugContext*) override {
    *result = std::make_unique<OpenFolder>(*this, WithoutTrailingSlash(path));
    return IOStatus::OK();
  }

  IOStatus FileExists(const std::string& path, const IOOptions&, IODebugContext*) override {
    const absl::StatusOr<bool> exists = files_.Exists(WithoutTrailingSlash(path));
    if (!exists.ok()) return ToIoStatus(exists.status());
    return *exists ? IOStatus::OK() : IOStatus::NotFound(path);
  }

  IOStatus GetChildren(const std::string& path, const IOOptions&, std::vector<std::string>* result,
                       IODebugContext*) override {
    absl::StatusOr<std::vector<std::string>> names = files_.List(WithoutTrailingSlash(path));
    if (!names.ok()) return ToIoStatus(names.status());
    *result = *std::move(names);
    return IOStatus::OK();
  }

  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    worker_.Gate();
    return ToIoStatus(files_.Remove(path));
  }

  IOStatus CreateDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    worker_.Gate();
    return ToIoStatus(files_.CreateFolder(WithoutTrailingSlash(path)));
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions& options, IODebugContext* context) override {
    return CreateDir(path, options, context);
  }
  IOStatus DeleteDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    worker_.Gate();
    return ToIoStatus(files_.RemoveEmptyFolder(WithoutTrailingSlash(path)));
  }

  IOStatus GetFileSize(const std::string& path, const IOOptions&, uint64_t* size, IODebugContext*) override {
    const absl::StatusOr<std::unique_ptr<storage::File>> file = files_.Open(path, storage::OpenMode::kExisting);
    if (!file.ok()) return ToIoStatus(file.status());
    const absl::StatusOr<uint64_t> bytes = (*file)->Size();
    if (bytes.ok()) *size = *bytes;
    return ToIoStatus(bytes.status());
  }

  IOStatus GetFileModificationTime(const std::string&, const IOOptions&, uint64_t* time, IODebugContext*) override {
    *time = 0;
    return IOStatus::OK();
  }

  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&, IODebugContext*) override {
    worker_.Gate();
    return ToIoStatus(files_.Rename(from, to));
  }

  IOStatus LockFile(const std::string& path, const IOOptions&, rocksdb::FileLock** lock, IODebugContext*) override {
    absl::StatusOr<std::unique_ptr<storage::FileLock>> held = files_.Lock(path);
    if (!held.ok()) return ToIoStatus(held.status());
    *lock = new HeldLock(*std::move(held));
    return IOStatus::OK();
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
    delete lock;
    return IOStatus::OK();
  }

  IOStatus GetTestDirectory(const IOOptions&, std::string* path, IODebugContext*) override {
    *path = "/";
    return IOStatus::OK();
  }
  IOStatus NewLogger(const std::string&, const IOOptions&, std::shared_ptr<rocksdb::Logger>* result,
                     IODebugContext*) override {
    *result = std::make_shared<SilentLogger>();
    return IOStatus::OK();
  }
  IOStatus GetAbsolutePath(const std::string& path, const IOOptions&, std::string* result, IODebugContext*) override {
    *result = path;
    return IOStatus::OK();
  }
  IOStatus IsDirectory(const std::string& path, const IOOptions&, bool* is_folder, IODebugContext*) override {
    *is_folder = files_.List(WithoutTrailingSlash(path)).ok();
    return IOStatus::OK();
  }

 private:
  class WritableFile final : public rocksdb::FSWritableFile {
   public:
    WritableFile(std::unique_ptr<storage::File> file, bool synced, Worker& worker)
        : file_(std::move(file)), synced_(synced), worker_(worker) {}

    using rocksdb::FSWritableFile::Append;
    IOStatus Append(const Slice& bytes, const IOOptions&, IODebugContext*) override {
      worker_.Gate();
      const absl::Status written = file_->WriteAt(size_, std::string_view(bytes.data(), bytes.size()));
      if (written.ok()) size_ += bytes.size();
      return ToIoStatus(written);
    }
    IOStatus Truncate(uint64_t size, const IOOptions&, IODebugContext*) override {
      worker_.Gate();
      size_ = size;
      return ToIoStatus(file_->Truncate(size));
    }
    IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
    IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
    IOStatus Sync(const IOOptions&, IODebugContext*) override {
      worker_.Gate();
      return synced_ ? ToIoStatus(file_->SyncData()) : IOStatus::OK();
    }
    uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }

   private:
    const std::unique_ptr<storage::File> file_;
    const bool synced_;
    Worker& worker_;
    uint64_t size_ = 0;
  };

  class OpenFolder final : public rocksdb::FSDirectory {
   public:
    OpenFolder(FileSystem& system, std::string path) : system_(system), path_(std::move(path)) {}
    IOStatus Fsync(const IOOptions&, IODebugContext*) override {
      system_.worker_.Gate();
      return system_.options_.dropped.folder ? IOStatus::OK() : ToIoStatus(system_.files_.SyncFolder(path_));
    }
    IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

   private:
    FileSystem& system_;
    const std::string path_;
  };

  storage::Files& files_;
  const RocksDiskOptions options_;
  Worker& worker_;
};

// ---- the environment -----------------------------------------------------------------------------------------------

class RocksDisk::Environment final : public rocksdb::EnvWrapper {
 public:
  Environment(std::shared_ptr<FileSystem> files, Worker& worker)
      : rocksdb::EnvWrapper(rocksdb::NewCompositeEnv(files)), worker_(worker) {
    file_system_ = std::move(files);
    system_clock_ = rocksdb::SystemClock::Default();
  }

  const char* Name() const override { return "regent.RocksDisk"; }

  void Schedule(void (*function)(void*), void* argument, Priority priority, void* tag,
                void (*unscheduled)(void*)) override {
    worker_.Schedule(function, argument, priority == HIGH ? Job::kFlush : Job::kCompaction, tag, unscheduled);
  }
  int UnSchedule(void* tag, Priority) override { return worker_.UnSchedule(tag); }
  void SetBackgroundThreads(int, Priority) override {}
  int GetBackgroundThreads(Priority) override { return 1; }
  void IncBackgroundThreadsIfNeeded(int, Priority) override {}

 private:
  Worker& worker_;
};

RocksDisk::RocksDisk(storage::Files& files, RocksDiskOptions options)
    : worker_(std::make_unique<Worker>()),
      environment_(std::make_unique<Environment>(std::make_shared<FileSystem>(files, options, *worker_), *worker_)) {}

RocksDisk::~RocksDisk() { Drain(); }

rocksdb::Env* RocksDisk::environment() const { return environment_.get(); }
bool RocksDisk::busy() const { return worker_->busy(); }
RocksDisk::Job RocksDisk::job() const { return worker_->job(); }
void RocksDisk::Step() { worker_->Step(); }
void RocksDisk::Drain() {
  while (busy()) Step();
}
void RocksDisk::RunBeside(const std::function<void()>& call, const std::function<void()>& between) {
  worker_->RunBeside(call, between);
}

}  // namespace regent::testing
