// Answers to the wire. An answer is one string as long as it is small; large key-values and shared events go out as
// pieces of their own, which are neither copied nor decoded.
//
// Headers: the outermost answer has a full one, an operation inside a transaction one with the revision alone, a nested
// transaction an empty one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/contract/results.h"
#include "api/service/backend.h"
#include "api/service/call.h"

namespace regent::api {

// Collects a message. What is at most kCopyBytesMax long is copied: a piece costs an allocation and a place in every
// queue on the way, which is more than copying so much.
class MessageBuilder {
 public:
  static constexpr size_t kCopyBytesMax = 2048;

  void Reserve(size_t bytes) { tail_.reserve(bytes); }
  std::string& tail() { return tail_; }  // where fields are appended
  void Append(const SharedBytes& piece);
  // `piece` belongs to `owner`, which is kept alive instead of copying.
  void Append(const std::shared_ptr<const void>& owner, const std::string& piece);
  // At least one piece, also for an empty message.
  WireMessage Take() &&;

 private:
  void Flush();

  std::string tail_;
  WireMessage pieces_;
};

WireMessage Encode(const Header& header, std::shared_ptr<const RangeResult> result);
WireMessage Encode(const Header& header, std::shared_ptr<const PutResult> result);
WireMessage Encode(const Header& header, std::shared_ptr<const DeleteRangeResult> result);
WireMessage Encode(const Header& header, std::shared_ptr<const TxnResult> result);

// The bytes of the same answer, without making it.
size_t EncodedSize(const Header& header, const RangeResult& result);
size_t EncodedSize(const Header& header, const PutResult& result);
size_t EncodedSize(const Header& header, const DeleteRangeResult& result);
size_t EncodedSize(const Header& header, const TxnResult& result);

// The answer with its rest, which is read while the message leaves.
// REQUIRES: result.rest.
std::unique_ptr<MessageSource> EncodeInParts(const Header& header, RangeResult result);

std::string EncodeHeaderOnly(const Header& header);  // compaction, lease revoke
std::string Encode(const Header& header, const LeaseGrantResult& result);
std::string Encode(const Header& header, LeaseId id, const LeaseKeepAliveResult& result);
std::string Encode(const Header& header, LeaseId id, const LeaseTimeToLiveResult& result);
std::string Encode(const Header& header, const LeaseLeasesResult& result);
std::string Encode(const Header& header, const std::vector<Member>& members);
// The answer to MemberAdd: the new member, then all.
std::string Encode(const Header& header, const Member& added, const std::vector<Member>& members);
std::string Encode(const Header& header, const StatusResult& result);
std::string Encode(const Header& header, const AlarmResult& result);
std::string Encode(const Header& header, const HashResult& result);
std::string Encode(const Header& header, const HashKvResult& result);

// One RangeStreamResponse; the last one of a stream has `header`, more and count, the others key-values alone.
WireMessage EncodeStreamed(const Header* header, std::shared_ptr<const RangeResult> result);

// One WatchResponse, or several: a message marked `fragment` is split before an event that would make it longer than
// `fragment_bytes_max`, and all parts but the last say that more follows. An event alone is never split.
std::vector<WireMessage> Encode(const Header& header, const WatchMessage& message, size_t fragment_bytes_max);

}  // namespace regent::api
