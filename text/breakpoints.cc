#include "text/breakpoints.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include <boost/json.hpp>

#include "absl/strings/str_format.h"

namespace batucada {
namespace {

namespace bj = boost::json;

bool IsMarked(const bj::value& value) {
  const bj::object* const object = value.if_object();
  if (object == nullptr) return false;
  constexpr const char* kMarks[] = {"prompt_cache_breakpoint", "cache_control"};
  return std::any_of(std::begin(kMarks), std::end(kMarks), [object](const char* name) {
    const bj::value* const mark = object->if_contains(name);
    return mark != nullptr && mark->is_object();
  });
}

bool HasMarkedTools(const ChatInput& conversation) {
  return std::any_of(conversation.tools.begin(), conversation.tools.end(), [](const bj::value& tool) {
    const bj::object* const object = tool.if_object();
    const bj::value* const function = object == nullptr ? nullptr : object->if_contains("function");
    return IsMarked(tool) || (function != nullptr && IsMarked(*function));
  });
}

// A place in a conversation: behind a text, or before it.
struct SignPlace {
  bj::string* text = nullptr;
  bool before = false;
};

bj::string* TextOf(bj::value* part) {
  bj::object* const object = part->if_object();
  bj::value* const text = object == nullptr ? nullptr : object->if_contains("text");
  return text == nullptr ? nullptr : text->if_string();
}

// The content's last text, or its first.
bj::string* TextAtEdge(bj::value* message, bool first) {
  bj::object* const object = message->if_object();
  bj::value* const content = object == nullptr ? nullptr : object->if_contains("content");
  if (content == nullptr) return nullptr;
  if (bj::string* const text = content->if_string()) return text;
  bj::array* const parts = content->if_array();
  if (parts == nullptr || parts->empty()) return nullptr;
  return TextOf(first ? &parts->front() : &parts->back());
}

bool IsOfSystem(const bj::value& message) {
  const bj::value* const role = message.is_object() ? message.get_object().if_contains("role") : nullptr;
  return role != nullptr && (*role == "system" || *role == "developer");
}

// In the order of the text.
std::vector<SignPlace> PlacesIn(ChatInput* conversation) {
  std::vector<SignPlace> places;
  bj::array& messages = conversation->messages;
  if (HasMarkedTools(*conversation)) {
    const auto first = std::find_if_not(messages.begin(), messages.end(), IsOfSystem);
    bj::string* const text = first == messages.end() ? nullptr : TextAtEdge(first, /*first=*/true);
    if (text != nullptr) places.push_back({.text = text, .before = true});
  }
  const size_t of_tools = places.size();
  for (bj::value& message : messages) {
    bj::object* const object = message.if_object();
    bj::value* const content = object == nullptr ? nullptr : object->if_contains("content");
    bj::array* const parts = content == nullptr ? nullptr : content->if_array();
    bool last_marked = false;
    for (size_t i = 0; parts != nullptr && i < parts->size(); ++i) {
      last_marked = IsMarked((*parts)[i]);
      bj::string* const text = TextOf(&(*parts)[i]);
      if (last_marked && text != nullptr) places.push_back({.text = text});
    }
    bj::string* const end = IsMarked(message) && !last_marked ? TextAtEdge(&message, /*first=*/false) : nullptr;
    if (end != nullptr) places.push_back({.text = end});
  }
  if (places.size() > kMostBreakpoints) {
    // That of the tools stands before all others, and for what is longest the same.
    const size_t drop = places.size() - kMostBreakpoints;
    const auto from = places.begin() + static_cast<std::ptrdiff_t>(of_tools);
    places.erase(from, from + static_cast<std::ptrdiff_t>(drop));
  }
  return places;
}

// Letters and digits, which no template changes and nobody can guess.
std::string NewSign() {
  thread_local std::random_device device;
  std::string sign = "breakpoint";
  for (int i = 0; i < 4; ++i) absl::StrAppendFormat(&sign, "%08x", device());
  return sign;
}

size_t CommonBytes(std::string_view a, std::string_view b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

// Where each token of `ids` ends in `text`; none if they cannot be laid out on it, for the tokenizer changed it.
std::optional<std::vector<size_t>> TokenEnds(std::string_view text, const std::vector<int32_t>& ids,
                                             const Tokenizer& tokenizer) {
  std::vector<size_t> ends;
  ends.reserve(ids.size());
  size_t at = 0;
  for (const int32_t id : ids) {
    std::string_view bytes = tokenizer.TokenBytes(id);
    const std::string_view rest = text.substr(at);
    // A start token, or a blank, that the tokenizer put before the text or behind a special token.
    if (!rest.starts_with(bytes) && bytes.starts_with(' ')) bytes.remove_prefix(1);
    if (rest.starts_with(bytes)) {
      at += bytes.size();
    } else if (at != 0 || !tokenizer.IsSpecial(id)) {
      return std::nullopt;
    }
    ends.push_back(at);
  }
  return ends;
}

}  // namespace

size_t CountBreakpoints(const ChatInput& conversation) {
  size_t count = 0;
  for (const bj::value& tool : conversation.tools) {
    const bj::object* const object = tool.if_object();
    const bj::value* const function = object == nullptr ? nullptr : object->if_contains("function");
    count += IsMarked(tool) || (function != nullptr && IsMarked(*function)) ? 1 : 0;
  }
  for (const bj::value& message : conversation.messages) {
    const bj::object* const object = message.if_object();
    const bj::value* const content = object == nullptr ? nullptr : object->if_contains("content");
    const bj::array* const parts = content == nullptr ? nullptr : content->if_array();
    if (parts != nullptr) count += static_cast<size_t>(std::count_if(parts->begin(), parts->end(), IsMarked));
    count += IsMarked(message) ? 1 : 0;
  }
  return count;
}

std::vector<size_t> FindBreakpoints(const ChatInput& conversation, std::string_view text,
                                    const ChatTemplate& chat_template) {
  std::vector<size_t> found;
  if (CountBreakpoints(conversation) == 0) return found;
  std::string marked;
  const std::string sign = NewSign();
  size_t signs = 0;
  {
    ChatInput copy = conversation;
    const std::vector<SignPlace> places = PlacesIn(&copy);
    for (const SignPlace& place : places) place.text->insert(place.before ? 0 : place.text->size(), sign);
    signs = places.size();
    absl::StatusOr<std::string> rendered = chat_template.RenderReplayed(copy);
    if (!rendered.ok()) return found;
    marked = *std::move(rendered);
  }
  std::string plain;
  plain.reserve(marked.size());
  for (size_t at = 0; at < marked.size();) {
    const size_t next = std::min(marked.find(sign, at), marked.size());
    plain.append(marked, at, next - at);
    if (next < marked.size() && found.size() < signs) found.push_back(plain.size());
    at = next + sign.size();
  }
  const size_t same = CommonBytes(text, plain);
  for (size_t& bytes : found) bytes = std::min(bytes, same);
  std::erase(found, 0);
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

std::vector<int64_t> BreakpointTokens(const std::vector<size_t>& bytes, std::string_view text,
                                      const std::vector<int32_t>& ids, const Tokenizer& tokenizer) {
  // Of a longer text no part is tokenized again.
  constexpr size_t kMostAgain = 1 << 20;
  std::vector<int64_t> tokens;
  if (bytes.empty()) return tokens;
  const std::optional<std::vector<size_t>> ends = TokenEnds(text, ids, tokenizer);
  for (const size_t end : bytes) {
    int64_t count = 0;
    if (ends) {
      count = std::upper_bound(ends->begin(), ends->end(), end) - ends->begin();
    } else if (text.size() <= kMostAgain) {
      const absl::StatusOr<std::vector<int32_t>> part =
          tokenizer.Encode(text.substr(0, end), {.add_special_tokens = false});
      if (!part.ok()) continue;
      count = std::mismatch(ids.begin(), ids.end(), part->begin(), part->end()).first - ids.begin();
    }
    if (count > 0 && (tokens.empty() || count > tokens.back())) tokens.push_back(count);
  }
  return tokens;
}

}  // namespace batucada
