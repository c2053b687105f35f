#include "server/net/door.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <exception>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace batucada {
namespace {

namespace asio = boost::asio;

constexpr size_t kStatesAtOnce = 256;  // 50 KB

// Has `loop` make what it keeps of `count` descriptors. It keeps that for descriptors to come and never gives it back:
// made one by one, between all that a connection has, each of them holds a page of the heap for ever, 40 MB after
// 10,000 connections that are gone.
void MakeDescriptorStates(asio::io_context& loop, size_t count) {
  std::vector<asio::posix::stream_descriptor> watched;
  watched.reserve(count);
  while (watched.size() < count) {
    const int descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (descriptor < 0) return;  // there are no more: then there will be no more connections, either
    asio::posix::stream_descriptor state(loop);
    boost::system::error_code error;
    state.assign(descriptor, error);
    if (error) {
      close(descriptor);
      return;
    }
    watched.push_back(std::move(state));
  }
}

// Likewise, side by side. A thread of its own has an arena of its own, which the next such thread takes over: where
// connections are made, what they no longer need leaves gaps that two or three of these fit into.
void MakeDescriptorStatesApart(asio::io_context& loop, size_t count) {
  try {
    std::thread([&loop, count] {
      try {
        MakeDescriptorStates(loop, count);
      } catch (const std::exception&) {  // no memory
      }
    }).join();
  } catch (const std::system_error&) {  // no thread
  }
  // Where this failed, each is made when it is needed.
}

}  // namespace

Door::Seat Door::TakeSeat() {
  asio::io_context& loop = loops_.NextContext();
  std::shared_ptr<Row> row;
  {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<Row>& known = rows_[&loop];
    if (known == nullptr) known = std::make_shared<Row>();
    row = known;
  }
  bool more = false;
  {
    const std::lock_guard lock(row->mutex);
    more = ++row->seats > row->states;
    if (more) row->states += kStatesAtOnce;
  }
  Seat seat{.loop = &loop, .taken = std::shared_ptr<void>(nullptr, [row](void*) {
                             const std::lock_guard lock(row->mutex);
                             --row->seats;
                           })};
  if (more) MakeDescriptorStatesApart(loop, kStatesAtOnce);
  return seat;
}

}  // namespace batucada
