#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <boost/json.hpp>

#include "base/digest.h"
#include "server/common/request_id.h"
#include "server/compat/anthropic.h"
#include "server/generate/finish_answer.h"
#include "server/http/sse.h"
#include "server/json/json_writer.h"

namespace batucada {
namespace {

namespace bj = boost::json;
using Kind = AnswerPiece::Kind;

// The input of a call as an object; what is none stands in one, under the name that Anthropic's own clients use.
std::string AsObject(const std::string& arguments) {
  bj::error_code error;
  const bj::value value = bj::parse(bj::string_view(arguments.data(), arguments.size()), error);
  if (!error && value.is_object()) return arguments;
  return bj::serialize(bj::object{{"INVALID_JSON", arguments}});
}

// What a block of thinking is signed with, for clients that keep none without: nothing here depends on it.
std::string SignatureOf(std::string_view thinking) {
  Digest digest;
  digest.Add(thinking);
  return digest.Hex();
}

class MessagesDialect : public Dialect {
 public:
  void Begin(Asked asked) override {
    Dialect::Begin(std::move(asked));
    id_ = "msg_" + NewRequestId();
    const std::shared_ptr<const AnswerForm>& form = this->asked().answer;
    form_ = form != nullptr ? form : std::make_shared<const AnswerForm>();
    parser_.emplace(form_);
  }

  Pieces Whole(const std::vector<Generated>& told, JsonWriter& json) override {
    const Generated& generated = told.front();
    AnswerPieces pieces;
    parser_->Add(generated.text, &pieces);
    FinishAnswer(*parser_, *form_, generated.finish, &pieces);
    json.BeginObject();
    WriteHead(json);
    json.Key("content").BeginArray();
    const std::vector<AnswerPiece> all = pieces.Take();
    for (size_t i = 0; i < all.size(); ++i) {
      json.BeginObject();
      switch (all[i].kind) {
        case Kind::kText:
          json.Key("type").String("text").Key("text");
          BATUCADA_WRITE(json.LongString(all[i].text));
          break;
        case Kind::kThinking:
          json.Key("type").String("thinking").Key("thinking");
          BATUCADA_WRITE(json.LongString(all[i].text));
          json.Key("signature").String(SignatureOf(all[i].text));
          break;
        case Kind::kCall: {
          used_tools_ = true;
          std::string arguments;
          const std::string& name = all[i].text;
          while (i + 1 < all.size() && all[i + 1].kind == Kind::kArguments) arguments += all[++i].text;
          WriteUse(name, json);
          json.Key("input").Raw(AsObject(arguments));
          break;
        }
        case Kind::kArguments: break;  // each is read with its call
      }
      json.EndObject();
    }
    json.EndArray();
    WriteStop(generated.finish, json);
    WriteUsage(&generated.usage, json);
    json.EndObject();
  }

  void Start(std::string* body) override {
    AppendEvent("message_start", body, [this](JsonWriter& json) {
      json.Key("message").BeginObject();
      WriteHead(json);
      json.Key("content").BeginArray().EndArray().Key("stop_reason").Null().Key("stop_sequence").Null();
      WriteUsage(nullptr, json);
      json.EndObject();
    });
    KeepAlive(body);
  }

  void Piece(const Generated&, const Update& update, std::string* body) override {
    AnswerPieces pieces;
    parser_->Add(update.text, &pieces);
    WritePieces(pieces.Take(), body);
  }

  void End(const Generated& generated, std::string* body) override {
    AnswerPieces pieces;
    FinishAnswer(*parser_, *form_, generated.finish, &pieces);
    WritePieces(pieces.Take(), body);
    CloseBlock(body);
    AppendEvent("message_delta", body, [&](JsonWriter& json) {
      json.Key("delta").BeginObject();
      WriteStop(generated.finish, json);
      json.EndObject();
      WriteUsage(&generated.usage, json);
    });
    AppendEvent("message_stop", body, [](JsonWriter&) {});
  }

  void Fail(const absl::Status& status, std::string* body) override {
    BeginEvent(body, "error");
    JsonWriter(body).Raw(ErrorResponse(status, ErrorForm::kAnthropic).body);
    EndEvent(body);
  }

  void KeepAlive(std::string* body) override {
    AppendEvent("ping", body, [](JsonWriter&) {});
  }

 private:
  template <typename Write>
  static void AppendEvent(std::string_view type, std::string* body, Write write) {
    body->append("event: ").append(type).append("\ndata: ");
    JsonWriter json(body);
    json.BeginObject().Key("type").String(type);
    write(json);
    json.EndObject();
    *body += "\n\n";
  }

  void WriteHead(JsonWriter& json) const {
    json.Key("id").String(id_).Key("type").String("message").Key("role").String("assistant");
    json.Key("model").String(asked().model);
  }

  void WriteUse(std::string_view name, JsonWriter& json) const {
    const bool short_ids = asked().answer != nullptr && asked().answer->calls == CallFormat::kMistral;
    const std::string id = short_ids ? NewRequestId().substr(0, 9) : "toolu_" + NewRequestId().substr(0, 24);
    json.Key("type").String("tool_use").Key("id").String(id).Key("name").String(name);
  }

  void WriteStop(const Finish& finish, JsonWriter& json) const {
    const EndedBy end = EndOf(finish);
    const std::string_view reason = end == EndedBy::kLength       ? "max_tokens"
                                    : end == EndedBy::kStopString ? "stop_sequence"
                                    : used_tools_                 ? "tool_use"
                                                                  : "end_turn";
    json.Key("stop_reason").String(reason).Key("stop_sequence");
    finish.stop_string ? json.String(*finish.stop_string) : json.Null();
  }

  // Without `usage`: before anything is generated.
  void WriteUsage(const RequestUsage* usage, JsonWriter& json) const {
    const int64_t cached = usage == nullptr ? 0 : usage->cached_tokens;
    // What is kept beyond what was asked for is nobody's account.
    const int64_t written =
        usage == nullptr ? 0 : std::clamp<int64_t>(asked().last_breakpoint - cached, 0, usage->cache_write_tokens);
    json.Key("usage").BeginObject().Key("input_tokens").Int(asked().prompt_tokens - cached - written);
    json.Key("cache_creation_input_tokens").Int(written).Key("cache_read_input_tokens").Int(cached);
    json.Key("output_tokens").Int(usage == nullptr ? 0 : usage->generated_tokens).EndObject();
  }

  void WritePieces(const std::vector<AnswerPiece>& pieces, std::string* body) {
    for (const AnswerPiece& piece : pieces) {
      const bool goes_on = open_ && piece.kind != Kind::kCall &&
                           (*open_ == piece.kind || (*open_ == Kind::kCall && piece.kind == Kind::kArguments));
      if (!goes_on) OpenBlock(piece, body);
      if (piece.kind == Kind::kCall || piece.text.empty()) continue;
      AppendEvent("content_block_delta", body, [&](JsonWriter& json) {
        const bool text = piece.kind == Kind::kText, thinking = piece.kind == Kind::kThinking;
        json.Key("index").Int(index_).Key("delta").BeginObject().Key("type");
        json.String(text ? "text_delta" : thinking ? "thinking_delta" : "input_json_delta");
        json.Key(text ? "text" : thinking ? "thinking" : "partial_json").String(piece.text).EndObject();
      });
      if (piece.kind == Kind::kThinking) thought_->Add(piece.text);
    }
  }

  void OpenBlock(const AnswerPiece& piece, std::string* body) {
    CloseBlock(body);
    open_ = piece.kind;
    if (piece.kind == Kind::kThinking) thought_.emplace();
    ++index_;
    AppendEvent("content_block_start", body, [&](JsonWriter& json) {
      json.Key("index").Int(index_).Key("content_block").BeginObject();
      if (piece.kind == Kind::kText) {
        json.Key("type").String("text").Key("text").String("");
      } else if (piece.kind == Kind::kThinking) {
        json.Key("type").String("thinking").Key("thinking").String("").Key("signature").String("");
      } else {
        used_tools_ = true;
        WriteUse(piece.text, json);
        json.Key("input").BeginObject().EndObject();
      }
      json.EndObject();
    });
  }

  void CloseBlock(std::string* body) {
    if (!open_) return;
    if (open_ == Kind::kThinking) {
      AppendEvent("content_block_delta", body, [this](JsonWriter& json) {
        json.Key("index").Int(index_).Key("delta").BeginObject().Key("type").String("signature_delta");
        json.Key("signature").String(thought_->Hex()).EndObject();
      });
    }
    open_.reset();
    AppendEvent("content_block_stop", body, [this](JsonWriter& json) { json.Key("index").Int(index_); });
  }

  std::string id_;
  std::shared_ptr<const AnswerForm> form_;  // of the parser
  std::optional<AnswerParser> parser_;
  std::optional<Kind> open_;       // the block that is open
  std::optional<Digest> thought_;  // of the thinking that is
  int64_t index_ = -1;             // of the block that was opened last
  bool used_tools_ = false;
};

}  // namespace

std::unique_ptr<Dialect> MakeMessagesDialect() { return std::make_unique<MessagesDialect>(); }

}  // namespace batucada
