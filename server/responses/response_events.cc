#include "server/responses/response_events.h"

#include <deque>
#include <utility>

namespace batucada {
namespace {

std::string_view LastEvent(ResponseStatus status) {
  switch (status) {
    case ResponseStatus::kCompleted: return "response.completed";
    case ResponseStatus::kFailed: return "response.failed";
    default: return "response.incomplete";
  }
}

}  // namespace

std::optional<ResponseEvent> ResponseEvents::Next(bool kept) {
  using Kind = ResponseEvent::Kind;
  const std::deque<OutputItem>& items = run_.output().items();
  const auto event = [this](Kind kind, std::string_view type, Stage next) {
    stage_ = next;
    return ResponseEvent{.kind = kind, .type = type, .item = item_};
  };
  const auto ended = [](ResponseEvent of) {
    of.as = ResponseOutput::As::kEnded;
    return of;
  };
  switch (stage_) {
    case Stage::kCreated: return event(Kind::kBegun, "response.created", Stage::kInProgress);
    case Stage::kInProgress: return event(Kind::kBegun, "response.in_progress", Stage::kItem);
    case Stage::kItem:
      if (item_ < items.size()) return event(Kind::kItem, "response.output_item.added", Stage::kPart);
      if (!kept) return std::nullopt;
      return event(Kind::kEnded, LastEvent(run_.object().status), Stage::kDone);
    case Stage::kPart:
      told_text_ = told_tokens_ = 0;
      return event(Kind::kPart, "response.content_part.added", Stage::kText);
    case Stage::kText: {
      const OutputItem& item = items[item_];
      if (item.text.size() > told_text_ || item.tokens.size() > told_tokens_) {
        ResponseEvent delta = event(Kind::kTextDelta, "response.output_text.delta", Stage::kText);
        delta.begin = std::exchange(told_text_, item.text.size());
        delta.first_token = std::exchange(told_tokens_, item.tokens.size());
        return delta;
      }
      if (item.state == OutputItem::State::kOpen) return std::nullopt;
      return event(Kind::kTextDone, "response.output_text.done", Stage::kPartDone);
    }
    case Stage::kPartDone: return ended(event(Kind::kPart, "response.content_part.done", Stage::kItemDone));
    case Stage::kItemDone: {
      const ResponseEvent done = ended(event(Kind::kItem, "response.output_item.done", Stage::kItem));
      ++item_;
      return done;
    }
    case Stage::kDone: return std::nullopt;
  }
  return std::nullopt;
}

Pieces ResponseEvents::Write(ResponseEvent event, JsonWriter& json) {
  using Kind = ResponseEvent::Kind;
  json.BeginObject().Key("type").String(event.type).Key("sequence_number").Int(sequence_++);
  if (event.kind == Kind::kBegun) {
    json.Key("response").Raw(run_.begun());
  } else if (event.kind == Kind::kEnded) {
    json.Key("response");
    BATUCADA_WRITE(run_.Write(json));
  } else {
    const ResponseOutput& output = run_.output();
    const OutputItem& item = output.items()[event.item];
    json.Key("output_index").Int(static_cast<int64_t>(event.item));
    if (event.kind != Kind::kItem) json.Key("item_id").String(item.id).Key("content_index").Int(0);
    switch (event.kind) {
      case Kind::kItem:
        json.Key("item");
        BATUCADA_WRITE(output.WriteItem(item, event.as, json));
        break;
      case Kind::kPart:
        json.Key("part");
        BATUCADA_WRITE(output.WritePart(item, event.as, json));
        break;
      case Kind::kTextDelta:
      case Kind::kTextDone: {
        json.Key("logprobs");
        BATUCADA_WRITE(output.WriteLogprobs(item, event.first_token, json));
        json.Key(event.kind == Kind::kTextDelta ? "delta" : "text");
        BATUCADA_WRITE(json.LongString(std::string_view(item.text).substr(event.begin)));
        break;
      }
      case Kind::kBegun:
      case Kind::kEnded: break;
    }
  }
  json.EndObject();
}

}  // namespace batucada
