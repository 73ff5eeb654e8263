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
#include "server/node/node.h"
#include "server/node_storage.h"
#include "server/rpc/grpc_engine.h"
#include "server/rpc/http_endpoints.h"
#include "server/rpc/json_gateway.h"
#include "server/rpc/listener.h"
#include "server/runtime/clock.h"
#include "server/runtime/json_log.h"
#include "server/runtime/metrics.h"
#include "server/runtime/metrics_process.h"
#include "server/runtime/pool.h"
#include "server/runtime/thread_loop.h"
#include "server/version.h"

namespace regent::server {
namespace {

constexpr int kBackgroundThreads = 2;
constexpr std::chrono::milliseconds kRpcDrain{500};

// Chance enters the process here.
uint64_t DrawSeed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

std::string Hexadecimal(uint64_t id) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  do {
    text.insert(text.begin(), kDigits[id % 16]);
    id /= 16;
  } while (id != 0);
  return text;
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

NodeOptions MakeNodeOptions(const Settings& settings, const storage::NodeFacts& facts) {
  NodeOptions options;
  options.cluster_id = facts.identity.cluster_id;
  options.member_id = facts.identity.node_id;
  options.name = settings.name;
  options.peer_urls = Texts(settings.initial_advertise_peer_urls);
  options.client_urls = Texts(settings.advertise_client_urls);
  options.heartbeat_interval = settings.heartbeat_interval;
  options.election_timeout = settings.election_timeout;
  options.request_bytes_max = settings.max_request_bytes;
  options.quota_bytes = settings.quota_backend_bytes == 0 ? api::kQuotaBytesDefault : settings.quota_backend_bytes;
  if (settings.watch_progress_notify_interval.count() > 0) {
    options.watch.progress_interval = settings.watch_progress_notify_interval;
  }
  options.on_fatal = EndProcess;
  return options;
}

// What a message may have before it is refused unread.
size_t MessageBytesMax(const Settings& settings) { return settings.max_request_bytes + GrpcEngine::kOverheadBytes; }

GrpcEngine::Options MakeEngineOptions(const Settings& settings, std::vector<api::Method> methods) {
  GrpcEngine::Options options;
  options.methods = std::move(methods);
  options.max_request_bytes = settings.max_request_bytes;
  options.keepalive_min_time = settings.grpc_keepalive_min_time;
  options.keepalive_interval = settings.grpc_keepalive_interval;
  options.keepalive_timeout = settings.grpc_keepalive_timeout;
  return options;
}

Listener::Options MakeListenerOptions(const Settings& settings) {
  Listener::Options options;
  const auto add = [&](const std::vector<Url>& urls, ListenAddress::Serves serves) {
    for (const Url& url : urls) {
      options.addresses.push_back({.serves = serves, .is_unix = url.is_unix(), .host = url.host, .port = url.port});
    }
  };
  add(settings.listen_client_urls, ListenAddress::Serves::kRpcAndHttp);
  add(settings.listen_metrics_urls, ListenAddress::Serves::kMetrics);
  options.http_body_bytes_max = JsonGateway::BodyBytesMax(MessageBytesMax(settings));
  return options;
}

std::string Describe(const ListenAddress& address) {
  return address.is_unix ? "unix://" + address.host : address.host + ":" + std::to_string(address.port);
}

class ComposedServer final : public Server {
 public:
  ~ComposedServer() override = default;
  absl::Status Open(const Settings& settings);
  void Stop() override;

 private:
  absl::Status OpenNode(const Settings& settings);
  absl::Status OpenFront(const Settings& settings);
  void AwaitReady();
  void PublishFacts();

  // In the order in which they are made; destroyed from the end.
  Metrics metrics_;
  std::unique_ptr<NodeStorage> storage_;
  NullTransport transport_;
  std::unique_ptr<ThreadLoop> raft_loop_;
  std::unique_ptr<ThreadLoop> log_loop_;
  std::unique_ptr<ThreadLoop> apply_loop_;
  std::unique_ptr<ThreadLoop> watch_loop_;
  std::unique_ptr<Pool> background_;
  std::unique_ptr<Node> node_;
  bool node_started_ = false;
  std::unique_ptr<api::Services> services_;
  std::unique_ptr<GrpcEngine> engine_;
  std::unique_ptr<JsonGateway> gateway_;
  std::unique_ptr<HttpEndpoints> endpoints_;
  std::unique_ptr<Listener> listener_;
};

absl::Status ComposedServer::Open(const Settings& settings) {
  LOG(INFO) << "starting regent" << Field("version", kRegentVersion) << Field("etcd-version", api::kServerVersion)
            << Field("name", settings.name) << Field("data-dir", DataDirectory(settings));
  REGENT_RETURN_IF_ERROR(OpenNode(settings));
  // The sockets are bound before the node starts: an address in use is an error of the start, not of a later moment.
  const absl::Status front = OpenFront(settings);
  if (!front.ok()) {
    Stop();
    return front;
  }
  AwaitReady();
  listener_->Start();
  for (const ListenAddress& address : listener_->addresses()) {
    LOG(INFO) << "serving insecurely; this is strongly discouraged outside of a trusted network"
              << Field("address", Describe(address));
  }
  LOG(INFO) << "ready to serve client requests" << Field("member-id", Hexadecimal(storage_->facts.identity.node_id))
            << Field("cluster-id", Hexadecimal(storage_->facts.identity.cluster_id));
  return absl::OkStatus();
}

absl::Status ComposedServer::OpenNode(const Settings& settings) {
  REGENT_ASSIGN_OR_RETURN(storage_, OpenNodeStorage(settings, DrawSeed(), metrics_));
  raft_loop_ = std::make_unique<ThreadLoop>(ThreadLoop::Options{.name = "raft", .any_thread_helps = true});
  log_loop_ = std::make_unique<ThreadLoop>(ThreadLoop::Options{.name = "log"});
  apply_loop_ = std::make_unique<ThreadLoop>(ThreadLoop::Options{.name = "apply", .helper = log_loop_.get()});
  watch_loop_ = std::make_unique<ThreadLoop>(ThreadLoop::Options{.name = "watch"});
  background_ = std::make_unique<Pool>("background", kBackgroundThreads);
  const NodeSeams seams{.raft_loop = *raft_loop_,
                        .log_loop = *log_loop_,
                        .apply_loop = *apply_loop_,
                        .watch_loop = *watch_loop_,
                        .background = *background_,
                        .log = *storage_->log,
                        .state_machine = *storage_->state_machine,
                        .transport = transport_,
                        .seed = DrawSeed(),
                        .metrics = metrics_};
  NodeOptions options = MakeNodeOptions(settings, storage_->facts);
  options.on_leader_lost = [this] { services_->LeaderLost(); };
  REGENT_ASSIGN_OR_RETURN(node_, Node::Open(seams, std::move(options), storage_->recovered));
  return absl::OkStatus();
}

absl::Status ComposedServer::OpenFront(const Settings& settings) {
  api::ServiceOptions service_options;
  service_options.max_request_bytes = settings.max_request_bytes;
  service_options.max_txn_ops = settings.max_txn_ops;
  service_options.request_timeout = api::kRequestTimeoutBase + 2 * settings.election_timeout;
  service_options.now = SteadyNow;
  services_ = std::make_unique<api::Services>(*node_, service_options);
  REGENT_ASSIGN_OR_RETURN(engine_, GrpcEngine::Start(MakeEngineOptions(settings, services_->Methods()), metrics_));
  HttpEndpoints::Options http;
  http.versions = [] {
    return HttpEndpoints::Versions{api::kServerVersion, api::kClusterVersion, api::kStorageVersion};
  };
  gateway_ = std::make_unique<JsonGateway>(
      JsonGateway::Options{.methods = services_->Methods(), .message_bytes_max = MessageBytesMax(settings)},
      *background_, metrics_);
  http.gateway = [this](const HttpRequest& request, JsonGateway::Done done) {
    gateway_->Handle(request, std::move(done));
  };
  metrics_.registry.BeforeScrape([this] { node_->RefreshMetrics(); });
  CollectProcessMetrics(metrics_);
  endpoints_ = std::make_unique<HttpEndpoints>(std::move(http), *node_, metrics_);
  REGENT_ASSIGN_OR_RETURN(listener_, Listener::Open(MakeListenerOptions(settings), *endpoints_,
                                                    [this](int fd) { engine_->AddConnection(fd); }));
  PublishFacts();
  return absl::OkStatus();
}

void ComposedServer::PublishFacts() {
  const std::string_view cluster = api::kClusterVersion;
  metrics_.server_version.With({api::kServerVersion}).Set(1);
  metrics_.cluster_version.With({cluster.substr(0, cluster.rfind('.'))}).Set(1);
  metrics_.server_id.With({Hexadecimal(storage_->facts.identity.node_id)}).Set(1);
}

void ComposedServer::AwaitReady() {
  std::promise<void> ready;
  node_started_ = true;
  node_->Start([&ready] { ready.set_value(); });
  ready.get_future().wait();
}

// Stop accepting; drain the node, which ends every stream and fails what is left; let the answers go out; end the loops
// in the direction of the data.
void ComposedServer::Stop() {
  if (listener_ != nullptr) listener_->Stop();
  if (node_started_) {
    std::promise<void> stopped;
    node_->Stop([&stopped] { stopped.set_value(); });
    stopped.get_future().wait();
  }
  if (engine_ != nullptr) engine_->Shutdown(kRpcDrain);
  for (const auto& loop : {&raft_loop_, &log_loop_, &apply_loop_, &watch_loop_}) {
    if (*loop != nullptr) (*loop)->Stop();
  }
  if (background_ != nullptr) background_->Stop();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Settings& settings) {
  auto server = std::make_unique<ComposedServer>();
  REGENT_RETURN_IF_ERROR(server->Open(settings));
  return server;
}

}  // namespace regent::server
