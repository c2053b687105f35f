// Host memory for weights, state and activations.
#pragma once

#include <cstddef>
#include <string_view>

#include "absl/status/statusor.h"
#include "kernels/buffer.h"

namespace batucada {

struct HostMemory {
  size_t total_bytes = 0;
  size_t free_bytes = 0;  // what can be allocated without swapping, besides what is promised already
};

// Of the machine, or of the container if that allows less.
HostMemory QueryHostMemory();

// Zeroed, aligned to 64 bytes, on huge pages where it is large (streaming weights would otherwise miss the TLB on every
// page). RESOURCE_EXHAUSTED, naming `what`, if more is asked than is free: the kernel would promise it and kill us
// later. What was given out and never written still counts as taken. Thread-safe.
absl::StatusOr<Buffer> AllocateHostMemory(size_t bytes, std::string_view what,
                                          Residency residency = Residency::kAsUsed);

// Gives the memory of these bytes, which are of AllocateHostMemory's, back to the system: the huge pages that lie
// within them, and nothing of small allocations. They read zero, and are resident again as they are written. Not while
// anybody else uses the same bytes.
void DiscardHostMemory(void* data, size_t bytes);

// Bytes that were given out and are not resident yet. Thread-safe.
size_t UntouchedHostMemory();

}  // namespace batucada
