// Locks, conditions and threads of what the simulation of threads runs (tests/sim/threads), which decides for every one
// of their operations who goes on. Everywhere else they are the C++ library's.
#pragma once

#ifdef BATUCADA_SYNC_HEADER
#include BATUCADA_SYNC_HEADER
#else
#include <condition_variable>
#include <mutex>
#include <thread>

namespace batucada {

using Mutex = std::mutex;
using Condition = std::condition_variable;
using Thread = std::thread;

}  // namespace batucada
#endif
