// A small model of etcd's store: ordered maps and plain loops, nothing clever, written from the contract and not from
// the store. Reads cost O(range), which is what makes them obviously right.
//
// A version disappears here at the moment when a compaction makes it unreachable, so `logical_size` is the sum of the
// weights of what is left (and 64 for each lease), which is what the store's arithmetic must come to.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "api/contract/requests.h"
#include "api/contract/results.h"
#include "tests/model/encoding.h"

namespace regent::model {

// `candidates` are what the request selects and sorts, before the limit cuts: keys with equal sort keys may come in any
// order (etcd's sort is not stable), so the comparison needs them all.
struct RangeAnswer {
  int64_t revision = 0;
  std::vector<KeyValue> candidates;
  size_t returned = 0;  // how many of them the limit leaves
  bool more = false;
  int64_t count = 0;
};

struct PutAnswer {
  int64_t revision = 0;
  std::optional<KeyValue> previous;
};

struct DeleteAnswer {
  int64_t revision = 0;
  int64_t deleted = 0;
  std::vector<KeyValue> previous;
};

struct TxnAnswer;
using OperationAnswer = std::variant<RangeAnswer, PutAnswer, DeleteAnswer, std::shared_ptr<const TxnAnswer>>;

struct TxnAnswer {
  int64_t revision = 0;
  bool succeeded = false;
  std::vector<OperationAnswer> operations;
};

struct RevisionAnswer {  // compaction, revoke, expiry
  int64_t revision = 0;
};

struct AlarmAnswer {
  int64_t revision = 0;
  std::vector<api::AlarmMember> alarms;
};

struct GrantAnswer {
  int64_t revision = 0;
  int64_t id = 0;
  int64_t ttl = 0;
};

using WriteAnswer = std::variant<PutAnswer, DeleteAnswer, TxnAnswer, RevisionAnswer, GrantAnswer, AlarmAnswer>;

// One change. `previous` is the newest version below `revision`, if it was alive.
struct ModelEvent {
  int64_t revision = 0;
  bool deletion = false;
  KeyValue kv;  // of a deletion only key and mod
  std::optional<KeyValue> previous;
  bool superseded = false;  // a later event of the same revision changed the key again

  // A put that made its key: it never shows a previous version.
  bool created() const { return !deletion && kv.create == kv.mod; }
};

class Model {
 public:
  // `quota_bytes`: 0 for none.
  explicit Model(int64_t quota_bytes) : quota_bytes_(quota_bytes) {}

  absl::StatusOr<WriteAnswer> Apply(const api::WriteRequest& request);
  // The last Apply did what it was asked and answered that there is no space.
  bool over_quota() const { return over_quota_; }

  // At `current`, the revision of the reader's view; compaction counts as it is now.
  absl::StatusOr<RangeAnswer> Range(const api::RangeRequest& request, int64_t current) const;
  absl::StatusOr<TxnAnswer> ReadTxn(const api::TxnRequest& request, int64_t current) const;
  absl::StatusOr<std::vector<ModelEvent>> Events(std::string_view key, std::string_view range_end, int64_t from,
                                                 int64_t current) const;
  const std::vector<ModelEvent>& EventsOf(int64_t revision) const;

  int64_t revision() const { return revision_; }
  int64_t compacted() const { return compacted_ < 0 ? 0 : compacted_; }  // as the metric and the watch answer say it
  int64_t versions_size() const { return versions_size_; }
  int64_t logical_size() const { return versions_size_ + 64 * static_cast<int64_t>(leases_.size()); }
  int64_t live_size() const;  // the weights of the versions that a read at the current revision can return
  int64_t live_keys() const;

  const std::map<int64_t, int64_t>& leases() const { return leases_; }  // id → seconds
  const std::set<std::string>& LeaseKeys(int64_t id) const;
  const std::set<api::AlarmMember>& alarms() const { return alarms_; }
  // What happened to leases since the last call: "+id ttl", "-id".
  std::vector<std::string> TakeLeaseChanges() { return std::exchange(lease_changes_, {}); }
  std::optional<KeyValue> Find(const std::string& key) const { return At(key, kNewest); }

 private:
  struct Version {
    KeyValue kv;
    bool deletion = false;
  };
  using History = std::map<std::string, std::vector<Version>, std::less<>>;

  static constexpr int64_t kNewest = INT64_MAX;

  std::optional<KeyValue> At(const std::string& key, int64_t revision) const;
  static std::optional<KeyValue> At(const std::vector<Version>& versions, int64_t revision);
  std::vector<KeyValue> Select(std::string_view key, std::string_view range_end, int64_t revision) const;
  int64_t Count(std::string_view key, std::string_view range_end, int64_t revision) const;
  RangeAnswer ReadAt(const api::RangeRequest& request, int64_t at, int64_t header) const;
  absl::Status CheckReadable(int64_t revision, int64_t current) const;

  bool Holds(const api::Compare& compare, int64_t at) const;
  // Decides every transaction of the chosen path before anything is written, outer before inner.
  void ChoosePath(const api::TxnRequest& request, int64_t at, std::vector<bool>* path) const;
  absl::Status CheckTxn(const api::TxnRequest& request, const std::vector<bool>& path, size_t* position,
                        int64_t current) const;
  TxnAnswer Execute(const api::TxnRequest& request, const std::vector<bool>& path, size_t* position);
  absl::Status CheckPut(const api::PutRequest& request) const;

  // The changes of the entry that is being applied; all of them have revision_ + 1.
  absl::Status RefusedByAlarm(const api::WriteRequest& request) const;
  absl::StatusOr<WriteAnswer> Execute(const api::WriteRequest& request);
  PutAnswer Put(const api::PutRequest& request);
  DeleteAnswer Delete(const api::DeleteRangeRequest& request);
  void Record(ModelEvent event);
  void Link(const std::string& key, int64_t old_lease, int64_t new_lease);
  int64_t HeaderRevision() const { return changes_.empty() ? revision_ : revision_ + 1; }
  void Commit();

  absl::StatusOr<RevisionAnswer> Compact(int64_t at);
  absl::StatusOr<GrantAnswer> Grant(const api::LeaseGrantRequest& request);
  absl::StatusOr<RevisionAnswer> Revoke(int64_t id);
  RevisionAnswer Expire(const std::vector<api::LeaseId>& ids);
  AlarmAnswer Alarm(const api::AlarmRequest& request);

  const int64_t quota_bytes_;
  bool over_quota_ = false;
  int64_t revision_ = 1;
  int64_t compacted_ = -1;  // before the first compaction: that a compaction at 0 succeeds once can be seen
  int64_t versions_size_ = 0;
  History history_;
  std::map<int64_t, std::vector<ModelEvent>> events_;  // by revision, from the compacted one on
  std::vector<ModelEvent> changes_;
  std::map<int64_t, int64_t> leases_;
  std::map<int64_t, std::set<std::string>> lease_keys_;
  std::vector<std::string> lease_changes_;
  std::set<api::AlarmMember> alarms_;
};

// The store's rule: bytes of the key, bytes of the stored value, and 64.
int64_t Weight(const KeyValue& kv, bool deletion);

}  // namespace regent::model
