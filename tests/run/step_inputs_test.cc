#include "engine/run/step_inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <variant>
#include <vector>

#include "engine/core/sampling_fields.h"

namespace batucada {
namespace {

using testing::ElementsAre;

template <typename T>
std::vector<T> Read(const T* data, int32_t count) {
  return std::vector<T>(data, data + count);
}

struct Packed {
  std::vector<char> bytes;
  StepView step;
  SampleView samples;
};

Packed Pack(const BatchPlan& plan, const StepShape& shape) {
  Packed p;
  p.bytes.assign(StepInputs::Bytes(shape), '\xAB');
  StepInputs::Pack(plan, shape, {.slot = 90, .blocks = {91, 92}}, p.bytes.data(), p.bytes.data(), &p.step, &p.samples);
  return p;
}

TEST(StepInputs, PacksDecodeRowsAndChunks) {
  const std::vector<int32_t> tokens = {7, 8, 9};
  const std::vector<std::vector<PageId>> two = {{3, 4}, {7}}, one = {{5}, {8}};
  const SamplingParams greedy{.temperature = 0},
      warm{.temperature = 0.5F, .top_p = 0.9F, .min_p = 0.1F, .top_k = 4, .seed = 77};
  const BatchPlan plan{
      .step = 1,
      .num_decode = 1,
      .num_tokens = 4,
      .sequences = {{.id = 1, .slot = 2, .start = 40, .num_tokens = 1, .tokens = {}, .blocks = two},
                    {.id = 2, .slot = 0, .start = 10, .num_tokens = 3, .tokens = tokens, .blocks = one}},
      .samples = {{.row = 0, .slot = 2, .position = 41, .target = -1, .num_top = 2, .sampling = &warm},
                  {.row = 2, .slot = 0, .position = 12, .target = 9, .num_top = 0, .sampling = &greedy}}};
  const Packed p = Pack(plan, {.tokens = 4, .sequences = 2, .samples = 2, .table_widths = {2, 1}});
  const BatchView& b = p.step.rows;
  EXPECT_EQ(b.num_tokens, 4);
  EXPECT_EQ(b.num_sequences, 2);
  EXPECT_EQ(b.num_decode, 1);
  EXPECT_EQ(b.max_chunk, 3);
  EXPECT_EQ(b.max_context, 41);
  EXPECT_THAT(Read(b.token_ids + 1, 3), ElementsAre(7, 8, 9));
  EXPECT_THAT(Read(b.positions, 4), ElementsAre(40, 10, 11, 12));
  EXPECT_THAT(Read(b.row_sequence, 4), ElementsAre(0, 1, 1, 1));
  EXPECT_THAT(Read(b.first_row, 3), ElementsAre(0, 1, 4));
  EXPECT_THAT(Read(b.start, 2), ElementsAre(40, 10));
  EXPECT_THAT(Read(b.slot, 2), ElementsAre(2, 0));
  // Attention of each K/V group finds its own table.
  EXPECT_THAT(Read(p.step.WithKv(0).block_table, 4), ElementsAre(3, 4, 5, 91));
  EXPECT_EQ(p.step.WithKv(0).table_width, 2);
  EXPECT_THAT(Read(p.step.WithKv(1).block_table, 2), ElementsAre(7, 8));
  EXPECT_EQ(p.step.WithKv(1).table_width, 1);
  EXPECT_EQ(p.step.WithKv(1).positions, b.positions);
  EXPECT_THAT(Read(p.samples.rows, 2), ElementsAre(0, 2));
  const RowSampling& drawn = p.samples.sampling[0];
  EXPECT_EQ(drawn.temperature, 0.5F);
  EXPECT_EQ(drawn.top_p, 0.9F);
  EXPECT_EQ(drawn.min_p, 0.1F);
  EXPECT_EQ(drawn.top_k, 4);
  EXPECT_EQ(drawn.seed, 77u);
  EXPECT_EQ(drawn.position, 41);
  EXPECT_EQ(drawn.target, -1);
  EXPECT_EQ(drawn.num_top, 2);
  EXPECT_EQ(drawn.slot, 2);
  EXPECT_EQ(p.samples.sampling[1].target, 9);
}

// A share of three rows, whose drafts have slots of their own; one that begins where the device knows; and a prompt.
TEST(StepInputs, DraftsAreSequencesBehindTheirRow) {
  const std::vector<int32_t> tokens = {7, 8}, guesses = {20, 21}, guess = {22};
  const std::vector<std::vector<PageId>> two = {{3, 4}}, one = {{5}}, other = {{6}};
  const SamplingParams greedy{.temperature = 0};
  BatchPlan plan{
      .step = 1,
      .num_decode = 2,
      .num_tokens = 7,
      .sequences = {{.id = 1, .slot = 2, .start = 40, .num_tokens = 3, .drafts = guesses, .blocks = two},
                    {.id = 2, .slot = 0, .start = 10, .undecided = 4, .num_tokens = 2, .drafts = guess, .blocks = one},
                    {.id = 3, .slot = 1, .start = 0, .num_tokens = 2, .tokens = tokens, .blocks = other}}};
  for (int32_t row = 0; row < 5; ++row) {
    plan.samples.push_back(
        {.row = row, .slot = row < 3 ? 2 : 0, .position = row < 3 ? 41 + row : 8 + row, .sampling = &greedy});
  }
  plan.samples.push_back({.row = 6, .slot = 1, .position = 2, .sampling = &greedy});
  ASSERT_TRUE(plan.has_drafts());
  const StepShape shape{.tokens = 7, .sequences = 6, .samples = 6, .table_widths = {2}, .drafts = true};
  std::vector<char> bytes(StepInputs::Bytes(shape), '\xAB');
  StepView step;
  SampleView samples;
  StepInputs::Pack(plan, shape, {.slot = 90, .first_draft = 91, .drafts = 3, .blocks = {99}}, bytes.data(),
                   bytes.data(), &step, &samples);
  const BatchView& b = step.rows;
  EXPECT_EQ(b.num_decode, 5);
  EXPECT_EQ(b.max_context, 43);
  EXPECT_THAT(Read(b.first_row, 7), ElementsAre(0, 1, 2, 3, 4, 5, 7));
  EXPECT_THAT(Read(b.slot, 6), ElementsAre(2, 91, 92, 0, 93, 1));
  EXPECT_THAT(Read(b.before, 6), ElementsAre(2, 2, 91, 0, 0, 1));
  EXPECT_THAT(Read(b.token_ids + 1, 2), ElementsAre(20, 21));
  EXPECT_THAT(Read(b.token_ids + 4, 3), ElementsAre(22, 7, 8));
  EXPECT_THAT(Read(b.positions, 7), ElementsAre(40, 41, 42, 0, 1, 0, 1)) << "the second share's count from there";
  EXPECT_THAT(Read(b.start, 6), ElementsAre(40, 41, 42, 0, 1, 0));
  EXPECT_THAT(Read(step.place.from, 5), ElementsAre(-1, -1, -1, 0, 0));
  EXPECT_EQ(step.place.positions, b.positions);
  EXPECT_EQ(step.place.start, b.start);
  EXPECT_EQ(step.place.sampling, samples.sampling);
  EXPECT_THAT(Read(step.tables[0].entries, 12), ElementsAre(3, 4, 3, 4, 3, 4, 5, 99, 5, 99, 6, 99));
  const std::vector<RowSampling> rows = Read(samples.sampling, 6);
  const int32_t slots[] = {2, 91, 92, 0, 93, 1}, positions[] = {41, 42, 43, 1, 2, 2};
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i].slot, slots[i]) << "each draws for its own";
    EXPECT_EQ(rows[i].position, positions[i]);
  }
}

TEST(StepInputs, PaddingBesideDraftsIsNone) {
  const std::vector<int32_t> guess = {22};
  const std::vector<std::vector<PageId>> one = {{5}};
  const SamplingParams greedy{.temperature = 0};
  BatchPlan plan{.step = 1, .num_decode = 1, .num_tokens = 2};
  plan.sequences = {{.id = 2, .slot = 0, .start = 10, .num_tokens = 2, .drafts = guess, .blocks = one}};
  for (int32_t row = 0; row < 2; ++row) {
    plan.samples.push_back({.row = row, .slot = 0, .position = 11 + row, .sampling = &greedy});
  }
  const StepShape shape{.tokens = 4, .sequences = 4, .samples = 4, .table_widths = {1}, .drafts = true};
  std::vector<char> bytes(StepInputs::Bytes(shape), '\xAB');
  StepView step;
  SampleView samples;
  StepInputs::Pack(plan, shape, {.slot = 90, .first_draft = 91, .drafts = 3, .blocks = {99}}, bytes.data(),
                   bytes.data(), &step, &samples);
  EXPECT_EQ(step.rows.num_decode, 4);
  EXPECT_THAT(Read(step.rows.slot, 4), ElementsAre(0, 91, 90, 90));
  EXPECT_THAT(Read(step.rows.before, 4), ElementsAre(0, 0, 90, 90));
  EXPECT_THAT(Read(step.place.from, 4), ElementsAre(-1, -1, -1, -1));
}

TEST(StepInputs, PadsDecodeStepsWithScratch) {
  const SamplingParams greedy{.temperature = 0};
  const std::vector<std::vector<PageId>> ring = {{3}, {}};
  const BatchPlan plan{
      .step = 1,
      .num_decode = 1,
      .num_tokens = 1,
      .sequences = {{.id = 1, .slot = 2, .start = 40, .num_tokens = 1, .tokens = {}, .blocks = ring}},
      .samples = {{.row = 0, .slot = 2, .position = 41, .target = -1, .num_top = 0, .sampling = &greedy}}};
  const Packed p = Pack(plan, {.tokens = 4, .sequences = 4, .samples = 4, .table_widths = {1}});
  EXPECT_EQ(p.step.rows.num_decode, 4);
  EXPECT_EQ(p.step.rows.num_tokens, 4);
  EXPECT_THAT(Read(p.step.rows.slot, 4), ElementsAre(2, 90, 90, 90));
  EXPECT_THAT(Read(p.step.rows.start, 4), ElementsAre(40, 0, 0, 0));
  EXPECT_THAT(Read(p.step.rows.first_row, 5), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(Read(p.step.WithKv(0).block_table, 4), ElementsAre(3, 91, 91, 91));
  EXPECT_THAT(Read(p.samples.rows, 4), ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(p.samples.sampling[3].slot, 90);
}

TEST(StepInputs, AddressesDependOnTheShapeAlone) {
  const StepShape shape{.tokens = 2, .sequences = 2, .samples = 2, .table_widths = {3}};
  const SamplingParams greedy{.temperature = 0};
  std::vector<char> bytes(StepInputs::Bytes(shape));
  const auto pack = [&](int32_t count) {
    BatchPlan plan{.step = 1, .num_decode = count, .num_tokens = count, .sequences = {}, .samples = {}};
    for (int32_t i = 0; i < count; ++i) {
      plan.sequences.push_back({.id = 1, .slot = i, .start = 9, .num_tokens = 1, .tokens = {}, .blocks = {}});
      plan.samples.push_back({.row = i, .slot = i, .position = 10, .target = -1, .num_top = 0, .sampling = &greedy});
    }
    Packed p;
    StepInputs::Pack(plan, shape, {}, bytes.data(), bytes.data(), &p.step, &p.samples);
    return p;
  };
  const Packed a = pack(1), b = pack(2);
  EXPECT_EQ(a.step.rows.slot, b.step.rows.slot);
  EXPECT_EQ(a.step.WithKv(0).block_table, b.step.WithKv(0).block_table);
  EXPECT_EQ(a.step.rows.positions, b.step.rows.positions);
  EXPECT_EQ(a.samples.sampling, b.samples.sampling);
}

// A field that is in the table and does not arrive would be accepted, and without effect.
TEST(StepInputs, EverySamplingFieldReachesItsRow) {
  const auto row_of = [](const SamplingParams& sampling) {
    const BatchPlan plan{
        .step = 1,
        .num_decode = 1,
        .num_tokens = 1,
        .sequences = {{.id = 1, .slot = 0, .start = 9, .num_tokens = 1, .tokens = {}, .blocks = {}}},
        .samples = {{.row = 0, .slot = 0, .position = 10, .target = -1, .num_top = 0, .sampling = &sampling}}};
    const Packed p = Pack(plan, {.tokens = 1, .sequences = 1, .samples = 1, .table_widths = {1}});
    std::string bytes(offsetof(RowSampling, control) + sizeof(ControlRequest), '\0');  // without padding
    std::memcpy(bytes.data(), p.samples.sampling, bytes.size());
    return bytes;
  };
  for (const SamplingField& field : kSamplingFields) {
    SamplingParams changed, changed_more;
    std::visit(
        [&](const auto& members) {
          using Value = std::remove_reference_t<decltype(changed.*members.value)>;
          changed.*members.value = static_cast<Value>(std::min(field.most, 7.0)) / 2 + Value{1} / 4;
          changed_more.*members.value = static_cast<Value>(std::min(field.most, 7.0));
        },
        field.members);
    EXPECT_NE(row_of(changed), row_of(changed_more)) << field.name;
  }
}

TEST(StepInputsDeathTest, OnlyDecodeStepsArePadded) {
  const std::vector<int32_t> tokens = {7};
  const BatchPlan plan{.step = 1,
                       .num_decode = 0,
                       .num_tokens = 1,
                       .sequences = {{.id = 1, .slot = 0, .start = 0, .num_tokens = 1, .tokens = tokens, .blocks = {}}},
                       .samples = {}};
  EXPECT_DEATH(Pack(plan, {.tokens = 2, .sequences = 2, .samples = 0, .table_widths = {1}}),
               "only decode steps are padded");
}

}  // namespace
}  // namespace batucada
