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

// What the events of an item are called.
struct EventNames {
  std::string_view part_added, delta, done, part_done;  // a call has no parts
  std::string_view index;                               // of the part
  std::string_view text;                                // the member with all of it
};

const EventNames& NamesOf(const OutputItem& item, const ResponseOutput::Form& form) {
  static constexpr EventNames kMessage = {"response.content_part.added",
                                          "response.output_text.delta",
                                          "response.output_text.done",
                                          "response.content_part.done",
                                          "content_index",
                                          "text"};
  static constexpr EventNames kReasoning = {"response.content_part.added",
                                            "response.reasoning_text.delta",
                                            "response.reasoning_text.done",
                                            "response.content_part.done",
                                            "content_index",
                                            "text"};
  static constexpr EventNames kSummary = {"response.reasoning_summary_part.added",
                                          "response.reasoning_summary_text.delta",
                                          "response.reasoning_summary_text.done",
                                          "response.reasoning_summary_part.done",
                                          "summary_index",
                                          "text"};
  static constexpr EventNames kCall = {
      "", "response.function_call_arguments.delta", "response.function_call_arguments.done", "", "", "arguments"};
  switch (item.kind) {
    case OutputItem::Kind::kMessage: return kMessage;
    case OutputItem::Kind::kReasoning: return form.summary ? kSummary : kReasoning;
    case OutputItem::Kind::kCall: return kCall;
  }
  return kMessage;
}

}  // namespace

std::optional<ResponseEvent> ResponseEvents::Next(bool kept) {
  using Kind = ResponseEvent::Kind;
  const std::deque<OutputItem>& items = run_.output().items();
  const auto event = [this](Kind kind, std::string_view type, Stage next) {
    stage_ = next;
    return ResponseEvent{.kind = kind, .type = type, .item = item_};
  };
  const auto names = [this](const OutputItem& item) { return NamesOf(item, run_.output().form()); };
  const auto ended = [](ResponseEvent of) {
    of.as = ResponseOutput::As::kEnded;
    return of;
  };
  switch (stage_) {
    case Stage::kCreated: return event(Kind::kBegun, "response.created", Stage::kInProgress);
    case Stage::kInProgress: return event(Kind::kBegun, "response.in_progress", Stage::kItem);
    case Stage::kItem:
      if (item_ < items.size()) {
        told_text_ = told_tokens_ = 0;
        const bool has_part = items[item_].kind != OutputItem::Kind::kCall;
        return event(Kind::kItem, "response.output_item.added", has_part ? Stage::kPart : Stage::kText);
      }
      if (!kept) return std::nullopt;
      return event(Kind::kEnded, LastEvent(run_.object().status), Stage::kDone);
    case Stage::kPart: return event(Kind::kPart, names(items[item_]).part_added, Stage::kText);
    case Stage::kText: {
      const OutputItem& item = items[item_];
      if (item.text.size() > told_text_ || item.tokens.size() > told_tokens_) {
        ResponseEvent delta = event(Kind::kTextDelta, names(item).delta, Stage::kText);
        delta.begin = std::exchange(told_text_, item.text.size());
        delta.first_token = std::exchange(told_tokens_, item.tokens.size());
        return delta;
      }
      if (item.state == OutputItem::State::kOpen) return std::nullopt;
      const bool has_part = item.kind != OutputItem::Kind::kCall;
      return event(Kind::kTextDone, names(item).done, has_part ? Stage::kPartDone : Stage::kItemDone);
    }
    case Stage::kPartDone: return ended(event(Kind::kPart, names(items[item_]).part_done, Stage::kItemDone));
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
    const EventNames& names = NamesOf(item, output.form());
    if (event.kind != Kind::kItem) json.Key("item_id").String(item.id);
    if (event.kind != Kind::kItem && !names.index.empty()) json.Key(names.index).Int(0);
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
        if (item.kind == OutputItem::Kind::kMessage) {
          json.Key("logprobs");
          BATUCADA_WRITE(output.WriteLogprobs(item, event.first_token, json));
        }
        const bool done = event.kind == Kind::kTextDone;
        if (done && item.kind == OutputItem::Kind::kCall) json.Key("name").String(item.name);
        json.Key(done ? names.text : "delta");
        BATUCADA_WRITE(json.LongString(std::string_view{item.text}.substr(event.begin)));
        break;
      }
      case Kind::kBegun:
      case Kind::kEnded: break;
    }
  }
  json.EndObject();
}

}  // namespace batucada
