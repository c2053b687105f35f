#include "server/responses/stored_answer.h"

#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "absl/strings/ascii.h"
#include "base/json.h"
#include "server/common/error.h"

namespace batucada {
namespace {

constexpr size_t kPieceBytes = 32 << 10;

class TextAnswer : public LiveAnswer {
 public:
  TextAnswer(std::string text, MemoryCharge memory, Headers headers)
      : text_(std::move(text)), memory_(std::move(memory)), headers_(std::move(headers)) {}

  void OnReady(std::function<void()> wake) override { wake(); }
  Progress Advance(std::optional<HttpResponse>* head, std::string* body) override {
    if (at_ == 0) *head = HttpResponse{.headers = std::move(headers_)};
    body->append(text_, at_, kPieceBytes);
    at_ += kPieceBytes;
    return at_ < text_.size() ? Progress::kMore : Progress::kDone;
  }

 private:
  const std::string text_;
  const MemoryCharge memory_;
  Headers headers_;  // until they are told
  size_t at_ = 0;    // what is written
};

}  // namespace

absl::Status StoreTrouble() {
  return WithParameter(absl::UnavailableError("the server's store cannot be read or written now"), "",
                       "store_unavailable");
}

HttpResponse StoreError(const absl::Status& status, std::string_view noun, std::string_view id,
                        std::string_view parameter) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return ErrorResponse(WithParameter(
          absl::NotFoundError(fmt::format("{} with id '{}' not found.", noun, Printable(id))), "",
          fmt::format("{}_not_found", absl::AsciiStrToLower(absl::string_view(noun.data(), noun.size())))));
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kResourceExhausted: {
      const bool large = absl::IsResourceExhausted(status);
      return ErrorResponse(WithParameter(status, parameter, large ? "request_too_large" : "invalid_value"));
    }
    default: return ErrorResponse(StoreTrouble());
  }
}

Answer StoredJson(Service& service, std::string json, Headers headers) {
  if (json.size() <= kPieceBytes) {
    HttpResponse response = JsonResponse(std::move(json));
    response.headers = std::move(headers);
    return response;
  }
  absl::StatusOr<MemoryCharge> memory = service.memory.Charge(MemoryPart::kAnswer, static_cast<int64_t>(json.size()));
  if (!memory.ok()) return ErrorResponse(memory.status());
  return std::make_unique<TextAnswer>(std::move(json), *std::move(memory), std::move(headers));
}

}  // namespace batucada
