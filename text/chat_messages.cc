#include "text/chat_messages.h"

#include <string_view>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/text.h"
#include "text/json_text.h"

namespace batucada {
namespace {

// The blank tells a template that keeps the content's white space from one that strips it.
constexpr std::string_view kMark = "CONTINUE_FINAL_MESSAGE_TAG ";
constexpr std::string_view kBareMark = kMark.substr(0, kMark.size() - 1);

const boost::json::string* FindString(const boost::json::value& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const boost::json::value* value = object.get_object().if_contains({key.data(), key.size()});
  return value == nullptr ? nullptr : value->if_string();
}

// The text of a part {"type": "text", "text": …}, null for any other.
const boost::json::string* TextOfPart(const boost::json::value& part) {
  const boost::json::string* type = FindString(part, "type");
  return type != nullptr && View(*type) == "text" ? FindString(part, "text") : nullptr;
}

absl::StatusOr<std::string> JoinedParts(const boost::json::array& parts, size_t message) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    const boost::json::string* part = TextOfPart(parts[i]);
    if (part == nullptr) {
      return absl::InvalidArgumentError(
          Concat("messages[", message, "].content[", i, "]: this model takes only parts of type \"text\""));
    }
    if (i > 0) text += '\n';
    text += View(*part);
  }
  return text;
}

}  // namespace

absl::Status ConvertContents(ChatTemplate::ContentForm form, boost::json::array* messages) {
  for (size_t i = 0; i < messages->size(); ++i) {
    boost::json::value& message = (*messages)[i];
    if (!message.is_object()) return absl::InvalidArgumentError(Concat("messages[", i, "] must be an object"));
    boost::json::value* content = message.get_object().if_contains("content");
    if (content == nullptr) continue;
    if (form == ChatTemplate::ContentForm::kText && content->is_array()) {
      BATUCADA_ASSIGN_OR_RETURN(const std::string text, JoinedParts(content->get_array(), i));
      *content = text;
    } else if (form == ChatTemplate::ContentForm::kParts && content->is_string()) {
      boost::json::object part = {{"type", "text"}, {"text", content->get_string()}};
      *content = boost::json::array{std::move(part)};
    }
  }
  return absl::OkStatus();
}

void AliasReasoning(boost::json::array* messages) {
  for (boost::json::value& message : *messages) {
    if (!message.is_object()) continue;
    boost::json::object& object = message.get_object();
    for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
      const boost::json::value* found = object.if_contains(name);
      if (found == nullptr || found->is_null()) continue;
      boost::json::object aliased = {{"thinking", *found}};
      for (const auto& member : object) aliased[member.key()] = member.value();
      aliased["reasoning_content"] = *found;
      object = std::move(aliased);
      break;
    }
  }
}

std::string FinalText(const boost::json::array& messages) {
  const boost::json::object* last = messages.empty() ? nullptr : messages.back().if_object();
  const boost::json::value* content = last == nullptr ? nullptr : last->if_contains("content");
  if (content == nullptr) return "";
  if (const boost::json::string* text = content->if_string()) return std::string(View(*text));
  if (!content->is_array()) return "";
  return JoinedParts(content->get_array(), messages.size() - 1).value_or("");
}

absl::StatusOr<FinalMessageMark> FinalMessageMark::Add(boost::json::array* messages) {
  if (messages->empty()) return absl::InvalidArgumentError("there is no final message to continue");
  boost::json::value& last = messages->back();
  boost::json::value* content = last.is_object() ? last.get_object().if_contains("content") : nullptr;
  boost::json::string* text = content == nullptr ? nullptr : content->if_string();
  if (content != nullptr && content->is_array()) {
    boost::json::array& parts = content->get_array();
    for (size_t i = parts.size(); i-- > 0 && text == nullptr;) {
      if (parts[i].is_object() && parts[i].get_object().contains("text")) text = parts[i].at("text").if_string();
    }
  }
  if (text == nullptr) return absl::InvalidArgumentError("the final message has no text to continue");
  std::string before(View(*text));
  text->append({kMark.data(), kMark.size()});
  return FinalMessageMark(std::move(before));
}

absl::Status FinalMessageMark::Cut(std::string* rendered) const {
  const std::string_view content = jinja::StrippedRight(jinja::StrippedLeft(content_));
  const size_t mark = rendered->rfind(kBareMark);
  if (mark == std::string::npos || jinja::Find(*rendered, content) == std::string::npos) {
    return absl::InvalidArgumentError(
        "the final message cannot be continued: the model's chat template does not print its content as it is");
  }
  const bool keeps_spacing = std::string_view(*rendered).substr(mark).starts_with(kMark);
  rendered->resize(mark);
  if (!keeps_spacing) rendered->resize(jinja::StrippedRight(*rendered).size());
  return absl::OkStatus();
}

}  // namespace batucada
