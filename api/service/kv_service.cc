#include "api/service/kv_service.h"

#include <memory>
#include <string_view>
#include <utility>

#include "api/contract/errors.h"
#include "api/contract/validate.h"
#include "api/service/encode.h"
#include "api/service/propose.h"
#include "api/service/range_stream.h"

namespace regent::api {
namespace {

// The answer lives as long as the pieces of it that are on their way.
template <typename Result>
WireMessage EncodeAnswer(const Header& header, Result result) {
  return Encode(header, std::make_shared<const Result>(std::move(result)));
}

template <typename Result>
Done<Result> AnswerTo(ServiceContext& context, std::shared_ptr<Call> call) {
  return [&context, call = std::move(call)](absl::StatusOr<Result> result) {
    if (!result.ok()) return Fail(*call, result.status());
    const Header header = context.HeaderAt(result->revision);
    Answer(*call, EncodeAnswer(header, *std::move(result)));
  };
}

void AnswerRange(ServiceContext& context, Call& call, RangeResult result) {
  const Header header = context.HeaderAt(result.revision);
  if (result.rest == nullptr) return Answer(call, EncodeAnswer(header, std::move(result)));
  call.SendFrom(EncodeInParts(header, std::move(result)));
  call.Finish(absl::OkStatus());
}

void Range(ServiceContext& context, std::shared_ptr<Call> call, RangeRequest request) {
  if (absl::Status status = Validate(request); !status.ok()) return Fail(*call, status);
  const MonotonicTime deadline = context.Deadline(*call);
  context.backend().Range(std::move(request), deadline,
                          [&context, call = std::move(call)](absl::StatusOr<RangeResult> result) {
                            if (!result.ok()) return Fail(*call, result.status());
                            AnswerRange(context, *call, *std::move(result));
                          });
}

template <typename Request>
absl::Status DecodeFor(const ServiceContext&, std::string_view bytes, Request& out) {
  return Decode(bytes, out);
}
absl::Status DecodeFor(const ServiceContext& context, std::string_view bytes, TxnRequest& out) {
  return Decode(bytes, context.options().max_txn_ops, out);
}

template <typename Request>
absl::Status ValidateFor(const ServiceContext&, const Request& request) {
  return Validate(request);
}
absl::Status ValidateFor(const ServiceContext& context, const TxnRequest& request) {
  return Validate(request, context.options().max_txn_ops);
}

// Everything that decides whether a write is taken, with the bytes at hand because their number counts. False: the call
// has been answered, or will be.
template <typename Request>
bool Take(ServiceContext& context, const std::shared_ptr<Call>& call, std::string_view bytes, Request& request) {
  absl::Status status = DecodeFor(context, bytes, request);
  const bool is_readable = status.ok() || status == ErrTooManyOps();
  if (is_readable) {
    if (absl::Status refused = context.Admit(*call); !refused.ok()) return Fail(*call, refused), false;
  }
  if (status.ok()) status = ValidateFor(context, request);
  if (status.ok()) return true;
  if (!is_readable) return Fail(*call, status), false;
  context.backend().Reject(std::move(request), std::move(status),
                           [call](absl::Status why) { Fail(*call, std::move(why)); });
  return false;
}

template <typename Request, typename Result>
void Write(ServiceContext& context, std::shared_ptr<Call> call, Request request, size_t request_bytes) {
  if (absl::Status status = context.CheckSize(request_bytes); !status.ok()) return Fail(*call, status);
  Propose<Result>(context, std::move(call), std::move(request), &EncodeAnswer<Result>);
}

template <typename Request, typename Result>
Method WriteMethod(ServiceContext& context, std::string path) {
  const auto run = [&context](std::shared_ptr<Call> call, std::string_view bytes) {
    Request request;
    if (!Take(context, call, bytes, request)) return;
    Write<Request, Result>(context, std::move(call), std::move(request), bytes.size());
  };
  return {.path = std::move(path), .kind = Method::Kind::kUnary, .unary = run, .stream = nullptr};
}

Method TxnMethod(ServiceContext& context, std::string path) {
  const auto run = [&context](std::shared_ptr<Call> call, std::string_view bytes) {
    TxnRequest request;
    if (!Take(context, call, bytes, request)) return;
    if (!IsReadOnly(request)) {
      return Write<TxnRequest, TxnResult>(context, std::move(call), std::move(request), bytes.size());
    }
    const MonotonicTime deadline = context.Deadline(*call);
    context.backend().ReadTxn(std::move(request), deadline, AnswerTo<TxnResult>(context, std::move(call)));
  };
  return {.path = std::move(path), .kind = Method::Kind::kUnary, .unary = run, .stream = nullptr};
}

void Compact(ServiceContext& context, std::shared_ptr<Call> call, CompactionRequest request) {
  Propose<CompactionResult>(context, std::move(call), request,
                            [](const Header& header, const CompactionResult&) { return EncodeHeaderOnly(header); });
}

}  // namespace

std::vector<Method> KvMethods(ServiceContext& context) {
  return {
      Unary<RangeRequest>(context, "/etcdserverpb.KV/Range", &Range),
      WriteMethod<PutRequest, PutResult>(context, "/etcdserverpb.KV/Put"),
      WriteMethod<DeleteRangeRequest, DeleteRangeResult>(context, "/etcdserverpb.KV/DeleteRange"),
      TxnMethod(context, "/etcdserverpb.KV/Txn"),
      Unary<CompactionRequest>(context, "/etcdserverpb.KV/Compact", &Compact),
      RangeStreamMethod(context),
  };
}

}  // namespace regent::api
