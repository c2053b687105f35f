#include "server/net/io_pool.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

#include <spdlog/spdlog.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "base/status.h"

namespace batucada {

namespace asio = boost::asio;

class IoPool::Loop {
 public:
  Loop() : context_(/*concurrency_hint=*/1), work_(context_.get_executor()), thread_([this] { Run(); }) {}
  ~Loop() {
    work_.reset();
    context_.stop();
    thread_.join();
  }

  asio::io_context& context() { return context_; }

 private:
  void Run() {
    pthread_setname_np(pthread_self(), "batucada-io");
    while (true) {
      try {
        context_.run();
        return;
      } catch (const std::exception& exception) {  // of one task: memory ran out, most likely
        spdlog::error("a task of an I/O thread ended by an exception: {}", exception.what());
      }
    }
  }

  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
};

class IoPool::Impl {
 public:
  explicit Impl(int32_t threads) {
    for (int32_t i = 0; i < threads; ++i) loops_.push_back(std::make_unique<Loop>());
  }
  Loop& Next() { return *loops_[next_.fetch_add(1, std::memory_order_relaxed) % loops_.size()]; }

 private:
  std::vector<std::unique_ptr<Loop>> loops_;
  std::atomic<size_t> next_{0};
};

IoPool::IoPool(int32_t threads) {
  BATUCADA_CHECK(threads > 0, threads);
  impl_ = std::make_unique<Impl>(threads);
}
IoPool::~IoPool() = default;

asio::io_context& IoPool::NextContext() { return impl_->Next().context(); }

int32_t DefaultIoThreads() { return std::clamp(static_cast<int32_t>(std::thread::hardware_concurrency()) / 4, 1, 4); }

}  // namespace batucada
