// A grammar (text/grammar.h) as what the scheduler and the backends know of it.
#pragma once

#include <memory>

#include "engine/core/token_constraint.h"
#include "text/grammar.h"

namespace batucada {

std::shared_ptr<const Constraint> MakeConstraint(std::shared_ptr<const Grammar> grammar);

}  // namespace batucada
