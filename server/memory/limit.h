// How much memory the process may have, and how much of it requests get.
#pragma once

#include <cstdint>
#include <string>

namespace batucada {

// The least of: the machine's memory, the limits of the process's control group and of those above it (versions 2 and
// 1), and of its address space (RLIMIT_AS). `root` comes before every path that is read ("": the machine itself).
int64_t ProcessMemoryLimit(const std::string& root = "");

// What --request-memory 0 means: a quarter of that, at least 32 MiB.
int64_t DefaultRequestMemory(int64_t process_limit);

// What an open connection holds at least, without TLS and with it, while it waits; and with TLS at most, in the middle
// of a handshake and a record, besides what its requests are charged for: OpenSSL's state and buffers. Measured.
inline constexpr int64_t kIdleConnectionBytes = 3 << 10, kIdleTlsConnectionBytes = 18 << 10,
                         kTlsConnectionBytes = 64 << 10;
// How many of those hold no more than requests may hold together; at least 64.
int32_t TlsConnectionsThatFit(int64_t request_memory);

}  // namespace batucada
