// What happens to a conversation's messages before and after a template sees them.
#pragma once

#include <boost/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "text/chat_template.h"

namespace batucada {

// Brings contents into the form that the template takes. INVALID_ARGUMENT, with the path of what is wrong, for a
// message that is no object and for parts other than text where the template takes none.
[[nodiscard]] absl::Status ConvertContents(ChatTemplate::ContentForm form, boost::json::array* messages);

// A message's reasoning goes by three names; the template may know another one than the client. As Hugging Face does.
void AliasReasoning(boost::json::array* messages);

// What the last message says, its parts joined by newlines; empty if it says nothing as text.
std::string FinalText(const boost::json::array& messages);

// Keeps the end of the last message open: a mark behind its content shows where the rendered text is to be cut.
class FinalMessageMark {
 public:
  // Adds the mark. INVALID_ARGUMENT if the last message has no text to continue.
  [[nodiscard]] static absl::StatusOr<FinalMessageMark> Add(boost::json::array* messages);

  // Cuts `rendered` at the mark. INVALID_ARGUMENT if the template did not print the content as it is.
  [[nodiscard]] absl::Status Cut(std::string* rendered) const;

 private:
  explicit FinalMessageMark(std::string content) : content_(std::move(content)) {}

  const std::string content_;
};

}  // namespace batucada
