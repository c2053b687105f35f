#include "server/compat/anthropic_blocks.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"

namespace batucada {
namespace {

namespace bj = boost::json;

// What a message comes to, block by block.
struct Said {
  bj::array texts;  // parts
  bj::array calls;
  std::string thinking;
  bj::array results;  // messages of the role tool
};

bj::object TextPart(const std::string& text) { return {{"type", "text"}, {"text", text}}; }

// Whether a checkpoint is asked for behind the block (text/breakpoints.h).
const bj::value* MarkOf(const bj::value& block) {
  const bj::value* const mark = block.is_object() ? block.get_object().if_contains("cache_control") : nullptr;
  return mark != nullptr && mark->is_object() ? mark : nullptr;
}

bj::object Marked(bj::object made, const bj::value& block) {
  if (const bj::value* const mark = MarkOf(block)) made["cache_control"] = *mark;
  return made;
}

// The block's members but those that say only how it is kept.
RequestReader Members(const bj::object& block, const std::string& path, const RequestReader& reader) {
  RequestReader members(block, path + ".", reader);
  for (const char* kept : {"cache_control", "citations", "caller"}) members.Take(kept);
  return members;
}

// The text of a block that must have one.
std::string TextOf(RequestReader& members) {
  std::string text;
  members.Read("text", &text);
  if (members.ok() && members.Take("text") == nullptr) members.Fail("text", "is missing", "missing_parameter");
  return text;
}

std::string TypeOf(RequestReader& reader, const std::string& path, const bj::value& block) {
  const bj::object* object = block.if_object();
  const bj::value* type = object == nullptr ? nullptr : object->if_contains("type");
  if (type != nullptr && type->is_string()) return {type->get_string().data(), type->get_string().size()};
  reader.Fail(path, fmt::format("must be an object with a type, not {}", DescribeJson(block)));
  return "";
}

// `holds`: who has which blocks.
void RefuseType(RequestReader& reader, const std::string& path, std::string_view type, std::string_view holds) {
  reader.Fail(path + ".type", fmt::format("is {}: {} alone", Printable(type), holds), "unsupported_parameter");
}

void ReadUserBlock(RequestReader& reader, const std::string& path, const bj::value& block, Said* said) {
  const std::string type = TypeOf(reader, path, block);
  if (!reader.ok()) return;
  if (type != "text" && type != "tool_result") {
    return RefuseType(reader, path, type, "this server takes, in a user's message, text and tool_result blocks");
  }
  RequestReader members = Members(block.get_object(), path, reader);
  members.Take("type");
  std::string text;
  if (type == "text") {
    text = TextOf(members);
    said->texts.push_back(Marked(TextPart(text), block));
  } else {
    std::string id;
    bool is_error = false;
    members.Read("tool_use_id", &id);
    members.Read("is_error", &is_error);
    const bj::value* content = members.Take("content");
    if (members.ok() && id.empty()) members.Fail("tool_use_id", "is missing", "missing_parameter");
    if (content != nullptr) text = ReadTextBlocks(reader, path + ".content", *content);
    if (is_error && text.empty()) text = "error";
    said->results.push_back(Marked({{"role", "tool"}, {"tool_call_id", id}, {"content", text}}, block));
  }
  reader.Fail(members.Finish());
}

void ReadAssistantBlock(RequestReader& reader, const std::string& path, const bj::value& block, Said* said) {
  const std::string type = TypeOf(reader, path, block);
  if (!reader.ok() || type == "redacted_thinking") return;
  if (type != "text" && type != "thinking" && type != "tool_use") {
    return RefuseType(reader, path, type,
                      "this server takes, in an assistant's message, text, thinking and tool_use blocks");
  }
  RequestReader members = Members(block.get_object(), path, reader);
  members.Take("type");
  std::string text, unused;
  if (type == "text") {
    text = TextOf(members);
    said->texts.push_back(Marked(TextPart(text), block));
  } else if (type == "thinking") {
    members.Read("thinking", &text);
    members.Read("signature", &unused);
    said->thinking += text;
  } else {
    std::string id, name;
    members.Read("id", &id);
    members.Read("name", &name);
    const bj::value* input = members.Take("input");
    if (members.ok() && id.empty()) members.Fail("id", "is missing", "missing_parameter");
    if (members.ok() && name.empty()) members.Fail("name", "is missing", "missing_parameter");
    if (members.ok() && (input == nullptr || !input->is_object())) {
      members.Fail("input",
                   fmt::format("must be an object, not {}", input == nullptr ? "absent" : DescribeJson(*input)));
    }
    if (members.ok()) {
      const bj::object function = {{"name", name}, {"arguments", *input}};
      said->calls.push_back({{"id", id}, {"type", "function"}, {"function", function}});
    }
  }
  reader.Fail(members.Finish());
}

}  // namespace

bj::array ReadSystemBlocks(RequestReader& reader, const std::string& path, const bj::value& content) {
  bj::array parts;
  const bj::array* const blocks = content.if_array();
  if (blocks == nullptr) {
    const std::string text = ReadTextBlocks(reader, path, content);
    if (!text.empty()) parts.push_back(TextPart(text));
    return parts;
  }
  std::string open;  // texts since the last mark
  for (size_t i = 0; i < blocks->size() && reader.ok(); ++i) {
    const bj::value& block = (*blocks)[i];
    const std::string text = ReadTextBlocks(reader, path, bj::array{block}, i);
    if (!open.empty()) open += '\n';
    open += text;
    if (open.empty() || (MarkOf(block) == nullptr && i + 1 < blocks->size())) continue;
    parts.push_back(Marked(TextPart(open), block));
    open.clear();
  }
  return parts;
}

std::string ReadTextBlocks(RequestReader& reader, const std::string& path, const bj::value& content, size_t first) {
  if (const bj::string* text = content.if_string()) return {text->data(), text->size()};
  if (!content.is_array()) {
    reader.Fail(path, fmt::format("must be a string or a list of text blocks, not {}", DescribeJson(content)));
    return "";
  }
  std::string whole;
  size_t i = first;
  for (const bj::value& block : content.get_array()) {
    const std::string at = fmt::format("{}[{}]", path, i++);
    const std::string type = TypeOf(reader, at, block);
    if (!reader.ok()) return "";
    if (type != "text") {
      RefuseType(reader, at, type, "this server takes, in a system prompt or a tool's result, text blocks");
      return "";
    }
    RequestReader members = Members(block.get_object(), at, reader);
    members.Take("type");
    const std::string text = TextOf(members);
    reader.Fail(members.Finish());
    if (!whole.empty()) whole += '\n';
    whole += text;
  }
  return whole;
}

void ReadAnthropicMessage(RequestReader& reader, const std::string& path, const bj::value& message,
                          bj::array* messages) {
  if (!message.is_object()) return reader.Fail(path, fmt::format("must be an object, not {}", DescribeJson(message)));
  RequestReader members(message.get_object(), path + ".", reader);
  std::string role;
  members.Read("role", &role);
  const bj::value* content = members.Take("content");
  for (const char* kept : {"id", "type", "model", "stop_reason", "stop_sequence", "usage", "container"}) {
    members.Take(kept);  // of an answer that is sent back whole
  }
  if (members.ok() && role != "user" && role != "assistant" && role != "system") {
    members.Fail("role", "must be one of user, assistant, system",
                 role.empty() ? "missing_parameter" : "invalid_value");
  }
  if (members.ok() && (content == nullptr || (!content->is_string() && !content->is_array()))) {
    members.Fail("content", fmt::format("must be a string or a list of blocks, not {}",
                                        content == nullptr ? "absent" : DescribeJson(*content)));
  }
  reader.Fail(members.Finish());
  if (!reader.ok()) return;
  if (content->is_string()) {
    messages->push_back({{"role", role}, {"content", *content}});
    return;
  }
  Said said;
  const bj::array& blocks = content->get_array();
  if (blocks.empty() && role != "assistant") {
    return reader.Fail(path + ".content", "is an empty list: give at least one block", "invalid_value");
  }
  for (size_t i = 0; i < blocks.size() && reader.ok(); ++i) {
    const std::string at = fmt::format("{}.content[{}]", path, i);
    role == "assistant" ? ReadAssistantBlock(reader, at, blocks[i], &said)
                        : ReadUserBlock(reader, at, blocks[i], &said);
  }
  for (bj::value& result : said.results) messages->push_back(std::move(result));
  if (said.texts.empty() && said.calls.empty() && role != "assistant") return;  // results alone
  bj::object made = {{"role", role}};
  if (!said.thinking.empty()) made["reasoning_content"] = said.thinking;
  if (!said.texts.empty() || said.calls.empty()) {
    made["content"] = said.texts.empty() ? bj::value("") : bj::value(std::move(said.texts));
  }
  if (!said.calls.empty()) made["tool_calls"] = std::move(said.calls);
  messages->push_back(std::move(made));
}

}  // namespace batucada
