#include "server/common/version.h"

namespace batucada {

const char* const kVersion = BATUCADA_VERSION;

}  // namespace batucada
