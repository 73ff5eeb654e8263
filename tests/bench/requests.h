// The requests of the load programs in the wire format, and what they look at in answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/contract/wire.h"

namespace regent::bench {

inline constexpr char kRangePath[] = "/etcdserverpb.KV/Range";
inline constexpr char kRangeStreamPath[] = "/etcdserverpb.KV/RangeStream";
inline constexpr char kPutPath[] = "/etcdserverpb.KV/Put";
inline constexpr char kTxnPath[] = "/etcdserverpb.KV/Txn";
inline constexpr char kCompactPath[] = "/etcdserverpb.KV/Compact";
inline constexpr char kWatchPath[] = "/etcdserverpb.Watch/Watch";
inline constexpr char kLeaseGrantPath[] = "/etcdserverpb.Lease/LeaseGrant";
inline constexpr char kLeaseKeepAlivePath[] = "/etcdserverpb.Lease/LeaseKeepAlive";

struct RangeFields {
  std::string key;
  std::string range_end;
  int64_t limit = 0;
  int64_t revision = 0;
  bool serializable = false;
  bool count_only = false;
};
std::string EncodeRange(const RangeFields& range);

std::string EncodePut(std::string_view key, std::string_view value, int64_t lease = 0);

enum class Physical { kNo, kYes };
std::string EncodeCompaction(int64_t revision, Physical physical);

struct WatchFields {
  std::string key;
  std::string range_end;
  int64_t start_revision = 0;
  bool prev_kv = false;
  int64_t watch_id = 0;  // 0: the server chooses
};
std::string EncodeWatchCreate(const WatchFields& watch);
std::string EncodeWatchCancel(int64_t watch_id);

// The end of the range of all keys with this prefix.
std::string PrefixEnd(std::string prefix);

// The first field with this tag, or an empty one.
api::WireField FieldOf(std::string_view message, uint32_t tag);

// Every answer has its header in field 1, with the revision.
int64_t HeaderRevision(std::string_view reply);

}  // namespace regent::bench
