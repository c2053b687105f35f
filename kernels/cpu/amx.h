// Whether this process may multiply tiles of bf16 (Intel AMX, from Sapphire Rapids on).
#pragma once

namespace batucada {

// The processor has it, the system saves its registers and lets this process use it, which is asked for here, and
// nobody has chosen a lesser instruction set. Takes microseconds: to be asked once. Thread-safe.
bool UsesAmx();

}  // namespace batucada
