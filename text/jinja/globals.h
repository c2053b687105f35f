// The functions that every chat template finds: range, dict, namespace, joiner, raise_exception, strftime_now.
#pragma once

#include <memory>

#include "text/jinja/scope.h"

namespace batucada::jinja {

// Adds them to `scope`.
void AddGlobals(Scope* scope);

}  // namespace batucada::jinja
