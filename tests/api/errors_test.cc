#include "api/contract/errors.h"

#include <set>
#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace regent::api {
namespace {

// What etcd 3.7 puts on the wire, with the numbers of gRPC's codes.
struct Expected {
  absl::Status (*error)();
  int code;
  const char* text;
};

constexpr Expected kErrors[] = {
    {&ErrEmptyKey, 3, "etcdserver: key is not provided"},
    {&ErrKeyNotFound, 3, "etcdserver: key not found"},
    {&ErrValueProvided, 3, "etcdserver: value is provided"},
    {&ErrLeaseProvided, 3, "etcdserver: lease is provided"},
    {&ErrTooManyOps, 3, "etcdserver: too many operations in txn request"},
    {&ErrDuplicateKey, 3, "etcdserver: duplicate key given in txn request"},
    {&ErrInvalidClientApiVersion, 3, "etcdserver: invalid client api version"},
    {&ErrInvalidSortOption, 3, "etcdserver: invalid sort option"},
    {&ErrCompacted, 11, "etcdserver: mvcc: required revision has been compacted"},
    {&ErrFutureRevision, 11, "etcdserver: mvcc: required revision is a future revision"},
    {&ErrNoSpace, 8, "etcdserver: mvcc: database space exceeded"},
    {&ErrLeaseNotFound, 5, "etcdserver: requested lease not found"},
    {&ErrLeaseExists, 9, "etcdserver: lease already exists"},
    {&ErrLeaseTtlTooLarge, 11, "etcdserver: too large lease TTL"},
    {&ErrWatchCanceled, 1, "etcdserver: watch canceled"},
    {&ErrMemberExists, 9, "etcdserver: member ID already exist"},
    {&ErrPeerUrlExists, 9, "etcdserver: Peer URLs already exists"},
    {&ErrMemberNotEnoughStarted, 2, "etcdserver: re-configuration failed due to not enough started members"},
    {&ErrMemberBadUrls, 3, "etcdserver: given member URLs are invalid"},
    {&ErrMemberNotFound, 5, "etcdserver: member not found"},
    {&ErrMemberNotLearner, 9, "etcdserver: can only promote a learner member"},
    {&ErrLearnerNotReady, 9, "etcdserver: can only promote a learner member which is in sync with leader"},
    {&ErrTooManyLearners, 9, "etcdserver: too many learner members in cluster"},
    {&ErrClusterIdMismatch, 9, "etcdserver: cluster ID mismatch"},
    {&ErrRequestTooLarge, 3, "etcdserver: request is too large"},
    {&ErrTooManyRequests, 2, "etcdserver: too many requests"},
    {&ErrRootUserNotExist, 9, "etcdserver: root user does not exist"},
    {&ErrRootRoleNotExist, 9, "etcdserver: root user does not have root role"},
    {&ErrUserAlreadyExists, 9, "etcdserver: user name already exists"},
    {&ErrUserEmpty, 3, "etcdserver: user name is empty"},
    {&ErrUserNotFound, 9, "etcdserver: user name not found"},
    {&ErrRoleAlreadyExists, 9, "etcdserver: role name already exists"},
    {&ErrRoleNotFound, 9, "etcdserver: role name not found"},
    {&ErrRoleEmpty, 3, "etcdserver: role name is empty"},
    {&ErrAuthFailed, 3, "etcdserver: authentication failed, invalid user ID or password"},
    {&ErrPermissionNotGiven, 3, "etcdserver: permission not given"},
    {&ErrPermissionDenied, 7, "etcdserver: permission denied"},
    {&ErrRoleNotGranted, 9, "etcdserver: role is not granted to the user"},
    {&ErrPermissionNotGranted, 9, "etcdserver: permission is not granted to the role"},
    {&ErrAuthNotEnabled, 9, "etcdserver: authentication is not enabled"},
    {&ErrInvalidAuthToken, 16, "etcdserver: invalid auth token"},
    {&ErrInvalidAuthManagement, 3, "etcdserver: invalid auth management"},
    {&ErrAuthOldRevision, 3, "etcdserver: revision of auth store is old"},
    {&ErrNoLeader, 14, "etcdserver: no leader"},
    {&ErrNotLeader, 9, "etcdserver: not leader"},
    {&ErrLeaderChanged, 14, "etcdserver: leader changed"},
    {&ErrNotCapable, 9, "etcdserver: not capable"},
    {&ErrStopped, 14, "etcdserver: server stopped"},
    {&ErrTimeout, 14, "etcdserver: request timed out"},
    {&ErrTimeoutDueToLeaderFail, 14, "etcdserver: request timed out, possibly due to previous leader failure"},
    {&ErrTimeoutDueToConnectionLost, 14, "etcdserver: request timed out, possibly due to connection lost"},
    {&ErrTimeoutLeaderTransfer, 2, "etcdserver: request timed out, leader transfer took too long"},
    {&ErrTimeoutWaitAppliedIndex, 14, "etcdserver: request timed out, waiting for the applied index took too long"},
    {&ErrUnhealthy, 14, "etcdserver: unhealthy cluster"},
    {&ErrCorrupt, 15, "etcdserver: corrupt cluster"},
    {&ErrNotSupportedForLearner, 9, "etcdserver: rpc not supported for learner"},
    {&ErrBadLeaderTransferee, 9, "etcdserver: bad leader transferee"},
    {&ErrWrongDowngradeVersionFormat, 3, "etcdserver: wrong downgrade target version format"},
    {&ErrInvalidDowngradeTargetVersion, 3, "etcdserver: invalid downgrade target version"},
    {&ErrClusterVersionUnavailable, 9, "etcdserver: cluster version not found during downgrade"},
    {&ErrDowngradeInProcess, 9, "etcdserver: cluster has a downgrade job in progress"},
    {&ErrNoInflightDowngrade, 9, "etcdserver: no inflight downgrade job"},
    {&ErrCanceled, 1, "etcdserver: request canceled"},
    {&ErrDeadlineExceeded, 4, "etcdserver: context deadline exceeded"},
    {&ErrCallCanceled, 1, "context canceled"},
    {&ErrCallDeadlineExceeded, 4, "context deadline exceeded"},
    {&ErrMalformedRequest, 13, "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data"},
    {&ErrMalformedStreamMessage, 13,
     "grpc: failed to unmarshal the received message: proto: cannot parse invalid wire-format data"},
    {&ErrMissingRequest, 13, "cardinality violation: received no request message from non-client-streaming RPC"},
    {&ErrMalformedText, 13, "grpc: error unmarshalling request: proto: string field contains invalid UTF-8"},
};

TEST(Errors, HaveTheCodesAndTextsOfEtcd) {
  for (const Expected& expected : kErrors) {
    const absl::Status status = expected.error();
    EXPECT_EQ(static_cast<int>(status.code()), expected.code) << status;
    EXPECT_EQ(std::string(status.message()), expected.text);
  }
}

TEST(Errors, NoTextIsUsedTwice) {
  std::set<std::string> texts;
  for (const Expected& expected : kErrors) EXPECT_TRUE(texts.insert(expected.text).second) << expected.text;
  EXPECT_EQ(texts.size(), 64u + 6u);
}

}  // namespace
}  // namespace regent::api
