// Nothing of its own: its header is what is wanted.
#include "cmake/precompiled/net.h"
