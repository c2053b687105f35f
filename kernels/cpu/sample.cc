#include "kernels/cpu/sample.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "kernels/cpu/sample_vectors.h"

namespace batucada {
namespace {

// The k-th largest of `values`, which are reordered.
float KthLargest(std::vector<float>& values, size_t k) {
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(k) - 1, values.end(), std::greater<>());
  return values[k - 1];
}

// The smallest value t such that the values above t have less than `share` of the mass exp((value - max) /
// temperature): bisection by nth_element, which halves what is left each time and so is linear.
float NucleusThreshold(std::vector<float>& values, float max, float inverse_temperature, double share) {
  const auto mass = [&](size_t begin, size_t end) {
    return SumOfExponentials(values.data() + begin, static_cast<int64_t>(end - begin), max, inverse_temperature);
  };
  size_t begin = 0, end = values.size();
  double needed = share * mass(begin, end);
  while (end - begin > 1) {
    const size_t middle = begin + (end - begin) / 2;
    const auto first = values.begin() + static_cast<int64_t>(begin);
    std::nth_element(first, values.begin() + static_cast<int64_t>(middle), values.begin() + static_cast<int64_t>(end),
                     std::greater<>());
    const double upper = mass(begin, middle);
    if (upper >= needed) {
      end = middle;
    } else {
      needed -= upper;
      begin = middle;
    }
  }
  return values[begin];
}

// The smallest logit that survives all filters of a row.
float SmallestKept(const LogitRow& logits, float max, const RowSampling& row, std::vector<float>& candidates) {
  float threshold = -std::numeric_limits<float>::max();  // never an id of probability zero
  if (row.top_k > 0 && row.top_k < logits.vocab) {
    candidates.assign(logits.values.begin(), logits.values.begin() + logits.vocab);
    threshold = std::max(threshold, KthLargest(candidates, static_cast<size_t>(row.top_k)));
  }
  if (row.top_p < 1) {
    const float inverse_temperature = 1 / row.temperature;
    const auto collect_mass = [&](float least) {
      CollectAtLeast(logits, least, candidates);
      return SumOfExponentials(candidates.data(), static_cast<int64_t>(candidates.size()), max, inverse_temperature);
    };
    const double total = collect_mass(threshold);
    // Ids less likely than (1 - p) / n of the whole are out of reach: together they have less than 1 - p. Setting them
    // aside first leaves few to select from.
    const double least = (1.0 - row.top_p) / static_cast<double>(candidates.size()) * total;
    const float reach = max + static_cast<float>(std::log(std::max(least, 1e-300))) * row.temperature;
    const double near_total = collect_mass(std::max(threshold, reach));
    const double share = std::min(1.0, row.top_p * total / near_total);  // p of the whole, as a share of what is left
    threshold = std::max(threshold, NucleusThreshold(candidates, max, inverse_temperature, share));
  }
  if (row.min_p > 0) threshold = std::max(threshold, max + std::log(row.min_p) * row.temperature);
  return threshold;
}

int32_t Draw(const LogitRow& logits, int32_t best, const RowSampling& row, std::vector<float>& candidates) {
  const float max = logits[best];
  if (row.temperature < kGreedyTemperature) return best;
  const float threshold = SmallestKept(logits, max, row, candidates);
  return GumbelArgmax(logits, threshold, max, 1 / row.temperature, row.seed, row.position);
}

// Draws from the logits of allowed ids; -1 if that leaves nothing.
int32_t DrawAllowed(const RowSampling& row, SampleScratch& scratch) {
  const int32_t vocab = scratch.logits.vocab;
  scratch.edited.resize(static_cast<size_t>(vocab));
  for (int32_t id = 0; id < vocab; ++id) {
    scratch.edited[static_cast<size_t>(id)] = IsAllowed(row.control.allowed, id) ? scratch.logits[id] : -INFINITY;
  }
  const int32_t best = CleanLogits(scratch.edited.data(), vocab, scratch.controlled);
  return best < 0 ? -1 : Draw(scratch.controlled, best, row, scratch.candidates);
}

// Draws from what the sequence's controls make of the logits, and notes the token there; -1 if they leave nothing.
int32_t DrawControlled(const RowSampling& row, const ControlView& controls, SampleScratch& scratch) {
  const int32_t vocab = scratch.logits.vocab;
  TokenControl* const tokens = controls.TokensOf(row.control.row);
  BannedPhrases& phrases = *controls.PhrasesOf(row.control.row, vocab);
  const auto mark_banned = [&](bool banned) {
    for (int32_t i = 0; i < phrases.count; ++i) {
      const int32_t id = BannedByPhrase(phrases, i);
      if (id < 0) continue;
      tokens[id].marks = banned ? tokens[id].marks | kBannedNow : tokens[id].marks & ~kBannedNow;
    }
  };
  mark_banned(true);
  scratch.edited.resize(static_cast<size_t>(vocab));
  for (int32_t id = 0; id < vocab; ++id) {
    scratch.edited[static_cast<size_t>(id)] =
        IsAllowed(row.control.allowed, id) ? ControlledLogit(scratch.logits[id], tokens[id], row.control, row.position)
                                           : -INFINITY;
  }
  mark_banned(false);
  const int32_t best = CleanLogits(scratch.edited.data(), vocab, scratch.controlled);
  if (best < 0) return -1;
  const int32_t token = Draw(scratch.controlled, best, row, scratch.candidates);
  NoteDrawn(tokens, phrases, token);
  return token;
}

// The num_top most likely ids in order: a short sorted list, which almost no id enters.
void ListTop(const LogitRow& logits, double log_sum, int32_t num_top, RowSample& result) {
  float top[kMaxTop];
  int32_t count = 0;
  for (int32_t id = 0; id < logits.vocab; ++id) {
    if (count == num_top && !(logits[id] > top[count - 1])) continue;
    int32_t place = count < num_top ? count++ : count - 1;
    for (; place > 0 && logits[id] > top[place - 1]; --place) {
      top[place] = top[place - 1];
      result.top_ids[place] = result.top_ids[place - 1];
    }
    top[place] = logits[id];
    result.top_ids[place] = id;
  }
  for (int32_t i = 0; i < count; ++i) result.top_logprobs[i] = static_cast<float>(top[i] - log_sum);
}

RowSample SampleRow(const float* logits, int32_t vocab, const RowSampling& row, const ControlView& controls,
                    SampleScratch& scratch) {
  const int32_t best = CleanLogits(logits, vocab, scratch.logits);
  RowSample result;
  result.token = -1;
  if (best < 0) return result;
  const float max = scratch.logits[best];
  const double log_sum = max + std::log(SumOfExponentials(scratch.logits.values.data(), vocab, max, 1));
  result.token = row.target >= 0        ? row.target
                 : row.control.row >= 0 ? DrawControlled(row, controls, scratch)
                 : row.control.allowed  ? DrawAllowed(row, scratch)
                                        : Draw(scratch.logits, best, row, scratch.candidates);
  if (result.token < 0) return result;
  result.logprob = static_cast<float>(scratch.logits[result.token] - log_sum);
  result.rank = CountAhead(scratch.logits, result.token) + 1;
  if (row.num_top > 0) ListTop(scratch.logits, log_sum, row.num_top, result);
  return result;
}

}  // namespace

void Sample(const Tensor& logits, int32_t vocab, const RowSampling* rows, const ControlView& controls,
            RowSample* results, int32_t* last_token, std::vector<SampleScratch>& scratch, ThreadPool& pool) {
  pool.ParallelFor(logits.rows, Grain(), [&](int64_t begin, int64_t end, int thread) {
    for (int64_t i = begin; i < end; ++i) {
      const float* row = logits.As<float>() + i * logits.stride;
      results[i] = SampleRow(row, vocab, rows[i], controls, scratch[static_cast<size_t>(thread)]);
    }
  });
  // Afterwards and in order, in case two rows name the same slot.
  for (int64_t i = 0; i < logits.rows; ++i) {
    // Always an id: a step that is planned already will look it up.
    if (rows[i].target < 0) last_token[rows[i].slot] = std::max(results[i].token, 0);
  }
}

}  // namespace batucada
