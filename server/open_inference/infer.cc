#include "server/open_inference/infer.h"

#include <deque>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "absl/strings/numbers.h"
#include "base/json.h"
#include "base/status.h"
#include "server/common/error.h"
#include "server/http/request_origin.h"
#include "server/http/sse.h"
#include "server/open_inference/infer_answer.h"
#include "server/open_inference/infer_json.h"

namespace batucada {
namespace {

constexpr std::string_view kJsonLength = "inference-header-content-length";

enum class WholeForm : uint8_t { kGenerate, kInferJson, kInferBinary };

class WholeInfer : public LiveAnswer {
 public:
  WholeInfer(std::unique_ptr<InferAnswer> answer, WholeForm form) : answer_(std::move(answer)), form_(form) {}

  void OnReady(std::function<void()> wake) override { answer_->OnReady(wake); }

  Progress Advance(std::optional<HttpResponse>* head, std::string*) override {
    std::deque<InferResponse> responses;
    answer_->Take(&responses);
    if (!answer_->done()) return Progress::kWaiting;
    *head = answer_->failure().ok() ? Write(responses.front()) : InferError(answer_->failure());
    return Progress::kDone;
  }

 private:
  HttpResponse Write(const InferResponse& response) const {
    if (form_ == WholeForm::kGenerate) return JsonResponse(WriteGenerateResponse(*answer_, response));
    std::string binary;
    const OutputForm output = form_ == WholeForm::kInferBinary ? OutputForm::kBinary : OutputForm::kJson;
    std::string json = WriteInferResponse(*answer_, response, output, &binary);
    if (form_ == WholeForm::kInferJson) return JsonResponse(std::move(json));
    return {.content_type = "application/octet-stream",
            .headers = {{std::string(kJsonLength), fmt::format("{}", json.size())}},
            .body = json + binary};
  }

  std::unique_ptr<InferAnswer> answer_;
  const WholeForm form_;
};

class StreamedInfer : public LiveAnswer {
 public:
  explicit StreamedInfer(std::unique_ptr<InferAnswer> answer) : answer_(std::move(answer)) {}

  void OnReady(std::function<void()> wake) override { answer_->OnReady(wake); }

  Progress Advance(std::optional<HttpResponse>* head, std::string* body) override {
    if (!std::exchange(started_, true)) *head = EventStreamHead();
    std::deque<InferResponse> responses;
    answer_->Take(&responses);
    for (const InferResponse& response : responses) {
      if (!response.texts.empty()) AppendEvent(WriteGenerateResponse(*answer_, response), body);
    }
    if (!answer_->done()) return Progress::kWaiting;
    if (!answer_->failure().ok()) AppendEvent(InferError(answer_->failure()).body, body);
    return Progress::kDone;
  }

  void KeepAlive(std::string* body) override { AppendComment("keep-alive", body); }

 private:
  std::unique_ptr<InferAnswer> answer_;
  bool started_ = false;
};

// Model and version as the path has them.
void NameModel(const HttpRequest& request, InferRequest* to) {
  to->model = request.captures.front();
  if (request.captures.size() > 1) to->version = request.captures[1];
}

absl::StatusOr<std::optional<size_t>> JsonLength(const HttpRequest& request) {
  const std::string_view value = request.Header(kJsonLength);
  if (value.empty()) return std::nullopt;
  uint64_t length = 0;
  if (!absl::SimpleAtoi(absl::string_view(value.data(), value.size()), &length)) {
    return InvalidParameter(kJsonLength, fmt::format("{} is {}, not a number of bytes", kJsonLength, Printable(value)));
  }
  return static_cast<size_t>(length);
}

absl::StatusOr<InferBody> ReadInfer(const HttpRequest& request) {
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<size_t> json_length, JsonLength(request));
  BATUCADA_ASSIGN_OR_RETURN(InferBody body, ParseInfer(request.body, json_length));
  NameModel(request, &body.request);
  return body;
}

absl::StatusOr<InferRequest> ReadGenerate(const HttpRequest& request, InferCall call) {
  BATUCADA_ASSIGN_OR_RETURN(InferRequest read, ParseGenerate(request.body, call));
  NameModel(request, &read);
  return read;
}

}  // namespace

HttpResponse InferError(const absl::Status& status) { return ErrorResponse(status, ErrorForm::kOpenInference); }

Answer HandleInfer(Service& service, const HttpRequest& request) {
  absl::StatusOr<InferBody> body = ReadInfer(request);
  const bool binary = body.ok() && body->output_form == OutputForm::kBinary;
  auto answer =
      InferAnswer::Submit(service, body.ok() ? absl::StatusOr<InferRequest>(std::move(body->request)) : body.status(),
                          InferCall::kOneResponse, OriginOf(request, "infer"), absl::InfiniteFuture());
  if (!answer.ok()) return InferError(answer.status());
  return std::make_unique<WholeInfer>(*std::move(answer), binary ? WholeForm::kInferBinary : WholeForm::kInferJson);
}

Answer HandleGenerate(Service& service, const HttpRequest& request) {
  auto answer = InferAnswer::Submit(service, ReadGenerate(request, InferCall::kOneResponse), InferCall::kOneResponse,
                                    OriginOf(request, "generate"), absl::InfiniteFuture());
  if (!answer.ok()) return InferError(answer.status());
  return std::make_unique<WholeInfer>(*std::move(answer), WholeForm::kGenerate);
}

Answer HandleGenerateStream(Service& service, const HttpRequest& request) {
  auto answer = InferAnswer::Submit(service, ReadGenerate(request, InferCall::kStream), InferCall::kStream,
                                    OriginOf(request, "generate_stream"), absl::InfiniteFuture());
  if (!answer.ok()) return InferError(answer.status());
  return std::make_unique<StreamedInfer>(*std::move(answer));
}

}  // namespace batucada
