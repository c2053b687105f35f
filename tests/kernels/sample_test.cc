// Sampling against the reference: every filter alone and together, scoring, ranks, the most likely ids, ties.
#include <cmath>
#include <limits>

#include "kernels/gumbel.h"
#include "tests/kernels/op_test.h"

namespace batucada::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class SampleTest : public OpTest {
 protected:
  // Ids past the vocabulary are padding with the largest logits of all: they must not matter.
  std::vector<RowSample> Run(const std::vector<std::vector<float>>& logits, const std::vector<RowSampling>& rows,
                             const ControlView& controls = {}) {
    const int64_t vocab = static_cast<int64_t>(logits[0].size()), padded = vocab + 13;
    Dense values(static_cast<int64_t>(logits.size()), padded);
    for (int64_t r = 0; r < values.rows; ++r) {
      for (int64_t c = 0; c < padded; ++c) {
        values.At(r, c) = c < vocab ? logits[static_cast<size_t>(r)][static_cast<size_t>(c)] : 1e30;
      }
    }
    DeviceTensor device(*ops, values, DType::kF32, 3);
    int32_t slots = 0;
    for (const RowSampling& row : rows) slots = std::max(slots, row.slot + 1);
    const Buffer sampling = OnDevice(*ops, rows), results = OnDevice(*ops, std::vector<RowSample>(rows.size()));
    const Buffer last = OnDevice(*ops, std::vector<int32_t>(static_cast<size_t>(slots), -7));
    ops->Sample(device.view(), static_cast<int32_t>(vocab), sampling.As<RowSampling>(), controls,
                results.As<RowSample>(), last.As<int32_t>());
    std::vector<RowSample> out(rows.size());
    last_token.resize(static_cast<size_t>(slots));
    ops->device().CopyToHost(out.data(), results.data(), out.size() * sizeof(RowSample));
    ops->device().CopyToHost(last_token.data(), last.data(), last_token.size() * sizeof(int32_t));
    const absl::Status status = ops->device().Synchronize();
    EXPECT_TRUE(status.ok()) << status;
    return out;
  }

  std::vector<float> RandomLogits(size_t vocab, double scale) {
    std::vector<float> logits(vocab);
    for (float& l : logits) l = static_cast<float>(scale * random.Normal());
    return logits;
  }

  // Draws `count` tokens of the same logits, each with its own number, and checks the counts against `expected`: χ²
  // with a bound that a correct sampler passes but once in ten million runs.
  void ExpectDistribution(const std::vector<float>& logits, const RowSampling& prototype, bool vary_seed) {
    constexpr int kDraws = 50000, kRowsPerCall = 5000;
    const std::vector<double> expected = reference::SamplingDistribution(logits, prototype);
    std::vector<int64_t> counts(logits.size());
    const uint64_t seed = random.Bits();
    for (int first = 0; first < kDraws; first += kRowsPerCall) {
      std::vector<RowSampling> rows(kRowsPerCall, prototype);
      for (int i = 0; i < kRowsPerCall; ++i) {
        rows[static_cast<size_t>(i)].seed = vary_seed ? seed + static_cast<uint64_t>(first + i) : seed;
        rows[static_cast<size_t>(i)].position = vary_seed ? 17 : first + i;
        rows[static_cast<size_t>(i)].slot = i;
      }
      for (const RowSample& sample : Run(std::vector<std::vector<float>>(kRowsPerCall, logits), rows)) {
        ++counts[static_cast<size_t>(sample.token)];
      }
    }
    double chi_square = 0;
    int cells = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      if (expected[i] == 0) {
        EXPECT_EQ(counts[i], 0) << "id " << i << " was filtered out";
        continue;
      }
      const double mean = kDraws * expected[i];
      chi_square += (static_cast<double>(counts[i]) - mean) * (static_cast<double>(counts[i]) - mean) / mean;
      ++cells;
    }
    // Wilson-Hilferty: the quantile of χ² with k degrees of freedom at 5.2 standard deviations.
    const double k = cells - 1, spread = 2 / (9 * std::max(k, 1.0));
    EXPECT_LT(chi_square, std::max(k, 1.0) * std::pow(1 - spread + 5.2 * std::sqrt(spread), 3)) << cells << " cells";
  }

  std::vector<int32_t> last_token;
};

TEST(GumbelTest, PhiloxGivesThePublishedKnownAnswers) {
  const auto words = [](PhiloxWords counter, uint64_t key) {
    const PhiloxWords out = Philox4x32(counter, key);
    return std::vector<uint32_t>(out.word, out.word + 4);
  };
  EXPECT_EQ(words({{0, 0, 0, 0}}, 0), (std::vector<uint32_t>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(words({{~0u, ~0u, ~0u, ~0u}}, ~uint64_t{0}),
            (std::vector<uint32_t>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(words({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0x299f31d0a4093822u),
            (std::vector<uint32_t>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(GumbelTest, IsFiniteAtBothEnds) {
  EXPECT_TRUE(std::isfinite(GumbelFromBits(0)));
  EXPECT_GT(GumbelFromBits(0), 20);  // the largest: a tail of 2^-33
  EXPECT_TRUE(std::isfinite(GumbelFromBits(~0u)));
  EXPECT_LT(GumbelFromBits(~0u), -2);
}

TEST_F(SampleTest, AgreesWithTheReferenceOverAllFilters) {
  std::vector<std::vector<float>> logits;
  std::vector<RowSampling> rows;
  const size_t vocab = 517;
  for (int i = 0; i < 1500; ++i) {
    logits.push_back(RandomLogits(vocab, random.Uniform(0.1, 6)));
    const auto maybe = [&](double value, double otherwise) { return random.Integer(0, 1) == 0 ? value : otherwise; };
    rows.push_back({.temperature = static_cast<float>(maybe(random.Uniform(0.05, 2), random.Integer(0, 1))),
                    .top_p = static_cast<float>(maybe(random.Uniform(0.01, 1), 1)),
                    .min_p = static_cast<float>(maybe(random.Uniform(0, 0.3), 0)),
                    .top_k = static_cast<int32_t>(maybe(random.Integer(1, 600), 0)),
                    .seed = random.Bits(),
                    .position = random.Integer(0, 1 << 20),
                    .num_top = random.Integer(0, kMaxTop),
                    .slot = i});
  }
  const std::vector<RowSample> samples = Run(logits, rows);
  int different = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const RowSample expected = reference::Sample(logits[i], rows[i]);
    EXPECT_EQ(last_token[i], samples[i].token);
    for (int t = 0; t < rows[i].num_top; ++t) {
      ASSERT_EQ(samples[i].top_ids[t], expected.top_ids[t]) << "row " << i;
      ASSERT_NEAR(samples[i].top_logprobs[t], expected.top_logprobs[t], 1e-4);
    }
    if (samples[i].token != expected.token) {
      ++different;
      continue;
    }
    EXPECT_EQ(samples[i].rank, expected.rank);
    EXPECT_NEAR(samples[i].logprob, expected.logprob, 1e-4);
  }
  EXPECT_LE(different, 2) << "rounding may turn a near tie, but hardly ever";
}

// Coarse logits: hundreds of ids share every value. What ties with the last id kept is kept, and ids settle the order.
TEST_F(SampleTest, Ties) {
  for (const int32_t vocab : {50, 5000, 32000}) {
    std::vector<std::vector<float>> logits;
    std::vector<RowSampling> rows;
    for (int i = 0; i < 16; ++i) {
      logits.push_back(RandomLogits(static_cast<size_t>(vocab), 2));
      for (float& v : logits.back()) v = i == 0 ? 1.5F : std::round(v);
      rows.push_back({.temperature = i % 3 == 0 ? 0.F : 0.9F,
                      .top_p = i % 2 == 0 ? 1.F : 0.6F,
                      .min_p = i % 5 == 0 ? 0.1F : 0.F,
                      .top_k = i % 4 == 0 ? 7 : 0,
                      .seed = random.Bits(),
                      .num_top = 20,
                      .slot = i});
    }
    const std::vector<RowSample> samples = Run(logits, rows);
    for (size_t i = 0; i < rows.size(); ++i) {
      const RowSample expected = reference::Sample(logits[i], rows[i]);
      EXPECT_EQ(samples[i].token, expected.token) << vocab << " ids, row " << i;
      EXPECT_EQ(samples[i].rank, expected.rank);
      for (int t = 0; t < rows[i].num_top; ++t) EXPECT_EQ(samples[i].top_ids[t], expected.top_ids[t]) << "place " << t;
    }
  }
}

TEST_F(SampleTest, MaskedIdsAreNeverDrawn) {
  std::vector<std::vector<float>> logits;
  std::vector<RowSampling> rows;
  for (int i = 0; i < 64; ++i) {
    logits.push_back(RandomLogits(3000, 3));
    for (size_t id = 0; id < 3000; ++id) {
      if (id % 3 != 1) logits.back()[id] = -kInfinity;
    }
    rows.push_back({.temperature = i % 4 == 0 ? 0.F : 2.F, .seed = random.Bits(), .num_top = 10, .slot = i});
  }
  for (const RowSample& sample : Run(logits, rows)) {
    EXPECT_EQ(sample.token % 3, 1);
    for (int t = 0; t < 10; ++t) EXPECT_EQ(sample.top_ids[t] % 3, 1);
  }
}

// A mask is as good as logits of -infinity for the draw; the log-probability and the rank are those of the model.
TEST_F(SampleTest, WhatAMaskAllows) {
  for (const size_t vocab : {size_t{3000}, size_t{3001}, size_t{3002}, size_t{3003}}) {
    for (const double share : {0.002, 0.3, 0.99}) {
      std::vector<std::vector<float>> logits, left;
      std::vector<std::vector<uint32_t>> words;
      std::vector<Buffer> masks;
      std::vector<RowSampling> rows;
      for (int i = 0; i < 32; ++i) {
        logits.push_back(RandomLogits(vocab, 3));
        left.push_back(logits.back());
        words.emplace_back((vocab + 31) / 32);
        const size_t always = random.Bits() % vocab;
        for (size_t id = 0; id < vocab; ++id) {
          const bool allowed = id == always || static_cast<double>(random.Bits() % 1000) < 1000 * share;
          if (allowed) {
            words.back()[id / 32] |= uint32_t{1} << (id % 32);
          } else {
            left.back()[id] = -kInfinity;
          }
        }
        masks.push_back(OnDevice(*ops, words.back()));
        rows.push_back({.temperature = i % 4 == 0 ? 0.F : 1.5F,
                        .top_p = i % 3 == 0 ? 0.9F : 1.F,
                        .min_p = i % 7 == 0 ? 0.05F : 0.F,
                        .top_k = i % 5 == 0 ? 20 : 0,
                        .seed = random.Bits(),
                        .position = i,
                        .slot = i});
      }
      std::vector<RowSampling> masked = rows;
      for (size_t i = 0; i < rows.size(); ++i) masked[i].control.allowed = masks[i].As<uint32_t>();
      const std::vector<RowSample> samples = Run(logits, masked);
      for (size_t i = 0; i < rows.size(); ++i) {
        const RowSample drawn = reference::Sample(left[i], rows[i]);
        const RowSample scored = reference::Sample(logits[i], {.target = drawn.token});
        EXPECT_EQ(samples[i].token, drawn.token) << vocab << " ids, share " << share << ", row " << i;
        EXPECT_EQ(samples[i].rank, scored.rank);
        EXPECT_NEAR(samples[i].logprob, scored.logprob, 1e-4);
      }
    }
  }
}

TEST_F(SampleTest, LargeVocabularies) {
  for (double scale : {0.01, 1.0, 5.0}) {
    const std::vector<float> logits = RandomLogits(50304, scale);
    for (const RowSampling& row : {RowSampling{.temperature = 0},
                                   {.seed = 5},
                                   {.top_p = 0.9f},
                                   {.top_k = 50, .num_top = 20},
                                   {.temperature = 0.7f, .top_p = 0.95f, .min_p = 0.05f, .top_k = 1000}}) {
      const RowSample expected = reference::Sample(logits, row);
      // Among how many others: a device may share out a few rows that are drawn from all ids.
      const bool plain = row.top_k == 0 && row.top_p == 1;
      for (const size_t rows : plain ? std::vector<size_t>{1, 20, 60} : std::vector<size_t>{1}) {
        std::vector<RowSampling> same(rows, row);
        for (size_t i = 0; i < rows; ++i) same[i].slot = static_cast<int32_t>(i);
        for (const RowSample& sample : Run(std::vector<std::vector<float>>(rows, logits), same)) {
          EXPECT_EQ(sample.token, expected.token) << "scale " << scale << ", " << rows << " rows";
          EXPECT_EQ(sample.rank, expected.rank);
          EXPECT_NEAR(sample.logprob, expected.logprob, 1e-4);
        }
      }
    }
  }
}

TEST_F(SampleTest, DrawsTheDistribution) {
  std::vector<float> logits(15);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(-0.3 * static_cast<double>((i * 7) % 15));
  for (bool vary_seed : {false, true}) {
    ExpectDistribution(logits, {}, vary_seed);
    ExpectDistribution(logits, {.temperature = 2.5f}, vary_seed);
    ExpectDistribution(logits, {.temperature = 0.6f, .top_p = 0.9f, .top_k = 8}, vary_seed);
    ExpectDistribution(logits, {.min_p = 0.2f}, vary_seed);
  }
}

TEST_F(SampleTest, FiltersKeepWhatTheySay) {
  // Probabilities 0.4, 0.3, 0.2, 0.1 on ids 2, 0, 3, 1.
  const std::vector<float> logits = {std::log(0.3f), std::log(0.1f), std::log(0.4f), std::log(0.2f)};
  const auto kept = [&](const RowSampling& row) {
    constexpr int32_t kRows = 400;
    std::vector<RowSampling> rows(kRows, row);
    for (int32_t i = 0; i < kRows; ++i) rows[static_cast<size_t>(i)].position = rows[static_cast<size_t>(i)].slot = i;
    std::vector<bool> seen(4);
    for (const RowSample& sample : Run(std::vector<std::vector<float>>(kRows, logits), rows)) {
      seen[static_cast<size_t>(sample.token)] = true;
    }
    return seen;
  };
  EXPECT_EQ(kept({.top_k = 2}), (std::vector<bool>{true, false, true, false}));
  EXPECT_EQ(kept({.top_p = 0}), (std::vector<bool>{false, false, true, false}));
  EXPECT_EQ(kept({.top_p = 0.39f}), (std::vector<bool>{false, false, true, false}));
  EXPECT_EQ(kept({.top_p = 0.41f}), (std::vector<bool>{true, false, true, false}));  // the id that crosses p stays
  EXPECT_EQ(kept({.top_p = 0.95f}), (std::vector<bool>{true, true, true, true}));
  EXPECT_EQ(kept({.min_p = 0.6f}), (std::vector<bool>{true, false, true, false}));
  // Top-p counts what top-k left: of 0.4 and 0.3, 0.4 alone is 57%.
  EXPECT_EQ(kept({.top_p = 0.55f, .top_k = 2}), (std::vector<bool>{false, false, true, false}));
  EXPECT_EQ(kept({.temperature = 0}), (std::vector<bool>{false, false, true, false}));
}

TEST_F(SampleTest, TheSameNamesDrawTheSameTokenWhateverElseRuns) {
  std::vector<std::vector<float>> logits;
  std::vector<RowSampling> rows;
  for (int i = 0; i < 37; ++i) {
    logits.push_back(RandomLogits(300, 1));
    rows.push_back({.temperature = 1.2f, .seed = random.Bits(), .position = random.Integer(0, 1000), .slot = i});
  }
  const std::vector<RowSample> together = Run(logits, rows);
  for (size_t i = 0; i < rows.size(); ++i) {
    const RowSample alone = Run({logits[i]}, {rows[i]})[0];
    EXPECT_EQ(alone.token, together[i].token);
    EXPECT_EQ(alone.logprob, together[i].logprob);
  }
}

TEST_F(SampleTest, TiesGoToTheSmallerId) {
  const std::vector<float> logits(100, 1.5f);
  const RowSample sample = Run({logits}, {{.temperature = 0, .num_top = 3}})[0];
  EXPECT_EQ(sample.token, 0);
  EXPECT_EQ(sample.rank, 1);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(sample.top_ids[i], i);
  EXPECT_EQ(Run({logits}, {{.target = 42}})[0].rank, 43);
}

TEST_F(SampleTest, ScoresATargetWithoutDrawing) {
  const std::vector<float> logits = RandomLogits(1000, 2);
  const RowSampling row = {.temperature = 0.5f, .top_k = 1, .target = 777, .num_top = 5, .slot = 3};
  const RowSample sample = Run({logits}, {row})[0], expected = reference::Sample(logits, row);
  EXPECT_EQ(sample.token, 777);
  EXPECT_EQ(sample.rank, expected.rank);
  EXPECT_NEAR(sample.logprob, expected.logprob, 1e-4);  // before temperature and filters
  EXPECT_EQ(last_token[3], -7) << "nothing was drawn";
}

TEST_F(SampleTest, BadLogitsNeitherCrashNorWin) {
  const std::vector<float> some = {kNan, 1, -kInfinity, 3, kNan};
  std::vector<float> plus(40, 0);
  plus[7] = kInfinity;
  for (float temperature : {0.0f, 1.0f}) {
    for (int32_t position = 0; position < 50; ++position) {
      const RowSampling row = {
          .temperature = temperature, .top_p = 0.99f, .top_k = 30, .position = position, .num_top = 2};
      const RowSample sample = Run({some}, {row})[0];
      EXPECT_TRUE(sample.token == 1 || sample.token == 3);
      EXPECT_EQ(sample.top_ids[0], 3);
      EXPECT_EQ(sample.top_ids[1], 1);
      EXPECT_EQ(Run({plus}, {row})[0].token, 7);
    }
  }
}

TEST_F(SampleTest, RowsWithoutAFiniteLogitReportNoToken) {
  std::vector<float> infinite(200, kInfinity), mixed(200, kNan);
  for (size_t i = 0; i < mixed.size(); i += 3) mixed[i] = i % 2 == 0 ? kInfinity : -kInfinity;
  std::vector<float> one(200, kNan);
  one[150] = -3;
  const std::vector<std::vector<float>> bad = {std::vector<float>(200, kNan), std::vector<float>(200, -kInfinity),
                                               infinite, mixed};
  for (const float temperature : {0.0f, 1.0f}) {
    for (const int32_t target : {-1, 17}) {
      const RowSampling row = {.temperature = temperature, .top_p = 0.9f, .target = target, .num_top = 3, .slot = 2};
      for (const std::vector<float>& logits : bad) {
        const RowSample sample = Run({logits}, {row})[0];
        EXPECT_EQ(sample.token, -1);
        EXPECT_EQ(sample.rank, 0);
        EXPECT_EQ(last_token[2], target < 0 ? 0 : -7) << "the next step must find an id";
      }
      EXPECT_EQ(Run({one}, {row})[0].token, target < 0 ? 150 : 17);
    }
  }
}

TEST_F(SampleTest, VeryColdAndVeryHot) {
  const std::vector<float> logits = RandomLogits(200, 30);
  const int32_t best = reference::Sample(logits, {.temperature = 0}).token;
  for (float temperature : {1e-30f, 1e-6f, 1e-4f}) {
    EXPECT_EQ(Run({logits}, {{.temperature = temperature, .top_p = 0.9f, .min_p = 0.1f}})[0].token, best);
  }
  ExpectDistribution({5, -5, 0, 2}, {.temperature = 1e6f}, false);
}

// Whether the reference draws the token, or would where its logit, or the one's that it draws instead, were another by
// a rounding: of tens of thousands of sums one in some hundred runs lies so near to another, or to the edge of top_p.
bool Draws(const std::vector<float>& logits, const RowSampling& row, int32_t token) {
  constexpr float kRounding = 1e-2F;
  const int32_t expected = reference::Sample(logits, row).token;
  if (token == expected) return true;
  if (token < 0 || static_cast<size_t>(token) >= logits.size() || expected < 0) return false;
  std::vector<float> nudged = logits;
  nudged[static_cast<size_t>(token)] += kRounding;
  if (reference::Sample(nudged, row).token == token) return true;
  nudged[static_cast<size_t>(token)] = logits[static_cast<size_t>(token)];
  nudged[static_cast<size_t>(expected)] -= kRounding;
  return reference::Sample(nudged, row).token == token;
}

// Controls change what is drawn, not what is reported, and take note of the token: three draws in a row.
TEST_F(SampleTest, Controls) {
  for (const int32_t vocab : {3, 60, 1000, 4096, 50304}) {
    constexpr size_t kRows = 24;
    std::vector<reference::Controls> controls(kRows);
    std::vector<char> control_rows;
    std::vector<RowSampling> rows(kRows);
    for (size_t i = 0; i < kRows; ++i) {
      controls[i] = reference::RandomControls(
          vocab, [&](int32_t below) { return static_cast<int32_t>(random.Bits() % static_cast<uint64_t>(below)); });
      const std::vector<char> bytes = reference::ControlRow(controls[i]);
      control_rows.insert(control_rows.begin(), bytes.begin(), bytes.end());
      rows[i] = {.temperature = i % 3 == 0 ? 0.F : 1.F,
                 .top_p = i % 4 == 1 ? 0.7F : 1.F,
                 .top_k = i % 5 == 1 ? 3 : 0,
                 .seed = random.Bits(),
                 .slot = static_cast<int32_t>(i),
                 .control = {.repetition_penalty = i % 2 == 0 ? 1.F : 1.3F,
                             .presence_penalty = i % 3 == 1 ? 0.F : 0.8F,
                             .frequency_penalty = i % 5 == 2 ? -0.2F : 0.1F,
                             .first_end_position = 11,
                             .row = i % 7 == 6 ? -1 : static_cast<int32_t>(kRows - 1 - i)}};
    }
    const Buffer device = OnDevice(*ops, control_rows);
    const ControlView view{.rows = device.As<char>(), .row_bytes = ControlBytes(vocab)};
    for (int32_t position = 9; position < 12; ++position) {
      std::vector<std::vector<float>> logits;
      for (RowSampling& row : rows) {
        row.position = position;
        logits.push_back(RandomLogits(static_cast<size_t>(vocab), 2));
      }
      const std::vector<RowSample> samples = Run(logits, rows, view);
      for (size_t i = 0; i < kRows; ++i) {
        SCOPED_TRACE(::testing::Message() << vocab << " ids, row " << i << ", position " << position);
        const bool active = rows[i].control.row >= 0;
        const std::vector<float> left = active ? reference::ApplyControls(logits[i], controls[i], rows[i]) : logits[i];
        const bool nothing_left = std::all_of(left.begin(), left.end(), [](float l) { return l == -kInfinity; });
        const int32_t drawn = samples[i].token;
        ASSERT_TRUE(nothing_left ? drawn == -1 : Draws(left, rows[i], drawn)) << drawn;
        if (nothing_left) continue;
        RowSampling scored = rows[i];
        scored.target = drawn;
        EXPECT_EQ(samples[i].rank, reference::Sample(logits[i], scored).rank);
        EXPECT_NEAR(samples[i].logprob, reference::Sample(logits[i], scored).logprob, 1e-4);
        if (active) controls[i].drawn.push_back(drawn);
      }
    }
  }
}

}  // namespace
}  // namespace batucada::testing
