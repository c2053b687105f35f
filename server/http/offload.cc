#include "server/http/offload.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <new>
#include <string_view>
#include <utility>

#include <spdlog/spdlog.h>

#include "server/common/error.h"
#include "server/generate/estimate.h"
#include "server/generate/generation_group.h"
#include "server/http/body_coding.h"
#include "server/http/handover.h"
#include "server/http/request_origin.h"

namespace batucada {
namespace {

class OffloadedAnswer : public LiveAnswer {
 public:
  explicit OffloadedAnswer(std::shared_ptr<Handover> handover) : handover_(std::move(handover)) {}
  ~OffloadedAnswer() override { handover_->Abandon(); }

  void OnReady(std::function<void()> wake) override {
    wake_ = wake;
    handover_->OnReady(std::move(wake));
  }

  Progress Advance(std::optional<HttpResponse>* head, std::string* body) override {
    if (inner_ == nullptr) {
      std::optional<Answer> answer = handover_->Take();
      if (!answer) return Progress::kWaiting;
      if (auto* response = std::get_if<HttpResponse>(&*answer)) {
        *head = std::move(*response);
        return Progress::kDone;
      }
      inner_ = std::get<std::unique_ptr<LiveAnswer>>(*std::move(answer));
      inner_->OnReady(wake_);
    }
    return inner_->Advance(head, body);
  }

  void KeepAlive(std::string* body) override {
    if (inner_ != nullptr) inner_->KeepAlive(body);
  }

 private:
  std::shared_ptr<Handover> handover_;
  std::function<void()> wake_;
  std::unique_ptr<LiveAnswer> inner_;  // once it is there
};

// Members of a grammar, or a name that is spelled with escapes: compiling one of a kilobyte may take as long as reading
// a prompt of megabytes.
bool MayHoldGrammar(std::string_view body) {
  constexpr std::string_view kWords[] = {"format", "structured", "guided", "grammar", "tools", "\\u"};
  return std::any_of(std::begin(kWords), std::end(kWords),
                     [body](std::string_view word) { return body.find(word) != std::string_view::npos; });
}
constexpr int64_t kGrammarBytes = 64 << 10;  // what compiling one counts as when turns are dealt

// `max_body_bytes`: of a body when it is decoded.
Answer Handle(Service& service, const RequestOrigin& origin, const Handler& handler, HttpRequest request,
              size_t max_body_bytes) {
  const std::string id = request.request_id;
  const ErrorForm form = request.error_form;
  try {
    if (std::optional<HttpResponse> refusal = DecodeBody(&request, max_body_bytes)) return *std::move(refusal);
    // Here rather than on arrival: only what is being read takes it, a few requests at a time.
    const absl::StatusOr<MemoryCharge> parsing =
        service.memory.Charge(MemoryPart::kParsing, ParsingBytes(request.body));
    if (!parsing.ok()) {
      NoteRefusal(service, origin, parsing.status());
      return ErrorResponse(parsing.status(), form);
    }
    return handler(std::move(request));
  } catch (const std::bad_alloc&) {
    NoteRefusal(service, origin, OutOfMemory());
    return ErrorResponse(OutOfMemory(), form);
  } catch (const std::exception& exception) {
    spdlog::error("a request ended by an exception: {} request_id={}", exception.what(), id);
    return ErrorResponse(absl::InternalError("the server failed to handle this request"), form);
  }
}

}  // namespace

Handler OffThread(Service& service, std::string api, Handler handler, Offload when) {
  return [&service, api = std::move(api), handler = std::move(handler), when](HttpRequest request) -> Answer {
    const bool coded = HasCodedBody(request);
    // Among larger ones it makes no difference to the turns.
    const bool grammar = request.body.size() <= 8 * kInlineBodyBytes && MayHoldGrammar(request.body);
    const bool small = request.body.size() <= kInlineBodyBytes && !coded && !grammar;
    if (small && when == Offload::kIfLarge) return handler(std::move(request));
    auto handover = std::make_shared<Handover>();
    const auto limit = service.config.http.max_body_bytes;
    // What takes time is the text, which is several times as long as its encoding.
    constexpr int64_t kUsualRatio = 8;
    const auto size = std::max<int64_t>(static_cast<int64_t>(request.body.size()), kInlineBodyBytes);
    const int64_t bytes = coded ? std::min(kUsualRatio * size, limit) : grammar ? kGrammarBytes : size;
    const RequestOrigin origin = OriginOf(request, api);
    const ErrorForm form = request.error_form;
    // std::function wants to copy what it holds; the request itself is only moved.
    auto held = std::make_shared<HttpRequest>(std::move(request));
    const absl::Status refusal = service.workers.TryPost(
        origin.client, bytes, [&service, origin, handover, held = std::move(held), handler, limit] {
          if (!handover->abandoned())
            handover->Put(Handle(service, origin, handler, std::move(*held), static_cast<size_t>(limit)));
        });
    if (refusal.ok()) return std::make_unique<OffloadedAnswer>(std::move(handover));
    NoteRefusal(service, origin, refusal);
    return ErrorResponse(refusal, form);
  };
}

}  // namespace batucada
