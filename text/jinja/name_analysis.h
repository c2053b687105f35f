// jinja2 decides while it compiles what a name means in each scope, and some templates lean on the consequences.
//
// A name that a scope assigns before it reads it, and that no scope around it mentions, is the scope's own from its
// beginning: blocks inside that read it earlier see it undefined, even where the caller gave a variable of that name.
// {% for m in messages %}{{ tools }}{% endfor %}{% set tools = 1 %} prints nothing. An assignment inside an `if` is no
// such thing.
#pragma once

#include "text/jinja/ast.h"

namespace batucada::jinja {

// Fills in the late names of `body` and of all bodies inside.
void FindLateNames(Body* body);

}  // namespace batucada::jinja
