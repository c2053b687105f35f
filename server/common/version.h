// Which Batucada this is.
#pragma once

namespace batucada {

// From the build: the project's version.
extern const char* const kVersion;

}  // namespace batucada
