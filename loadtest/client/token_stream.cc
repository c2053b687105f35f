#include "loadtest/client/token_stream.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "loadtest/client/event_scan.h"

namespace batucada::loadtest {
namespace {

namespace json = boost::json;

constexpr size_t kMaxEventBytes = 16 << 20;

int64_t IntOr0(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_int64() ? value->as_int64() : 0;
}

std::string_view StringOrEmpty(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string_view(value->as_string()) : std::string_view();
}

const json::object* ObjectIn(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr ? value->if_object() : nullptr;
}

}  // namespace

void TokenStream::Feed(std::string_view bytes, TimePoint now) {
  parser_.Feed(bytes, [&](std::string_view data) { TakeEvent(data, now); });
  if (parser_.held_bytes() > kMaxEventBytes) {
    malformed_ = fmt::format("an event is longer than {} bytes", kMaxEventBytes);
    parser_.Reset();
  }
}

void TokenStream::TakeEvent(std::string_view data, TimePoint now) {
  ++events_;
  if (data == "[DONE]") {
    done_ = true;
    return;
  }
  const EventTraits traits = ScanEvent(data);
  if (traits.has_text) {
    if (text_events_++ == 0) {
      first_text_ = now;
    } else {
      inter_token_.Record(now - last_text_);
      if (gaps_ != nullptr) gaps_->push_back(now - last_text_);
    }
    last_text_ = now;
  }
  if (traits.needs_parse || (traits.has_text && keep_ == KeepText::kYes)) Parse(data);
}

void TokenStream::Parse(std::string_view data) {
  boost::system::error_code error;
  const json::value parsed = json::parse(data, error);
  const json::object* event = error ? nullptr : parsed.if_object();
  if (event == nullptr) {
    malformed_ = fmt::format("an event is not a JSON object: {}", data.substr(0, 100));
    return;
  }
  if (const json::object* usage = ObjectIn(*event, "usage")) {
    usage_ = {.prompt_tokens = IntOr0(*usage, "prompt_tokens"),
              .completion_tokens = IntOr0(*usage, "completion_tokens")};
  }
  if (const json::value* failure = event->if_contains("error"); failure != nullptr && !failure->is_null()) {
    const json::object* detail = failure->if_object();
    error_ = detail != nullptr ? std::string(StringOrEmpty(*detail, "message")) : json::serialize(*failure);
    if (error_.empty()) error_ = json::serialize(*failure);
  }
  const json::value* choices = event->if_contains("choices");
  if (choices == nullptr || !choices->is_array()) return;
  for (const json::value& element : choices->as_array()) {
    const json::object* choice = element.if_object();
    if (choice == nullptr) continue;
    const std::string_view reason = StringOrEmpty(*choice, "finish_reason");
    if (!reason.empty()) finish_reason_ = reason;
    if (keep_ == KeepText::kNo) continue;
    const json::object* delta = ObjectIn(*choice, "delta");
    text_ += delta != nullptr ? StringOrEmpty(*delta, "content") : StringOrEmpty(*choice, "text");
  }
}

}  // namespace batucada::loadtest
