// Every error that a client can see, once, with etcd's exact code and text. Clients decide by the text, so a word
// changed here breaks them.
//
// The functions return what goes out on the wire. Two of them leave with code Unknown although etcd's own list names a
// better one (ErrTooManyRequests, ErrMemberNotEnoughStarted): etcd's servers answer so, and clients have met it.
//
// "Failed" against "outcome unknown": of these, ErrTimeout and its three variants, ErrLeaderChanged and ErrStopped may
// come after a write that took effect; every other one says that nothing was written.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace regent::api {

// Keys, transactions, revisions.
absl::Status ErrEmptyKey();
absl::Status ErrKeyNotFound();
absl::Status ErrValueProvided();
absl::Status ErrLeaseProvided();
absl::Status ErrTooManyOps();
absl::Status ErrDuplicateKey();
absl::Status ErrInvalidClientApiVersion();
absl::Status ErrInvalidSortOption();
absl::Status ErrCompacted();
absl::Status ErrFutureRevision();
absl::Status ErrNoSpace();
absl::Status ErrRequestTooLarge();
absl::Status ErrTooManyRequests();  // Unknown on the wire

// Leases and watches.
absl::Status ErrLeaseNotFound();
absl::Status ErrLeaseExists();
absl::Status ErrLeaseTtlTooLarge();
absl::Status ErrWatchCanceled();

// Members.
absl::Status ErrMemberExists();
absl::Status ErrPeerUrlExists();
absl::Status ErrMemberNotEnoughStarted();  // Unknown on the wire
absl::Status ErrMemberBadUrls();
absl::Status ErrMemberNotFound();
absl::Status ErrMemberNotLearner();
absl::Status ErrLearnerNotReady();
absl::Status ErrTooManyLearners();
absl::Status ErrClusterIdMismatch();
absl::Status ErrNotSupportedForLearner();

// Users, roles, tokens.
absl::Status ErrRootUserNotExist();
absl::Status ErrRootRoleNotExist();
absl::Status ErrUserAlreadyExists();
absl::Status ErrUserEmpty();
absl::Status ErrUserNotFound();
absl::Status ErrRoleAlreadyExists();
absl::Status ErrRoleNotFound();
absl::Status ErrRoleEmpty();
absl::Status ErrAuthFailed();
absl::Status ErrPermissionNotGiven();
absl::Status ErrPermissionDenied();
absl::Status ErrRoleNotGranted();
absl::Status ErrPermissionNotGranted();
absl::Status ErrAuthNotEnabled();
absl::Status ErrInvalidAuthToken();
absl::Status ErrInvalidAuthManagement();
absl::Status ErrAuthOldRevision();

// Leadership, time, health.
absl::Status ErrNoLeader();
absl::Status ErrNotLeader();
absl::Status ErrLeaderChanged();
absl::Status ErrNotCapable();
absl::Status ErrStopped();
absl::Status ErrTimeout();
absl::Status ErrTimeoutDueToLeaderFail();
absl::Status ErrTimeoutDueToConnectionLost();
absl::Status ErrTimeoutWaitAppliedIndex();
absl::Status ErrTimeoutLeaderTransfer();  // Unknown on the wire
absl::Status ErrUnhealthy();
absl::Status ErrCorrupt();
absl::Status ErrBadLeaderTransferee();
absl::Status ErrCanceled();
absl::Status ErrDeadlineExceeded();

// Downgrades.
absl::Status ErrWrongDowngradeVersionFormat();
absl::Status ErrInvalidDowngradeTargetVersion();
absl::Status ErrClusterVersionUnavailable();
absl::Status ErrDowngradeInProcess();
absl::Status ErrNoInflightDowngrade();

// Not etcd's own but those of its RPC library, which clients and tests meet as well.
absl::Status ErrCallCanceled();            // the client went away: "context canceled"
absl::Status ErrCallDeadlineExceeded();    // the client's deadline passed: "context deadline exceeded"
absl::Status ErrMalformedRequest();        // a unary request's bytes are no message
absl::Status ErrMalformedStreamMessage();  // a stream message's bytes are none
absl::Status ErrMalformedText();           // a string field is not UTF-8
absl::Status ErrMissingRequest();          // a stream ended before its request
absl::Status ErrUnimplemented(const std::string& what);

// The reason in a cancelled watch is a text, not a status.
inline constexpr char kCancelDuplicateWatchId[] = "mvcc: duplicate watch ID provided on the WatchStream";
inline constexpr char kCancelEmptyWatchRange[] = "mvcc: watcher range is empty";

}  // namespace regent::api
