// Sampling on CUDA against the reference: every filter alone and together, scoring, ranks, the most likely ids, ties.
#include <cmath>
#include <limits>
#include <string>

#include "tests/kernels/cuda/cuda_test.h"

namespace batucada {
namespace {

class SampleTest : public CudaTest {
 protected:
  // Draws every row of `logits` by `requests` on the device and compares all that is reported.
  void Check(const std::vector<std::vector<float>>& logits, std::vector<RowSampling> requests, int64_t padded) {
    const int32_t vocab = static_cast<int32_t>(logits[0].size());
    const int64_t rows = static_cast<int64_t>(logits.size());
    // Padding is more likely than anything else, so that drawing it would show.
    std::vector<float> values(static_cast<size_t>(rows * padded), 1e9f);
    for (int64_t r = 0; r < rows; ++r) {
      for (int32_t i = 0; i < vocab; ++i)
        values[static_cast<size_t>(r * padded + i)] = logits[static_cast<size_t>(r)][static_cast<size_t>(i)];
      requests[static_cast<size_t>(r)].slot = static_cast<int32_t>(rows - 1 - r);
    }
    const Buffer logits_device = UploadVector(values), requests_device = UploadVector(requests);
    const Buffer results = UploadVector(std::vector<RowSample>(static_cast<size_t>(rows), RowSample{.token = -7}));
    const Buffer last = UploadVector(std::vector<int32_t>(static_cast<size_t>(rows), -7));
    ops().Sample({logits_device.data(), DType::kF32, rows, padded, padded}, vocab, requests_device.As<RowSampling>(),
                 {}, results.As<RowSample>(), last.As<int32_t>());
    Finish();
    const auto got = DownloadVector<RowSample>(results.data(), static_cast<size_t>(rows));
    const auto last_token = DownloadVector<int32_t>(last.data(), static_cast<size_t>(rows));
    for (size_t r = 0; r < static_cast<size_t>(rows); ++r) {
      const RowSampling& request = requests[r];
      SCOPED_TRACE("row " + std::to_string(r) + " of " + std::to_string(vocab) + " ids: temperature " +
                   std::to_string(request.temperature) + ", top_k " + std::to_string(request.top_k) + ", top_p " +
                   std::to_string(request.top_p) + ", min_p " + std::to_string(request.min_p));
      const RowSample expected = reference::Sample(logits[r], request);
      EXPECT_EQ(got[r].token, expected.token);
      EXPECT_EQ(got[r].rank, expected.rank);
      EXPECT_NEAR(got[r].logprob, expected.logprob, 1e-4);
      EXPECT_EQ(last_token[static_cast<size_t>(request.slot)], request.target >= 0 ? -7 : expected.token);
      for (int i = 0; i < request.num_top; ++i) {
        EXPECT_EQ(got[r].top_ids[i], expected.top_ids[i]) << "place " << i;
        EXPECT_NEAR(got[r].top_logprobs[i], expected.top_logprobs[i], 1e-4) << "place " << i;
      }
    }
  }

  std::vector<float> Logits(int32_t vocab, double deviation) {
    const Dense m = Random(1, vocab, deviation, DType::kF32);
    return {m.values.begin(), m.values.end()};
  }

  RowSampling RandomRequest(int32_t vocab) {
    RowSampling r;
    const float temperatures[] = {0, 0.3f, 1, 2};
    const float top_ps[] = {1, 0.05f, 0.5f, 0.9f, 0.999f};
    const float min_ps[] = {0, 0, 0.02f, 0.5f};
    const int32_t top_ks[] = {0, 0, 1, 5, 50, 1000};
    r.temperature = temperatures[RandomInt(0, 3)];
    r.top_p = top_ps[RandomInt(0, 4)];
    r.min_p = min_ps[RandomInt(0, 3)];
    r.top_k = top_ks[RandomInt(0, 5)];
    r.seed = random_();
    r.position = RandomInt(0, 1 << 20);
    if (RandomInt(0, 5) == 0) r.target = RandomInt(0, vocab - 1);
    r.num_top = std::min(vocab, RandomInt(0, 1) * RandomInt(0, kMaxTop));
    return r;
  }
};

TEST_F(SampleTest, AnyMixOfFilters) {
  for (const int32_t vocab : {1, 7, 1000, 8192, 50304}) {
    std::vector<std::vector<float>> logits;
    std::vector<RowSampling> requests;
    for (int row = 0; row < 24; ++row) {
      logits.push_back(Logits(vocab, row % 3 == 0 ? 0.5 : row % 3 == 1 ? 3 : 10));
      requests.push_back(RandomRequest(vocab));
    }
    Check(logits, requests, (vocab + 63) / 64 * 64 + 64);
    Check(logits, requests, vocab + 1);  // rows that are not aligned
  }
}

// Coarse logits: hundreds of ids share every value. What ties with the last id kept is kept, and ids settle the order.
TEST_F(SampleTest, Ties) {
  for (const int32_t vocab : {50, 5000, 32000}) {
    std::vector<std::vector<float>> logits;
    std::vector<RowSampling> requests;
    for (int row = 0; row < 16; ++row) {
      std::vector<float> l = Logits(vocab, 2);
      for (float& v : l) v = row == 0 ? 1.5f : std::round(v);
      logits.push_back(std::move(l));
      requests.push_back(RandomRequest(vocab));
      requests.back().num_top = std::min(vocab, 20);
    }
    Check(logits, requests, vocab);
  }
}

TEST_F(SampleTest, MaskedIdsAreNeverDrawn) {
  std::vector<std::vector<float>> logits;
  std::vector<RowSampling> requests;
  for (int row = 0; row < 8; ++row) {
    std::vector<float> l = Logits(3000, 3);
    for (size_t i = 0; i < l.size(); ++i) {
      if (i % 3 != 1) l[i] = -std::numeric_limits<float>::infinity();
    }
    logits.push_back(std::move(l));
    requests.push_back(RandomRequest(3000));
    requests.back().target = -1;
    requests.back().num_top = 10;
  }
  Check(logits, requests, 3008);
}

TEST_F(SampleTest, RowsWithoutAFiniteLogitReportNoToken) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();
  constexpr int32_t kVocab = 5003;
  std::vector<float> mixed(kVocab, kNan), one(kVocab, kNan), plus(kVocab, 0.f);
  for (size_t i = 0; i < mixed.size(); i += 3) mixed[i] = i % 2 == 0 ? kInfinity : -kInfinity;
  one[4321] = -3;
  plus[77] = kInfinity;
  const std::vector<std::vector<float>> kinds = {std::vector<float>(kVocab, kNan),
                                                 std::vector<float>(kVocab, -kInfinity),
                                                 std::vector<float>(kVocab, kInfinity),
                                                 mixed,
                                                 one,
                                                 plus};
  std::vector<float> values;
  std::vector<RowSampling> requests;
  for (const std::vector<float>& logits : kinds) {
    for (const float temperature : {0.f, 1.f}) {
      for (const int32_t target : {-1, 17}) {
        values.insert(values.end(), logits.begin(), logits.end());
        requests.push_back({.temperature = temperature,
                            .top_p = 0.9f,
                            .top_k = 40,
                            .seed = random_(),
                            .target = target,
                            .num_top = 3,
                            .slot = static_cast<int32_t>(requests.size())});
      }
    }
  }
  const size_t rows = requests.size();
  const Buffer logits = UploadVector(values), requests_device = UploadVector(requests);
  const Buffer results = UploadVector(std::vector<RowSample>(rows, RowSample{.token = -7}));
  const Buffer last = UploadVector(std::vector<int32_t>(rows, -7));
  ops().Sample({logits.data(), DType::kF32, static_cast<int64_t>(rows), kVocab, kVocab}, kVocab,
               requests_device.As<RowSampling>(), {}, results.As<RowSample>(), last.As<int32_t>());
  Finish();
  const auto samples = DownloadVector<RowSample>(results.data(), rows);
  const auto ids = DownloadVector<int32_t>(last.data(), rows);
  for (size_t r = 0; r < rows; ++r) {
    SCOPED_TRACE(r);
    const size_t kind = r / 4;
    const bool draws = requests[r].target < 0;
    const int32_t best = kind < 4 ? -1 : kind == 4 ? 4321 : 77;
    EXPECT_EQ(samples[r].token, best < 0 || draws ? best : 17);
    EXPECT_EQ(samples[r].rank > 0, best >= 0);
    EXPECT_FALSE(std::isnan(samples[r].logprob));
    EXPECT_EQ(ids[r], draws ? std::max(best, 0) : -7);
    if (best >= 0) {
      EXPECT_EQ(samples[r].top_ids[0], best);
    }
  }
}

// Drawn often enough, frequencies are the probabilities: a chi-square test at a bound it passes but once in a million.
TEST_F(SampleTest, FrequenciesFollowTheDistribution) {
  const int32_t vocab = 40;
  const int rows = 20000;
  const std::vector<float> one = Logits(vocab, 1.5);
  std::vector<float> values;
  std::vector<RowSampling> requests;
  for (int r = 0; r < rows; ++r) {
    values.insert(values.end(), one.begin(), one.end());
    requests.push_back({.temperature = 0.8f, .top_p = 0.95f, .seed = random_(), .position = r, .slot = r});
  }
  const Buffer logits = UploadVector(values), requests_device = UploadVector(requests);
  const Buffer results = UploadVector(std::vector<RowSample>(static_cast<size_t>(rows)));
  const Buffer last = UploadVector(std::vector<int32_t>(static_cast<size_t>(rows), -1));
  ops().Sample({logits.data(), DType::kF32, rows, vocab, vocab}, vocab, requests_device.As<RowSampling>(), {},
               results.As<RowSample>(), last.As<int32_t>());
  Finish();
  std::vector<int> drawn(static_cast<size_t>(vocab));
  for (const int32_t id : DownloadVector<int32_t>(last.data(), static_cast<size_t>(rows)))
    ++drawn.at(static_cast<size_t>(id));
  const std::vector<double> probability = reference::SamplingDistribution(one, requests[0]);
  double chi_square = 0;
  for (size_t i = 0; i < drawn.size(); ++i) {
    if (probability[i] == 0) {
      EXPECT_EQ(drawn[i], 0) << "id " << i << " was filtered out";
    } else {
      chi_square += std::pow(drawn[i] - rows * probability[i], 2) / (rows * probability[i]);
    }
  }
  EXPECT_LT(chi_square, 95);  // at most 39 degrees of freedom
}

// Controls change what is drawn, not what is reported, and take note of the token: three draws in a row.
TEST_F(SampleTest, Controls) {
  for (const int32_t vocab : {3, 60, 1000, 50304}) {
    const size_t rows = 24;
    std::vector<reference::Controls> controls(rows);
    std::vector<char> slots;
    std::vector<RowSampling> requests(rows);
    for (size_t r = 0; r < rows; ++r) {
      controls[r] = reference::RandomControls(vocab, [&](int32_t below) { return RandomInt(0, below - 1); });
      const std::vector<char> slot = reference::ControlSlot(controls[r]);
      slots.insert(slots.end(), slot.begin(), slot.end());
      requests[r] = {.temperature = r % 3 == 0 ? 0.f : 1.f,
                     .top_p = r % 4 == 1 ? 0.7f : 1.f,
                     .top_k = r % 5 == 1 ? 3 : 0,
                     .seed = random_(),
                     .slot = static_cast<int32_t>(r),
                     .control = {.repetition_penalty = r % 2 == 0 ? 1.f : 1.3f,
                                 .presence_penalty = r % 3 == 1 ? 0.f : 0.8f,
                                 .frequency_penalty = r % 5 == 2 ? -0.2f : 0.1f,
                                 .first_end_position = 11,
                                 .active = r % 7 == 6 ? 0 : 1}};
    }
    const Buffer slots_device = UploadVector(slots);
    const ControlView view{.slots = slots_device.As<char>(), .slot_bytes = ControlBytes(vocab)};
    for (int32_t position = 9; position < 12; ++position) {
      std::vector<std::vector<float>> logits;
      std::vector<float> values;
      for (RowSampling& request : requests) {
        request.position = position;
        logits.push_back(Logits(vocab, 2));
        values.insert(values.end(), logits.back().begin(), logits.back().end());
      }
      const Buffer logits_device = UploadVector(values), requests_device = UploadVector(requests);
      const Buffer results = UploadVector(std::vector<RowSample>(rows, RowSample{.token = -7}));
      const Buffer last = UploadVector(std::vector<int32_t>(rows, -7));
      ops().Sample({logits_device.data(), DType::kF32, static_cast<int64_t>(rows), vocab, vocab}, vocab,
                   requests_device.As<RowSampling>(), view, results.As<RowSample>(), last.As<int32_t>());
      Finish();
      const auto samples = DownloadVector<RowSample>(results.data(), rows);
      for (size_t r = 0; r < rows; ++r) {
        SCOPED_TRACE(std::to_string(vocab) + " ids, row " + std::to_string(r) + ", position " +
                     std::to_string(position));
        const bool active = requests[r].control.active != 0;
        const std::vector<float> left =
            active ? reference::ApplyControls(logits[r], controls[r], requests[r]) : logits[r];
        bool nothing_left = true;
        for (const float l : left) nothing_left = nothing_left && !(l > -std::numeric_limits<float>::infinity());
        const int32_t expected = nothing_left ? -1 : reference::Sample(left, requests[r]).token;
        ASSERT_EQ(samples[r].token, expected);
        if (nothing_left) continue;
        RowSampling scored = requests[r];
        scored.target = expected;
        EXPECT_EQ(samples[r].rank, reference::Sample(logits[r], scored).rank);
        EXPECT_NEAR(samples[r].logprob, reference::Sample(logits[r], scored).logprob, 1e-4);
        if (active) controls[r].drawn.push_back(expected);
      }
    }
  }
}

}  // namespace
}  // namespace batucada
