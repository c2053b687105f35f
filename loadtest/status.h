// Helpers for what comes from outside: flags, files, servers. The engine's are out of sight here on purpose.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the calling function if `expr`, an absl::Status, is not OK.
#define LOADTEST_RETURN_IF_ERROR(expr)                                \
  do {                                                                \
    if (absl::Status status_ = (expr); !status_.ok()) return status_; \
  } while (false)

#define LOADTEST_CONCAT_INNER(a, b) a##b
#define LOADTEST_CONCAT(a, b) LOADTEST_CONCAT_INNER(a, b)

// `lhs` = value of `expr`, an absl::StatusOr; returns its status if there is none.
#define LOADTEST_ASSIGN_OR_RETURN(lhs, expr) \
  LOADTEST_ASSIGN_OR_RETURN_IMPL(LOADTEST_CONCAT(statusor_, __LINE__), lhs, expr)
#define LOADTEST_ASSIGN_OR_RETURN_IMPL(temp, lhs, expr) \
  auto temp = (expr);                                   \
  if (!temp.ok()) return temp.status();                 \
  lhs = *std::move(temp)
