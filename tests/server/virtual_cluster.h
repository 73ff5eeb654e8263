// Members on disks in memory under virtual time, with a network between them that delays, and that tests can cut.
// Nothing happens but in RunFor and its like.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/node/bootstrap.h"
#include "server/node/forced_cluster.h"
#include "server/node/node.h"
#include "storage/log_store.h"
#include "storage/memory_engine.h"
#include "storage/reserve_file.h"
#include "tests/sim/network.h"
#include "tests/sim/scheduler.h"
#include "tests/support/memory_disk.h"
#include "tests/support/memory_snapshots.h"

namespace regent::server {

class VirtualCluster {
 public:
  explicit VirtualCluster(size_t size, std::function<void(NodeOptions&)> change_options = nullptr, uint64_t seed = 1)
      : scheduler_(seed), network_(scheduler_, seed), change_options_(std::move(change_options)) {
    for (uint64_t id = 1; id <= size; ++id) {
      first_members_.push_back(
          {.id = id, .name = "m" + std::to_string(id), .peer_urls = {"http://10.0.0." + std::to_string(id) + ":2380"}});
      members_.push_back(std::make_unique<Member>(*this, id));
    }
    for (auto& member : members_) member->Start();
  }
  Node& node(uint64_t id) { return *member(id).node; }
  const storage::StateMachine& store(uint64_t id) { return *member(id).state_machine; }
  Metrics& metrics(uint64_t id) { return member(id).metrics; }
  int snapshots_installed(uint64_t id) { return member(id).snapshots->installed(); }
  // The space kept in reserve is in use, and there is none to take it back.
  void FillDisk(uint64_t id) {
    EXPECT_TRUE(member(id).reserve.GiveUp());
    member(id).reserve_disk.set_capacity(0);
  }
  bool up(uint64_t id) { return member(id).node != nullptr; }
  size_t size() const { return members_.size(); }

  void RunFor(Duration time) { scheduler_.RunFor(time); }
  MonotonicTime now() const { return scheduler_.now(); }
  // False: it did not become so within `time`.
  bool RunUntil(const std::function<bool()>& condition, Duration time = std::chrono::seconds(30)) {
    const MonotonicTime end = scheduler_.now() + time;
    while (!condition()) {
      if (scheduler_.now() >= end) return false;
      scheduler_.RunFor(std::chrono::milliseconds(1));
    }
    return true;
  }

  // 0: none. Of several that think so, the one of the newest term.
  uint64_t leader() {
    uint64_t found = 0, term = 0;
    for (uint64_t id = 1; id <= size(); ++id) {
      if (!up(id)) continue;
      const api::Header header = node(id).CurrentHeader();
      if (LeaderSeenBy(id) == id && header.raft_term >= term) found = id, term = header.raft_term;
    }
    return found;
  }
  uint64_t LeaderSeenBy(uint64_t id) {
    std::optional<uint64_t> leader;
    node(id).Status([&leader](absl::StatusOr<api::StatusResult> status) { leader = status.ok() ? status->leader : 0; });
    while (!leader.has_value()) scheduler_.RunFor(std::chrono::microseconds(100));
    return *leader;
  }
  uint64_t AwaitLeader() {
    EXPECT_TRUE(RunUntil([this] { return AllReady() && leader() != 0; }));
    return leader();
  }
  bool AllReady() {
    for (uint64_t id = 1; id <= size(); ++id) {
      if (up(id) && !node(id).ready()) return false;
    }
    return true;
  }
  uint64_t AnyFollower() {
    const uint64_t leads = leader();
    for (uint64_t id = 1; id <= size(); ++id) {
      if (up(id) && id != leads) return id;
    }
    return 0;
  }

  // The power goes: what was not synced is lost. The others hear that the connection closed.
  void Crash(uint64_t id) {
    network_.Disconnect(id);
    member(id).Stop();
  }
  // The disk of the log does not answer for so long.
  void StallDisk(uint64_t id, Duration time) { member(id).log_loop->Stall(time); }
  void Restart(uint64_t id) { member(id).Start(); }
  // As with --force-new-cluster. Returns whom it dropped.
  std::vector<uint64_t> RestartForced(uint64_t id) {
    std::vector<uint64_t> dropped;
    member(id).Start(&dropped);
    return dropped;
  }
  sim::Network& network() { return network_; }

  // Waits for the answer of a call that is given its Done.
  template <typename Result>
  absl::StatusOr<Result> Await(const std::function<void(api::Done<Result>)>& call) {
    // The call may end after the wait was given up.
    auto answer = std::make_shared<std::optional<absl::StatusOr<Result>>>();
    call([answer](absl::StatusOr<Result> result) { answer->emplace(std::move(result)); });
    if (!RunUntil([&] { return answer->has_value(); })) return absl::DeadlineExceededError("no answer");
    return std::move(**answer);
  }
  absl::StatusOr<api::WriteResult> Propose(uint64_t id, api::WriteRequest request) {
    return Await<api::WriteResult>([&](api::Done<api::WriteResult> done) {
      node(id).Propose(std::move(request), MonotonicTime::max(), std::move(done));
    });
  }
  absl::Status Put(uint64_t id, const std::string& key, const std::string& value) {
    return Propose(id, api::PutRequest{.key = key, .value = value}).status();
  }
  // How many keys there are in all, as a linearizable read.
  absl::StatusOr<int64_t> Count(uint64_t id) {
    const absl::StatusOr<api::RangeResult> all = Await<api::RangeResult>([&](api::Done<api::RangeResult> done) {
      node(id).Range({.key = std::string(1, '\0'), .range_end = std::string(1, '\0'), .count_only = true},
                     MonotonicTime::max(), std::move(done));
    });
    if (!all.ok()) return all.status();
    return all->count;
  }

 private:
  struct Member {
    Member(VirtualCluster& owner, uint64_t member_id) : cluster(owner), id(member_id) {
      EXPECT_TRUE(disk->CreateFolder("/wal").ok());
      EXPECT_TRUE(disk->CreateFolder("/snap").ok());
      EXPECT_TRUE(reserve.Hold().ok());
    }
    ~Member() { Stop(); }

    // `forced`: the cluster is made this member's alone, and whom it dropped is put there.
    void Start(std::vector<uint64_t>* forced = nullptr) {
      sim::Scheduler& scheduler = cluster.scheduler_;
      raft_loop = scheduler.NewLoop("raft");
      log_loop = scheduler.NewLoop("log");
      apply_loop = scheduler.NewLoop("apply");
      watch_loop = scheduler.NewLoop("watch");
      pool = scheduler.NewLoop("pool", {.parallel = true});
      storage::RecoveredLog recovered;
      auto opened =
          storage::LogStore::Open(*disk, "/wal", {.cluster_id = 7, .node_id = id},
                                  {.segment_bytes = 1 << 20, .prefill_bytes = 1 << 16, .seed = ++starts}, &recovered);
      ASSERT_TRUE(opened.ok()) << opened.status();
      log = *std::move(opened);
      ASSERT_TRUE(WriteBootstrapEntry(*log, cluster.first_members_, &recovered).ok());
      snapshots = std::make_unique<regent::testing::MemorySnapshots>(*disk, store_disk, 1000 * starts);
      state_machine = *storage::StateMachine::Open(
          std::make_shared<storage::MemoryEngine>(store_disk, 1000 * starts, disk.get()), {});
      if (state_machine->applied() < recovered.base_index) {
        auto received = snapshots->SwitchToReceived();
        ASSERT_TRUE(received.ok()) << received.status();
        state_machine->Replace(*std::move(received));
      }
      if (forced != nullptr) {
        const auto dropped = ForceNewCluster(*log, *state_machine, cluster.first_members_[id - 1], &recovered);
        ASSERT_TRUE(dropped.ok()) << dropped.status();
        *forced = *dropped;
      }
      NodeOptions options;
      options.cluster_id = 7;
      options.member_id = id;
      options.name = "m" + std::to_string(id);
      options.client_urls = {"http://10.0.0." + std::to_string(id) + ":2379"};
      options.on_fatal = [](const std::string& why) { ADD_FAILURE() << why; };
      if (cluster.change_options_) cluster.change_options_(options);
      const NodeSeams seams{.raft_loop = *raft_loop,
                            .log_loop = *log_loop,
                            .apply_loop = *apply_loop,
                            .watch_loop = *watch_loop,
                            .background = *pool,
                            .log = *log,
                            .state_machine = *state_machine,
                            .transport = cluster.network_.TransportOf(id),
                            .seed = id * 1000 + starts,
                            .metrics = metrics,
                            .reserve = &reserve,
                            .snapshots = snapshots.get()};
      auto made = Node::Open(seams, std::move(options), recovered);
      ASSERT_TRUE(made.ok()) << made.status();
      node = *std::move(made);
      cluster.network_.Connect(id, 0, *node, {});
      node->Start([] {});
    }
    void Stop() {
      for (auto* loop : {&raft_loop, &log_loop, &apply_loop, &watch_loop, &pool}) {
        if (*loop != nullptr) (*loop)->Kill();
      }
      const bool ran = node != nullptr;
      node = nullptr;
      state_machine = nullptr;
      snapshots = nullptr;
      log = nullptr;
      for (auto* loop : {&raft_loop, &log_loop, &apply_loop, &watch_loop, &pool}) loop->reset();
      if (ran) disk = disk->AfterCrash([](const regent::testing::UnsyncedPiece&) { return false; });
    }

    VirtualCluster& cluster;
    const uint64_t id;
    uint64_t starts = 0;
    std::unique_ptr<regent::testing::MemoryDisk> disk = std::make_unique<regent::testing::MemoryDisk>();
    std::shared_ptr<storage::MemoryDisk> store_disk = std::make_shared<storage::MemoryDisk>();
    regent::testing::MemoryDisk reserve_disk;
    storage::ReserveFile reserve{reserve_disk, "/reserve", {.bytes = 1 << 16, .for_start_bytes = 1 << 12}};
    Metrics metrics;
    std::unique_ptr<sim::SimulatedLoop> raft_loop, log_loop, apply_loop, watch_loop, pool;
    std::unique_ptr<storage::LogStore> log;
    std::unique_ptr<regent::testing::MemorySnapshots> snapshots;
    std::unique_ptr<storage::StateMachine> state_machine;
    std::unique_ptr<Node> node;
  };

  Member& member(uint64_t id) { return *members_[id - 1]; }

  sim::Scheduler scheduler_;
  sim::Network network_;
  const std::function<void(NodeOptions&)> change_options_;
  std::vector<api::Member> first_members_;
  std::vector<std::unique_ptr<Member>> members_;
};

}  // namespace regent::server
