// A thread that runs what is posted to it, one task after the other: what belongs to one executor needs no lock.
#pragma once

#include <functional>

namespace batucada {

class Executor {
 public:
  virtual ~Executor() = default;
  // Thread-safe; never runs `task` before it returns.
  virtual void Post(std::function<void()> task) = 0;
};

}  // namespace batucada
