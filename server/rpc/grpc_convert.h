// Between gRPC's types and ours: times, messages, statuses. Part of the gRPC engine.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "api/service/call.h"

namespace regent::server {

inline api::MonotonicTime ToMonotonicTime(gpr_timespec time) {
  if (gpr_time_cmp(time, gpr_inf_future(time.clock_type)) == 0) return api::MonotonicTime::max();
  const gpr_timespec monotonic = gpr_convert_clock_type(time, GPR_CLOCK_MONOTONIC);  // CLOCK_MONOTONIC, as steady_clock
  return api::MonotonicTime(std::chrono::seconds(monotonic.tv_sec) + std::chrono::nanoseconds(monotonic.tv_nsec));
}

// Shorter pieces of a message are copied together, longer ones shared.
inline constexpr size_t kCopyBytesMax = 2048;

// Shares the long pieces with their other owners and copies runs of short ones together.
inline grpc::ByteBuffer ToByteBuffer(const api::WireMessage& message) {
  std::vector<grpc::Slice> slices;
  std::string run;
  const auto end_run = [&] {
    if (!run.empty()) slices.emplace_back(run.data(), run.size());
    run.clear();
  };
  for (const api::SharedBytes& piece : message) {
    if (piece->size() <= kCopyBytesMax) {
      if (message.size() == 1) {
        slices.emplace_back(piece->data(), piece->size());
      } else {
        run += *piece;
      }
      continue;
    }
    end_run();
    slices.emplace_back(
        const_cast<char*>(piece->data()), piece->size(),
        [](void* owner) { delete static_cast<api::SharedBytes*>(owner); }, new api::SharedBytes(piece));
  }
  end_run();
  if (slices.empty()) slices.emplace_back();
  return grpc::ByteBuffer(slices.data(), slices.size());
}

inline grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

}  // namespace regent::server
