// What a simulated cluster is, what can happen to it, and how often each of it does.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>

#include "tests/sim/scheduler.h"

namespace regent::sim {

enum class Fault : uint8_t {
  kPowerLoss,
  kAllPowerLoss,
  kCleanStop,
  kBrokenDisk,
  kSlowDisk,
  kPause,
  kPartition,
  kOneWay,
  kStorm,
  kFalseAlarm,
  kMoveLeader,
  kDiskLost,
  kPausedAndCutOff,
  kSecondLife,
};

inline constexpr Fault kFaults[] = {
    Fault::kPowerLoss,  Fault::kPowerLoss,  Fault::kPowerLoss, Fault::kAllPowerLoss,    Fault::kCleanStop,
    Fault::kSlowDisk,   Fault::kPause,      Fault::kPartition, Fault::kPartition,       Fault::kPartition,
    Fault::kOneWay,     Fault::kOneWay,     Fault::kStorm,     Fault::kStorm,           Fault::kFalseAlarm,
    Fault::kMoveLeader, Fault::kBrokenDisk, Fault::kDiskLost,  Fault::kPausedAndCutOff, Fault::kPausedAndCutOff,
    Fault::kSecondLife};

// How long clients think, and with it how far apart the faults are and how much goes by between two writes.
struct Pace {
  Duration thought_max;
  Duration fault_longest;  // of a partition or a storm; twice the time without power
};
inline constexpr Pace kPaces[] = {{std::chrono::milliseconds(110), std::chrono::seconds(8)},
                                  {std::chrono::seconds(1), std::chrono::seconds(15)},
                                  {std::chrono::seconds(4), std::chrono::seconds(30)},
                                  {std::chrono::seconds(8), std::chrono::seconds(60)}};

struct PlannedFault {
  uint64_t at = 0;  // when so many operations have begun
  Fault fault = Fault::kPowerLoss;
};

// Each of them three times, before the last tenth of the operations.
inline std::deque<PlannedFault> PlanFaults(std::mt19937_64& random, uint64_t operations) {
  std::deque<PlannedFault> plan;
  for (int round = 0; round < 3; ++round) {
    for (const Fault fault : kFaults) plan.push_back({random() % (operations * 9 / 10) + 20, fault});
  }
  std::stable_sort(plan.begin(), plan.end(), [](const PlannedFault& a, const PlannedFault& b) { return a.at < b.at; });
  return plan;
}

inline constexpr size_t kSizes[] = {3, 3, 5, 3, 1, 3, 5, 7};  // of clusters, by seed

inline const char* NameOf(Fault fault) {
  switch (fault) {
    case Fault::kPowerLoss:
      return "power loss";
    case Fault::kAllPowerLoss:
      return "power loss of all";
    case Fault::kCleanStop:
      return "clean stop";
    case Fault::kBrokenDisk:
      return "broken disk";
    case Fault::kSlowDisk:
      return "slow disk";
    case Fault::kPause:
      return "pause";
    case Fault::kPartition:
      return "partition";
    case Fault::kOneWay:
      return "one-way partition";
    case Fault::kStorm:
      return "storm";
    case Fault::kFalseAlarm:
      return "false alarm";
    case Fault::kMoveLeader:
      return "the leader is moved";
    case Fault::kDiskLost:
      return "disk lost";
    case Fault::kPausedAndCutOff:
      return "paused and cut off";
    case Fault::kSecondLife:
      return "disk lost, begins anew";
  }
  return "";
}

}  // namespace regent::sim
