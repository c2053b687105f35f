// A number as Python writes it, which whoever trained a model fed it with.
#pragma once

#include <string>

namespace batucada {

// The shortest decimal that reads back as `value`, in Python's spelling: 1.0, 1e-05, inf.
std::string FloatRepr(double value);

}  // namespace batucada
