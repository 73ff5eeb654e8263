// A backend of a few lines: answers reads at once or when told, shows the alarms it is given, and can do nothing else.
#pragma once

#include <glog/logging.h>

#include <memory>
#include <utility>
#include <vector>

#include "api/service/backend.h"

namespace regent::server {

class FakeBackend : public api::Backend {
 public:
  absl::Status range_status;
  bool has_leader = true;
  bool is_learner = false;
  bool hold_ranges = false;  // keep the Done of a read in `held` instead of calling it
  std::vector<api::AlarmMember> alarms;
  std::vector<api::RangeRequest> ranges;  // all reads seen
  std::vector<api::Done<api::RangeResult>> held;

  bool HasLeader() const override { return has_leader; }
  void Range(api::RangeRequest request, api::MonotonicTime, api::Done<api::RangeResult> done) override {
    ranges.push_back(std::move(request));
    if (hold_ranges) return held.push_back(std::move(done));
    done(range_status.ok() ? absl::StatusOr<api::RangeResult>(api::RangeResult()) : range_status);
  }
  void Alarms(api::AlarmRequest, api::Done<api::AlarmResult> done) override { done(api::AlarmResult{{}, alarms}); }
  void Status(api::Done<api::StatusResult> done) override {
    api::StatusResult result;
    result.is_learner = is_learner;
    done(result);
  }

  api::Header CurrentHeader() const override { return {}; }
  void Propose(api::WriteRequest, api::MonotonicTime, api::Done<api::WriteResult>) override { Never(); }
  void Reject(api::WriteRequest, absl::Status, absl::AnyInvocable<void(absl::Status)>) override { Never(); }
  void ReadTxn(api::TxnRequest, api::MonotonicTime, api::Done<api::TxnResult>) override { Never(); }
  void LeaseKeepAlive(api::LeaseId, api::Done<api::LeaseKeepAliveResult>) override { Never(); }
  void LeaseTimeToLive(api::LeaseId, bool, api::Done<api::LeaseTimeToLiveResult>) override { Never(); }
  void LeaseLeases(api::Done<api::LeaseLeasesResult>) override { Never(); }
  std::unique_ptr<api::WatchStream> OpenWatch(std::shared_ptr<api::WatchSink>) override {
    Never();
    return nullptr;
  }
  void MemberList(bool, api::MonotonicTime, api::Done<std::vector<api::Member>>) override { Never(); }
  void Defragment(api::Done<std::monostate>) override { Never(); }
  void MoveLeader(uint64_t, api::Done<std::monostate>) override { Never(); }
  void Hash(api::Done<api::HashResult>) override { Never(); }
  void HashKv(int64_t, api::Done<api::HashKvResult>) override { Never(); }
  void OpenRange(api::RangeRequest, api::MonotonicTime, api::Done<std::unique_ptr<api::SlicedRange>>) override {
    Never();
  }

 private:
  static void Never() { LOG(FATAL) << "not asked for by any endpoint"; }
};

}  // namespace regent::server
