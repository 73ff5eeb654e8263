#include "api/service/service_context.h"

#include <algorithm>

#include "api/contract/errors.h"
#include "api/contract/utf8.h"
#include "api/contract/wire.h"

namespace regent::api {
namespace {

// etcd measures the request together with what its log puts around it: an id of up to ten bytes in a header, and a tag.
constexpr size_t kLogEntryOverheadBytes = 15;

class IgnoringStream : public StreamHandler {
 public:
  void OnMessage(std::string_view) override {}
  void OnHalfClose() override {}
  void OnSent() override {}
  void OnDone() override {}
};

}  // namespace

absl::Status ServiceContext::Admit(const Call& call) const {
  const auto version = call.Metadata("client-api-version");
  if (version && !IsUtf8(*version)) return ErrInvalidClientApiVersion();
  if (RequiresLeader(call) && !backend_.HasLeader()) return ErrNoLeader();
  return absl::OkStatus();
}

bool ServiceContext::RequiresLeader(const Call& call) { return call.Metadata("hasleader") == "true"; }

MonotonicTime ServiceContext::Deadline(const Call& call) const {
  return std::min(call.deadline(), options_.now() + options_.request_timeout);
}

absl::Status ServiceContext::CheckSize(size_t request_bytes) const {
  const size_t entry_bytes = kLogEntryOverheadBytes + VarintSize(request_bytes) + request_bytes;
  return entry_bytes > options_.max_request_bytes ? ErrRequestTooLarge() : absl::OkStatus();
}

Header ServiceContext::HeaderAt(Revision revision) const {
  Header header = backend_.CurrentHeader();
  if (revision.value != 0) header.revision = revision;
  return header;
}

void Answer(Call& call, WireMessage message) {
  call.Send(std::move(message));
  call.Finish(absl::OkStatus());
}

void Answer(Call& call, std::string message) {
  Answer(call, WireMessage{std::make_shared<const std::string>(std::move(message))});
}

void Fail(Call& call, const absl::Status& status) { call.Finish(status); }

std::unique_ptr<StreamHandler> IgnoringHandler() { return std::make_unique<IgnoringStream>(); }

}  // namespace regent::api
