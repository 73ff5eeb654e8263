// The two status macros; abseil's own are not in this release.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define REGENT_RETURN_IF_ERROR(expr)                                                    \
  do {                                                                                  \
    if (absl::Status regent_status = (expr); !regent_status.ok()) return regent_status; \
  } while (false)

#define REGENT_STATUS_CONCAT_INNER(a, b) a##b
#define REGENT_STATUS_CONCAT(a, b) REGENT_STATUS_CONCAT_INNER(a, b)
#define REGENT_ASSIGN_OR_RETURN(lhs, expr) \
  REGENT_ASSIGN_OR_RETURN_IMPL(REGENT_STATUS_CONCAT(regent_or_, __LINE__), lhs, expr)
#define REGENT_ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                                 \
  if (!tmp.ok()) return std::move(tmp).status();     \
  lhs = std::move(tmp).value()
