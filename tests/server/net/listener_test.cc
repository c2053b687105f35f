// A port's door: who is passed on, with what, and where it ends.
#include <netinet/tcp.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>

#include "server/net/listener.h"
#include "tests/server/raw_client.h"

namespace batucada {
namespace {

using boost::asio::ip::tcp;
using ::testing::HasSubstr;

class ListenerTest : public ::testing::Test {
 protected:
  struct Newcomer {
    tcp::socket socket;
    Door::Seat seat;
    size_t bytes = 0;  // that were there when it was passed on
  };

  ~ListenerTest() override {
    if (listener_ != nullptr) Stop();
  }

  std::shared_ptr<Listener> Make(int32_t port) {
    return std::make_shared<Listener>(
        Listener::Options{.host = "127.0.0.1", .port = port, .protocol = "HTTP", .advice = "choose another"}, door_);
  }

  void Start() {
    listener_ = Make(0);
    ASSERT_TRUE(listener_->Listen().ok());
    listener_->Start({.admit =
                          [this](tcp::socket socket, Door::Seat seat, Room) {
                            const std::lock_guard lock(mutex_);
                            if (refusals_ > 0) {
                              --refusals_;
                              throw std::bad_alloc();
                            }
                            const size_t bytes = socket.available();
                            passed_.push_back({std::move(socket), std::move(seat), bytes});
                            changed_.notify_all();
                          },
                      .make_room = [] {},
                      .stopped =
                          [this] {
                            const std::lock_guard lock(mutex_);
                            ++stops_;
                            changed_.notify_all();
                          }});
  }

  void Stop() {
    listener_->Stop();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stops_ > 0; });
    EXPECT_EQ(stops_, 1);
    listener_ = nullptr;
  }

  // The one who is passed on next.
  Newcomer Take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !passed_.empty(); });
    Newcomer first = std::move(passed_.front());
    passed_.erase(passed_.begin());
    return first;
  }

  IoPool pool_{2};
  Door door_{pool_};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Newcomer> passed_;
  int refusals_ = 0;
  int stops_ = 0;
  std::shared_ptr<Listener> listener_;
};

TEST_F(ListenerTest, PassesNewcomersOnToALoop) {
  Start();
  RawClient client(listener_->port());
  ASSERT_TRUE(client.Send("hello"));
  Newcomer newcomer = Take();
  EXPECT_NE(newcomer.seat.loop, &door_.context());
  EXPECT_EQ(&newcomer.socket.get_executor().target<boost::asio::io_context::executor_type>()->context(),
            newcomer.seat.loop);
  std::string text(5, ' ');
  boost::asio::read(newcomer.socket, boost::asio::buffer(text));
  EXPECT_EQ(text, "hello");
}

// Small pieces of a stream leave at once, and one whose machine has gone is noticed some day.
TEST_F(ListenerTest, SocketsAreSetUpForStreams) {
  Start();
  RawClient client(listener_->port());
  Newcomer newcomer = Take();
  tcp::no_delay at_once;
  boost::asio::socket_base::keep_alive watched;
  newcomer.socket.get_option(at_once);
  newcomer.socket.get_option(watched);
  EXPECT_TRUE(at_once.value());
  EXPECT_TRUE(watched.value());
  int unsent = 0;
  socklen_t size = sizeof(unsent);
  ASSERT_EQ(getsockopt(newcomer.socket.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, &size), 0);
  EXPECT_GT(unsent, 0);
  EXPECT_LE(unsent, 1 << 20);
}

TEST_F(ListenerTest, LetsInWhoeverIsSilent) {
  Start();
  RawClient silent(listener_->port());
  EXPECT_EQ(Take().bytes, 0U);
}

TEST_F(ListenerTest, LetsInMoreThanMayWaitAtTheDoor) {
  Start();
  std::vector<std::unique_ptr<RawClient>> crowd;
  for (int i = 0; i < 400; ++i) crowd.push_back(std::make_unique<RawClient>(listener_->port()));
  std::vector<Newcomer> passed;
  while (passed.size() < crowd.size()) passed.push_back(Take());
  EXPECT_THAT(passed_, ::testing::IsEmpty());
}

TEST_F(ListenerTest, GoesOnWhereOneCannotBeTaken) {
  refusals_ = 1;
  Start();
  RawClient first(listener_->port());
  ASSERT_TRUE(first.Send("a"));
  EXPECT_EQ(first.ReadToEnd(), "");
  EXPECT_TRUE(first.closed_by_peer());
  RawClient second(listener_->port());
  ASSERT_TRUE(second.Send("b"));
  EXPECT_TRUE(Take().socket.is_open());
}

TEST_F(ListenerTest, LetsNobodyInOnceItIsStopped) {
  Start();
  const int port = listener_->port();
  Stop();
  EXPECT_FALSE(RawClient(port).connected());
}

TEST_F(ListenerTest, SaysWhyItCannotListen) {
  Start();
  const absl::Status status = Make(listener_->port())->Listen();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot listen for HTTP on 127.0.0.1:"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("Address already in use; choose another"));
}

TEST(DoorTest, DealsSeatsInTurnAndTakesThemBack) {
  IoPool pool(2);
  Door door(pool);
  std::vector<Door::Seat> seats;
  for (int i = 0; i < 1000; ++i) seats.push_back(door.TakeSeat());
  EXPECT_NE(seats[0].loop, seats[1].loop);
  for (size_t i = 2; i < seats.size(); ++i) EXPECT_EQ(seats[i].loop, seats[i - 2].loop);
  EXPECT_NE(seats[0].loop, &door.context());
  EXPECT_NE(seats[1].loop, &door.context());
}

}  // namespace
}  // namespace batucada
