#include "server/peer/message_codec.h"

#include <initializer_list>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "api/contract/wire.h"
#include "glog/logging.h"
#include "storage/row_reader.h"

namespace regent::server {
namespace {

using api::AppendVarint;
using storage::RowReader;

enum class Kind : uint8_t {
  kAppendRequest = 1,
  kAppendAccepted = 2,
  kAppendRejected = 3,
  kHeartbeat = 4,
  kHeartbeatReply = 5,
  kVoteRequest = 6,
  kVoteReply = 7,
  kPreVoteRequest = 8,
  kPreVoteReply = 9,
  kReadIndexRequest = 10,
  kReadIndexReply = 11,
  kTimeoutNow = 12,
};

// ---- writing -------------------------------------------------------------------------------------------------------

void Append(std::string& out, Kind kind, raft::Term term) {
  out.push_back(static_cast<char>(kind));
  AppendVarint(out, term.value);
}

void AppendByte(std::string& out, uint8_t value) { out.push_back(static_cast<char>(value)); }

void AppendNumbers(std::string& out, std::initializer_list<uint64_t> numbers) {
  for (const uint64_t number : numbers) AppendVarint(out, number);
}

size_t DataBytes(const raft::AppendRequest& body) {
  size_t bytes = 0;
  for (const raft::Entry& entry : body.entries) bytes += entry.data.size() + 16;
  return bytes;
}

struct Writer {
  std::string& out;
  raft::Term term;

  void operator()(const raft::AppendRequest& body) const {
    out.reserve(out.size() + 64 + DataBytes(body));
    Append(out, Kind::kAppendRequest, term);
    AppendNumbers(out, {body.prev_index.value, body.prev_term.value, body.commit.value, body.entries.size()});
    for (const raft::Entry& entry : body.entries) {
      AppendVarint(out, entry.term.value);
      AppendByte(out, static_cast<uint8_t>(entry.type));
      AppendVarint(out, entry.data.size());
      out.append(entry.data.view());
    }
  }
  void operator()(const raft::AppendAccepted& body) const {
    Append(out, Kind::kAppendAccepted, term);
    AppendVarint(out, body.match.value);
  }
  void operator()(const raft::AppendRejected& body) const {
    Append(out, Kind::kAppendRejected, term);
    AppendNumbers(out, {body.rejected.value, body.hint_index.value, body.hint_term.value});
  }
  void operator()(const raft::Heartbeat& body) const {
    Append(out, Kind::kHeartbeat, term);
    AppendNumbers(out, {body.commit.value, body.context});
  }
  void operator()(const raft::HeartbeatReply& body) const {
    Append(out, Kind::kHeartbeatReply, term);
    AppendVarint(out, body.context);
  }
  void operator()(const raft::VoteRequest& body) const {
    Append(out, Kind::kVoteRequest, term);
    AppendNumbers(out, {body.last_index.value, body.last_term.value});
    AppendByte(out, body.leadership_transfer ? 1 : 0);
  }
  void operator()(const raft::VoteReply& body) const {
    Append(out, Kind::kVoteReply, term);
    AppendByte(out, body.granted ? 1 : 0);
  }
  void operator()(const raft::PreVoteRequest& body) const {
    Append(out, Kind::kPreVoteRequest, term);
    AppendNumbers(out, {body.campaign_term.value, body.last_index.value, body.last_term.value});
  }
  void operator()(const raft::PreVoteReply& body) const {
    Append(out, Kind::kPreVoteReply, term);
    AppendVarint(out, body.campaign_term.value);
    AppendByte(out, body.granted ? 1 : 0);
  }
  void operator()(const raft::ReadIndexRequest& body) const {
    Append(out, Kind::kReadIndexRequest, term);
    AppendVarint(out, body.round);
  }
  void operator()(const raft::ReadIndexReply& body) const {
    Append(out, Kind::kReadIndexReply, term);
    AppendNumbers(out, {body.round, body.index.value});
  }
  void operator()(const raft::TimeoutNow&) const { Append(out, Kind::kTimeoutNow, term); }
  void operator()(const raft::InstallSnapshot&) const { LOG(FATAL) << "a snapshot does not travel as a message"; }
};

// ---- reading -------------------------------------------------------------------------------------------------------

// Takes `bytes` of what the reader has not read yet.
std::optional<std::string_view> TakeBytes(RowReader& reader, uint64_t bytes) {
  const std::string_view rest = reader.rest();
  if (bytes > rest.size()) return std::nullopt;
  reader = RowReader(rest.substr(bytes));
  return rest.substr(0, bytes);
}

constexpr uint64_t kEntriesMax = 1 << 20;  // of one message: an entry takes more memory than its bytes here

absl::Status CutOff() { return absl::InvalidArgumentError("a raft message that is cut off"); }

absl::StatusOr<raft::MessageBody> ReadAppendRequest(RowReader& reader) {
  raft::AppendRequest body;
  body.prev_index.value = reader.Varint();
  body.prev_term.value = reader.Varint();
  body.commit.value = reader.Varint();
  const uint64_t count = reader.Varint();
  // Each entry has three bytes at least.
  if (reader.malformed() || count > reader.rest().size() / 3) return CutOff();
  if (count > kEntriesMax) return absl::InvalidArgumentError(absl::StrCat("a message with ", count, " entries"));
  if (body.prev_index.value > UINT64_MAX - count) return absl::InvalidArgumentError("entries beyond the last index");
  body.entries.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    raft::Entry entry{.index = {body.prev_index.value + 1 + i}};
    entry.term.value = reader.Varint();
    const uint8_t type = reader.Byte();
    const uint64_t bytes = reader.Varint();
    if (reader.malformed()) return CutOff();
    if (type > static_cast<uint8_t>(raft::EntryType::kConfiguration)) {
      return absl::InvalidArgumentError(absl::StrCat("an entry of the unknown type ", type));
    }
    entry.type = static_cast<raft::EntryType>(type);
    const std::optional<std::string_view> data = TakeBytes(reader, bytes);
    if (!data.has_value()) return CutOff();
    entry.data = *data;
    body.entries.push_back(std::move(entry));
  }
  return body;
}

absl::StatusOr<raft::MessageBody> ReadBody(Kind kind, RowReader& reader) {
  // Braces evaluate their elements in order.
  switch (kind) {
    case Kind::kAppendRequest:
      return ReadAppendRequest(reader);
    case Kind::kAppendAccepted:
      return raft::AppendAccepted{.match = {reader.Varint()}};
    case Kind::kAppendRejected:
      return raft::AppendRejected{
          .rejected = {reader.Varint()}, .hint_index = {reader.Varint()}, .hint_term = {reader.Varint()}};
    case Kind::kHeartbeat:
      return raft::Heartbeat{.commit = {reader.Varint()}, .context = reader.Varint()};
    case Kind::kHeartbeatReply:
      return raft::HeartbeatReply{.context = reader.Varint()};
    case Kind::kVoteRequest:
      return raft::VoteRequest{
          .last_index = {reader.Varint()}, .last_term = {reader.Varint()}, .leadership_transfer = reader.Byte() != 0};
    case Kind::kVoteReply:
      return raft::VoteReply{.granted = reader.Byte() != 0};
    case Kind::kPreVoteRequest:
      return raft::PreVoteRequest{
          .campaign_term = {reader.Varint()}, .last_index = {reader.Varint()}, .last_term = {reader.Varint()}};
    case Kind::kPreVoteReply:
      return raft::PreVoteReply{.campaign_term = {reader.Varint()}, .granted = reader.Byte() != 0};
    case Kind::kReadIndexRequest:
      return raft::ReadIndexRequest{.round = reader.Varint()};
    case Kind::kReadIndexReply:
      return raft::ReadIndexReply{.round = reader.Varint(), .index = {reader.Varint()}};
    case Kind::kTimeoutNow:
      return raft::TimeoutNow{};
  }
  return absl::InvalidArgumentError(absl::StrCat("a raft message of the unknown kind ", static_cast<int>(kind)));
}

}  // namespace

void AppendMessage(std::string& out, const raft::Message& message) {
  std::visit(Writer{out, message.term}, message.body);
}

absl::StatusOr<raft::Message> DecodeMessage(std::string_view payload, raft::NodeId from, raft::NodeId to) {
  RowReader reader(payload);
  const Kind kind = static_cast<Kind>(reader.Byte());
  raft::Message message{.from = from, .to = to};
  message.term.value = reader.Varint();
  if (reader.malformed()) return CutOff();
  absl::StatusOr<raft::MessageBody> body = ReadBody(kind, reader);
  if (!body.ok()) return body.status();
  if (reader.malformed()) return CutOff();
  if (!reader.rest().empty()) return absl::InvalidArgumentError("a raft message with bytes behind its end");
  message.body = *std::move(body);
  return message;
}

}  // namespace regent::server
