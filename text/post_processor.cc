#include "text/post_processor.h"
#include "base/strings.h"

namespace batucada {
namespace {

// Every special token a template names, and the ids it stands for. A template adds a handful of tokens; one that adds
// thousands to each request is a mistake.
constexpr size_t kMaxAdded = 256;

void ParseTemplate(const JsonCursor& json, int32_t id_limit, TokenAffixes* out) {
  std::vector<int32_t> before, after;
  bool seen_text = false;
  for (const JsonCursor& item : json["single"].Elements()) {
    if (const JsonCursor text = item["Sequence"]; !text.absent()) {
      if (text["id"].String("A") != "A" || seen_text) text.Fail("a template for one text must have exactly the text A");
      seen_text = true;
      continue;
    }
    const JsonCursor name = item["SpecialToken"]["id"];
    const JsonCursor token = json["special_tokens"][name.String()];
    if (!json.ok()) return;
    if (token.absent()) return name.Fail(Concat("special_tokens does not list ", Quoted(name.String())));
    for (const JsonCursor& id : token["ids"].Elements()) {
      (seen_text ? after : before).push_back(static_cast<int32_t>(id.Int(0, id_limit - 1)));
    }
  }
  if (!seen_text) json["single"].Fail("a template for one text must have exactly the text A");
  // A later processor of a sequence wraps what the earlier ones made.
  out->before.insert(out->before.begin(), before.begin(), before.end());
  out->after.insert(out->after.end(), after.begin(), after.end());
  if (out->before.size() + out->after.size() > kMaxAdded) {
    json.Fail(Concat("adds more than ", kMaxAdded, " tokens to every text"));
  }
}

void ParseStep(const JsonCursor& json, int32_t id_limit, TokenAffixes* out) {
  const std::string_view type = json["type"].String();
  if (type == "Sequence") {
    for (const JsonCursor& step : json["processors"].Elements()) ParseStep(step, id_limit, out);
  } else if (type == "TemplateProcessing") {
    ParseTemplate(json, id_limit, out);
  } else if (type != "ByteLevel") {
    json.Unsupported(Concat("post-processor ", Quoted(type)));
  }
}

}  // namespace

TokenAffixes ParsePostProcessor(const JsonCursor& json, int32_t id_limit) {
  TokenAffixes result;
  if (!json.absent()) ParseStep(json, id_limit, &result);
  return result;
}

}  // namespace batucada
