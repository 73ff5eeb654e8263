#include "server/cli/store_summary.h"

#include "server/cli/row_json.h"
#include "storage/quota.h"

namespace regent::server {

void StoreSummary::Add(const storage::StoredRow& row) {
  std::visit([this](const auto& kind) { Count(kind); }, row);
}

// The newest version of a key comes first. Rows above the revision belong to an entry that a crash interrupted.
void StoreSummary::Count(const storage::StoredVersion& version) {
  ++versions_;
  const bool tombstone = version.rest.empty();
  if (tombstone) ++tombstones_;
  if (counters_ && version.position.revision > counters_->revision) {
    ++unfinished_;
    return;
  }
  if (key_ == version.key) return;
  key_ = version.key;
  if (!tombstone) ++keys_seen_;
}

void StoreSummary::Count(const storage::StoredEvent&) { ++events_; }

void StoreSummary::Count(const storage::StoredCount& count) {
  ++buckets_;
  keys_counted_ += count.bucket.live;
}

void StoreSummary::Count(const api::AlarmMember& alarm) {
  alarms_.push_back(AlarmName(alarm.alarm) + " of " + Hexadecimal16(alarm.member_id));
}

void StoreSummary::Judge(const std::string& store, Findings& findings) const {
  if (!counters_ && versions_ + events_ + buckets_ > 0) findings.Damage("the counters of " + store + " are missing");
  if (keys_counted_ != keys_seen_) {
    findings.Damage("the counts of " + store + " say " + std::to_string(keys_counted_) + " keys, its versions say " +
                    std::to_string(keys_seen_));
  }
  if (unfinished_ > 0) {
    findings.Note(std::to_string(unfinished_) + " versions in " + store +
                  " are above its revision: of an entry that a crash interrupted; the next start applies it again");
  }
}

void StoreSummary::Describe(Summary& summary) const {
  const storage::Counters counters = counters_.value_or(storage::Counters{});
  summary.Number("applied_index", counters.applied_index);
  summary.Number("applied_term", counters.applied_term);
  summary.Number("revision", counters.revision);
  summary.Number("compacted", counters.compacted);
  summary.Number("purged_through", purge_.versions.revision - 1);
  summary.Number("keys", keys_seen_);
  summary.Number("versions", versions_);
  summary.Number("tombstones", tombstones_);
  summary.Number("events", events_);
  summary.Number("count_buckets", buckets_);
  summary.Number("leases", leases_);
  summary.Number("lease_keys", lease_keys_);
  summary.Number("members", members_);
  summary.Number("logical_bytes",
                 storage::kEmptyStoreBytes + counters.size + storage::kLeaseBytes * static_cast<int64_t>(leases_));
  summary.Number("dead_bytes", counters.dead - counters.dead_released);
  summary.Text("digest", Hexadecimal16(counters.digest));
  summary.List("alarms", alarms_);
}

}  // namespace regent::server
