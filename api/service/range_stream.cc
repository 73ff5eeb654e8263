#include "api/service/range_stream.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "api/contract/errors.h"
#include "api/contract/status_macros.h"
#include "api/contract/validate.h"
#include "api/service/encode.h"

namespace regent::api {
namespace {

absl::Status ValidateStreamed(const RangeRequest& request) {
  REGENT_RETURN_IF_ERROR(Validate(request));
  const bool key_order = request.sort_order == SortOrder::kNone ||
                         (request.sort_order == SortOrder::kAscend && request.sort_target == SortTarget::kKey);
  if (!key_order) return ErrUnimplemented("RangeStream does not support custom sort orders");
  if (request.min_mod_revision.value != 0 || request.max_mod_revision.value != 0 ||
      request.min_create_revision.value != 0 || request.max_create_revision.value != 0) {
    return ErrUnimplemented("RangeStream does not support revision filters");
  }
  return absl::OkStatus();
}

// The sending side, shared by the stream and by the read that opens it. Whoever finds room calls Advance, from any
// thread; one at a time works, and looks again for the others.
class Sender {
 public:
  Sender(ServiceContext& context, std::shared_ptr<Call> call) : context_(context), call_(std::move(call)) {}

  void Begin(std::unique_ptr<SlicedRange> slices) {
    opened_ = std::move(slices);
    begun_.store(true);
    Advance();
  }

  // Before Begin there is nothing to send.
  void Advance() {
    if (turns_.fetch_add(1) != 0) return;
    int seen = 0;
    do {
      seen = turns_.load();
      SendSome();
    } while (turns_.fetch_sub(seen) != seen);
  }

  void Abandon() {
    abandoned_.store(true);
    Advance();
  }

  void SendWhole(RangeResult result) {
    const Header header = context_.HeaderAt(result.revision);
    call_->Send(EncodeStreamed(&header, std::make_shared<const RangeResult>(std::move(result))));
    call_->Finish(absl::OkStatus());
  }

  Call& call() const { return *call_; }

 private:
  // Few slices a turn: a call that is broken takes them all, and says so only after this function. For each slice that
  // it really sends, another turn comes.
  static constexpr int kSlicesATurn = 2;

  void SendSome() {
    if (begun_.exchange(false)) slices_ = std::move(opened_);
    if (abandoned_.load()) slices_ = nullptr;
    for (int i = 0; i < kSlicesATurn && slices_ != nullptr && call_->unsent_bytes() < kSliceBytesMax; ++i) SendOne();
  }

  void SendOne() {
    absl::StatusOr<SlicedRange::Slice> slice = slices_->Next(slice_bytes_);
    slice_bytes_ = std::min(2 * slice_bytes_, kSliceBytesMax);
    if (!slice.ok()) {
      slices_ = nullptr;
      return call_->Finish(slice.status());
    }
    if (slice->last) {
      slices_ = nullptr;
      return SendWhole(std::move(slice->result));
    }
    call_->Send(EncodeStreamed(nullptr, std::make_shared<const RangeResult>(std::move(slice->result))));
  }

  ServiceContext& context_;
  const std::shared_ptr<Call> call_;
  std::atomic<int> turns_{0};  // asked for and not yet seen; above 0: somebody works
  std::atomic<bool> abandoned_{false};
  std::atomic<bool> begun_{false};       // opened_ is there to be taken
  std::unique_ptr<SlicedRange> opened_;  // of Begin, then of whoever works
  std::unique_ptr<SlicedRange> slices_;  // of whoever works
  size_t slice_bytes_ = kFirstSliceBytes;
};

class RangeStream : public StreamHandler {
 public:
  RangeStream(ServiceContext& context, const std::shared_ptr<Call>& call)
      : context_(context), sender_(std::make_shared<Sender>(context, call)) {
    if (ServiceContext::RequiresLeader(*call)) leader_bound_.emplace(context.leader_bound_streams(), call);
  }

  void OnMessage(std::string_view message) override {
    if (std::exchange(asked_, true)) return;
    RangeRequest request;
    if (!Decode(message, request).ok()) return sender_->call().Finish(ErrMalformedStreamMessage());
    if (absl::Status status = ValidateStreamed(request); !status.ok()) return sender_->call().Finish(status);
    const MonotonicTime deadline = context_.Deadline(sender_->call());
    if (request.count_only || request.sort_target != SortTarget::kKey) return AskWhole(std::move(request), deadline);
    context_.backend().OpenRange(std::move(request), deadline,
                                 [sender = sender_](absl::StatusOr<std::unique_ptr<SlicedRange>> slices) {
                                   if (!slices.ok()) return sender->call().Finish(slices.status());
                                   sender->Begin(*std::move(slices));
                                 });
  }

  void OnHalfClose() override {
    if (!asked_) sender_->call().Finish(ErrMissingRequest());
  }
  void OnSent() override { sender_->Advance(); }
  void OnDone() override {
    leader_bound_.reset();
    sender_->Abandon();
  }

 private:
  void AskWhole(RangeRequest request, MonotonicTime deadline) {
    context_.backend().Range(std::move(request), deadline, [sender = sender_](absl::StatusOr<RangeResult> result) {
      if (!result.ok()) return sender->call().Finish(result.status());
      sender->SendWhole(*std::move(result));
    });
  }

  ServiceContext& context_;
  const std::shared_ptr<Sender> sender_;
  bool asked_ = false;
  std::optional<LeaderBoundStreams::Registration> leader_bound_;
};

}  // namespace

Method RangeStreamMethod(ServiceContext& context) {
  const auto open = [&context](const std::shared_ptr<Call>& call) -> std::unique_ptr<StreamHandler> {
    if (absl::Status status = context.Admit(*call); !status.ok()) {
      call->Finish(status);
      return IgnoringHandler();
    }
    return std::make_unique<RangeStream>(context, call);
  };
  return {.path = "/etcdserverpb.KV/RangeStream", .kind = Method::Kind::kStream, .unary = nullptr, .stream = open};
}

}  // namespace regent::api
