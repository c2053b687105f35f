// One response while it is made: what came of the engine, and what becomes of it in the store.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "server/generate/generation_group.h"
#include "server/generate/service.h"
#include "server/memory/account.h"
#include "server/responses/response_object.h"
#include "server/responses/response_output.h"
#include "server/store/records.h"

namespace batucada {

// Known before it is made. `record` holds what it goes on from and is given.
struct ResponseDraft {
  ResponseObject object;
  StoreScope scope = 0;
  StoredResponse record;
  ResponseOutput::Form form;
  std::shared_ptr<const AnswerForm> answer;  // what to look for in the text; null: nothing
  Client client;                             // who asked
  MemoryCharge memory;                       // for all of this
};

// Used by one thread at a time; for as long as it lives, RunningResponses knows of it until it is kept.
class ResponseRun {
 public:
  ResponseRun(Service& service, ResponseDraft draft, std::unique_ptr<GenerationGroup> group);
  ~ResponseRun();
  ResponseRun(const ResponseRun&) = delete;
  ResponseRun& operator=(const ResponseRun&) = delete;

  void OnReady(const std::function<void()>& wake) { group_->OnReady(wake); }
  // Takes what the engine has made. True once it has ended: then the object says how.
  bool Poll();
  // Once it has ended: has it written to the store, on the store's thread, which then calls `wake`; at once, if it is
  // not to be kept. What is long becomes JSON on a thread for large texts.
  void Keep(const std::function<void()>& wake);
  // Likewise on this thread, which may wait.
  void KeepNow();
  // True once the store has it, or has refused it: then the object says so.
  bool kept();

  const Client& client() const { return client_; }
  const ResponseObject& object() const { return object_; }
  const ResponseOutput& output() const { return *output_; }
  const GenerationGroup& group() const { return *group_; }
  // The response as it was when it began.
  const std::string& begun() const { return begun_; }
  // With its output. REQUIRES: it has ended.
  Pieces Write(JsonWriter& json) const;

 private:
  // Between this and the store's thread, which may outlive it.
  struct Keeping {
    std::mutex mutex;            // guards what follows
    std::function<void()> wake;  // empty once nobody waits
    bool done = false;
    absl::Status status;  // once done

    void End(absl::Status how);
  };
  StoredResponse MakeRecord();  // without its output
  // Charges the record with its output, or says why it cannot be kept.
  absl::Status MakeRoom(int64_t bytes);
  int64_t RecordBytes() const;
  // Has it kept, or says why not.
  absl::Status Post();

  Service& service_;
  ResponseObject object_;
  const std::string begun_;
  const StoreScope scope_;
  const Client client_;
  StoredResponse record_;
  MemoryCharge memory_;
  std::shared_ptr<ResponseOutput> output_;  // who makes its JSON may outlive this
  std::optional<Finish> finish_;
  std::unique_ptr<GenerationGroup> group_;
  std::shared_ptr<Keeping> keeping_;  // once Keep was called
  bool told_ = false;                 // the object says what became of it
};

// What a client is told of a response that could not be kept.
absl::Status StoreFailure(const absl::Status& status);

}  // namespace batucada
