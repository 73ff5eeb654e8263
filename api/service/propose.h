// A unary call that goes through the log, from the validated request to the answer.
#pragma once

#include <memory>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "api/service/service_context.h"
#include "glog/logging.h"

namespace regent::api {

// Proposes `request` and hands the answer, which must be a `Result`, to `encode(header, result)`.
template <typename Result, typename Encoder>
void Propose(ServiceContext& context, std::shared_ptr<Call> call, WriteRequest request, Encoder encode) {
  const MonotonicTime deadline = context.Deadline(*call);
  context.backend().Propose(
      std::move(request), deadline,
      [&context, call = std::move(call), encode = std::move(encode)](absl::StatusOr<WriteResult> answer) {
        if (!answer.ok()) return Fail(*call, answer.status());
        Result* result = std::get_if<Result>(&*answer);
        CHECK(result != nullptr) << "the backend answered a request with alternative " << answer->index();
        const Header header = context.HeaderAt(result->revision);
        Answer(*call, encode(header, std::move(*result)));
      });
}

}  // namespace regent::api
