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
#include "server/telemetry/request_record.h"
#include "server/translate.h"

namespace batucada {

// Counts and writes down a request that was refused before it reached the engine.
void NoteRefusal(Service& service, const RequestOrigin& origin, const absl::Status& status);

// Used by one thread at a time. Destroying it cancels what still runs, and writes the request into the journal.
class GenerationGroup {
 public:
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
  const RequestUsage& usage() const { return record_.usage; }        // complete once done
  const RequestTimings& timings() const { return record_.timings; }  // likewise
  // Set if a generation ended in a way that is the server's to explain: shutdown, deadline, overrun, failure.
  const absl::Status& failure() const { return record_.status; }

 private:
  GenerationGroup(Service& service, RequestRecord record) : service_(service), record_(std::move(record)) {}
  absl::Status Add(Request request);
  void Note(const Finish& finish);
  void NoteReason(std::string_view reason);

  Service& service_;
  std::vector<std::optional<Generation>> generations_;  // empty once ended
  size_t running_ = 0;
  RequestRecord record_;
};

}  // namespace batucada
