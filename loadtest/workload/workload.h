// Where sessions come from.
#pragma once

#include <cstdint>
#include <optional>

#include "loadtest/workload/session.h"

namespace batucada::loadtest {

// Immutable: any thread may ask. The same seed and index give the same session, whatever else was asked for.
class Workload {
 public:
  virtual ~Workload() = default;
  virtual Session Make(uint64_t index) const = 0;
  // How many sessions there are; none: as many as one likes.
  virtual std::optional<uint64_t> size() const { return std::nullopt; }
};

}  // namespace batucada::loadtest
