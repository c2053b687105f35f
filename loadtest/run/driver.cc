#include "loadtest/run/driver.h"

#include <thread>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace batucada::loadtest {
namespace {

namespace asio = boost::asio;

class Worker {
 public:
  Worker(const DriverOptions& options, int32_t clients, const Workload& workload, const RequestContext& context,
         Tickets& tickets, TimePoint start)
      : workload_(workload), tickets_(tickets), recorder_(start, options.slo, options.detail),
        requester_(io_, context, recorder_), context_(context), chaos_(options.chaos),
        troublemaker_(io_, context.target, context.closing_head, PathOf(context.body.endpoint()), options.chaos,
                      tally_) {
    if (options.loop == Loop::kOpen) {
      asio::co_spawn(io_, Dispatch(), asio::detached);
    } else {
      for (int32_t i = 0; i < clients; ++i) asio::co_spawn(io_, Client(), asio::detached);
    }
    thread_ = std::thread([this] { io_.run(); });
  }

  void AddTo(DriveResult* result) {
    thread_.join();
    result->totals.Merge(recorder_);
    result->chaos.Merge(tally_);
  }

 private:
  Task<void> Client() {
    while (true) {
      const TimePoint now = Clock::now();
      const std::optional<Ticket> ticket = tickets_.Take(now - recorder_.start());
      if (!ticket) co_return;
      Session session = workload_.Make(ticket->index);
      // The client became free before it made up its mind what to ask; that is not the server's time.
      const TimePoint due = Clock::now();
      co_await Do(ticket->index, std::move(session), due);
    }
  }

  Task<void> Dispatch() {
    asio::steady_timer alarm(io_);
    while (const std::optional<Ticket> ticket = tickets_.Take(Clock::now() - recorder_.start())) {
      Session session = workload_.Make(ticket->index);  // before it is due: making it takes time
      const TimePoint due = recorder_.start() + ticket->due;
      if (Clock::now() < due) {
        alarm.expires_at(due);
        co_await alarm.async_wait(kNoThrow);
      } else {
        co_await asio::post(io_, asio::use_awaitable);  // behind: let answers be read in between
      }
      asio::co_spawn(io_, Do(ticket->index, std::move(session), due), asio::detached);
    }
  }

  // A session, or the mischief that is done in its stead.
  Task<void> Do(uint64_t index, Session session, TimePoint due) {
    const Mischief mischief = chaos_.mix.Draw(chaos_.seed, index);
    if (mischief == Mischief::kNone) {
      co_await requester_.Run(index, std::move(session), due);
      co_return;
    }
    const Turn& turn = session.turns.front();
    const std::string body = context_.body.Write(turn.prompt, turn.output_tokens);
    std::string request = context_.closing_head.Post(PathOf(context_.body.endpoint()), body);
    co_await troublemaker_.Do(mischief, index, std::move(request));
  }

  asio::io_context io_{1};
  const Workload& workload_;
  Tickets& tickets_;
  Recorder recorder_;
  Requester requester_;
  const RequestContext& context_;
  const ChaosOptions& chaos_;
  ChaosTally tally_;
  Troublemaker troublemaker_;
  std::thread thread_;
};

}  // namespace

DriveResult Drive(const DriverOptions& options, const Workload& workload, const RequestContext& context,
                  Tickets& tickets) {
  const TimePoint start = Clock::now();
  std::vector<std::unique_ptr<Worker>> workers;
  for (int32_t i = 0; i < options.threads; ++i) {
    const int32_t clients = options.clients / options.threads + (i < options.clients % options.threads ? 1 : 0);
    workers.push_back(std::make_unique<Worker>(options, clients, workload, context, tickets, start));
  }
  DriveResult result = {.totals = Recorder(start, options.slo, options.detail)};
  for (const std::unique_ptr<Worker>& worker : workers) worker->AddTo(&result);
  return result;
}

}  // namespace batucada::loadtest
