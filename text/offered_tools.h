// Tools on their way to a chat template: in the form that its family takes, or where it knows none, as text.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "absl/status/statusor.h"
#include "text/answer/call_format.h"

namespace batucada {

struct ToolsForm {
  enum class Place : uint8_t {
    kVariable,       // the template's variable `tools`, as most have it
    kSystemMember,   // a text in a member `tools` of the system's message, as Phi-4-mini has it
    kSystemContent,  // the template knows no tools: the system's message tells of them
    kUserContent,    // nor does it take messages of the system: the first message does
  };
  Place place = Place::kVariable;
  // Whether the template prints past calls, and their results; else they are told as text, in the model's own way to
  // write calls, and results as the user's.
  bool prints_calls = true, prints_results = true;
  CallFormat calls = CallFormat::kHermes;  // how the model writes them; kNone: not known
};

// A tool with all that a template may ask of one.
boost::json::array ProbeTools();

// Found out by trying. `render`: messages and more variables to text. `source`: the template's.
using RenderTools =
    std::function<absl::StatusOr<std::string>(boost::json::array messages, boost::json::object variables)>;
ToolsForm FindToolsForm(const RenderTools& render, std::string_view source);

// Brings the tools, and past calls where the template does not print them, into that form. Without tools only the past
// is looked at.
void OfferTools(const ToolsForm& form, const boost::json::array& tools, boost::json::array* messages,
                boost::json::object* variables);

}  // namespace batucada
