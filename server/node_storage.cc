#include "server/node_storage.h"

#include <chrono>
#include <utility>
#include <vector>

#include "api/contract/limits.h"
#include "api/contract/status_macros.h"
#include "server/config/identity.h"
#include "server/config/validate.h"
#include "server/runtime/clock.h"
#include "server/runtime/json_log.h"
#include "storage/posix_files.h"
#include "storage/rocks_engine.h"

namespace regent::server {
namespace {

// The ids of a node that is bootstrapped alone.
storage::NodeFacts Bootstrap(const Settings& settings) {
  std::vector<std::string> peer_urls;
  for (const Url& url : settings.initial_advertise_peer_urls) peer_urls.push_back(url.text);
  const uint64_t member = DeriveMemberId(std::move(peer_urls), settings.initial_cluster_token);
  return {.identity = {.cluster_id = DeriveClusterId({member}), .node_id = member}, .name = settings.name};
}

void LogFindings(const storage::RecoveredLog& recovered) {
  for (const std::string& note : recovered.notes) LOG(WARNING) << note;
  if (recovered.torn_bytes > 0) {
    LOG(WARNING) << "discarded a torn tail of the log" << Field("where", recovered.torn_where)
                 << Field("bytes", recovered.torn_bytes);
  }
}

storage::LogOptions MakeLogOptions(storage::LogOptions options, NodeStorage& opened, uint64_t seed, Metrics& metrics) {
  options.seed = seed;
  options.now = SteadyNow;
  options.on_write = [&metrics](std::chrono::steady_clock::duration took) {
    metrics.disk_wal_write_duration_seconds.Observe(took);
  };
  options.on_sync = [&metrics](std::chrono::steady_clock::duration took, size_t bytes) {
    metrics.disk_wal_fsync_duration_seconds.Observe(std::chrono::duration<double>(took).count());
    metrics.disk_wal_write_bytes_total.Add(static_cast<double>(bytes));
  };
  options.make_room = [&opened] { return opened.reserve->GiveUp(); };
  return options;
}

}  // namespace

int64_t QuotaBytes(const Settings& settings) {
  const int64_t quota = settings.quota_backend_bytes == 0 ? api::kQuotaBytesDefault : settings.quota_backend_bytes;
  if (quota > api::kQuotaBytesAdvised) {
    LOG(WARNING) << "quota exceeds the maximum value" << Field("quota-size-bytes", quota)
                 << Field("quota-maximum-size-bytes", api::kQuotaBytesAdvised);
  }
  LOG(INFO) << (quota < 0 ? "disabled backend quota" : "enabled backend quota") << Field("quota-size-bytes", quota);
  return quota;
}

std::string DataDirectory(const Settings& settings) {
  return settings.data_dir.empty() ? settings.name + ".etcd" : settings.data_dir;
}

StorageParts MakeStorageParts(const Settings& settings, int64_t quota_bytes) {
  if (settings.unsafe_no_fsync) {
    LOG(WARNING)
        << "--unsafe-no-fsync: NOTHING IS SYNCED TO THE DISK; a crash of the machine loses acknowledged writes "
           "or the whole store; use it for tests alone";
  }
  const storage::Syncs syncs = settings.unsafe_no_fsync ? storage::Syncs::kSkippedUnsafely : storage::Syncs::kDone;
  return {.files = std::make_shared<storage::PosixFiles>(syncs),
          .open_engine =
              [unsafe = settings.unsafe_no_fsync](const std::string& directory) {
                return storage::OpenRocksEngine(directory, 1, {.unsafe_no_sync = unsafe});
              },
          .state_machine = {.quota_bytes = quota_bytes},
          .log = {}};
}

absl::StatusOr<std::unique_ptr<NodeStorage>> OpenNodeStorage(const Settings& settings, StorageParts parts,
                                                             uint64_t seed, Metrics& metrics) {
  auto opened = std::make_unique<NodeStorage>();
  opened->files = std::move(parts.files);
  storage::Files& files = *opened->files;
  REGENT_ASSIGN_OR_RETURN(opened->folder, storage::DataFolder::Open(files, {.data_dir = DataDirectory(settings),
                                                                            .wal_dir = settings.wal_dir}));
  storage::DataFolder& folder = *opened->folder;
  if (folder.complete()) {
    opened->facts = *folder.facts();
  } else {
    REGENT_RETURN_IF_ERROR(ValidateBootstrap(settings));
    opened->facts = Bootstrap(settings);
    REGENT_RETURN_IF_ERROR(folder.Claim(opened->facts));
  }
  opened->reserve = std::make_unique<storage::ReserveFile>(files, folder.reserve_path(), parts.reserve);
  if (const absl::Status held = opened->reserve->Hold(); !held.ok()) {
    LOG(WARNING) << "the disk has too little room for the reserve" << Field("error", std::string(held.message()));
    if (absl::IsResourceExhausted(held)) REGENT_RETURN_IF_ERROR(opened->reserve->GiveUpForStart());
  }
  storage::LogOptions log_options = MakeLogOptions(std::move(parts.log), *opened, seed, metrics);
  REGENT_ASSIGN_OR_RETURN(opened->log, storage::LogStore::Open(files, folder.wal_path(), opened->facts.identity,
                                                               std::move(log_options), &opened->recovered));
  LogFindings(opened->recovered);
  REGENT_ASSIGN_OR_RETURN(std::shared_ptr<storage::Engine> engine, parts.open_engine(folder.store_path()));
  REGENT_ASSIGN_OR_RETURN(opened->state_machine, storage::StateMachine::Open(std::move(engine), parts.state_machine));
  if (!folder.complete()) REGENT_RETURN_IF_ERROR(folder.Complete());
  return opened;
}

}  // namespace regent::server
