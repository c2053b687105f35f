// Nothing of its own: its header is what is wanted.
#include "cmake/precompiled/test.h"
