// What can happen to a simulated cluster, and how often each of it does.
#pragma once

#include <cstdint>

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
};

inline constexpr Fault kFaults[] = {
    Fault::kPowerLoss,  Fault::kPowerLoss,  Fault::kPowerLoss, Fault::kAllPowerLoss,    Fault::kCleanStop,
    Fault::kSlowDisk,   Fault::kPause,      Fault::kPartition, Fault::kPartition,       Fault::kPartition,
    Fault::kOneWay,     Fault::kOneWay,     Fault::kStorm,     Fault::kStorm,           Fault::kFalseAlarm,
    Fault::kMoveLeader, Fault::kBrokenDisk, Fault::kDiskLost,  Fault::kPausedAndCutOff, Fault::kPausedAndCutOff};

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
  }
  return "";
}

}  // namespace regent::sim
