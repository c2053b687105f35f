// Memory kept back for the thread that everybody depends on. Where an allocation fails, a thread that serves one
// request gets std::bad_alloc, which ends that request; the step loop gets the reserve and goes on.
#pragma once

namespace batucada {

// Fills the reserve, or fills it again; nothing if there is no memory for it now. Thread-safe.
void FillMemoryReserve();

// From now on the calling thread may use it.
void UseMemoryReserve();

}  // namespace batucada
