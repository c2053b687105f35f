// PlaceRows, KeepDrafts, and what drafts are fed. How they go through attention, convolution and scan is tested there.
#include <numeric>

#include "tests/kernels/op_test.h"

namespace batucada::testing {
namespace {

class DraftsTest : public OpTest {
 protected:
  template <typename T>
  std::vector<T> Downloaded(const Buffer& buffer, size_t count) {
    std::vector<T> values(count);
    ops->device().CopyToHost(values.data(), buffer.data(), count * sizeof(T));
    EXPECT_TRUE(ops->device().Synchronize().ok());
    return values;
  }
};

// A row with two drafts, one without, one with one, and a prompt.
const std::vector<Chunk> kStep = {{.slot = 2, .start = 5, .decode = true},
                                  {.slot = 4, .start = 6, .decode = true, .before = 2, .sequence = 2},
                                  {.slot = 5, .start = 7, .decode = true, .before = 4, .sequence = 2},
                                  {.slot = 0, .start = 9, .decode = true},
                                  {.slot = 1, .start = 3, .decode = true},
                                  {.slot = 6, .start = 4, .decode = true, .before = 1, .sequence = 1},
                                  {.slot = 3, .start = 0, .rows = 2}};

TEST_F(DraftsTest, AreFedTheirOwnIds) {
  const Dense table = Rounded(random.Normals(77, 40), DType::kBf16);
  const auto bytes = Encoded(table, DType::kBf16);
  const HostTensor part = {bytes.data(), DType::kBf16, 77, 40};
  const Matrix matrix = ops->LoadMatrix({&part, 1}, 64, 8, "table").value();
  const Batch batch(*ops, kStep);
  const Buffer ids = OnDevice<int32_t>(*ops, {-1, 20, 21, -1, -1, 22, 30, 31});
  const Buffer last = OnDevice<int32_t>(*ops, {10, 11, 12, -1, -1, -1, -1});
  BatchView view = batch.view();
  view.token_ids = ids.As<int32_t>();
  view.last_token = last.As<int32_t>();
  DeviceTensor out(*ops, 8, 40, DType::kF32);
  ops->Embed(matrix, view, out.view());
  const Dense result = out.Download();
  const int64_t expected[] = {12, 20, 21, 10, 11, 22, 30, 31};
  for (int64_t t = 0; t < 8; ++t) {
    EXPECT_EQ(result.RowRange(t, 1).values, table.RowRange(expected[t], 1).values) << t;
  }
}

TEST_F(DraftsTest, RowsCountFromWhereTheDeviceKnows) {
  const Batch batch(*ops, kStep);
  const Buffer from = OnDevice<int32_t>(*ops, {2, 2, 2, -1, 1, 1});
  const Buffer next = OnDevice<int32_t>(*ops, {-1, 1000, 50, -1, -1, -1, -1});
  const Buffer positions = OnDevice<int32_t>(*ops, {0, 1, 2, 9, 0, 1, 0, 1});
  const Buffer start = OnDevice<int32_t>(*ops, {0, 1, 2, 9, 0, 1, 0});
  std::vector<RowSampling> rows(6);
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].position = std::vector<int32_t>{1, 2, 3, 10, 1, 2}[i];
    rows[i].seed = i;
  }
  const Buffer sampling = OnDevice(*ops, rows);
  BatchView view = batch.view();
  view.positions = positions.As<int32_t>();
  view.start = start.As<int32_t>();
  ops->PlaceRows(view, {.from = from.As<int32_t>(),
                        .next_position = next.As<int32_t>(),
                        .positions = positions.As<int32_t>(),
                        .start = start.As<int32_t>(),
                        .sampling = sampling.As<RowSampling>()});
  EXPECT_EQ(Downloaded<int32_t>(positions, 8), (std::vector<int32_t>{50, 51, 52, 9, 1000, 1001, 0, 1}));
  EXPECT_EQ(Downloaded<int32_t>(start, 7), (std::vector<int32_t>{50, 51, 52, 9, 1000, 1001, 0}));
  const std::vector<RowSampling> placed = Downloaded<RowSampling>(sampling, 6);
  const int32_t expected[] = {51, 52, 53, 10, 1001, 1002};
  for (size_t i = 0; i < placed.size(); ++i) {
    EXPECT_EQ(placed[i].position, expected[i]);
    EXPECT_EQ(placed[i].seed, i);
  }
}

// Every way in which the drafts of kStep may be right; slots of any size.
TEST_F(DraftsTest, AreKeptUpToTheFirstThatIsWrong) {
  const Batch batch(*ops, kStep);
  const Buffer ids = OnDevice<int32_t>(*ops, {0, 20, 21, 0, 0, 22, 0, 0});
  const Buffer positions = OnDevice<int32_t>(*ops, {5, 6, 7, 9, 3, 4, 0, 1});
  BatchView view = batch.view();
  view.token_ids = ids.As<int32_t>();
  view.positions = positions.As<int32_t>();
  for (const int64_t slot_bytes : {0, 16, 256, 5 * 4096 + 256, 3 << 20}) {
    for (int32_t right = 0; right < 8; ++right) {
      SCOPED_TRACE(::testing::Message() << "slots of " << slot_bytes << ", case " << right);
      std::vector<RowSample> results(6);
      for (RowSample& result : results) result.token = 7;
      if ((right & 1) != 0) results[0].token = 20;
      if ((right & 2) != 0) results[1].token = 21;
      if ((right & 4) != 0) results[4].token = 22;
      const Buffer drawn = OnDevice(*ops, results);
      const Buffer last = OnDevice<int32_t>(*ops, {100, 101, 102, 103, 104, 105, 106});
      const Buffer next = OnDevice<int32_t>(*ops, std::vector<int32_t>(7, -1));
      std::vector<char> bytes(static_cast<size_t>(7 * slot_bytes));
      const auto content = [&](int64_t slot) { return static_cast<char>(11 * slot + slot_bytes % 5); };
      for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = content(static_cast<int64_t>(i) / slot_bytes);
      const Buffer slots = slot_bytes > 0 ? OnDevice(*ops, bytes) : Buffer();
      ops->KeepDrafts(view, {.results = drawn.As<RowSample>(),
                             .slots = slots.As<char>(),
                             .slot_bytes = slot_bytes,
                             .last_token = last.As<int32_t>(),
                             .next_position = next.As<int32_t>()});
      const int32_t of_2 = (right & 1) == 0 ? 0 : (right & 2) == 0 ? 1 : 2, of_1 = (right & 4) == 0 ? 0 : 1;
      const int32_t from_2 = std::vector<int32_t>{2, 4, 5}[static_cast<size_t>(of_2)], from_1 = of_1 == 0 ? 1 : 6;
      EXPECT_EQ(Downloaded<int32_t>(next, 7), (std::vector<int32_t>{10, 4 + of_1, 6 + of_2, -1, -1, -1, -1}));
      EXPECT_EQ(Downloaded<int32_t>(last, 7),
                (std::vector<int32_t>{100, 100 + from_1, 100 + from_2, 103, 104, 105, 106}));
      if (slot_bytes == 0) continue;
      const std::vector<char> after = Downloaded<char>(slots, bytes.size());
      const int64_t expected[] = {0, from_1, from_2, 3, 4, 5, 6};
      for (size_t i = 0; i < after.size(); ++i) {
        ASSERT_EQ(after[i], content(expected[static_cast<int64_t>(i) / slot_bytes])) << "byte " << i;
      }
    }
  }
}

}  // namespace
}  // namespace batucada::testing
