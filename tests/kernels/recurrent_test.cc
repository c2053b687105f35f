// CausalConv and SelectiveScan: values, state hand-over from chunk to chunk, ragged batches, any width.
#include <cmath>
#include <optional>

#include "tests/kernels/op_test.h"

namespace batucada::testing {
namespace {

using reference::RelativeError;

// Random sequences, the weights of one layer, and what the layer should give for whole sequences.
class RecurrentTest : public OpTest {
 protected:
  static constexpr int64_t kStates = 16;

  // `rank`: dt is dt_low · dt_projᵀ of that many columns; 0: dt is given.
  void Prepare(int64_t num_channels, const std::vector<int32_t>& lengths, int64_t rank = 0) {
    channels = num_channels;
    dt_rank = rank;
    conv_weight = Floats(channels, 4);
    conv_bias = Floats(1, channels).values;
    a = Dense(channels, kStates);
    for (double& v : a.values) v = -0.05 - std::abs(random.Normal());
    a = Rounded(a, DType::kF32);
    d = Floats(1, channels).values;
    dt_bias = random.NormalVector(channels);
    for (double& v : dt_bias) v -= 3;  // as trained: small steps, long memory
    dt_bias = Rounded(dt_bias, DType::kF32);
    device.clear();
    for (const auto* values : {&conv_weight.values, &conv_bias, &a.values, &d, &dt_bias}) {
      device.push_back(FloatsOnDevice(*ops, *values));
    }
    if (rank > 0) {
      const Dense weights = Rounded(random.Normals(channels, rank, 0.2), DType::kBf16);
      dt_proj = LoadWeights(*ops, weights, DType::kBf16);
      dt_weights = weights;
    }
    x.clear(), dt.clear(), dt_low.clear(), z.clear(), b.clear(), c.clear();
    for (const int32_t length : lengths) {
      for (auto* rows : {&x, &z}) rows->push_back(Acts(length, channels));
      for (auto* rows : {&b, &c}) rows->push_back(Acts(length, kStates));
      dt.push_back(Acts(length, channels, 2));
      // Softplus far to both sides of where it turns linear.
      dt.back().At(length / 2, 0) = 40, dt.back().At(length / 2, channels - 1) = -60;
      if (rank > 0) {
        dt_low.push_back(Acts(length, rank));
        dt.back() = reference::MatMul(dt_weights, dt_low.back());
      }
    }
  }

  reference::ScanInputs ScanInputsOf(size_t sequence, int64_t first, int64_t rows) const {
    const auto part = [&](const std::vector<Dense>& of) { return of[sequence].RowRange(first, rows); };
    return {part(x), part(dt), part(z), part(b), part(c), a, d, dt_bias};
  }

  // How large the terms are that a scan's outputs are sums of. At the first token every channel's B · C is the same
  // sum, so all outputs can be small beside their terms.
  // `memory`: the same before the gate.
  Dense TermsOf(reference::ScanInputs in, Dense h, Dense* memory) const {
    for (auto* values : {&in.x.values, &in.b.values, &in.c.values, &in.d, &h.values}) {
      for (double& v : *values) v = std::abs(v);
    }
    return reference::SelectiveScan(in, h, memory);
  }

  // Likewise of a convolution's.
  Dense ConvTermsOf(Dense rows, Dense state) const {
    Dense weight = conv_weight;
    std::vector<double> bias = conv_bias;
    for (auto* values : {&rows.values, &state.values, &weight.values, &bias}) {
      for (double& v : *values) v = std::abs(v);
    }
    return reference::CausalConv(rows, weight, bias, state);
  }

  // Rows of a step, in and out.
  Dense Conv(const std::vector<Chunk>& chunks, RecurrentSlots& slots) {
    const Batch batch(*ops, chunks);
    DeviceTensor in(*ops, batch.Gather(x), act, 4), out(*ops, batch.view().num_tokens, channels, act, 8);
    ops->CausalConv(batch.view(), {.x = in.view(),
                                   .weight = device[0].As<float>(),
                                   .bias = device[1].As<float>(),
                                   .state = slots.view(),
                                   .out = out.view()});
    return out.Download();
  }
  Dense Scan(const std::vector<Chunk>& chunks, RecurrentSlots& slots, int64_t slack = 0, Dense* memory = nullptr) {
    const Batch batch(*ops, chunks);
    std::optional<DeviceTensor> ungated;
    if (memory != nullptr) ungated.emplace(*ops, batch.view().num_tokens, channels, act, slack);
    DeviceTensor in_x(*ops, batch.Gather(x), act, slack), in_z(*ops, batch.Gather(z), act, slack);
    DeviceTensor in_b(*ops, batch.Gather(b), act, slack), in_c(*ops, batch.Gather(c), act, slack);
    DeviceTensor out(*ops, batch.view().num_tokens, channels, act, slack);
    // Where dt is made from its low rank, it is scratch.
    DeviceTensor in_dt(*ops, batch.view().num_tokens, channels, act, slack);
    std::optional<DeviceTensor> low;
    if (dt_rank > 0) {
      low.emplace(*ops, batch.Gather(dt_low), act, 16 + slack);
    } else {
      in_dt.Upload(batch.Gather(dt));
    }
    ops->SelectiveScan(batch.view(), {.x = in_x.view(),
                                      .dt = in_dt.view(),
                                      .dt_low = low ? low->view() : Tensor{},
                                      .dt_proj = dt_rank > 0 ? &dt_proj : nullptr,
                                      .b = in_b.view(),
                                      .c = in_c.view(),
                                      .z = in_z.view(),
                                      .a = device[2].As<float>(),
                                      .d = device[3].As<float>(),
                                      .dt_bias = device[4].As<float>(),
                                      .state = slots.view(),
                                      .d_state = kStates,
                                      .memory = ungated ? ungated->view() : Tensor{},
                                      .out = out.view()});
    if (ungated) *memory = ungated->Download();
    return out.Download();
  }

  // One step of both ops, compared with the references, whose states are carried along by slot. Every other step wants
  // the memory, too.
  void Check(const std::vector<Chunk>& chunks, RecurrentSlots& slots, std::vector<Dense>& conv_states,
             std::vector<Dense>& ssm_states, int64_t slack = 0) {
    wants_memory = !wants_memory;
    Dense memory;
    const Dense conv = Conv(chunks, slots), scan = Scan(chunks, slots, slack, wants_memory ? &memory : nullptr);
    int64_t first = 0;
    for (const Chunk& chunk : chunks) {
      SCOPED_TRACE(::testing::Message() << channels << " channels, slack " << slack << ", rank " << dt_rank << ": "
                                        << chunk.rows << " rows of slot " << chunk.slot << " from " << chunk.start);
      const auto slot = static_cast<size_t>(chunk.slot);
      const reference::ScanInputs in = ScanInputsOf(slot, chunk.start, chunk.rows);
      const Dense conv_terms = ConvTermsOf(in.x, conv_states[slot]);
      EXPECT_LT(RelativeError(conv.RowRange(first, chunk.rows),
                              reference::CausalConv(in.x, conv_weight, conv_bias, conv_states[slot]), conv_terms),
                traits.act_tolerance);
      EXPECT_EQ(slots.Conv(chunk.slot).values, conv_states[slot].values);
      Dense ungated, ungated_terms;
      const Dense terms = TermsOf(in, ssm_states[slot], &ungated_terms);
      const Dense expected = reference::SelectiveScan(in, ssm_states[slot], &ungated);
      EXPECT_LT(RelativeError(scan.RowRange(first, chunk.rows), expected, terms), traits.act_tolerance);
      if (wants_memory) {
        EXPECT_LT(RelativeError(memory.RowRange(first, chunk.rows), ungated, ungated_terms), traits.act_tolerance);
      }
      // dt is rounded to the activation type where it is a product of its own.
      EXPECT_LT(RelativeError(slots.Ssm(chunk.slot), ssm_states[slot]),
                dt_rank > 0 ? traits.act_tolerance : 10 * traits.f32_tolerance);
      first += chunk.rows;
    }
  }

  int64_t channels = 0, dt_rank = 0;
  bool wants_memory = false;
  Dense conv_weight, a, dt_weights;
  std::vector<double> conv_bias, d, dt_bias;
  std::vector<Buffer> device;  // conv_weight, conv_bias, a, d, dt_bias
  Matrix dt_proj;
  std::vector<Dense> x, dt, dt_low, z, b, c;  // by sequence
};

// Fresh prompts, then their continuation mixed with decode rows, then decode alone. Slots hold NaN until a sequence
// starts in them.
TEST_F(RecurrentTest, StatesAreHandedOver) {
  for (const int64_t width : traits.scan_channels) {
    for (const int64_t slack : traits.scan_slacks) {
      Prepare(width, {3, 5, 6, 36, 98, 162});
      RecurrentSlots slots(*ops, 7, width, kStates);
      std::vector<Dense> conv(6, Dense(width, 3)), ssm(6, Dense(width, kStates));
      Check({{.slot = 0, .rows = 1},
             {.slot = 4, .rows = 33},
             {.slot = 1, .rows = 2},
             {.slot = 2, .rows = 3},
             {.slot = 3, .rows = 31},
             {.slot = 5, .rows = 130}},
            slots, conv, ssm, slack);
      Check({{.slot = 2, .start = 3, .decode = true},
             {.slot = 0, .start = 1, .decode = true},
             {.slot = 1, .start = 2, .rows = 2},
             {.slot = 3, .start = 31, .rows = 4},
             {.slot = 4, .start = 33, .rows = 64},
             {.slot = 5, .start = 130, .rows = 31}},
            slots, conv, ssm, slack);
      Check({{.slot = 5, .start = 161, .decode = true},
             {.slot = 0, .start = 2, .decode = true},
             {.slot = 1, .start = 4, .decode = true},
             {.slot = 2, .start = 4, .decode = true},
             {.slot = 3, .start = 35, .decode = true},
             {.slot = 4, .start = 97, .decode = true}},
            slots, conv, ssm, slack);
      EXPECT_TRUE(std::isnan(slots.Ssm(6).At(0, 0))) << "another sequence's slot was written";
    }
  }
}

TEST_F(RecurrentTest, ConvOfEveryWidth) {
  for (const int64_t width : traits.conv_channels) {
    for (const int32_t length : {1, 2, 3, 4, 33, 130}) {
      SCOPED_TRACE(::testing::Message() << width << " channels, " << length << " rows");
      Prepare(width, {length});
      RecurrentSlots slots(*ops, 1, width, kStates);
      Dense state(width, 3);
      const Dense terms = ConvTermsOf(x[0], state);
      EXPECT_LT(RelativeError(Conv({{.rows = length}}, slots),
                              reference::CausalConv(x[0], conv_weight, conv_bias, state), terms),
                traits.act_tolerance);
      EXPECT_EQ(slots.Conv(0).values, state.values);
    }
  }
}

// Decode rows whose inputs are the first columns of a product: the same bits as from the two ops.
TEST_F(RecurrentTest, ProductAndConvolutionInOne) {
  const int64_t depth = 192;
  for (const int32_t sequences : {1, 2, 3, 7, 11, 15, 20, 50, 100, 130}) {
    const int64_t width = sequences > 16 || sequences % 3 == 1 ? 88 : sequences % 3 == 2 ? 7700 : 3240;
    Prepare(width, std::vector<int32_t>(static_cast<size_t>(sequences), 4));
    const Matrix w = LoadWeights(*ops, Rounded(random.Normals(2 * width, depth, 0.2), DType::kBf16), DType::kBf16);
    RecurrentSlots apart(*ops, sequences, width, kStates), together(*ops, sequences, width, kStates);
    for (int32_t step = 0; step < 4; ++step) {
      std::vector<Chunk> chunks;
      for (int32_t i = 0; i < sequences; ++i) chunks.push_back({.slot = i, .start = step, .decode = true});
      const Batch batch(*ops, chunks);
      DeviceTensor in(*ops, Acts(sequences, depth), act, 8);
      const auto run = [&](RecurrentSlots& slots, bool fused) {
        DeviceTensor wide(*ops, sequences, 2 * width, act, 8), out(*ops, sequences, width, act, 8);
        const ConvArgs conv{.x = wide.view().Cols(0, width),
                            .weight = device[0].As<float>(),
                            .bias = device[1].As<float>(),
                            .state = slots.view(),
                            .out = out.view()};
        if (fused) {
          ops->MatMulCausalConv(w, in.view(), wide.view(), batch.view(), conv);
        } else {
          ops->MatMul(w, in.view(), wide.view());
          ops->CausalConv(batch.view(), conv);
        }
        return std::pair(out.Download().values, wide.Download().ColRange(width, width).values);
      };
      EXPECT_EQ(run(together, true), run(apart, false)) << sequences << " rows of " << width << ", step " << step;
      for (int32_t i = 0; i < sequences; ++i) EXPECT_EQ(together.Conv(i).values, apart.Conv(i).values);
    }
  }
}

TEST_F(RecurrentTest, ShortSequencesOfEveryLength) {
  for (const int32_t length : {1, 2, 3, 4, 5, 31, 32, 33, 150}) {
    Prepare(traits.scan_channels.back(), {length});
    RecurrentSlots slots(*ops, 1, channels, kStates);
    std::vector<Dense> conv(1, Dense(channels, 3)), ssm(1, Dense(channels, kStates));
    Check({{.rows = length}}, slots, conv, ssm);
  }
}

TEST_F(RecurrentTest, ContinuesFromTheStateInTheSlot) {
  Prepare(48, {20});
  RecurrentSlots slots(*ops, 2, 48, kStates);
  std::vector<Dense> conv = {Acts(48, 3)}, ssm = {Floats(48, kStates)};
  slots.SetConv(0, conv[0]);
  slots.SetSsm(0, ssm[0]);
  // Rows 7 … 19 of the sequence, on top of a state that something else left.
  Check({{.slot = 0, .start = 7, .rows = 13}}, slots, conv, ssm);
  EXPECT_TRUE(std::isnan(slots.Ssm(1).At(0, 0))) << "another sequence's slot was written";
}

TEST_F(RecurrentTest, ChunksOfAnyLengthEqualTheWhole) {
  constexpr int32_t kLength = 150;
  Prepare(72, {kLength});
  RecurrentSlots whole(*ops, 1, 72, kStates);
  const Dense conv = Conv({{.rows = kLength}}, whole), scan = Scan({{.rows = kLength}}, whole);
  for (const int32_t size : {1, 2, 3, 7, 64, 100}) {
    SCOPED_TRACE(::testing::Message() << "chunks of " << size);
    RecurrentSlots slots(*ops, 1, 72, kStates);
    std::vector<Dense> conv_parts = {Dense(kLength, 72)}, scan_parts = {Dense(kLength, 72)};
    for (int32_t start = 0; start < kLength; start += size) {
      const std::vector<Chunk> chunk = {
          {.start = start, .rows = std::min(size, kLength - start), .decode = size == 1 && StepsLikePrompts()}};
      const Batch batch(*ops, chunk);
      batch.Scatter(Conv(chunk, slots), conv_parts);
      batch.Scatter(Scan(chunk, slots), scan_parts);
    }
    ExpectSame(conv_parts[0], conv);
    ExpectSame(scan_parts[0], scan);
    EXPECT_EQ(slots.Conv(0).values, whole.Conv(0).values);
    ExpectSame(slots.Ssm(0), whole.Ssm(0));
  }
}

// Each draft begins with what the row before it leaves, and leaves its own in its slot: as a step a row does.
TEST_F(RecurrentTest, DraftsEqualRowsOneByOne) {
  constexpr int32_t kSequences = 3, kBehind = 5;
  constexpr int32_t kDrafts[kSequences] = {3, 0, 10};
  constexpr int32_t kPrompt = kSequences;  // beside them
  for (const int64_t width : traits.scan_channels) {
    for (const int64_t rank : {int64_t{0}, traits.dt_ranks[1]}) {
      Prepare(width, {20, 20, 20, 20}, rank);
      RecurrentSlots slots(*ops, kSequences + 1, width, kStates), with(*ops, 20, width, kStates);
      for (RecurrentSlots* each : {&slots, &with}) {
        for (int32_t s = 0; s <= kPrompt; ++s) {
          Conv({{.slot = s, .rows = kBehind}}, *each);
          Scan({{.slot = s, .rows = kBehind}}, *each);
        }
      }
      std::vector<Chunk> step;
      int32_t free = kSequences + 2;
      for (int32_t s = 0; s < kSequences; ++s) {
        step.push_back({.slot = s, .start = kBehind, .decode = true});
        for (int32_t i = 0; i < kDrafts[s]; ++i) {
          const int32_t before = step.back().slot;
          step.push_back({.slot = free++, .start = kBehind + 1 + i, .decode = true, .before = before, .sequence = s});
        }
      }
      step.push_back({.slot = kPrompt, .start = kBehind, .rows = 7});
      Dense memory;
      const Dense conv = Conv(step, with), scan = Scan(step, with, 0, &memory);
      int64_t row = 0;
      for (const Chunk& chunk : step) {
        SCOPED_TRACE(::testing::Message() << width << " channels, rank " << rank << ", sequence " << chunk.source()
                                          << " at " << chunk.start);
        const Chunk alone{.slot = static_cast<int32_t>(chunk.source()),
                          .start = chunk.start,
                          .rows = chunk.rows,
                          .decode = chunk.decode};
        ExpectSame(conv.RowRange(row, chunk.rows), Conv({alone}, slots));
        Dense ungated;
        ExpectSame(scan.RowRange(row, chunk.rows), Scan({alone}, slots, 0, &ungated));
        ExpectSame(memory.RowRange(row, chunk.rows), ungated);
        EXPECT_EQ(with.Conv(chunk.slot).values, slots.Conv(alone.slot).values);
        ExpectSame(with.Ssm(chunk.slot), slots.Ssm(alone.slot));
        row += chunk.rows;
      }
      EXPECT_TRUE(std::isnan(with.Ssm(kPrompt + 1).At(0, 0))) << "another sequence's slot was written";
    }
  }
}

TEST_F(RecurrentTest, MixedBatchesEqualEachSequenceAlone) {
  const std::vector<int32_t> lengths = {40, 41, 12, 90, 33};
  Prepare(56, lengths);
  std::vector<Dense> conv, scan, mixed_conv, mixed_scan;
  RecurrentSlots alone(*ops, 5, 56, kStates), mixed(*ops, 5, 56, kStates);
  for (int32_t s = 0; s < 5; ++s) {
    const Chunk all = {.slot = s, .rows = lengths[static_cast<size_t>(s)]};
    conv.push_back(Conv({all}, alone));
    scan.push_back(Scan({all}, alone));
    mixed_conv.emplace_back(all.rows, 56);
    mixed_scan.emplace_back(all.rows, 56);
  }
  const bool decode = StepsLikePrompts();
  const std::vector<std::vector<Chunk>> steps = {
      {{.slot = 3, .rows = 50}, {.slot = 0, .rows = 39}, {.slot = 2, .rows = 3}},
      {{.slot = 0, .start = 39, .decode = decode},
       {.slot = 2, .start = 3, .decode = decode},
       {.slot = 3, .start = 50, .rows = 40},
       {.slot = 1, .rows = 1}},
      {{.slot = 1, .start = 1, .decode = decode}, {.slot = 4, .rows = 33}, {.slot = 2, .start = 4, .rows = 8}},
      {{.slot = 1, .start = 2, .rows = 39}}};
  for (const auto& chunks : steps) {
    const Batch batch(*ops, chunks);
    batch.Scatter(Conv(chunks, mixed), mixed_conv);
    batch.Scatter(Scan(chunks, mixed), mixed_scan);
  }
  for (int32_t s = 0; s < 5; ++s) {
    SCOPED_TRACE(s);
    const auto i = static_cast<size_t>(s);
    ExpectSame(mixed_conv[i], conv[i]);
    ExpectSame(mixed_scan[i], scan[i]);
    ExpectSame(mixed.Ssm(s), alone.Ssm(s));
    EXPECT_EQ(mixed.Conv(s).values, alone.Conv(s).values);
  }
}

// dt from its low rank: within the step for decode rows, as a product of its own for prompts and where ranks are large
// or rows not aligned.
TEST_F(RecurrentTest, ScanMakesItsTimeSteps) {
  for (const int64_t rank : traits.dt_ranks) {
    for (const int64_t slack : traits.scan_slacks) {
      std::vector<int32_t> lengths(25, 3);
      lengths[24] = 40;
      Prepare(200, lengths, rank);
      RecurrentSlots slots(*ops, 25, 200, kStates);
      std::vector<Dense> conv(25, Dense(200, 3)), ssm(25, Dense(200, kStates));
      std::vector<Chunk> fresh, decode, few;
      for (int32_t s = 0; s < 24; ++s) {
        fresh.push_back({.slot = s, .decode = true});
        decode.push_back({.slot = s, .start = 1, .decode = true});
        if (s < 3) few.push_back({.slot = s, .start = 2, .decode = true});
      }
      fresh.push_back({.slot = 24, .rows = 37});
      decode.push_back({.slot = 24, .start = 37, .decode = true});
      Check(fresh, slots, conv, ssm, slack);
      Check(decode, slots, conv, ssm, slack);
      Check(few, slots, conv, ssm, slack);
    }
  }
}

// Few channels and many rows: a GPU cuts the time axis, with and without a state to start from, beside a short prompt.
TEST_F(RecurrentTest, LongPromptsOfFewChannels) {
  Prepare(64, {3501, 52});
  RecurrentSlots slots(*ops, 2, 64, kStates);
  std::vector<Dense> conv(2, Dense(64, 3)), ssm(2, Dense(64, kStates));
  Check({{.slot = 0, .rows = 2000}, {.slot = 1, .rows = 45}}, slots, conv, ssm);
  Check({{.slot = 0, .start = 2000, .rows = 1501}, {.slot = 1, .start = 45, .rows = 7}}, slots, conv, ssm);
}

// Enough prompts that a GPU of 132 multiprocessors saves a round of blocks by giving each 48 channels.
TEST_F(RecurrentTest, ManyPrompts) {
  std::vector<Chunk> first, rest;
  for (int32_t s = 0; s < 60; ++s) {
    first.push_back({.slot = s, .rows = 1 + s * 37 % 105});
    rest.push_back({.slot = s, .start = first.back().rows, .rows = 107 - first.back().rows});
  }
  Prepare(88, std::vector<int32_t>(60, 107));
  RecurrentSlots slots(*ops, 60, 88, kStates);
  std::vector<Dense> conv(60, Dense(88, 3)), ssm(60, Dense(88, kStates));
  for (const auto& chunks : {first, rest}) Check(chunks, slots, conv, ssm);
}

// Enough decode rows that a block of a GPU takes several.
TEST_F(RecurrentTest, ManyDecodeRows) {
  Prepare(2048, std::vector<int32_t>(42, 2));
  RecurrentSlots slots(*ops, 42, 2048, kStates);
  std::vector<Dense> conv(42, Dense(2048, 3)), ssm(42, Dense(2048, kStates));
  for (int32_t position = 0; position < 2; ++position) {
    std::vector<Chunk> chunks;
    for (int32_t s = 0; s < 42; ++s) chunks.push_back({.slot = s, .start = position, .decode = true});
    Check(chunks, slots, conv, ssm);
  }
}

TEST_F(RecurrentTest, LongPromptsAreTheSameInChunks) {
  if (traits.many_rows == 0) GTEST_SKIP() << "this device does not promise it, or takes too long";
  const int32_t length = traits.many_rows;
  Prepare(1024, {length}, 128);
  RecurrentSlots whole(*ops, 1, 1024, kStates);
  const Dense conv = Conv({{.rows = length}}, whole), scan = Scan({{.rows = length}}, whole);
  for (const int32_t size : {4096, 1000, 333, 63}) {
    SCOPED_TRACE(::testing::Message() << "chunks of " << size);
    RecurrentSlots slots(*ops, 1, 1024, kStates);
    std::vector<Dense> conv_parts = {Dense(length, 1024)}, scan_parts = {Dense(length, 1024)};
    for (int32_t start = 0; start < length; start += size) {
      const std::vector<Chunk> chunk = {{.start = start, .rows = std::min(size, length - start)}};
      const Batch batch(*ops, chunk);
      batch.Scatter(Conv(chunk, slots), conv_parts);
      batch.Scatter(Scan(chunk, slots), scan_parts);
    }
    EXPECT_TRUE(conv_parts[0].values == conv.values);
    EXPECT_TRUE(scan_parts[0].values == scan.values);
    EXPECT_TRUE(slots.Ssm(0).values == whole.Ssm(0).values);
  }
}

TEST_F(RecurrentTest, DecodeRowsAreTheSameInAnyCompany) {
  constexpr int32_t kSequences = 140;
  for (const int64_t rank : {0, 24}) {
    Prepare(200, std::vector<int32_t>(kSequences, 2), rank);
    RecurrentSlots together(*ops, kSequences, 200, kStates);
    std::vector<Dense> expected;
    for (int32_t position = 0; position < 2; ++position) {
      std::vector<Chunk> chunks;
      for (int32_t s = 0; s < kSequences; ++s) chunks.push_back({.slot = s, .start = position, .decode = true});
      expected.push_back(Scan(chunks, together));
    }
    for (const int32_t company : {1, 3, 15, 40}) {
      RecurrentSlots slots(*ops, kSequences, 200, kStates);
      for (int32_t position = 0; position < 2; ++position) {
        for (int32_t first = 0; first < kSequences; first += company) {
          std::vector<Chunk> chunks;
          for (int32_t s = first; s < std::min(kSequences, first + company); ++s) {
            chunks.push_back({.slot = s, .start = position, .decode = true});
          }
          ExpectSame(Scan(chunks, slots),
                     expected[static_cast<size_t>(position)].RowRange(first, static_cast<int64_t>(chunks.size())));
        }
      }
      for (int32_t s = 0; s < kSequences; ++s) ExpectSame(slots.Ssm(s), together.Ssm(s));
    }
  }
}

// 20 states: no backend serves that. The refusal stays, so this device is not used again.
TEST_F(RecurrentTest, WhatCannotBeServedIsRefused) {
  const Batch batch(*ops, {{.rows = 1}});
  DeviceTensor narrow(*ops, 1, 16, act), wide(*ops, 1, 20, act);
  ops->SelectiveScan(batch.view(), {.x = narrow.view(),
                                    .dt = narrow.view(),
                                    .b = wide.view(),
                                    .c = wide.view(),
                                    .z = narrow.view(),
                                    .d_state = 20,
                                    .out = narrow.view()});
  EXPECT_EQ(ops->status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(ops->status().message().find("selective_scan"), std::string::npos) << ops->status();
  EXPECT_EQ(ops->device().Synchronize().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace batucada::testing
