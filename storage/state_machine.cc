#include "storage/state_machine.h"

namespace regent::storage {

absl::StatusOr<std::unique_ptr<StateMachine>> StateMachine::Open(std::shared_ptr<Engine>, StateMachineOptions) {
  return absl::UnimplementedError("not yet");
}

}  // namespace regent::storage
