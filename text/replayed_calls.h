// Past calls of tools on their way to a template. On the wire their arguments are a JSON text and the content beside
// them is null; most templates want an object and a string, but some were written for what the wire has.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"

namespace batucada {

struct CallForm {
  enum class Arguments : uint8_t { kObject, kText };
  enum class MissingContent : uint8_t { kEmpty, kNull };

  Arguments arguments = Arguments::kObject;
  MissingContent missing_content = MissingContent::kEmpty;  // of an assistant's message with calls
};

// The first form, in this order, in which a conversation with a call renders with the call's name and its argument:
// objects before texts, empty before null. kObject and kEmpty for a template that prints no calls.
CallForm FindCallForm(const std::function<absl::StatusOr<std::string>(const boost::json::array& messages)>& render);

// Brings an assistant's messages into that form: `arguments` that are the JSON text of something become it, an empty
// text an empty object; a text that is no JSON stays one, and so does what has too large objects (base/nested_json.h).
// An empty list of calls is none. Content that is null or absent becomes what `form` says, without calls an empty text.
void ConvertCalls(const CallForm& form, boost::json::array* messages);

}  // namespace batucada
