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
#include "storage/rocks_engine.h"

namespace regent::server {
namespace {

constexpr storage::ReserveFile::Sizes kReserve{.bytes = 16 << 20, .for_start_bytes = 2 << 20};

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

storage::LogOptions MakeLogOptions(NodeStorage& opened, uint64_t seed, Metrics& metrics) {
  storage::LogOptions options;
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

absl::StatusOr<std::unique_ptr<NodeStorage>> OpenNodeStorage(const Settings& settings, int64_t quota_bytes,
                                                             uint64_t seed, Metrics& metrics) {
  const storage::Syncs syncs = settings.unsafe_no_fsync ? storage::Syncs::kSkippedUnsafely : storage::Syncs::kDone;
  if (settings.unsafe_no_fsync) {
    LOG(WARNING)
        << "--unsafe-no-fsync: NOTHING IS SYNCED TO THE DISK; a crash of the machine loses acknowledged writes "
           "or the whole store; use it for tests alone";
  }
  auto opened = std::make_unique<NodeStorage>(syncs);
  REGENT_ASSIGN_OR_RETURN(opened->folder, storage::DataFolder::Open(opened->files, {.data_dir = DataDirectory(settings),
                                                                                    .wal_dir = settings.wal_dir}));
  storage::DataFolder& folder = *opened->folder;
  if (folder.complete()) {
    opened->facts = *folder.facts();
  } else {
    REGENT_RETURN_IF_ERROR(ValidateBootstrap(settings));
    opened->facts = Bootstrap(settings);
    REGENT_RETURN_IF_ERROR(folder.Claim(opened->facts));
  }
  opened->reserve = std::make_unique<storage::ReserveFile>(opened->files, folder.reserve_path(), kReserve);
  if (const absl::Status held = opened->reserve->Hold(); !held.ok()) {
    LOG(WARNING) << "the disk has too little room for the reserve" << Field("error", std::string(held.message()));
    if (absl::IsResourceExhausted(held)) REGENT_RETURN_IF_ERROR(opened->reserve->GiveUpForStart());
  }
  REGENT_ASSIGN_OR_RETURN(opened->log,
                          storage::LogStore::Open(opened->files, folder.wal_path(), opened->facts.identity,
                                                  MakeLogOptions(*opened, seed, metrics), &opened->recovered));
  LogFindings(opened->recovered);
  REGENT_ASSIGN_OR_RETURN(
      std::shared_ptr<storage::Engine> engine,
      storage::OpenRocksEngine(folder.store_path(), 1, {.unsafe_no_sync = settings.unsafe_no_fsync}));
  REGENT_ASSIGN_OR_RETURN(opened->state_machine,
                          storage::StateMachine::Open(std::move(engine), {.quota_bytes = quota_bytes}));
  if (!folder.complete()) REGENT_RETURN_IF_ERROR(folder.Complete());
  return opened;
}

}  // namespace regent::server
