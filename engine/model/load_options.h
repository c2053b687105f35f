// How weights are loaded.
#pragma once

#include "base/byte_progress.h"

namespace batucada {

struct LoadOptions {
  int threads = 0;                   // that look at numbers besides the one that loads
  ByteProgress* progress = nullptr;  // null: nobody asks; of the weights' bytes in the files
};

}  // namespace batucada
