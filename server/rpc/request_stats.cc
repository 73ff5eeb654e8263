#include "server/rpc/request_stats.h"

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "api/contract/duration_text.h"
#include "api/contract/request_text.h"
#include "api/contract/wire.h"
#include "api/service/decode.h"
#include "server/runtime/clock.h"
#include "server/runtime/json_log.h"

namespace regent::server {
namespace {

constexpr size_t kKeptBytesMax = 4 * 1024;
constexpr size_t kAnyOps = std::numeric_limits<size_t>::max();

enum class Kind : uint8_t { kRange, kPut, kDeleteRange, kTxn, kOther };

Kind KindOf(std::string_view path) {
  if (path == "/etcdserverpb.KV/Range") return Kind::kRange;
  if (path == "/etcdserverpb.KV/Put") return Kind::kPut;
  if (path == "/etcdserverpb.KV/DeleteRange") return Kind::kDeleteRange;
  if (path == "/etcdserverpb.KV/Txn") return Kind::kTxn;
  return Kind::kOther;
}

// What etcd counts of a request; of a transaction the operations of one branch.
struct Volume {
  int64_t count = 0;
  int64_t size = 0;
};

struct Description {
  Volume whole;  // of a transaction: when its compares failed
  Volume success;
  std::string content;
};

template <typename Request>
std::string Text(std::string_view bytes) {
  Request request;
  absl::Status status;
  if constexpr (std::is_same_v<Request, api::TxnRequest>) {
    status = api::Decode(bytes, kAnyOps, request);
  } else {
    status = api::Decode(bytes, request);
  }
  return status.ok() ? api::RequestText(request) : std::string();
}

Volume Branch(std::string_view txn, int field) {
  Volume volume;
  api::WireReader reader(txn);
  while (const std::optional<api::WireField> found = reader.Next()) {
    if (found->tag != api::BytesTag(field)) continue;
    ++volume.count;
    volume.size += static_cast<int64_t>(found->bytes.size());
  }
  return volume;
}

Description Describe(Kind kind, std::string_view bytes) {
  const auto size = static_cast<int64_t>(bytes.size());
  switch (kind) {
    case Kind::kRange:
      return {.whole = {0, size}, .success = {}, .content = Text<api::RangeRequest>(bytes)};
    case Kind::kPut:
      return {.whole = {1, size}, .success = {}, .content = Text<api::PutRequest>(bytes)};
    case Kind::kDeleteRange:
      return {.whole = {0, size}, .success = {}, .content = Text<api::DeleteRangeRequest>(bytes)};
    case Kind::kTxn:
      return {.whole = Branch(bytes, 3), .success = Branch(bytes, 2), .content = Text<api::TxnRequest>(bytes)};
    case Kind::kOther:
      break;
  }
  return {.whole = {-1, -1}, .success = {}, .content = {}};
}

// The number in a field of a message, of which the end may be missing.
int64_t NumberIn(std::string_view message, int field) {
  api::WireReader reader(message);
  while (const std::optional<api::WireField> found = reader.Next()) {
    if (found->tag == api::VarintTag(field)) return found->int64();
  }
  return 0;
}

Volume VolumeOf(Kind kind, const api::WireMessage& answer) {
  if (kind == Kind::kOther) return {-1, -1};
  Volume volume;
  for (const api::SharedBytes& piece : answer) volume.size += static_cast<int64_t>(piece->size());
  if (answer.empty()) return volume;
  // Key-values in pieces of their own stand before the one, behind the other.
  if (kind == Kind::kRange) volume.count = NumberIn(*answer.back(), 4);
  if (kind == Kind::kDeleteRange) volume.count = NumberIn(*answer.front(), 2);
  return volume;
}

class MeasuredCall final : public api::Call {
 public:
  MeasuredCall(std::shared_ptr<api::Call> call, const std::string& path, std::string_view request, Duration expected)
      : call_(std::move(call)), path_(path), expected_(expected), begun_(SteadyNow()) {
    if (request.size() <= kKeptBytesMax) {
      request_ = request;
    } else {
      description_ = Describe(KindOf(path_), request);
    }
  }

  std::optional<std::string_view> Metadata(std::string_view key) const override { return call_->Metadata(key); }
  api::MonotonicTime deadline() const override { return call_->deadline(); }
  std::string_view peer() const override { return call_->peer(); }
  size_t unsent_bytes() const override { return call_->unsent_bytes(); }
  void Send(api::WireMessage message) override { answer_ = std::move(message); }
  void SendFrom(std::unique_ptr<api::MessageSource> source) override { source_ = std::move(source); }
  void Finish(absl::Status status) override {
    if (finished_.exchange(true)) return;
    const Duration took = SteadyNow() - begun_;
    if (took > expected_) Report(status.ok(), took);
    if (status.ok() && source_ != nullptr) {
      call_->SendFrom(std::move(source_));
    } else if (status.ok()) {
      call_->Send(std::move(answer_));
    }
    call_->Finish(std::move(status));
  }

 private:
  void Report(bool answered, Duration took) {
    const Kind kind = KindOf(path_);
    if (!description_.has_value()) description_ = Describe(kind, request_);
    const Volume answer = answered && source_ != nullptr
                              ? Volume{source_->count(), static_cast<int64_t>(source_->size_bytes())}
                              : VolumeOf(kind, answered ? answer_ : api::WireMessage());
    Volume request = description_->whole;
    std::string_view content = description_->content;
    if (kind == Kind::kTxn && !answered) {  // as etcd, which then does not know the branch
      request = {};
      content = {};
    } else if (kind == Kind::kTxn && NumberIn(*answer_.front(), 2) != 0) {
      request = description_->success;
    }
    const std::string_view remote = peer().empty() ? "No remote client info." : peer();
    LOG(WARNING) << "request stats"
                 << Field("start time", UtcText(UnixSeconds() - std::chrono::duration<double>(took).count()))
                 << Field("time spent", api::DurationText(took)) << Field("remote", remote)
                 << Field("response type", path_) << Field("request count", request.count)
                 << Field("request size", request.size) << Field("response count", answer.count)
                 << Field("response size", answer.size) << Field("request content", content);
  }

  const std::shared_ptr<api::Call> call_;
  const std::string& path_;  // of the method, which outlives its calls
  const Duration expected_;
  const MonotonicTime begun_;
  std::string request_;                         // a short one
  std::optional<Description> description_;      // of a long one
  api::WireMessage answer_;                     // it leaves with the status
  std::unique_ptr<api::MessageSource> source_;  // instead of it
  std::atomic<bool> finished_{false};
};

}  // namespace

std::vector<api::Method> WithRequestStats(std::vector<api::Method> methods, Duration expected) {
  for (api::Method& method : methods) {
    if (method.kind != api::Method::Kind::kUnary) continue;
    method.unary = [run = std::move(method.unary), path = method.path, expected](std::shared_ptr<api::Call> call,
                                                                                 std::string_view request) {
      run(std::make_shared<MeasuredCall>(std::move(call), path, request, expected), request);
    };
  }
  return methods;
}

}  // namespace regent::server
