#include "api/contract/errors.h"

namespace regent::api {
namespace {

using Code = absl::StatusCode;  // the numbers are those of gRPC

}  // namespace

absl::Status ErrEmptyKey() { return absl::Status(Code::kInvalidArgument, "etcdserver: key is not provided"); }
absl::Status ErrKeyNotFound() { return absl::Status(Code::kInvalidArgument, "etcdserver: key not found"); }
absl::Status ErrValueProvided() { return absl::Status(Code::kInvalidArgument, "etcdserver: value is provided"); }
absl::Status ErrLeaseProvided() { return absl::Status(Code::kInvalidArgument, "etcdserver: lease is provided"); }
absl::Status ErrTooManyOps() {
  return absl::Status(Code::kInvalidArgument, "etcdserver: too many operations in txn request");
}
absl::Status ErrDuplicateKey() {
  return absl::Status(Code::kInvalidArgument, "etcdserver: duplicate key given in txn request");
}
absl::Status ErrInvalidClientApiVersion() {
  return absl::Status(Code::kInvalidArgument, "etcdserver: invalid client api version");
}
absl::Status ErrInvalidSortOption() { return absl::Status(Code::kInvalidArgument, "etcdserver: invalid sort option"); }
absl::Status ErrCompacted() {
  return absl::Status(Code::kOutOfRange, "etcdserver: mvcc: required revision has been compacted");
}
absl::Status ErrFutureRevision() {
  return absl::Status(Code::kOutOfRange, "etcdserver: mvcc: required revision is a future revision");
}
absl::Status ErrNoSpace() {
  return absl::Status(Code::kResourceExhausted, "etcdserver: mvcc: database space exceeded");
}
absl::Status ErrRequestTooLarge() { return absl::Status(Code::kInvalidArgument, "etcdserver: request is too large"); }
absl::Status ErrTooManyRequests() { return absl::Status(Code::kUnknown, "etcdserver: too many requests"); }
absl::Status ErrLeaseNotFound() { return absl::Status(Code::kNotFound, "etcdserver: requested lease not found"); }
absl::Status ErrLeaseExists() { return absl::Status(Code::kFailedPrecondition, "etcdserver: lease already exists"); }
absl::Status ErrLeaseTtlTooLarge() { return absl::Status(Code::kOutOfRange, "etcdserver: too large lease TTL"); }
absl::Status ErrWatchCanceled() { return absl::Status(Code::kCancelled, "etcdserver: watch canceled"); }
absl::Status ErrMemberExists() {
  return absl::Status(Code::kFailedPrecondition, "etcdserver: member ID already exist");
}
absl::Status ErrPeerUrlExists() {
  return absl::Status(Code::kFailedPrecondition, "etcdserver: Peer URLs already exists");
}
absl::Status ErrMemberNotEnoughStarted() {
  return absl::Status(Code::kUnknown, "etcdserver: re-configuration failed due to not enough started members");
}
absl::Status ErrMemberBadUrls() {
  return absl::Status(Code::kInvalidArgument, "etcdserver: given member URLs are invalid");
}
absl::Status ErrMemberNotFound() { return absl::Status(Code::kNotFound, "etcdserver: member not found"); }
absl::Status ErrMemberNotLearner() {
  return absl::Status(Code::kFailedPrecondition, "etcdserver: can only promote a learner member");
}
absl::Status ErrLearnerNotReady() {
  return absl::Status(Code::kFailedPrecondition,
                      "etcdserver: can only promote a learner member which is in sync with leader");
}
absl::Status ErrTooManyLearners() {
  return absl::Status(Code::kFailedPrecondition, "etcdserver: too many learner members in cluster");
}
absl::Status ErrClusterIdMismatch() {
  return absl::Status(Code::kFailedPrecondition, "etcdserver: cluster ID mismatch");
}
absl::Status ErrNotSupportedForLearner() {
  return absl::Status(Code::kFailedPrecondition, "etcdserver: rpc not supported for learner");
}
absl::Status ErrRootUserNotExist() {
  return absl::Status(Code::kFailedPrecondition, "etcdserver: root user does not exist");
}
absl::Status ErrRootRoleNotExist() {
  return absl::Status(Code::kFailedPrecondition, "etcdserver: root user does not have root role");
}
absl::Status ErrUserAlreadyExists() {
  return absl::Status(Code::kFailedPrecondition, "etcdserver: user name already exists");
}
absl::Status ErrUserEmpty() { return absl::Status(Code::kInvalidArgument, "etcdserver: user name is empty"); }
absl::Status ErrUserNotFound() { return absl::Status(Code::kFailedPrecondition, "etcdserver: user name not found"); }
absl::Status ErrRoleAlreadyExists() {
  return absl::Status(Code::kFailedPrecondition, "etcdserver: role name already exists");
}
absl::Status ErrRoleNotFound() { return absl::Status(Code::kFailedPrecondition, "etcdserver: role name not found"); }
absl::Status ErrRoleEmpty() { return absl::Status(Code::kInvalidArgument, "etcdserver: role name is empty"); }
absl::Status ErrAuthFailed() {
  return absl::Status(Code::kInvalidArgument, "etcdserver: authentication failed, invalid user ID or password");
}
absl::Status ErrPermissionNotGiven() {
  return absl::Status(Code::kInvalidArgument, "etcdserver: permission not given");
}
absl::Status ErrPermissionDenied() { return absl::Status(Code::kPermissionDenied, "etcdserver: permission denied"); }
absl::Status ErrRoleNotGranted() {
  return absl::Status(Code::kFailedPrecondition, "etcdserver: role is not granted to the user");
}
absl::Status ErrPermissionNotGranted() {
  return absl::Status(Code::kFailedPrecondition, "etcdserver: permission is not granted to the role");
}
absl::Status ErrAuthNotEnabled() {
  return absl::Status(Code::kFailedPrecondition, "etcdserver: authentication is not enabled");
}
absl::Status ErrInvalidAuthToken() { return absl::Status(Code::kUnauthenticated, "etcdserver: invalid auth token"); }
absl::Status ErrInvalidAuthManagement() {
  return absl::Status(Code::kInvalidArgument, "etcdserver: invalid auth management");
}
absl::Status ErrAuthOldRevision() {
  return absl::Status(Code::kInvalidArgument, "etcdserver: revision of auth store is old");
}
absl::Status ErrNoLeader() { return absl::Status(Code::kUnavailable, "etcdserver: no leader"); }
absl::Status ErrNotLeader() { return absl::Status(Code::kFailedPrecondition, "etcdserver: not leader"); }
absl::Status ErrLeaderChanged() { return absl::Status(Code::kUnavailable, "etcdserver: leader changed"); }
absl::Status ErrNotCapable() { return absl::Status(Code::kFailedPrecondition, "etcdserver: not capable"); }
absl::Status ErrStopped() { return absl::Status(Code::kUnavailable, "etcdserver: server stopped"); }
absl::Status ErrTimeout() { return absl::Status(Code::kUnavailable, "etcdserver: request timed out"); }
absl::Status ErrTimeoutDueToLeaderFail() {
  return absl::Status(Code::kUnavailable, "etcdserver: request timed out, possibly due to previous leader failure");
}
absl::Status ErrTimeoutDueToConnectionLost() {
  return absl::Status(Code::kUnavailable, "etcdserver: request timed out, possibly due to connection lost");
}
absl::Status ErrTimeoutWaitAppliedIndex() {
  return absl::Status(Code::kUnavailable, "etcdserver: request timed out, waiting for the applied index took too long");
}
absl::Status ErrTimeoutLeaderTransfer() {
  return absl::Status(Code::kUnknown, "etcdserver: request timed out, leader transfer took too long");
}
absl::Status ErrUnhealthy() { return absl::Status(Code::kUnavailable, "etcdserver: unhealthy cluster"); }
absl::Status ErrCorrupt() { return absl::Status(Code::kDataLoss, "etcdserver: corrupt cluster"); }
absl::Status ErrBadLeaderTransferee() {
  return absl::Status(Code::kFailedPrecondition, "etcdserver: bad leader transferee");
}
absl::Status ErrCanceled() { return absl::Status(Code::kCancelled, "etcdserver: request canceled"); }
absl::Status ErrDeadlineExceeded() {
  return absl::Status(Code::kDeadlineExceeded, "etcdserver: context deadline exceeded");
}
absl::Status ErrWrongDowngradeVersionFormat() {
  return absl::Status(Code::kInvalidArgument, "etcdserver: wrong downgrade target version format");
}
absl::Status ErrInvalidDowngradeTargetVersion() {
  return absl::Status(Code::kInvalidArgument, "etcdserver: invalid downgrade target version");
}
absl::Status ErrClusterVersionUnavailable() {
  return absl::Status(Code::kFailedPrecondition, "etcdserver: cluster version not found during downgrade");
}
absl::Status ErrDowngradeInProcess() {
  return absl::Status(Code::kFailedPrecondition, "etcdserver: cluster has a downgrade job in progress");
}
absl::Status ErrNoInflightDowngrade() {
  return absl::Status(Code::kFailedPrecondition, "etcdserver: no inflight downgrade job");
}

absl::Status ErrCallCanceled() { return absl::Status(Code::kCancelled, "context canceled"); }
absl::Status ErrCallDeadlineExceeded() { return absl::Status(Code::kDeadlineExceeded, "context deadline exceeded"); }
absl::Status ErrMalformedRequest() {
  return absl::Status(Code::kInternal,
                      "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data");
}
absl::Status ErrMalformedStreamMessage() {
  return absl::Status(Code::kInternal,
                      "grpc: failed to unmarshal the received message: proto: cannot parse invalid wire-format data");
}
absl::Status ErrMissingRequest() {
  return absl::Status(Code::kInternal,
                      "cardinality violation: received no request message from non-client-streaming RPC");
}
absl::Status ErrMalformedText() {
  return absl::Status(Code::kInternal, "grpc: error unmarshalling request: proto: string field contains invalid UTF-8");
}
absl::Status ErrUnimplemented(const std::string& what) { return absl::Status(Code::kUnimplemented, what); }

}  // namespace regent::api
