// One RPC in numbered steps (T is the thread whose completion queue the call waits on):
//   1. The call waits: RequestCall is out. T accepts it, puts a new waiting call in its place, finds the method.
//   2. T reads. A unary method is called with its one message; a stream's handler with each.
//   3. Send queues and Finish decides, on any thread; at most one Write or Finish operation is out at a time, and the
//      one that ends it (or the first one) starts the next.
//   4. gRPC reports "done" once, when the status is sent or the peer is gone. `operations_` counts this report and
//   every
//      operation that is out: at zero nothing of gRPC's can touch the call again, and T releases it.
//
// gRPC's objects (context and stream) die at the release, on T, while the Call itself lives as long as a handler holds
// it. The rule that makes this safe: only someone who has raised `operations_` under the mutex, while it was above
// zero, touches them.
#include "server/rpc/grpc_engine.h"

#include <glog/logging.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <forward_list>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "server/rpc/grpc_convert.h"
#include "server/rpc/method_table.h"
#include "server/runtime/clock.h"
#include "server/runtime/mutex.h"

namespace regent::server {
namespace {

// gRPC's own limit on a message: above ours, so that ours answers, with etcd's words.
constexpr int kTransportMessageBytesMax = 64 * 1024 * 1024;
constexpr int kWaitingCalls = 256;  // calls that each thread holds ready for arriving RPCs

class WaitingCalls;

// A call as gRPC sees it and as handlers see it.
class GrpcCall final : public api::Call, public std::enable_shared_from_this<GrpcCall> {
 public:
  explicit GrpcCall(WaitingCalls& home) : home_(home) {}

  // On T: the events of the completion queue. The pointer of a tag names the call and the operation.
  enum Operation { kRequest, kRead, kWrite, kFinish, kDone, kOperations };
  struct Tag {
    GrpcCall* call = nullptr;
    Operation operation = kRequest;
  };
  void Wait();
  void OnEvent(Operation operation, bool ok);

  // api::Call, on any thread.
  std::optional<std::string_view> Metadata(std::string_view key) const override;
  api::MonotonicTime deadline() const override { return deadline_; }
  void Send(api::WireMessage message) override;
  void Finish(absl::Status status) override;
  size_t unsent_bytes() const override { return unsent_bytes_.load(std::memory_order_relaxed); }

 private:
  struct Outgoing {
    grpc::ByteBuffer message;
    size_t size_bytes = 0;
  };
  enum class Step { kNone, kWrite, kWriteAndFinish, kFinish };

  bool is_unary() const { return method_ != nullptr && method_->method.kind == api::Method::Kind::kUnary; }
  std::shared_ptr<api::Call> HandlersReference();
  void OnRequest(bool ok);
  void OnRead(bool ok);
  void OnWritten(bool ok);
  void Deliver(std::string_view message);
  void StartRead();
  Step NextStep() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Start(Step step) ABSL_LOCKS_EXCLUDED(mutex_);
  void Release();

  WaitingCalls& home_;
  Tag tags_[kOperations];
  std::shared_ptr<GrpcCall> self_;  // while gRPC's objects live

  // T's, and whoever may touch gRPC's objects.
  std::optional<grpc::GenericServerContext> context_;
  std::optional<grpc::GenericServerAsyncReaderWriter> stream_;
  grpc::ByteBuffer received_;
  Outgoing writing_message_;  // of the operation that is out

  // Set at the acceptance, then read only.
  ServedMethod* method_ = nullptr;
  api::MonotonicTime deadline_ = api::MonotonicTime::max();
  api::MonotonicTime started_at_;  // for the counters

  std::unique_ptr<api::StreamHandler> handler_;  // T's
  std::atomic<size_t> unsent_bytes_{0};

  mutable Mutex mutex_;
  int operations_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;     // a Write or a Finish is out
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;      // the peer is gone or has everything: what comes now is dropped
  bool finish_out_ ABSL_GUARDED_BY(mutex_) = false;  // the status is on its way or sent
  std::deque<Outgoing> queue_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> finish_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::StatusCode> result_ ABSL_GUARDED_BY(mutex_);  // the status that the client got
  mutable std::forward_list<std::pair<std::string, std::string>> metadata_ ABSL_GUARDED_BY(mutex_);  // asked for so far
};

// A thread, its completion queue and the calls on it.
class WaitingCalls {
 public:
  WaitingCalls(std::unique_ptr<grpc::ServerCompletionQueue> queue, grpc::AsyncGenericService& service,
               MethodTable& methods, const RpcEngine::Options& options)
      : message_bytes_max(options.max_request_bytes + RpcEngine::kOverheadBytes),
        queue_(std::move(queue)),
        service_(service),
        methods_(methods) {}

  void Start() {
    for (int i = 0; i < kWaitingCalls; ++i) AddWaiting();
    thread_ = std::thread([this] { Run(); });
    pthread_setname_np(thread_.native_handle(), "rpc");
  }

  // REQUIRES: the server's Shutdown has returned, so that every RequestCall that is out comes back. Returns when no
  // call is left: gRPC aborts the process when an operation starts on a queue that has been shut down.
  void Join() {
    mutex_.Lock();
    while (calls_ > 0) empty_.Wait(mutex_);
    mutex_.Unlock();
    queue_->Shutdown();
    thread_.join();
  }

  void AddWaiting() {
    {
      const MutexLock lock(mutex_);
      ++calls_;
    }
    std::make_shared<GrpcCall>(*this)->Wait();
  }
  void Remove() {
    const MutexLock lock(mutex_);
    if (--calls_ == 0) empty_.NotifyAll();
  }

  grpc::ServerCompletionQueue& queue() { return *queue_; }
  grpc::AsyncGenericService& service() { return service_; }
  MethodTable& methods() { return methods_; }

  const size_t message_bytes_max;

 private:
  void Run() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_->Next(&tag, &ok)) {
      const GrpcCall::Tag event = *static_cast<GrpcCall::Tag*>(tag);
      event.call->OnEvent(event.operation, ok);
    }
  }

  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  grpc::AsyncGenericService& service_;
  MethodTable& methods_;
  Mutex mutex_;
  Condition empty_;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;  // with gRPC's objects, waiting ones included
  std::thread thread_;
};

void GrpcCall::Wait() {
  self_ = shared_from_this();
  for (int i = 0; i < kOperations; ++i) tags_[i] = Tag{this, static_cast<Operation>(i)};
  context_.emplace();
  stream_.emplace(&*context_);
  context_->AsyncNotifyWhenDone(&tags_[kDone]);
  home_.service().RequestCall(&*context_, &*stream_, &home_.queue(), &home_.queue(), &tags_[kRequest]);
}

void GrpcCall::OnEvent(Operation operation, bool ok) {
  switch (operation) {
    case kRequest:
      return OnRequest(ok);
    case kRead:
      OnRead(ok);
      break;
    case kWrite:
    case kFinish:
      OnWritten(ok);
      break;
    case kDone: {
      const MutexLock lock(mutex_);
      closed_ = true;
      break;
    }
    case kOperations:
      LOG(FATAL) << "not an operation";
  }
  bool last = false;
  {
    const MutexLock lock(mutex_);
    CHECK_GT(operations_, 0) << "operation " << operation;
    last = --operations_ == 0;
  }
  if (last) Release();
}

void GrpcCall::OnRequest(bool ok) {
  if (!ok) return Release();  // the server shuts down; "done" is not reported for a call that never began
  home_.AddWaiting();
  {
    const MutexLock lock(mutex_);
    operations_ = 1;  // the report of "done"
  }
  deadline_ = ToMonotonicTime(context_->raw_deadline());
  method_ = home_.methods().Find(context_->method());
  if (method_ == nullptr) return Finish(home_.methods().UnknownMethodError(context_->method()));
  started_at_ = method_->counters.Started();
  if (!is_unary()) handler_ = method_->method.stream(HandlersReference());
  StartRead();
}

// What handlers hold: when the last reference goes without a Finish, the call must not hang until its deadline.
std::shared_ptr<api::Call> GrpcCall::HandlersReference() {
  return std::shared_ptr<api::Call>(this, [self = shared_from_this()](api::Call*) {
    self->Finish(absl::UnavailableError("etcdserver: server stopped"));
  });
}

void GrpcCall::StartRead() {
  {
    const MutexLock lock(mutex_);
    if (closed_ || finish_out_) return;
    ++operations_;
  }
  stream_->Read(&received_, &tags_[kRead]);
}

void GrpcCall::OnRead(bool ok) {
  if (!ok) {
    if (handler_ != nullptr) return handler_->OnHalfClose();
    return Finish(absl::InternalError("the client sent no request"));
  }
  const size_t size_bytes = received_.Length();
  if (size_bytes > home_.message_bytes_max) {
    received_.Clear();
    return Finish(absl::ResourceExhaustedError("grpc: received message larger than max (" + std::to_string(size_bytes) +
                                               " vs. " + std::to_string(home_.message_bytes_max) + ")"));
  }
  method_->counters.Received(size_bytes);
  grpc::Slice slice;
  if (!received_.TrySingleSlice(&slice).ok() && !received_.DumpToSingleSlice(&slice).ok()) {
    return Finish(absl::InternalError("the request cannot be decoded"));
  }
  received_.Clear();
  Deliver(std::string_view(reinterpret_cast<const char*>(slice.begin()), slice.size()));
}

void GrpcCall::Deliver(std::string_view message) {
  if (handler_ == nullptr) return method_->method.unary(HandlersReference(), message);
  handler_->OnMessage(message);
  StartRead();
}

void GrpcCall::Send(api::WireMessage message) {
  size_t size_bytes = 0;
  for (const api::SharedBytes& piece : message) size_bytes += piece->size();
  Outgoing outgoing{ToByteBuffer(message), size_bytes};
  Step step = Step::kNone;
  {
    const MutexLock lock(mutex_);
    if (closed_ || finish_.has_value()) return;
    unsent_bytes_.fetch_add(size_bytes, std::memory_order_relaxed);
    queue_.push_back(std::move(outgoing));
    step = NextStep();
  }
  Start(step);
}

void GrpcCall::Finish(absl::Status status) {
  Step step = Step::kNone;
  {
    const MutexLock lock(mutex_);
    if (closed_ || finish_.has_value()) return;
    finish_ = std::move(status);
    if (is_unary() && !finish_->ok()) queue_.clear();
    step = NextStep();
  }
  Start(step);
}

// Decides the next operation and claims it. A unary answer waits for its status: message and status leave together.
GrpcCall::Step GrpcCall::NextStep() {
  if (closed_ || writing_ || finish_out_) return Step::kNone;
  const bool finishing = finish_.has_value();
  if (queue_.empty() && !finishing) return Step::kNone;
  if (is_unary() && !finishing) return Step::kNone;
  ++operations_;
  writing_ = true;
  if (queue_.empty()) {
    finish_out_ = true;
    return Step::kFinish;
  }
  writing_message_ = std::move(queue_.front());
  queue_.pop_front();
  method_->counters.Sent(writing_message_.size_bytes);
  finish_out_ = finishing && queue_.empty();
  return finish_out_ ? Step::kWriteAndFinish : Step::kWrite;
}

// Whoever claimed the step runs it without the lock: no second step begins before this one's event.
void GrpcCall::Start(Step step) {
  grpc::Status status;
  if (step == Step::kFinish || step == Step::kWriteAndFinish) {
    const MutexLock lock(mutex_);
    status = ToGrpcStatus(*finish_);
  }
  switch (step) {
    case Step::kNone:
      return;
    case Step::kWrite:
      return stream_->Write(writing_message_.message, &tags_[kWrite]);
    case Step::kWriteAndFinish:
      return stream_->WriteAndFinish(writing_message_.message, grpc::WriteOptions(), status, &tags_[kFinish]);
    case Step::kFinish:
      return stream_->Finish(status, &tags_[kFinish]);
  }
}

void GrpcCall::OnWritten(bool ok) {
  const size_t size_bytes = std::exchange(writing_message_, Outgoing()).size_bytes;
  unsent_bytes_.fetch_sub(size_bytes, std::memory_order_relaxed);
  Step step = Step::kNone;
  {
    const MutexLock lock(mutex_);
    writing_ = false;
    if (!ok) closed_ = true;
    if (finish_out_) {
      if (ok) result_ = finish_->code();
    } else {
      step = NextStep();
    }
  }
  Start(step);
  if (ok && handler_ != nullptr && size_bytes > 0) handler_->OnSent();
}

std::optional<std::string_view> GrpcCall::Metadata(std::string_view key) const {
  const MutexLock lock(mutex_);
  for (const auto& [name, value] : metadata_) {
    if (name == key) return value;
  }
  if (!context_.has_value()) return std::nullopt;
  const auto& all = context_->client_metadata();
  const auto found = all.find(grpc::string_ref(key.data(), key.size()));
  if (found == all.end()) return std::nullopt;
  metadata_.emplace_front(std::string(key), std::string(found->second.data(), found->second.size()));
  return metadata_.front().second;
}

void GrpcCall::Release() {
  absl::StatusCode result;
  {
    const MutexLock lock(mutex_);
    closed_ = true;
    queue_.clear();
    const bool late = deadline_ != api::MonotonicTime::max() && SteadyNow() >= deadline_;
    result = result_.value_or(late ? absl::StatusCode::kDeadlineExceeded : absl::StatusCode::kCancelled);
  }
  unsent_bytes_.store(0, std::memory_order_relaxed);
  if (method_ != nullptr) method_->counters.Handled(result, started_at_);
  if (handler_ != nullptr) {
    handler_->OnDone();
    handler_.reset();
  }
  {
    const MutexLock lock(mutex_);
    stream_.reset();
    context_.reset();
  }
  WaitingCalls& home = home_;
  self_.reset();  // may destroy this
  home.Remove();
}

int ToMilliseconds(std::chrono::nanoseconds duration) {
  const int64_t milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return static_cast<int>(std::clamp<int64_t>(milliseconds, 0, INT32_MAX));
}

// etcd's keepalive: clients must not ping more often than keepalive_min_time, nor without a running RPC.
void SetTransportLimits(const RpcEngine::Options& options, grpc::ServerBuilder& builder) {
  const bool pings = options.keepalive_interval.count() > 0;
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                             pings ? ToMilliseconds(options.keepalive_interval) : INT32_MAX);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, options.keepalive_timeout.count() > 0
                                                                ? ToMilliseconds(options.keepalive_timeout)
                                                                : INT32_MAX);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             ToMilliseconds(options.keepalive_min_time));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             static_cast<int>(std::min<uint32_t>(options.max_concurrent_streams, INT32_MAX)));
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, static_cast<int>(RpcEngine::kMetadataBytesMax));
  builder.SetMaxReceiveMessageSize(kTransportMessageBytesMax);
  builder.SetMaxSendMessageSize(-1);
}

class GenericGrpcEngine final : public RpcEngine {
 public:
  GenericGrpcEngine(Options options, Metrics& metrics)
      : options_(std::move(options)), methods_(std::move(options_.methods), metrics, options_.metrics_detail) {}

  ~GenericGrpcEngine() override { CHECK(server_ == nullptr) << "destroyed before Shutdown"; }

  absl::Status Open() {
    grpc::ServerBuilder builder;
    SetTransportLimits(options_, builder);
    builder.RegisterAsyncGenericService(&service_);
    acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, grpc::InsecureServerCredentials());
    std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
    for (int i = 0; i < options_.threads; ++i) queues.push_back(builder.AddCompletionQueue());
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return absl::InternalError("gRPC does not start");
    for (std::unique_ptr<grpc::ServerCompletionQueue>& queue : queues) {
      threads_.push_back(std::make_unique<WaitingCalls>(std::move(queue), service_, methods_, options_));
    }
    for (const std::unique_ptr<WaitingCalls>& thread : threads_) thread->Start();
    return absl::OkStatus();
  }

  void AddConnection(int fd) override {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.fd = fd;
    acceptor_->HandleNewConnection(&connection);
  }

  void Shutdown(std::chrono::nanoseconds drain) override {
    if (server_ == nullptr) return;
    const gpr_timespec deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(drain.count(), GPR_TIMESPAN));
    server_->Shutdown(deadline);
    for (const std::unique_ptr<WaitingCalls>& thread : threads_) thread->Join();
    server_.reset();
    threads_.clear();
  }

 private:
  Options options_;
  MethodTable methods_;
  grpc::AsyncGenericService service_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::unique_ptr<WaitingCalls>> threads_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RpcEngine>> StartGrpcEngine(RpcEngine::Options options, Metrics& metrics) {
  CHECK_GT(options.threads, 0);
  // abseil as Debian builds it looks for deadlocks at every lock that gRPC takes: some percent of the time, and one
  // lock for all threads. This is a setting of the process; nothing else here uses abseil's mutex.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  auto engine = std::make_unique<GenericGrpcEngine>(std::move(options), metrics);
  if (absl::Status opened = engine->Open(); !opened.ok()) return opened;
  return engine;
}

}  // namespace regent::server
