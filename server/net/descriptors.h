// File descriptors, of which a process has a limited number and every connection takes one. Most may be taken by
// anyone; a few are kept, so that health is answered when strangers hold all the others.
#pragma once

#include <cstdint>

namespace batucada {

// Raises the process's limit as far as the system lets it, less what is kept. Before there are other threads.
void RaiseDescriptorLimit();

// How many descriptors everybody together may hold: the process's soft limit.
int64_t DescriptorLimit();

// While one of these lives, what is opened may come from those kept. For the instant of an accept: another thread may
// take one, too, meanwhile. Does nothing unless RaiseDescriptorLimit was called. Thread-safe.
class KeptDescriptors {
 public:
  KeptDescriptors();
  ~KeptDescriptors();
  KeptDescriptors(const KeptDescriptors&) = delete;
  KeptDescriptors& operator=(const KeptDescriptors&) = delete;
};

}  // namespace batucada
