#include "server/node_storage.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "api/contract/limits.h"
#include "api/contract/status_macros.h"
#include "server/config/identity.h"
#include "server/config/validate.h"
#include "server/node/bootstrap.h"
#include "server/node/forced_cluster.h"
#include "server/node/random.h"
#include "server/peer/fetch_members.h"
#include "server/peer/incarnations.h"
#include "server/peer_urls.h"
#include "server/runtime/clock.h"
#include "server/runtime/hexadecimal.h"
#include "server/runtime/json_log.h"
#include "storage/posix_files.h"
#include "storage/rocks_engine.h"

namespace regent::server {
namespace {

constexpr std::chrono::milliseconds kAskForMembers{500};  // each of the others, at the start of a new member

// A cluster as the settings name it, new or existing: the ids of this member, and all that it begins with.
struct Bootstrapped {
  storage::NodeFacts facts;
  std::vector<api::Member> members;  // by id: every one of them writes the same
};

// The ids of a new cluster.
Bootstrapped AssignIds(const Settings& settings, const std::vector<BootstrapMember>& named) {
  Bootstrapped bootstrapped{.facts = {.identity = {}, .name = settings.name}, .members = {}};
  std::vector<uint64_t> ids;
  for (const BootstrapMember& member : named) {
    const uint64_t id = DeriveMemberId(member.peer_urls, settings.initial_cluster_token);
    if (member.name == settings.name) bootstrapped.facts.identity.node_id = id;
    bootstrapped.members.push_back({.id = id, .name = member.name, .peer_urls = member.peer_urls});
    ids.push_back(id);
  }
  std::sort(bootstrapped.members.begin(), bootstrapped.members.end(),
            [](const api::Member& a, const api::Member& b) { return a.id < b.id; });
  bootstrapped.facts.identity.cluster_id = DeriveClusterId(std::move(ids));
  return bootstrapped;
}

std::vector<PeerUrl> UrlsOfOthers(const Settings& settings, const std::vector<BootstrapMember>& named) {
  std::vector<PeerUrl> urls;
  for (const BootstrapMember& member : named) {
    if (member.name == settings.name) continue;
    for (const std::string& text : member.peer_urls) {
      if (const absl::StatusOr<Url> url = ParseUrl(text); url.ok()) urls.push_back(ToPeerUrl(*url));
    }
  }
  return urls;
}

std::vector<std::string> Sorted(std::vector<std::string> texts) {
  std::sort(texts.begin(), texts.end());
  return texts;
}

// A member that has lost its folder must not come back under its old id: it has forgotten its votes. Members of
// versions without incarnations are told by the client URLs that they have published, as etcd does it.
absl::Status RefuseSecondLife(const storage::NodeFacts& facts, const std::vector<api::Member>& existing) {
  for (const api::Member& member : existing) {
    if (member.id != facts.identity.node_id || member.incarnation == facts.incarnation) continue;
    if (member.incarnation == 0 && member.client_urls.empty()) continue;
    return absl::FailedPreconditionError(ForgotText(member.id));
  }
  return absl::OkStatus();
}

// As etcd: the members that the settings name and those of the cluster must be the same, told by their peer URLs.
absl::StatusOr<Bootstrapped> JoinExisting(const Settings& settings, const std::vector<BootstrapMember>& named,
                                          const ClusterMembers& existing) {
  const auto unmatched = [](const std::string& why) {
    return absl::InvalidArgumentError("error validating peerURLs {ClusterID:" + Hexadecimal(0) + "}: " + why);
  };
  if (named.size() != existing.members.size()) return unmatched("member count is unequal");
  Bootstrapped bootstrapped{.facts = {.identity = {.cluster_id = existing.cluster_id}, .name = settings.name},
                            .members = existing.members};
  for (const BootstrapMember& member : named) {
    const std::vector<std::string> urls = Sorted(member.peer_urls);
    const auto found = std::find_if(existing.members.begin(), existing.members.end(),
                                    [&](const api::Member& other) { return Sorted(other.peer_urls) == urls; });
    if (found == existing.members.end()) return unmatched("unmatched member while checking PeerURLs");
    if (member.name == settings.name) bootstrapped.facts.identity.node_id = found->id;
  }
  return bootstrapped;
}

// `incarnation`: of the folder that is to be filled.
absl::StatusOr<Bootstrapped> Bootstrap(const Settings& settings, uint64_t incarnation) {
  REGENT_ASSIGN_OR_RETURN(const std::vector<BootstrapMember> named, ParseInitialCluster(InitialCluster(settings)));
  const std::vector<PeerUrl> others = UrlsOfOthers(settings, named);
  if (settings.initial_cluster_state == "existing") {
    const absl::StatusOr<ClusterMembers> existing = FetchMembers(others, PeerTls(settings), kAskForMembers);
    if (!existing.ok()) {
      return absl::UnavailableError("cannot fetch cluster info from peer urls: " +
                                    std::string(existing.status().message()));
    }
    REGENT_ASSIGN_OR_RETURN(Bootstrapped joined, JoinExisting(settings, named, *existing));
    joined.facts.incarnation = incarnation;
    REGENT_RETURN_IF_ERROR(RefuseSecondLife(joined.facts, existing->members));
    return joined;
  }
  Bootstrapped bootstrapped = AssignIds(settings, named);
  bootstrapped.facts.incarnation = incarnation;
  // Everybody is asked: one of them may not know yet what the others know.
  for (const PeerUrl& other : others) {
    const absl::StatusOr<ClusterMembers> running = FetchMembers({other}, PeerTls(settings), kAskForMembers);
    if (!running.ok() || running->cluster_id != bootstrapped.facts.identity.cluster_id) continue;
    REGENT_RETURN_IF_ERROR(RefuseSecondLife(bootstrapped.facts, running->members));
  }
  return bootstrapped;
}

// A member that joined and ended before it was told anything knows nobody: without asking again it would take itself
// for a cluster of its own.
absl::StatusOr<std::vector<api::Member>> JoinAgain(Settings settings, const storage::NodeFacts& facts) {
  settings.initial_cluster_state = "existing";
  REGENT_ASSIGN_OR_RETURN(Bootstrapped bootstrapped, Bootstrap(settings, facts.incarnation));
  if (bootstrapped.facts.identity == facts.identity) return std::move(bootstrapped.members);
  return absl::FailedPreconditionError("the data folder is that of member " + Hexadecimal(facts.identity.node_id) +
                                       ", and --initial-cluster names another one");
}

// Of a new folder it is drawn, and of one from before folders had any: that one was not lost.
uint64_t IncarnationOf(const storage::DataFolder& folder, uint64_t seed) {
  const uint64_t drawn = Random(seed ^ 0x666f6c646572).Next() | 1;
  return folder.facts().has_value() && folder.facts()->incarnation != 0 ? folder.facts()->incarnation : drawn;
}

void LogFindings(const storage::RecoveredLog& recovered) {
  for (const std::string& note : recovered.notes) LOG(WARNING) << note;
  if (recovered.torn_bytes > 0) {
    LOG(WARNING) << "discarded a torn tail of the log" << Field("where", recovered.torn_where)
                 << Field("bytes", recovered.torn_bytes);
  }
}

// --peer-auto-tls. Before anybody is asked: that takes a certificate.
absl::Status EnsurePeerCertificate(const Settings& settings) {
  const bool makes = MakesPeerCertificate(settings);
  LOG_IF(WARNING, settings.peer_auto_tls && !makes) << "ignoring peer auto TLS since certs given";
  if (!makes) return absl::OkStatus();
  std::vector<std::string> hosts;
  for (const Url& url : settings.listen_peer_urls) hosts.push_back(url.host);
  return EnsureSelfCertificate(PeerFixtures(settings), hosts, settings.self_signed_cert_validity);
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

// --force-new-cluster, on a log and a store that are open.
absl::Status Force(const Settings& settings, NodeStorage& opened) {
  if (!opened.folder->complete()) {
    LOG(WARNING) << "--force-new-cluster has no effect: there is no data yet";
    return absl::OkStatus();
  }
  api::Member self{.id = opened.facts.identity.node_id, .name = settings.name};
  for (const Url& url : settings.initial_advertise_peer_urls) self.peer_urls.push_back(url.text);
  REGENT_ASSIGN_OR_RETURN(const std::vector<uint64_t> dropped,
                          ForceNewCluster(*opened.log, *opened.state_machine, self, &opened.recovered));
  std::string ids;
  for (const uint64_t id : dropped) ids += (ids.empty() ? "" : " ") + Hexadecimal(id);
  LOG(WARNING) << (dropped.empty() ? "--force-new-cluster: this member is the only one already"
                                   : "--force-new-cluster: THIS MEMBER IS A CLUSTER OF ITS OWN NOW; the others are "
                                     "removed for ever, never start them again, add new ones instead")
               << "; start it without the flag from now on" << Field("member-id", Hexadecimal(self.id))
               << Field("removed", ids) << Field("last-index", opened.recovered.last_index.value);
  return absl::OkStatus();
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
              [unsafe = settings.unsafe_no_fsync](const std::string& directory, uint64_t generation) {
                return storage::OpenRocksEngine(directory, generation, {.unsafe_no_sync = unsafe});
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
  REGENT_RETURN_IF_ERROR(EnsurePeerCertificate(settings));
  std::vector<api::Member> first_members;
  const uint64_t incarnation = IncarnationOf(folder, seed);
  if (folder.complete()) {
    opened->facts = *folder.facts();
    opened->facts.incarnation = incarnation;
    REGENT_RETURN_IF_ERROR(folder.Claim(opened->facts));
  } else {
    REGENT_RETURN_IF_ERROR(ValidateBootstrap(settings));
    REGENT_ASSIGN_OR_RETURN(Bootstrapped bootstrapped, Bootstrap(settings, incarnation));
    opened->facts = bootstrapped.facts;
    if (settings.initial_cluster_state == "existing") {
      opened->joining = std::move(bootstrapped.members);
    } else {
      first_members = std::move(bootstrapped.members);
    }
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
  if (parts.wrap_log) opened->log = parts.wrap_log(std::move(opened->log));
  LogFindings(opened->recovered);
  if (folder.complete() && opened->recovered.last_index == raft::Index{} && !settings.force_new_cluster) {
    REGENT_ASSIGN_OR_RETURN(opened->joining, JoinAgain(settings, opened->facts));
  }
  if (!first_members.empty()) {
    REGENT_RETURN_IF_ERROR(WriteBootstrapEntry(*opened->log, first_members, &opened->recovered));
  }
  opened->snapshots = std::make_unique<FolderSnapshots>(files, folder, parts.open_engine);
  REGENT_ASSIGN_OR_RETURN(std::shared_ptr<storage::Engine> engine,
                          parts.open_engine(folder.store_path(), folder.store_generation()));
  opened->snapshots->SetCurrent(engine);
  REGENT_ASSIGN_OR_RETURN(opened->state_machine, storage::StateMachine::Open(std::move(engine), parts.state_machine));
  if (folder.complete()) {
    REGENT_ASSIGN_OR_RETURN(
        std::shared_ptr<storage::Engine> installed,
        opened->snapshots->FinishInstall(opened->recovered.base_index, opened->state_machine->applied()));
    if (installed != nullptr) opened->state_machine->Replace(std::move(installed));
    REGENT_RETURN_IF_ERROR(opened->snapshots->Clean());
  }
  if (settings.force_new_cluster) REGENT_RETURN_IF_ERROR(Force(settings, *opened));
  if (!folder.complete()) REGENT_RETURN_IF_ERROR(folder.Complete());
  return opened;
}

}  // namespace regent::server
