// Names and their values, in scopes that see those around them.
#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

// Names live in the template or with the caller and outlive the rendering.
struct Scope {
  explicit Scope(std::shared_ptr<Scope> around) : parent(std::move(around)) {}

  // Null if no scope has it.
  const Value* Find(std::string_view name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->parent.get()) {
      const auto found = scope->variables.find(name);
      if (found != scope->variables.end()) return &found->second;
    }
    return nullptr;
  }

  const std::shared_ptr<Scope> parent;
  absl::flat_hash_map<std::string_view, Value> variables;
};

}  // namespace batucada::jinja
