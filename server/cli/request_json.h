// The command of a log entry as JSON: one field, named as in etcd's own log, with the message of etcd's API in
// protobuf's JSON form.
//
//   {"put":{"key":"YQ==","value":"MQ=="}}   and delete_range, txn, compaction, lease_grant, lease_revoke, alarm
//   {"lease_expiry":{"ids":["7","8"],"leader_term":"2"}}   the leader's decision; etcd writes a revoke for each lease
//
// A compare always has its operand: one that was left out reads as zero, as it counts.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "api/contract/message_json.h"
#include "storage/command.h"

namespace regent::server {

absl::StatusOr<std::string> RequestJson(const api::MessageJson& printer, const storage::Command& command);

}  // namespace regent::server
