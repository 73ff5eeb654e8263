// The numbers of the contract: defaults and bounds that a client can meet. What an operator may change stands in the
// options table and only takes its default from here.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace regent::api {

// A request whose log entry would be larger is refused (ErrRequestTooLarge); --max-request-bytes.
inline constexpr size_t kMaxRequestBytesDefault = 1536 * 1024;

// What a message may have beyond that before the RPC engine refuses it unread; also the slack of a watch fragment.
inline constexpr size_t kRpcOverheadBytes = 512 * 1024;

// Compares, and operations of one branch, of a transaction; --max-txn-ops.
inline constexpr size_t kMaxTxnOpsDefault = 128;

// How deep transactions may nest. etcd has no bound of its own; decoders need one. Far above what fits into
// kMaxTxnOpsDefault, which shrinks by one at least with every level.
inline constexpr int kTxnDepthMax = 1000;

// Seconds; a longer lease is refused (ErrLeaseTtlTooLarge).
inline constexpr int64_t kLeaseTtlSecondsMax = 9'000'000'000;

// A request is given up after this much plus two election timeouts, if the client does not give up earlier.
inline constexpr std::chrono::milliseconds kRequestTimeoutBase{5000};

// --quota-backend-bytes.
inline constexpr int64_t kQuotaBytesDefault = 2LL * 1024 * 1024 * 1024;
inline constexpr int64_t kQuotaBytesAdvised = 8LL * 1024 * 1024 * 1024;  // above it the server warns

// What the server says it is. Clients switch features by it.
inline constexpr char kServerVersion[] = "3.7.3";
inline constexpr char kClusterVersion[] = "3.7.0";
inline constexpr char kStorageVersion[] = "3.7.0";

}  // namespace regent::api
