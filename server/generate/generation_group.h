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
#include "server/generate/service.h"
#include "server/generate/translate.h"
#include "server/memory/account.h"
#include "server/telemetry/request_record.h"

namespace batucada {

// Counts and writes down a request that was refused before it reached the engine.
void NoteRefusal(Service& service, const RequestOrigin& origin, const absl::Status& status);

// Who takes what is generated.
enum class Reader : uint8_t {
  kClient,  // as fast as it reads: one that falls --stream-buffer-tokens behind loses its request
  kServer,  // who keeps it until it is whole: late on a busy machine, what waits is charged as it grows
};

// Used by one thread at a time. Destroying it cancels what still runs, and writes the request into the journal.
class GenerationGroup {
 public:
  // Submits all or none. Errors are the engine's, counted as rejections and logged.
  static absl::StatusOr<std::unique_ptr<GenerationGroup>> Submit(Service& service, Translation translation,
                                                                 RequestOrigin origin, Reader reader);
  ~GenerationGroup();
  GenerationGroup(const GenerationGroup&) = delete;
  GenerationGroup& operator=(const GenerationGroup&) = delete;

  // See Generation::OnReady: from the step loop's thread, quick.
  void OnReady(const std::function<void()>& wake);
  // Gives `take` everything that is ready, choice by choice, without waiting. What is said of a prompt is the same for
  // all its choices: it is computed once and their updates share it.
  using Taker = std::function<void(size_t index, Update& update)>;
  void Poll(const Taker& take);
  // What Poll gives is kept until all is done, as it is by a Reader::kServer: it is charged as it grows. A request that
  // grows past the budget ends, and failure() says why.
  void KeepWhole() { keeps_whole_ = true; }
  bool done() const { return running_ == 0; }
  // Of those that run.
  std::vector<SequenceId> sequences() const {
    std::vector<SequenceId> ids;
    for (const std::optional<Generation>& generation : generations_) {
      if (generation) ids.push_back(generation->id());
    }
    return ids;
  }
  const RequestUsage& usage() const { return record_.usage; }        // complete once done
  const RequestTimings& timings() const { return record_.timings; }  // likewise
  // Set if a generation ended in a way that is the server's to explain: shutdown, deadline, overrun, failure.
  const absl::Status& failure() const { return record_.status; }

 private:
  GenerationGroup(Service& service, RequestRecord record, Reader reader)
      : service_(service), record_(std::move(record)), reader_(reader), keeps_whole_(reader == Reader::kServer) {}
  // Charges what waits in the channels beyond what was charged for them; null: there is no more.
  TokenRoom MakeRoom() const;
  // The choices of one prompt.
  absl::Status Add(Request request, const TokenRoom& room);
  // Tells the other choices of a prompt what its first has learnt of it.
  void ShareWithOthers(size_t first, const Update& update, const Taker& take);
  // Charges what the request will hold, or says what is too large.
  absl::Status ChargeMemory(const Translation& translation);
  // Charges tokens that were taken and are kept; false if there is no room for them.
  bool ChargeKept(size_t tokens);
  absl::Status Refuse(absl::Status status);  // notes it and gives it back
  void End();                                // of whatever still runs
  void Note(const Finish& finish);
  void NoteReason(std::string_view reason);

  Service& service_;
  size_t choices_per_prompt_ = 1;
  std::string narrowing_;                               // see Translation
  bool only_scores_ = false;                            // nothing is generated
  std::vector<int64_t> scores_due_;                     // of each prompt: scores that its first choice has yet to tell
  std::vector<std::optional<Generation>> generations_;  // choice by choice; empty once ended, or where not needed
  size_t running_ = 0;
  RequestRecord record_;

  MemoryCharge prompt_memory_, choice_memory_, score_memory_, answer_memory_;
  const Reader reader_;
  bool keeps_whole_;
  int64_t token_bytes_ = 0;
  int64_t kept_bytes_ = 0;  // of answer_memory_
};

}  // namespace batucada
