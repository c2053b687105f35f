#include "text/jinja/template.h"

#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/builtins.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/parser.h"
#include "text/jinja/runtime.h"
#include "text/jinja/serialize.h"
#include "text/utf8.h"

namespace batucada::jinja {

absl::StatusOr<std::unique_ptr<const Template>> Template::Parse(std::string_view source) {
  if (const auto bad = FindInvalidUtf8(source)) {
    return absl::InvalidArgumentError(Concat("byte ", *bad, " is not valid UTF-8"));
  }
  BATUCADA_ASSIGN_OR_RETURN(Body body, ParseTemplate(source));
  return std::unique_ptr<const Template>(new Template(std::move(body)));
}

absl::StatusOr<std::string> Template::Render(std::span<const Variable> variables, absl::Time now, int64_t* work) const {
  Runtime runtime(now);
  if (work != nullptr) runtime.Note(*work);
  absl::StatusOr<std::string> text = RenderIn(runtime, variables);
  if (work != nullptr) *work = runtime.work();
  return text;
}

absl::StatusOr<std::string> Template::RenderIn(Runtime& runtime, std::span<const Variable> variables) const {
  const auto globals = std::make_shared<Scope>(nullptr);
  AddGlobals(globals.get());
  for (const Variable& variable : variables) {
    absl::StatusOr<Value> value = FromJson(runtime, *variable.value);
    if (!value.ok()) {
      return absl::Status(value.status().code(), Concat(variable.name, value.status().message()));
    }
    globals->variables[variable.name] = *std::move(value);
  }
  TextBuilder out(&runtime);
  Evaluator evaluator(&runtime, globals, &out);
  const absl::Status status = evaluator.Run(body_);
  if (status.ok()) return out.Take();
  const SourceLocation where = evaluator.failed_at().value_or(SourceLocation{});
  return absl::Status(status.code(), Concat(status.message(), " (chat template, ", Describe(where), ")"));
}

}  // namespace batucada::jinja
