// The command of a log entry as JSON: one field, named as in etcd's own log, with the message of etcd's API in
// protobuf's JSON form.
//
//   {"put":{"key":"YQ==","value":"MQ=="}}   and delete_range, txn, compaction, lease_grant, lease_revoke, alarm
//   {"member_update":{"ID":"7","peerURLs":["http://…"]}}   and member_add, member_remove, … , member_publish
//   {"lease_expiry":{"ids":["7","8"],"leader_term":"2"}}   the leader's decision; etcd writes a revoke for each lease
//
// A compare always has its operand: one that was left out reads as zero, as it counts.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "api/contract/message_json.h"
#include "storage/command.h"

namespace regent::server {

absl::StatusOr<std::string> RequestJson(const api::MessageJson& printer, const storage::Command& command);
// The data of a configuration entry: who votes, who learns, and the request that asked for it.
absl::StatusOr<std::string> ConfigurationJson(const api::MessageJson& printer, std::string_view data);

}  // namespace regent::server
