// The methods of Python's str, list, tuple and dict.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "text/jinja/callable.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

struct Method {
  std::string_view name;
  absl::StatusOr<Value> (*call)(Runtime& runtime, const Value& self, const Arguments& arguments);
};

// Null if the type has no such method or this interpreter does not have it.
const Method* FindStringMethod(std::string_view name);
const Method* FindSequenceMethod(const Value& self, std::string_view name);
const Method* FindDictMethod(std::string_view name);

bool HasMethod(const Value& self, std::string_view name);
// `self.name`, to be called. REQUIRES: HasMethod.
Value BindMethod(const Value& self, std::string_view name);

// A method that jinja2's immutable sandbox keeps from templates: list.append, dict.update.
bool ChangesObject(const Value& self, std::string_view name);

// A method that Python has and this interpreter has not, for whatever type.
bool IsUnsupportedMethod(std::string_view name);

}  // namespace batucada::jinja
