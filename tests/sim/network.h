// The network between simulated members: delays, and as it is told to loses, repeats and reorders messages, and cuts
// links in one or both directions. Notes (peer_note.h) are lost and delayed like messages, and never repeated.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "server/node/node.h"
#include "server/peer/incarnations.h"
#include "tests/sim/scheduler.h"

namespace regent::sim {

struct NetworkCounters {
  uint64_t sent = 0, delivered = 0, lost = 0, repeated = 0, cut_off = 0, false_alarms = 0, refused = 0;
};

class Network {
 public:
  struct Weather {
    uint64_t loss_one_in = 0;    // 0: never
    uint64_t repeat_one_in = 0;  // 0: never
    Duration delay_min = std::chrono::microseconds(200);
    Duration delay_max = std::chrono::microseconds(200);
  };

  Network(Scheduler& scheduler, uint64_t seed);
  ~Network();

  server::Transport& TransportOf(uint64_t id);
  // Sees every message when it is sent, whatever becomes of it.
  void Observe(std::function<void(const raft::Message&)> observer) { observer_ = std::move(observer); }
  // Who is listened to, with the incarnation that it sends.
  void OnHeard(std::function<void(uint64_t from, uint64_t to, uint64_t incarnation)> heard) {
    heard_ = std::move(heard);
  }
  // A member that others know as removed, or by another data folder, is not listened to, and hears so.
  void OnRefused(std::function<void(uint64_t id, server::RefusalReason reason)> refused) {
    refused_ = std::move(refused);
  }
  void ListenToSecondLives() { judges_ = false; }  // a planted bug

  // The member's process runs; `members`: whom it knows.
  void Connect(uint64_t id, uint64_t incarnation, server::Node& node, const std::vector<api::Member>& members);
  void SetMembers(uint64_t id, const std::vector<api::Member>& members);
  // It has ended. Who can hear it hears its connections close.
  void Disconnect(uint64_t id);
  // A connection breaks, and nothing else: the others take the member for dead.
  void FalseAlarm(uint64_t id);

  // Both ways: a connection needs them.
  bool Reaches(uint64_t from, uint64_t to) const { return !IsCut(from, to) && !IsCut(to, from); }
  void Cut(uint64_t from, uint64_t to) { cut_.emplace(from, to); }
  void Isolate(uint64_t id);
  void Heal() { cut_.clear(); }
  void SetWeather(Weather weather) { weather_ = weather; }

  const NetworkCounters& counters() const { return counters_; }

 private:
  class Link;
  struct Place {
    server::Node* node = nullptr;  // null: down
    MonotonicTime up_since;
    uint64_t incarnation = 0;
    std::unique_ptr<server::Incarnations> incarnations;  // what the process knows of the others
    std::unique_ptr<Link> link;
  };

  bool IsCut(uint64_t from, uint64_t to) const { return cut_.contains({from, to}); }
  bool IsUp(uint64_t id) const;
  Duration Delay();
  bool OneIn(uint64_t times) { return times > 0 && random_() % times == 0; }
  std::optional<server::RefusalReason> Judge(const Place& receiver, uint64_t from, uint64_t incarnation) const;
  // `arrive` may be called twice for a message.
  enum class Kind : uint8_t { kMessage, kNote };
  void Carry(uint64_t from, uint64_t to, Kind kind, std::function<void(server::Node&)> arrive);

  Scheduler& scheduler_;
  std::mt19937_64 random_;
  std::unique_ptr<SimulatedLoop> loop_;
  Weather weather_;
  std::map<uint64_t, Place> places_;
  std::set<std::pair<uint64_t, uint64_t>> cut_;
  NetworkCounters counters_;
  std::function<void(const raft::Message&)> observer_;
  std::function<void(uint64_t from, uint64_t to, uint64_t incarnation)> heard_;
  std::function<void(uint64_t id, server::RefusalReason reason)> refused_;
  bool judges_ = true;
};

}  // namespace regent::sim
