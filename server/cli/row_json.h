// A row of the store as one JSON object. `row` says which kind it is; keys are base64, ids are text because they need
// all of 64 bits, a version has its key-value as etcd's message in protobuf's JSON form.
//
//   {"row":"event","revision":5,"sub":0,"type":"update","key":"YQ==","dead_before":0,
//    "predecessor":{"revision":3,"sub":0,"weight":80}}
//   {"row":"counters","applied_index":9,"applied_term":2,"revision":5,"compacted":-1,"size":160,"dead":80,
//    "dead_released":0,"digest":"00f1c2…"}
//   {"row":"purge",…}  {"row":"configuration",…}  {"row":"lease","id":"7","ttl":60}  {"row":"lease_key",…}
//   {"row":"alarm","member_id":"…","alarm":"NOSPACE"}  {"row":"count","from":"","live":2,"dead":0}
//   {"row":"version","revision":5,"sub":0,"kv":{"key":"YQ==",…}}   or "tombstone":true with "key"
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "api/contract/message_json.h"
#include "storage/stored_row.h"

namespace regent::server {

absl::StatusOr<std::string> RowJson(const api::MessageJson& printer, const storage::StoredRow& row);

// 16 hexadecimal digits.
std::string Hexadecimal16(uint64_t number);

std::string AlarmName(api::AlarmType alarm);

}  // namespace regent::server
