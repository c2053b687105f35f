// A long JSON document on its way to a client: written as it is taken, so that little of it lies in memory.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "server/http/http.h"
#include "server/json/json_writer.h"
#include "server/json/pieces.h"

namespace batucada {

// Used by one thread at a time. Stays where it was made: its writer looks at it.
class Document {
 public:
  // `write` is called once, at once; what it refers to outlives this.
  explicit Document(const std::function<Pieces(JsonWriter& json)>& write) : pieces_(write(json_)) {}
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  // Appends the next piece to `body`, up to about 32 KiB of it, or the rest. kMore or kDone.
  LiveAnswer::Progress Advance(std::string* body) {
    text_.swap(*body);
    bool more = pieces_.Next();
    while (more && !json_.full()) more = pieces_.Next();
    text_.swap(*body);
    return more ? LiveAnswer::Progress::kMore : LiveAnswer::Progress::kDone;
  }

 private:
  std::string text_;  // the body, while it is written
  JsonWriter json_{&text_};
  Pieces pieces_;
};

// An answer that is one document, made of what it holds by itself.
class DocumentAnswer : public LiveAnswer {
 public:
  // What `write` holds, charges included, lives as long as the answer.
  explicit DocumentAnswer(std::function<Pieces(JsonWriter& json)> write, Headers headers = {})
      : headers_(std::move(headers)), write_(std::move(write)), document_(write_) {}

  void OnReady(std::function<void()> wake) override { wake(); }
  Progress Advance(std::optional<HttpResponse>* head, std::string* body) override {
    if (!std::exchange(started_, true)) *head = HttpResponse{.headers = std::move(headers_)};
    return document_.Advance(body);
  }

 private:
  Headers headers_;
  const std::function<Pieces(JsonWriter& json)> write_;
  Document document_;
  bool started_ = false;
};

}  // namespace batucada
