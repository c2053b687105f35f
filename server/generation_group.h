// The generations of one client request, n for each of its prompts, followed together; and the line about them in the
// log. Both front ends sit on this.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "server/service.h"
#include "server/translate.h"

namespace batucada {

// Where a request came from: for the log.
struct RequestOrigin {
  std::string api;  // "completions", "grpc.generate"
  std::string request_id;
  std::string trace_id;  // W3C's, if the client sent one
};

// Counts and logs a request that was refused before it reached the engine.
void NoteRefusal(Service& service, const RequestOrigin& origin, const absl::Status& status);

// Used by one thread at a time. Destroying it cancels what still runs, and writes the log line.
class GenerationGroup {
 public:
  struct Usage {
    int64_t prompt_tokens = 0;  // each prompt once, however many choices it has
    int64_t generated_tokens = 0;
  };

  // Of the generation that was longest in each; zero for what none of them came to.
  struct Timings {
    absl::Duration queue, prefill, decode;
  };

  // Submits all or none. Errors are the engine's, counted as rejections and logged.
  static absl::StatusOr<std::unique_ptr<GenerationGroup>> Submit(Service& service, Translation translation,
                                                                 RequestOrigin origin);
  ~GenerationGroup();
  GenerationGroup(const GenerationGroup&) = delete;
  GenerationGroup& operator=(const GenerationGroup&) = delete;

  // See Generation::OnReady: from the step loop's thread, quick.
  void OnReady(const std::function<void()>& wake);
  // Gives `take` everything that is ready, generation by generation, without waiting.
  void Poll(const std::function<void(size_t index, Update& update)>& take);
  bool done() const { return running_ == 0; }
  const Usage& usage() const { return usage_; }        // complete once done
  const Timings& timings() const { return timings_; }  // complete once done
  // Set if a generation ended in a way that is the server's to explain: shutdown, deadline, overrun, failure.
  const absl::Status& failure() const { return failure_; }

 private:
  GenerationGroup(Service& service, RequestOrigin origin) : service_(service), origin_(std::move(origin)) {}
  absl::Status Add(Request request);
  void Note(const Finish& finish);

  Service& service_;
  const RequestOrigin origin_;
  std::vector<std::optional<Generation>> generations_;  // empty once ended
  size_t running_ = 0;
  Usage usage_;
  absl::Status failure_;
  const absl::Time submitted_ = absl::Now();
  Timings timings_;
  std::string finish_reasons_;
};

}  // namespace batucada
