// Runs what a message asks for where it holds up nobody: small ones on the connection's thread, large ones in the pool
// that HTTP's large requests share.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <utility>

#include <spdlog/spdlog.h>
#include <boost/asio/post.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/generate/generation_group.h"
#include "server/generate/service.h"
#include "server/generate/work_attempt.h"
#include "server/grpc/call.h"
#include "server/net/work_pool.h"

namespace batucada {

// What `work` gives, or what became of it instead. A library's exceptions end here.
template <typename T>
absl::StatusOr<T> RunGuarded(const std::function<absl::StatusOr<T>()>& work, const RequestOrigin& origin) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("there is no memory for this request: send a smaller one");
  } catch (const std::exception& exception) {
    spdlog::error("a request ended by an exception: {} request_id={}", exception.what(), origin.request_id);
    return absl::InternalError("the server failed to handle this request");
  }
}

// What tells the call, from any thread, what came of its work: `done` hears the first word, on the call's thread and
// only while the call is there. False: there was one already.
template <typename T>
std::function<bool(absl::StatusOr<T>)> TellOnce(const std::shared_ptr<CallHandler>& handler, Call& call,
                                                std::function<void(absl::StatusOr<T>)> done) {
  return [weak = std::weak_ptr<CallHandler>(handler), executor = call.executor(), done = std::move(done),
          told = std::make_shared<std::atomic<bool>>()](absl::StatusOr<T> found) {
    if (told->exchange(true)) return false;
    // std::function wants to copy what it holds.
    auto result = std::make_shared<absl::StatusOr<T>>(std::move(found));
    boost::asio::post(executor, [weak, result, done] {
      const auto alive = weak.lock();
      if (alive == nullptr || alive->over()) return;
      alive->Guarded([&] { done(std::move(*result)); });
    });
    return true;
  };
}

// Runs `work` and then, on the call's thread and only while the call is there, `done` with what it gave: at once for
// messages up to kInlineBodyBytes, later for larger or compressed ones and where `work` was deferred
// (work_attempt.h), which is then run again. `work` must be thread-safe and know nothing of the handler.
// RESOURCE_EXHAUSTED, and neither is called, where too much waits already; `done` gets UNAVAILABLE where the pool ends
// first. REQUIRES: `service` outlives the work.
template <typename T>
[[nodiscard]] absl::Status RunForCall(Service& service, const std::shared_ptr<CallHandler>& handler, Call& call,
                                      const WireMessage& message, std::function<absl::StatusOr<T>()> work,
                                      std::function<void(absl::StatusOr<T>)> done) {
  const RequestOrigin origin = call.info().origin;
  int64_t deferred = 0;
  if (message.bytes.size() <= kInlineBodyBytes && message.encoding == MessageEncoding::kIdentity) {
    std::optional<absl::StatusOr<T>> result;
    {
      const WorkAttempt attempt(kInlineBodyBytes);
      result.emplace(RunGuarded(work, origin));
      deferred = attempt.deferred_bytes();
    }
    if (deferred == 0) {
      done(*std::move(result));
      return absl::OkStatus();
    }
  }
  const int64_t bytes = deferred > 0 ? deferred : WorkBytes(message.bytes);
  const std::weak_ptr<CallHandler> weak = handler;
  const auto tell = TellOnce<T>(handler, call, std::move(done));
  const absl::Status refusal = PostAttempt(
      service.workers, origin.client, bytes,
      [weak, origin, work = std::move(work), tell] {
        if (weak.expired()) return;
        absl::StatusOr<T> result = RunGuarded(work, origin);
        if (!WorkAttempt::Void()) tell(std::move(result));
      },
      [&service, origin, tell](const absl::Status& why) {
        if (tell(why)) NoteRefusal(service, origin, why);
      });
  if (!refusal.ok()) NoteRefusal(service, origin, refusal);
  return refusal;
}

}  // namespace batucada
