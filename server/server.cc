#include "server/server.h"

#include <unistd.h>

#include <future>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "api/contract/limits.h"
#include "api/contract/status_macros.h"
#include "api/service/services.h"
#include "glog/logging.h"
#include "server/config/auto_compaction.h"
#include "server/node/node.h"
#include "server/node_storage.h"
#include "server/peer/incarnations.h"
#include "server/peer/tcp_transport.h"
#include "server/peer_urls.h"
#include "server/rpc/h2_engine.h"
#include "server/rpc/http_endpoints.h"
#include "server/rpc/json_gateway.h"
#include "server/rpc/listener.h"
#include "server/rpc/request_stats.h"
#include "server/runtime/clock.h"
#include "server/runtime/hexadecimal.h"
#include "server/runtime/json_log.h"
#include "server/runtime/metrics.h"
#include "server/runtime/metrics_process.h"
#include "server/runtime/mutex.h"
#include "server/runtime/pool.h"
#include "server/runtime/thread_loop.h"
#include "server/version.h"

namespace regent::server {
namespace {

constexpr int kBackgroundThreads = 2;
constexpr int kBackgroundNiceness = 5;  // a third of the processor where the others want all of it
constexpr int kGatewayThreads = 2;
constexpr std::chrono::milliseconds kRpcDrain{500};
constexpr std::chrono::seconds kRemovedDelay{1};  // as etcd

// Chance enters the process here.
uint64_t DrawSeed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

std::vector<std::string> Texts(const std::vector<Url>& urls) {
  std::vector<std::string> texts;
  for (const Url& url : urls) texts.push_back(url.text);
  return texts;
}

// A disk or a promise is broken: what has been acknowledged is on the disk, anything further would be a guess.
void EndProcess(const std::string& why) {
  LOG(ERROR) << "the node cannot go on and stops" << Field("error", why);
  _exit(EXIT_FAILURE);
}

NodeOptions MakeNodeOptions(const Settings& settings, int64_t quota_bytes, const storage::NodeFacts& facts) {
  NodeOptions options;
  options.cluster_id = facts.identity.cluster_id;
  options.member_id = facts.identity.node_id;
  options.name = settings.name;
  options.peer_urls = Texts(settings.initial_advertise_peer_urls);
  options.client_urls = Texts(settings.advertise_client_urls);
  options.incarnation = facts.incarnation;
  options.heartbeat_interval = settings.heartbeat_interval;
  options.election_timeout = settings.election_timeout;
  options.raft.pre_vote = settings.pre_vote;
  options.strict_reconfiguration = settings.strict_reconfig_check;
  options.learners_max = settings.max_learners;
  options.request_bytes_max = settings.max_request_bytes;
  options.quota_bytes = quota_bytes;
  // At etcd's default the store's own measure is better: a flush every few seconds would write everything several
  // times.
  const Settings defaults;
  if (settings.snapshot_count != defaults.snapshot_count) options.flush_entries_max = settings.snapshot_count;
  options.log_entries_kept =
      settings.snapshot_catchup_entries == 0 ? defaults.snapshot_catchup_entries : settings.snapshot_catchup_entries;
  options.slow_request = settings.warning_apply_duration;
  if (settings.watch_progress_notify_interval.count() > 0) {
    options.watch.progress_interval = settings.watch_progress_notify_interval;
  }
  if (settings.compaction_batch_limit > 0) options.purge_events_max = settings.compaction_batch_limit;
  if (settings.compaction_sleep_interval.count() > 0) options.purge_pause = settings.compaction_sleep_interval;
  const absl::StatusOr<AutoCompaction> compaction = ParseAutoCompaction(settings);
  CHECK(compaction.ok()) << compaction.status() << " in validated settings";
  options.compaction = {.period = compaction->period, .revisions = compaction->revisions};
  options.unix_seconds = UnixSeconds;
  options.on_fatal = EndProcess;
  return options;
}

// What a message may have before it is refused unread.
size_t MessageBytesMax(const Settings& settings) { return settings.max_request_bytes + RpcEngine::kOverheadBytes; }

RpcEngine::Options MakeEngineOptions(const Settings& settings, std::vector<api::Method> methods) {
  RpcEngine::Options options;
  options.methods = std::move(methods);
  options.max_request_bytes = settings.max_request_bytes;
  // 0 stands for no limit, as it does for etcd.
  options.max_concurrent_streams = settings.max_concurrent_streams == 0 ? UINT32_MAX : settings.max_concurrent_streams;
  options.metrics_detail = settings.metrics == "extensive" ? MetricsDetail::kExtensive : MetricsDetail::kBasic;
  options.keepalive_min_time = settings.grpc_keepalive_min_time;
  options.keepalive_interval = settings.grpc_keepalive_interval;
  options.keepalive_timeout = settings.grpc_keepalive_timeout;
  return options;
}

Listener::Options MakeListenerOptions(const Settings& settings) {
  Listener::Options options;
  const auto add = [&](const std::vector<Url>& urls, ListenAddress::Serves serves) {
    for (const Url& url : urls) {
      options.addresses.push_back({{.is_unix = url.is_unix(),
                                    .host = url.host,
                                    .port = static_cast<uint16_t>(url.port),
                                    .reuse_port = settings.socket_reuse_port && !url.is_unix()},
                                   serves});
    }
  };
  const bool split = !settings.listen_client_http_urls.empty();
  add(settings.listen_client_urls, split ? ListenAddress::Serves::kRpcOnly : ListenAddress::Serves::kRpcAndHttp);
  add(settings.listen_client_http_urls, ListenAddress::Serves::kHttpOnly);
  add(settings.listen_metrics_urls, ListenAddress::Serves::kMetrics);
  options.http_body_bytes_max = JsonGateway::BodyBytesMax(MessageBytesMax(settings));
  return options;
}

TransportOptions MakeTransportOptions(const Settings& settings, const storage::NodeFacts& facts) {
  TransportOptions options{
      .cluster_id = facts.identity.cluster_id, .self = {facts.identity.node_id}, .incarnation = facts.incarnation};
  options.seed = DrawSeed();
  options.tls = PeerTls(settings);
  for (const Url& url : settings.listen_peer_urls) {
    options.listen.push_back(ToPeerUrl(url));
    options.listen.back().address.reuse_port = settings.socket_reuse_port && !url.is_unix();
  }
  for (const Url& url : settings.initial_advertise_peer_urls) options.advertise.push_back(ToPeerUrl(url));
  return options;
}

// A URL that cannot be read is one that nobody can be reached at.
PeerUrls PeersOf(const std::vector<api::Member>& members) {
  PeerUrls peers;
  for (const api::Member& member : members) {
    std::vector<PeerUrl>& urls = peers[{member.id}];
    for (const std::string& text : member.peer_urls) {
      const absl::StatusOr<Url> url = ParseUrl(text);
      if (url.ok()) urls.push_back(ToPeerUrl(*url));
    }
  }
  return peers;
}

HttpEndpoints::Options MakeHttpOptions(const Settings& settings) {
  HttpEndpoints::Options options;
  options.versions = [] {
    return HttpEndpoints::Versions{api::kServerVersion, api::kClusterVersion, api::kStorageVersion};
  };
  options.request_timeout = api::kRequestTimeoutBase + 2 * settings.election_timeout;
  options.cors = settings.cors;
  options.host_whitelist = settings.host_whitelist;
  options.command_line = settings.command_line;
  return options;
}

std::string Describe(const ListenAddress& address) {
  return address.is_unix ? "unix://" + address.host : address.host + ":" + std::to_string(address.port);
}

std::string_view Traffic(const ListenAddress& address) {
  switch (address.serves) {
    case ListenAddress::Serves::kRpcAndHttp:
      return "grpc+http";
    case ListenAddress::Serves::kRpcOnly:
      return "grpc";
    case ListenAddress::Serves::kHttpOnly:
      return "http";
    case ListenAddress::Serves::kMetrics:
      return "metrics";
  }
  return "";
}

class ComposedServer final : public Server {
 public:
  ~ComposedServer() override = default;
  absl::Status Open(const Settings& settings, Events events);
  void Stop() override;

 private:
  absl::Status OpenNode(const Settings& settings);
  absl::Status OpenFront(const Settings& settings);
  void BeginServing();
  void OnRemoved();
  void PublishFacts(const Settings& settings);

  // In the order in which they are made; destroyed from the end.
  Metrics metrics_;
  Incarnations incarnations_;
  std::unique_ptr<NodeStorage> storage_;
  std::unique_ptr<TcpTransport> transport_;
  std::unique_ptr<ThreadLoop> raft_loop_;
  std::unique_ptr<ThreadLoop> log_loop_;
  std::unique_ptr<ThreadLoop> apply_loop_;
  std::unique_ptr<ThreadLoop> watch_loop_;
  std::unique_ptr<Pool> background_;
  std::unique_ptr<Node> node_;
  bool node_started_ = false;
  std::unique_ptr<api::Services> services_;
  std::unique_ptr<RpcEngine> engine_;
  std::unique_ptr<Pool> gateway_pool_;
  std::unique_ptr<JsonGateway> gateway_;
  std::unique_ptr<HttpEndpoints> endpoints_;
  std::unique_ptr<Listener> listener_;
  Events events_;
  bool removed_ = false;  // of the apply loop
  Mutex stop_mutex_;      // Stop may come while the node becomes ready
  bool stopped_ ABSL_GUARDED_BY(stop_mutex_) = false;
};

absl::Status ComposedServer::Open(const Settings& settings, Events events) {
  events_ = std::move(events);
  LOG(INFO) << "starting regent" << Field("version", kRegentVersion) << Field("etcd-version", api::kServerVersion)
            << Field("name", settings.name) << Field("data-dir", DataDirectory(settings));
  REGENT_RETURN_IF_ERROR(OpenNode(settings));
  // The sockets are bound before the node starts: an address in use is an error of the start, not of a later moment.
  const absl::Status front = OpenFront(settings);
  if (!front.ok()) {
    Stop();
    return front;
  }
  node_started_ = true;
  // Before anybody is heard, and before the loop that tells of changes runs.
  incarnations_.SetMembers(storage_->state_machine->Members());
  node_->Start([this] { BeginServing(); });
  // What comes from others finds a node that runs.
  transport_->Start({.on_message = [this](raft::Message message) { node_->Step(std::move(message)); },
                     .on_note = [this](raft::NodeId from, PeerNote note) { node_->OnNote(from, std::move(note)); },
                     .on_peer_gone = [this](raft::NodeId peer) { node_->PeerGone(peer); },
                     .on_refused =
                         [this](raft::NodeId, const Refusal& refusal) {
                           // It was removed while it did not run: its own log does not say so. Who follows a leader has
                           // not been removed by its cluster, whatever a member says that was forced out of it.
                           if (refusal.reason == RefusalReason::kRemoved && !node_->HasLeader()) {
                             apply_loop_->Post([this] { OnRemoved(); });
                           }
                           if (refusal.reason == RefusalReason::kForgot) EndProcess(refusal.text);
                         },
                     .admit = [this](const Hello& hello) -> std::optional<Refusal> {
                       if (!node_->WasRemoved(hello.from.value)) return incarnations_.Judge(hello);
                       return Refusal{RefusalReason::kRemoved, "the member was removed from the cluster"};
                     },
                     .members = [this] { return incarnations_.Complete(node_->MembersForJoiners()); }});
  return absl::OkStatus();
}

// On the apply loop.
void ComposedServer::BeginServing() {
  const MutexLock lock(stop_mutex_);
  if (stopped_) return;
  listener_->Start();
  for (const ListenAddress& address : listener_->addresses()) {
    LOG(INFO) << "serving insecurely; this is strongly discouraged outside of a trusted network"
              << Field("address", Describe(address)) << Field("traffic", Traffic(address));
  }
  LOG(INFO) << "ready to serve client requests" << Field("member-id", Hexadecimal(storage_->facts.identity.node_id))
            << Field("cluster-id", Hexadecimal(storage_->facts.identity.cluster_id));
  events_.on_serving();
}

// On the apply loop. Whoever asked for it, perhaps through this member, hears the answer first.
void ComposedServer::OnRemoved() {
  if (std::exchange(removed_, true)) return;
  LOG(WARNING)
      << "the member has been permanently removed from the cluster: this process ends; its data folder is of no "
         "use to any cluster any more";
  apply_loop_->PostAfter(kRemovedDelay, [this] { events_.on_removed(); });
}

absl::Status ComposedServer::OpenNode(const Settings& settings) {
  const int64_t quota_bytes = QuotaBytes(settings);
  REGENT_ASSIGN_OR_RETURN(storage_,
                          OpenNodeStorage(settings, MakeStorageParts(settings, quota_bytes), DrawSeed(), metrics_));
  raft_loop_ = std::make_unique<ThreadLoop>(ThreadLoop::Options{.name = "raft", .any_thread_helps = true});
  log_loop_ =
      std::make_unique<ThreadLoop>(ThreadLoop::Options{.name = "log", .spin_max = std::chrono::microseconds(120)});
  apply_loop_ = std::make_unique<ThreadLoop>(ThreadLoop::Options{.name = "apply", .helper = log_loop_.get()});
  watch_loop_ = std::make_unique<ThreadLoop>(ThreadLoop::Options{.name = "watch"});
  background_ = std::make_unique<Pool>("background", kBackgroundThreads, kBackgroundNiceness);
  REGENT_ASSIGN_OR_RETURN(transport_, TcpTransport::Open(MakeTransportOptions(settings, storage_->facts), metrics_));
  const NodeSeams seams{.raft_loop = *raft_loop_,
                        .log_loop = *log_loop_,
                        .apply_loop = *apply_loop_,
                        .watch_loop = *watch_loop_,
                        .background = *background_,
                        .log = *storage_->log,
                        .state_machine = *storage_->state_machine,
                        .transport = *transport_,
                        .seed = DrawSeed(),
                        .metrics = metrics_,
                        .reserve = storage_->reserve.get(),
                        .snapshots = storage_->snapshots.get()};
  NodeOptions options = MakeNodeOptions(settings, quota_bytes, storage_->facts);
  options.on_leader_lost = [this] { services_->LeaderLost(); };
  options.joining = storage_->joining;
  options.on_removed = [this] { OnRemoved(); };
  options.on_forgot = [id = options.member_id] { EndProcess(ForgotText(id)); };
  options.on_members = [this](const std::vector<api::Member>& members) {
    incarnations_.SetMembers(members);
    transport_->SetPeers(PeersOf(members));
  };
  REGENT_ASSIGN_OR_RETURN(node_, Node::Open(seams, std::move(options), storage_->recovered));
  return absl::OkStatus();
}

absl::Status ComposedServer::OpenFront(const Settings& settings) {
  api::ServiceOptions service_options;
  service_options.max_request_bytes = settings.max_request_bytes;
  service_options.max_txn_ops = settings.max_txn_ops;
  service_options.request_timeout = api::kRequestTimeoutBase + 2 * settings.election_timeout;
  service_options.now = SteadyNow;
  service_options.is_peer_url = [](const std::string& text) { return ParseUrl(text).ok(); };
  services_ = std::make_unique<api::Services>(*node_, service_options);
  const std::vector<api::Method> methods =
      WithRequestStats(services_->Methods(), settings.warning_unary_request_duration);
  engine_ = StartH2Engine(MakeEngineOptions(settings, methods), metrics_);
  gateway_pool_ = std::make_unique<Pool>("gateway", kGatewayThreads);
  gateway_ = std::make_unique<JsonGateway>(
      JsonGateway::Options{.methods = methods, .message_bytes_max = MessageBytesMax(settings)}, *gateway_pool_,
      metrics_);
  HttpEndpoints::Options http = MakeHttpOptions(settings);
  if (settings.enable_grpc_gateway) {
    http.gateway = [this](const HttpRequest& request, JsonGateway::Done done) {
      gateway_->Handle(request, std::move(done));
    };
  }
  metrics_.registry.BeforeScrape([this] { node_->RefreshMetrics(); });
  CollectProcessMetrics(metrics_);
  endpoints_ = std::make_unique<HttpEndpoints>(std::move(http), *node_, metrics_);
  REGENT_ASSIGN_OR_RETURN(listener_, Listener::Open(MakeListenerOptions(settings), *endpoints_,
                                                    [this](int fd) { engine_->AddConnection(fd); }));
  PublishFacts(settings);
  return absl::OkStatus();
}

void ComposedServer::PublishFacts(const Settings& settings) {
  const std::string_view cluster = api::kClusterVersion;
  metrics_.server_version.With({api::kServerVersion}).Set(1);
  metrics_.cluster_version.With({cluster.substr(0, cluster.rfind('.'))}).Set(1);
  const std::string member = Hexadecimal(storage_->facts.identity.node_id);
  metrics_.server_id.With({member}).Set(1);
  metrics_.network_known_peers.With({member, member}).Set(1);  // etcd counts itself
  metrics_.debugging_auth_revision.Set(1);                     // of a store that nobody has changed
  for (const FeatureGate& gate : KnownFeatureGates()) {
    const bool enabled = settings.feature_gates.enabled(gate.name);
    metrics_.server_feature_enabled.With({gate.name, gate.stage}).Set(enabled ? 1 : 0);
  }
}

// Stop accepting; drain the node, which ends every stream and fails what is left; let the answers go out; end the loops
// in the direction of the data.
void ComposedServer::Stop() {
  {
    const MutexLock lock(stop_mutex_);
    stopped_ = true;
  }
  if (listener_ != nullptr) listener_->Stop();
  if (node_started_) {
    std::promise<void> stopped;
    node_->Stop([&stopped] { stopped.set_value(); });
    stopped.get_future().wait();
  }
  if (transport_ != nullptr) transport_->Stop();
  if (engine_ != nullptr) engine_->Shutdown(kRpcDrain);
  for (const auto& loop : {&raft_loop_, &log_loop_, &apply_loop_, &watch_loop_}) {
    if (*loop != nullptr) (*loop)->Stop();
  }
  for (const auto& pool : {&gateway_pool_, &background_}) {
    if (*pool != nullptr) (*pool)->Stop();
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Settings& settings, Events events) {
  auto server = std::make_unique<ComposedServer>();
  REGENT_RETURN_IF_ERROR(server->Open(settings, std::move(events)));
  return server;
}

}  // namespace regent::server
