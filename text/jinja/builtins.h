// What every template can call: filters, methods of Python's types, tests and functions.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

// The filters: {{ value | name(arguments) }}.

struct Filter {
  std::string_view name;
  absl::StatusOr<Value> (*apply)(Runtime& runtime, const Value& input, const Arguments& arguments);
};

// Null if there is no such filter.
const Filter* FindFilter(std::string_view name);

// The error of asking for one that there is not; it tells those that jinja2 has.
absl::Status NoFilter(std::string_view name);

// The parts of the registry, by what they work on.
std::span<const Filter> TextFilters();
std::span<const Filter> NumberFilters();
std::span<const Filter> SequenceFilters();
std::span<const Filter> SelectionFilters();

// The methods of Python's str, list, tuple and dict.

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

// The tests: {% if value is name(arguments) %}.

struct Test {
  std::string_view name;
  absl::StatusOr<bool> (*apply)(Runtime& runtime, const Value& value, const Arguments& arguments);
};

// Null if there is no such test: all that jinja2 has are there.
const Test* FindTest(std::string_view name);

// The error of asking for one that there is not.
absl::Status NoTest(std::string_view name);

// The functions that every chat template finds: range, dict, namespace, joiner, raise_exception, strftime_now.

// Adds them to `scope`.
void AddGlobals(Scope* scope);

// Whether one of them has this name.
bool IsGlobal(std::string_view name);

}  // namespace batucada::jinja
