// A Jinja template, parsed once and rendered any number of times: a small interpreter of its own for what chat
// templates use, with the results of jinja2's ImmutableSandboxedEnvironment as Hugging Face sets it up (trim_blocks,
// lstrip_blocks, `break` and `continue`, `generation` blocks, its own `tojson`, raise_exception, strftime_now).
//
// Rendering reads nothing but its variables and the clock, and is bounded in steps, memory, depth and output
// (runtime.h), whatever the template and the variables are.
//
// Immutable: every method may be called from any number of threads at once.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "text/jinja/ast.h"

namespace batucada::jinja {

class Runtime;

// A name that the template sees.
struct Variable {
  std::string_view name;
  const boost::json::value* value = nullptr;
};

class Template {
 public:
  // INVALID_ARGUMENT for a wrong template, UNIMPLEMENTED for one that is written in what this interpreter does not do,
  // both with line and column. Filters, tests, functions and methods that there are not are errors of Render, once they
  // are asked for: many a template speaks of those of a certain server in a branch that others never take.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<const Template>> Parse(std::string_view source);

  // The rendered text. Of variables with equal names the last one counts. `now` is what strftime_now() tells.
  // INVALID_ARGUMENT with the message and the place for what jinja2 would raise, raise_exception() included, and for
  // what goes beyond a limit.
  // `work`, unless null: what of the limit is used up, in units of runtime.h, to which this rendering's is added.
  [[nodiscard]] absl::StatusOr<std::string> Render(std::span<const Variable> variables, absl::Time now,
                                                   int64_t* work = nullptr) const;

 private:
  explicit Template(Body body) : body_(std::move(body)) {}

  absl::StatusOr<std::string> RenderIn(Runtime& runtime, std::span<const Variable> variables) const;

  const Body body_;
};

}  // namespace batucada::jinja
