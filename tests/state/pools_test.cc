// Copies of a sequence's state between tiers, on every device there is: what comes back is what was there, and nothing
// else has changed.
#include "engine/state/pools.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

namespace batucada {
namespace {

StateShape Shape() {
  return {
      .recurrent = {{.layers = 2, .d_inner = 40, .d_state = 16, .conv_width = 4},
                    {.layers = 1, .d_inner = 24, .d_state = 8, .conv_width = 4}},
      .kv = {{.layers = 2, .kv_heads = 2, .head_dim = 64, .window = 100}, {.layers = 1, .kv_heads = 1, .head_dim = 64}},
      .block_tokens = 16,
      .vocab = 100,
      .activation = DType::kF32};
}

class PoolsTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    auto ops = std::string(GetParam()) == "cuda" ? MakeCudaOps(0) : MakeCpuOps(2);
    if (!ops.ok()) GTEST_SKIP() << ops.status();
    ops_ = *std::move(ops);
    auto pools = StatePools::Create(Shape(),
                                    {.running = {.slots = 3, .blocks = {5, 7}},
                                     .device = {.slots = 2, .blocks = {4, 0}},
                                     .host = {.slots = 2, .blocks = {6, 6}},
                                     .parked = {.slots = 2, .blocks = {3, 3}},
                                     .control_rows = 2},
                                    *ops_);
    ASSERT_TRUE(pools.ok()) << pools.status();
    pools_ = std::make_unique<StatePools>(*std::move(pools));
  }

  // All of the running slots and blocks, as the kernels' views see them.
  struct Image {
    std::vector<char> recurrent, window, growing;
    std::vector<int32_t> last;
    bool operator==(const Image&) const = default;
  };
  Image Read() {
    Image image;
    const StateShape shape = Shape();
    image.recurrent.resize(static_cast<size_t>(3 * shape.SlotBytes()));
    image.window.resize(static_cast<size_t>(5 * shape.BlockBytes(shape.kv[0])));
    image.growing.resize(static_cast<size_t>(7 * shape.BlockBytes(shape.kv[1])));
    image.last.resize(3);
    ops_->device().CopyToHost(image.recurrent.data(), pools_->Recurrent({.group = 0, .layer = 0}).ssm,
                              image.recurrent.size());
    ops_->device().CopyToHost(image.window.data(), pools_->Kv({.group = 0, .layer = 0}).k, image.window.size());
    ops_->device().CopyToHost(image.growing.data(), pools_->Kv({.group = 1, .layer = 0}).k, image.growing.size());
    ops_->device().CopyToHost(image.last.data(), pools_->last_token(), 3 * sizeof(int32_t));
    EXPECT_TRUE(ops_->device().Synchronize().ok());
    return image;
  }
  void Write(const Image& image) {
    ops_->device().CopyToDevice(pools_->Recurrent({.group = 0, .layer = 0}).ssm, image.recurrent.data(),
                                image.recurrent.size());
    ops_->device().CopyToDevice(pools_->Kv({.group = 0, .layer = 0}).k, image.window.data(), image.window.size());
    ops_->device().CopyToDevice(pools_->Kv({.group = 1, .layer = 0}).k, image.growing.data(), image.growing.size());
    ops_->device().CopyToDevice(pools_->last_token(), image.last.data(), 3 * sizeof(int32_t));
    EXPECT_TRUE(ops_->device().Synchronize().ok());
  }
  Image Random() {
    Image image = Read();
    std::mt19937 random(7);
    for (auto* bytes : {&image.recurrent, &image.window, &image.growing}) {
      for (char& byte : *bytes) byte = static_cast<char>(random());
    }
    for (int32_t& id : image.last) id = static_cast<int32_t>(random() % 100);
    return image;
  }
  void Copy(const std::vector<PageCopy>& copies) { ops_->device().CopyPieces(pools_->Pieces(copies)); }

  std::unique_ptr<Ops> ops_;  // outlives the pools
  std::unique_ptr<StatePools> pools_;
};

PageRef Running(PageId page) { return {Tier::kRunning, page}; }
PageRef OnDevice(PageId page) { return {Tier::kDevice, page}; }
PageRef OnHost(PageId page) { return {Tier::kHost, page}; }
PageRef Parked(PageId page) { return {Tier::kParked, page}; }

TEST_P(PoolsTest, AStateComesBackFromTheDeviceAndFromTheHost) {
  const Image image = Random();
  Write(image);
  // The sequence in slot 1, blocks 3 and 0 of the window, 2 of the growing group.
  Copy({{kSlots, Running(1), OnDevice(1)}, {0, Running(3), OnDevice(2)}, {0, Running(0), OnDevice(0)}});
  Copy({{kSlots, OnDevice(1), OnHost(0)},
        {0, OnDevice(2), OnHost(5)},
        {0, OnDevice(0), OnHost(1)},
        {1, Running(2), OnHost(4)}});
  Image cleared = image;
  std::fill(cleared.recurrent.begin(), cleared.recurrent.end(), 0);
  std::fill(cleared.window.begin(), cleared.window.end(), 0);
  std::fill(cleared.growing.begin(), cleared.growing.end(), 0);
  std::fill(cleared.last.begin(), cleared.last.end(), 0);
  Write(cleared);
  // One from the device, one from the host, to other pages.
  Copy({{kSlots, OnDevice(1), Running(2)}, {0, OnDevice(2), Running(1)}, {0, OnDevice(0), Running(4)}});
  Copy({{kSlots, OnHost(0), Running(0)},
        {0, OnHost(5), Running(2)},
        {0, OnHost(1), Running(3)},
        {1, OnHost(4), Running(6)}});

  Image expected = cleared;
  const StateShape shape = Shape();
  const auto move = [](const std::vector<char>& from, int64_t source, std::vector<char>& to, int64_t target,
                       int64_t bytes) {
    std::memcpy(to.data() + target * bytes, from.data() + source * bytes, static_cast<size_t>(bytes));
  };
  for (const int64_t slot : {2, 0}) move(image.recurrent, 1, expected.recurrent, slot, shape.SlotBytes());
  expected.last[2] = expected.last[0] = image.last[1];
  const int64_t window = shape.BlockBytes(shape.kv[0]), growing = shape.BlockBytes(shape.kv[1]);
  for (const int64_t block : {1, 2}) move(image.window, 3, expected.window, block, window);
  for (const int64_t block : {4, 3}) move(image.window, 0, expected.window, block, window);
  move(image.growing, 2, expected.growing, 6, growing);
  EXPECT_EQ(Read(), expected);
}

// What lies beside it in the host's memory, a checkpoint's, stays.
TEST_P(PoolsTest, AParkedStateComesBackWithItsControls) {
  const Image image = Random();
  Write(image);
  const auto bytes = static_cast<size_t>(Shape().ControlBytes());
  std::vector<char> controls(2 * bytes), read(2 * bytes);
  for (size_t i = 0; i < controls.size(); ++i) controls[i] = static_cast<char>(i * 7 + i / 251);
  ops_->device().CopyToDevice(pools_->controls().rows, controls.data(), controls.size());
  Copy({{kSlots, Running(0), OnHost(1)}, {0, Running(4), OnHost(5)}, {1, Running(0), OnHost(5)}});
  Copy({{kSlots, Running(2), Parked(0)},
        {kControls, Running(1), Parked(0)},
        {0, Running(1), Parked(2)},
        {1, Running(6), Parked(1)}});
  Copy({{kSlots, Parked(0), Running(1)},
        {kControls, Parked(0), Running(0)},
        {0, Parked(2), Running(3)},
        {1, Parked(1), Running(2)}});
  Copy({{kSlots, OnHost(1), Running(2)}, {0, OnHost(5), Running(0)}, {1, OnHost(5), Running(1)}});

  Image expected = image;
  const StateShape shape = Shape();
  const auto move = [](std::vector<char>& all, int64_t source, int64_t target, int64_t size) {
    std::memcpy(all.data() + target * size, all.data() + source * size, static_cast<size_t>(size));
  };
  move(expected.recurrent, 2, 1, shape.SlotBytes());
  move(expected.recurrent, 0, 2, shape.SlotBytes());
  expected.last[1] = image.last[2];
  expected.last[2] = image.last[0];
  const int64_t window = shape.BlockBytes(shape.kv[0]), growing = shape.BlockBytes(shape.kv[1]);
  move(expected.window, 1, 3, window);
  move(expected.window, 4, 0, window);
  move(expected.growing, 6, 2, growing);
  move(expected.growing, 0, 1, growing);
  EXPECT_EQ(Read(), expected);
  std::copy_n(controls.begin() + static_cast<std::ptrdiff_t>(bytes), bytes, controls.begin());
  ops_->device().CopyToHost(read.data(), pools_->controls().rows, read.size());
  ASSERT_TRUE(ops_->device().Synchronize().ok());
  EXPECT_EQ(read, controls);
}

INSTANTIATE_TEST_SUITE_P(Devices, PoolsTest, testing::Values("cpu", "cuda"));

}  // namespace
}  // namespace batucada
