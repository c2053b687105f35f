// Helpers for the error lanes: outside input and environment -> absl::Status; broken invariants -> BATUCADA_CHECK.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

// Returns from the calling function if `expr`, an absl::Status, is not OK.
#define BATUCADA_RETURN_IF_ERROR(expr)                                \
  do {                                                                \
    if (absl::Status status_ = (expr); !status_.ok()) return status_; \
  } while (false)

#define BATUCADA_CONCAT_INNER(a, b) a##b
#define BATUCADA_CONCAT(a, b) BATUCADA_CONCAT_INNER(a, b)

// `lhs` = value of `expr`, an absl::StatusOr; returns its status if there is none.
#define BATUCADA_ASSIGN_OR_RETURN(lhs, expr) \
  BATUCADA_ASSIGN_OR_RETURN_IMPL(BATUCADA_CONCAT(statusor_, __LINE__), lhs, expr)
#define BATUCADA_ASSIGN_OR_RETURN_IMPL(temp, lhs, expr) \
  auto temp = (expr);                                   \
  if (!temp.ok()) return temp.status();                 \
  lhs = *std::move(temp)

namespace batucada {

// Prints and aborts: a broken invariant is a bug, and going on would serve wrong tokens.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition, const std::string& message);

}  // namespace batucada

// Stops the process with file, line and message if `condition` is false. On in every build.
#define BATUCADA_CHECK(condition, ...)                                                                        \
  do {                                                                                                        \
    if (!(condition)) [[unlikely]]                                                                            \
      ::batucada::CheckFailed(__FILE__, __LINE__, #condition, ::absl::StrCat("" __VA_OPT__(, ) __VA_ARGS__)); \
  } while (false)
