#include "server/node/slow_requests.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "api/contract/duration_text.h"
#include "api/contract/errors.h"
#include "api/contract/request_text.h"
#include "api/service/encode.h"
#include "glog/logging.h"
#include "server/runtime/json_log.h"
#include "storage/command.h"

namespace regent::server {
namespace {

std::string SizeText(size_t bytes) { return "size:" + std::to_string(bytes); }

// What etcd's layers below its API call the error.
std::string InnerText(const absl::Status& error) {
  if (error == api::ErrLeaseNotFound()) return "lease not found";
  if (error == api::ErrNoSpace()) return "etcdserver: no space";
  constexpr std::string_view kApi = "etcdserver: ";
  const std::string text(error.message());
  const bool is_inner = error == api::ErrCompacted() || error == api::ErrFutureRevision() ||
                        error == api::ErrLeaseExists() || error == api::ErrLeaseTtlTooLarge();
  return is_inner && text.starts_with(kApi) ? text.substr(kApi.size()) : text;
}

// While a request is being applied, etcd's answer has the revision for its header, or none, or a whole one.
struct AppliedSize {
  const api::Header& whole;

  template <typename Result>
  size_t operator()(const Result& result) const {
    return api::EncodedSize(api::Header{.revision = result.revision}, result);
  }
  size_t operator()(const api::CompactionResult& result) const {
    return api::EncodeHeaderOnly(api::Header{.revision = result.revision}).size();
  }
  size_t operator()(const api::LeaseGrantResult& result) const {
    return api::Encode(At(result.revision), result).size();
  }
  size_t operator()(const api::LeaseRevokeResult& result) const {
    return api::EncodeHeaderOnly(At(result.revision)).size();
  }
  size_t operator()(const api::LeaseExpiryResult& result) const {
    return api::EncodeHeaderOnly(At(result.revision)).size();
  }
  size_t operator()(const api::MembersResult& result) const { return api::Encode(whole, result.members).size(); }
  size_t operator()(const api::AlarmResult& result) const {
    return api::Encode(api::Header{}, result).size() - api::EncodeHeaderOnly(api::Header{}).size();
  }

 private:
  api::Header At(api::Revision revision) const {
    api::Header header = whole;
    header.revision = revision;
    return header;
  }
};

// Where a lease is the matter, etcd has an answer beside the error.
std::string ResponseText(const api::WriteRequest& request, const absl::StatusOr<api::WriteResult>& result,
                         const api::Header& whole) {
  if (result.ok()) return SizeText(std::visit(AppliedSize{whole}, *result));
  if (std::holds_alternative<api::LeaseGrantRequest>(request)) return SizeText(0);
  if (std::holds_alternative<api::LeaseRevokeRequest>(request)) {
    return SizeText(api::EncodeHeaderOnly(whole).size());
  }
  return {};
}

}  // namespace

void SlowRequests::ReportRange(const api::RangeRequest& request, const absl::StatusOr<api::RangeResult>& result,
                               Duration took) {
  Line line{
      .prefix = "read-only range ", .request = api::RequestText(request), .response = {}, .error = result.status()};
  if (result.ok()) {
    const bool in_parts = result->rest != nullptr;
    const size_t count = result->kvs.count() + (in_parts ? result->rest->count() : 0);
    const size_t size = api::EncodedSize(api::Header{.revision = result->revision}, *result) +
                        (in_parts ? result->rest->size_bytes() : 0);
    line.response = "range_response_count:" + std::to_string(count) + " " + SizeText(size);
  }
  Log(line, took);
}

void SlowRequests::ReportReadTxn(const api::TxnRequest& request, const absl::StatusOr<api::TxnResult>& result,
                                 Duration took) {
  Line line{.prefix = "read-only txn ", .request = api::RequestText(request), .response = {}, .error = result.status()};
  if (result.ok()) {
    std::string counts;
    for (const api::ResponseOp& response : result->responses) {
      const auto* range = std::get_if<api::RangeResult>(&response);
      if (range == nullptr) continue;
      if (!counts.empty()) counts += ' ';
      counts += "range_response_count:" + std::to_string(range->kvs.count());
    }
    line.response =
        "responses:<" + counts + "> " + SizeText(api::EncodedSize(api::Header{.revision = result->revision}, *result));
  }
  Log(line, took);
}

void SlowRequests::ReportTurn(std::span<const raft::Entry> turn, const std::vector<storage::Answer>& answers,
                              const api::Header& header, Duration took) {
  size_t lines = 0;  // each entry with a command has its answer, in the same order
  for (const raft::Entry& entry : turn) {
    if (lines == std::min(answers.size(), kLinesPerTurn)) break;
    if (entry.type != raft::EntryType::kNormal || entry.data.empty()) continue;
    const absl::StatusOr<storage::Command> command = storage::DecodeCommand(entry.data);
    CHECK(command.ok()) << command.status();
    const absl::StatusOr<api::WriteResult>& result = answers[lines++].result;
    Log({.prefix = "",
         .request = api::ProposalText(command->body, command->request.sequence),
         .response = ResponseText(command->body, result, header),
         .error = result.status()},
        took);
  }
  if (answers.size() == lines) return;
  metrics_.server_slow_apply_total.Increment(answers.size() - lines);
  LOG(WARNING) << "further requests were applied in the same turn" << Field("count", answers.size() - lines)
               << Field("took", api::DurationText(took));
}

void SlowRequests::Log(const Line& line, Duration took) {
  metrics_.server_slow_apply_total.Increment();
  google::LogMessage message(__FILE__, __LINE__, google::GLOG_WARNING);  // written at its end
  std::ostream& out = message.stream();
  out << "apply request took too long" << Field("took", api::DurationText(took))
      << Field("expected-duration", api::DurationText(expected_)) << Field("prefix", line.prefix)
      << Field("request", line.request) << Field("response", line.response);
  if (!line.error.ok()) out << Field("error", InnerText(line.error));
}

}  // namespace regent::server
