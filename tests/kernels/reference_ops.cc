#include "tests/kernels/reference_ops.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/gumbel.h"

namespace batucada::reference {
namespace {

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double Silu(double x) { return x * Sigmoid(x); }
double Softplus(double x) { return x > 20 ? x : std::log1p(std::exp(x)); }

// Ids, most likely first, ties by smaller id.
std::vector<int32_t> Ranked(const std::vector<float>& logits) {
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::stable_sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) {
    return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
  });
  return ids;
}

double LogSumExp(const std::vector<float>& logits) {
  const double max = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float l : logits) sum += std::exp(l - max);
  return max + std::log(sum);
}

}  // namespace

Dense Dense::RowRange(int64_t first, int64_t count) const {
  Dense out(count, cols);
  std::copy_n(values.begin() + first * cols, count * cols, out.values.begin());
  return out;
}

Dense Dense::ColRange(int64_t first, int64_t count) const {
  Dense out(rows, count);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < count; ++c) out.At(r, c) = At(r, first + c);
  }
  return out;
}

double RelativeError(const Dense& actual, const Dense& expected) { return RelativeError(actual, expected, expected); }

double RelativeError(const Dense& actual, const Dense& expected, const Dense& scale) {
  const double kInfinity = std::numeric_limits<double>::infinity();
  if (actual.rows != expected.rows || actual.cols != expected.cols) return kInfinity;
  double difference = 0, norm = 0;
  for (size_t i = 0; i < expected.values.size(); ++i) {
    if (!std::isfinite(actual.values[i]) || !std::isfinite(expected.values[i])) return kInfinity;
    difference += (actual.values[i] - expected.values[i]) * (actual.values[i] - expected.values[i]);
  }
  if (difference == 0) return 0;
  for (double v : scale.values) norm += v * v;
  return norm == 0 ? kInfinity : std::sqrt(difference / norm);
}

Dense RmsNorm(const Dense& x, const std::vector<double>& weight, double eps) {
  Dense out(x.rows, x.cols);
  for (int64_t r = 0; r < x.rows; ++r) {
    double squares = 0;
    for (int64_t c = 0; c < x.cols; ++c) squares += x.At(r, c) * x.At(r, c);
    const double scale = 1 / std::sqrt(squares / static_cast<double>(x.cols) + eps);
    for (int64_t c = 0; c < x.cols; ++c) out.At(r, c) = x.At(r, c) * scale * weight[static_cast<size_t>(c)];
  }
  return out;
}

Dense LayerNorm(const Dense& x, const std::vector<double>& weight, const std::vector<double>& bias, double eps) {
  Dense out(x.rows, x.cols);
  const auto count = static_cast<double>(x.cols);
  for (int64_t r = 0; r < x.rows; ++r) {
    double mean = 0, variance = 0;
    for (int64_t c = 0; c < x.cols; ++c) mean += x.At(r, c) / count;
    for (int64_t c = 0; c < x.cols; ++c) variance += (x.At(r, c) - mean) * (x.At(r, c) - mean) / count;
    for (int64_t c = 0; c < x.cols; ++c) {
      const auto i = static_cast<size_t>(c);
      out.At(r, c) = (x.At(r, c) - mean) / std::sqrt(variance + eps) * weight[i] + bias[i];
    }
  }
  return out;
}

Dense SiluGate(const Dense& gate, const Dense& x) {
  Dense out(x.rows, x.cols);
  for (size_t i = 0; i < out.values.size(); ++i) out.values[i] = Silu(gate.values[i]) * x.values[i];
  return out;
}

Dense DiffCombine(const Dense& streams, int64_t group, int64_t width, double lambda, const std::vector<double>& weight,
                  double eps) {
  const int64_t pairs = streams.cols / (2 * width);
  Dense out(streams.rows, pairs * width);
  for (int64_t pair = 0; pair < pairs; ++pair) {
    const int64_t first = pair / group * 2 * group + pair % group;
    Dense difference = streams.ColRange(first * width, width);
    const Dense second = streams.ColRange((first + group) * width, width);
    for (size_t i = 0; i < difference.values.size(); ++i) difference.values[i] -= lambda * second.values[i];
    const Dense normed = RmsNorm(difference, weight, eps);
    for (int64_t r = 0; r < out.rows; ++r) {
      for (int64_t c = 0; c < width; ++c) out.At(r, pair * width + c) = normed.At(r, c);
    }
  }
  return out;
}

Dense MatMul(const Dense& weight, const Dense& in) {
  Dense out(in.rows, weight.rows);
  for (int64_t r = 0; r < in.rows; ++r) {
    for (int64_t o = 0; o < weight.rows; ++o) {
      double sum = 0;
      for (int64_t i = 0; i < weight.cols; ++i) sum += weight.At(o, i) * in.At(r, i);
      out.At(r, o) = sum;
    }
  }
  return out;
}

Dense SwiGlu(const Dense& gate_up) {
  const int64_t m = gate_up.cols / 2;
  Dense out(gate_up.rows, m);
  for (int64_t r = 0; r < gate_up.rows; ++r) {
    for (int64_t c = 0; c < m; ++c) out.At(r, c) = Silu(gate_up.At(r, c)) * gate_up.At(r, m + c);
  }
  return out;
}

Dense CausalConv(const Dense& x, const Dense& weight, const std::vector<double>& bias, Dense& state) {
  Dense out(x.rows, x.cols);
  for (int64_t t = 0; t < x.rows; ++t) {
    for (int64_t e = 0; e < x.cols; ++e) {
      double sum = bias[static_cast<size_t>(e)];
      for (int64_t tap = 0; tap < 3; ++tap) sum += weight.At(e, tap) * state.At(e, tap);
      sum += weight.At(e, 3) * x.At(t, e);
      out.At(t, e) = Silu(sum);
      state.At(e, 0) = state.At(e, 1);
      state.At(e, 1) = state.At(e, 2);
      state.At(e, 2) = x.At(t, e);
    }
  }
  return out;
}

Dense SelectiveScan(const ScanInputs& in, Dense& state, Dense* memory) {
  Dense out(in.x.rows, in.x.cols);
  if (memory != nullptr) *memory = out;
  for (int64_t t = 0; t < in.x.rows; ++t) {
    for (int64_t e = 0; e < in.x.cols; ++e) {
      const size_t channel = static_cast<size_t>(e);
      const double delta = Softplus(in.dt.At(t, e) + in.dt_bias[channel]);
      double y = in.d[channel] * in.x.At(t, e);
      for (int64_t n = 0; n < in.a.cols; ++n) {
        double& h = state.At(e, n);
        h = std::exp(delta * in.a.At(e, n)) * h + delta * in.b.At(t, n) * in.x.At(t, e);
        y += in.c.At(t, n) * h;
      }
      out.At(t, e) = y * Silu(in.z.At(t, e));
      if (memory != nullptr) memory->At(t, e) = y;
    }
  }
  return out;
}

std::vector<float> RopeFrequencies(int32_t head_dim, float theta) {
  std::vector<float> inv(static_cast<size_t>(head_dim / 2));
  for (int32_t i = 0; i < head_dim / 2; ++i) {
    const float exponent = -static_cast<float>(2 * i) / static_cast<float>(head_dim);
    inv[static_cast<size_t>(i)] =
        static_cast<float>(std::pow(static_cast<double>(theta), static_cast<double>(exponent)));
  }
  return inv;
}

void Rope(Dense& x, int32_t head_dim, const std::vector<int32_t>& positions, float theta) {
  if (theta == 0) return;
  const std::vector<float> inv = RopeFrequencies(head_dim, theta);
  const int32_t half = head_dim / 2;
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t head = 0; head < x.cols / head_dim; ++head) {
      for (int32_t i = 0; i < half; ++i) {
        const float angle = static_cast<float>(positions[static_cast<size_t>(r)]) * inv[static_cast<size_t>(i)];
        const double cosine = std::cos(static_cast<double>(angle)), sine = std::sin(static_cast<double>(angle));
        double& first = x.At(r, head * head_dim + i);
        double& second = x.At(r, head * head_dim + half + i);
        const double a = first, b = second;
        first = a * cosine - b * sine;
        second = b * cosine + a * sine;
      }
    }
  }
}

Dense Attention(const Dense& q, const Dense& k, const Dense& v, int32_t head_dim, int32_t window, int64_t first) {
  const int64_t heads = q.cols / head_dim, group = heads / (k.cols / head_dim);
  Dense out(q.rows - first, q.cols);
  for (int64_t t = first; t < q.rows; ++t) {
    const int64_t oldest = std::max<int64_t>(0, t - window + 1);
    for (int64_t head = 0; head < heads; ++head) {
      const int64_t q_col = head * head_dim, kv_col = head / group * head_dim;
      std::vector<double> weights;
      for (int64_t s = oldest; s <= t; ++s) {
        double dot = 0;
        for (int64_t i = 0; i < head_dim; ++i) dot += q.At(t, q_col + i) * k.At(s, kv_col + i);
        weights.push_back(dot / std::sqrt(static_cast<double>(head_dim)));
      }
      const double max = *std::max_element(weights.begin(), weights.end());
      double sum = 0;
      for (double& w : weights) sum += (w = std::exp(w - max));
      for (int64_t s = oldest; s <= t; ++s) {
        const double p = weights[static_cast<size_t>(s - oldest)] / sum;
        for (int64_t i = 0; i < head_dim; ++i) out.At(t - first, q_col + i) += p * v.At(s, kv_col + i);
      }
    }
  }
  return out;
}

Dense PairedAttention(const Dense& q, const Dense& k, const Dense& v, int32_t head_dim, int32_t window, int64_t first) {
  Dense out(q.rows - first, 2 * q.cols);
  for (int64_t half = 0; half < 2; ++half) {
    Dense values = v;
    for (int64_t r = 0; r < v.rows; ++r) {
      for (int64_t c = 0; c < v.cols; ++c) {
        values.At(r, c) = v.At(r, (c / head_dim / 2 * 2 + half) * head_dim + c % head_dim);
      }
    }
    const Dense part = Attention(q, k, values, head_dim, window, first);
    for (int64_t r = 0; r < part.rows; ++r) {
      for (int64_t c = 0; c < part.cols; ++c) {
        out.At(r, (c / head_dim * 2 + half) * head_dim + c % head_dim) = part.At(r, c);
      }
    }
  }
  return out;
}

std::vector<double> SamplingDistribution(const std::vector<float>& logits, const RowSampling& row) {
  const std::vector<int32_t> ranked = Ranked(logits);
  std::vector<double> probability(logits.size(), 0);
  if (row.temperature == 0) {
    probability[static_cast<size_t>(ranked[0])] = 1;
    return probability;
  }
  const auto logit = [&](size_t rank) { return logits[static_cast<size_t>(ranked[rank])]; };
  const auto mass = [&](size_t rank) {  // unnormalised, of the rank-th most likely id
    return std::exp((static_cast<double>(logit(rank)) - logit(0)) / row.temperature);
  };
  // A filter keeps the `kept` most likely ids and whatever ties with the last of them.
  const auto extend_over_ties = [&](size_t kept) {
    while (kept < ranked.size() && logit(kept) == logit(kept - 1)) ++kept;
    return kept;
  };
  size_t kept = ranked.size();
  if (row.top_k > 0 && static_cast<size_t>(row.top_k) < kept) kept = extend_over_ties(static_cast<size_t>(row.top_k));
  if (row.top_p < 1) {
    double total = 0, sum = 0;
    for (size_t i = 0; i < kept; ++i) total += mass(i);
    size_t count = 0;
    while (count < kept && sum < row.top_p * total) sum += mass(count++);
    kept = std::min(kept, extend_over_ties(std::max<size_t>(count, 1)));
  }
  if (row.min_p > 0) {
    size_t count = 1;
    while (count < kept && mass(count) >= row.min_p) ++count;
    kept = count;
  }
  double total = 0;
  for (size_t i = 0; i < kept; ++i) total += mass(i);
  for (size_t i = 0; i < kept; ++i) probability[static_cast<size_t>(ranked[i])] = mass(i) / total;
  return probability;
}

std::vector<float> ApplyControls(const std::vector<float>& logits, const Controls& controls, const RowSampling& row) {
  std::vector<float> out = logits;
  std::vector<int32_t> history = controls.prompt;
  history.insert(history.end(), controls.drawn.begin(), controls.drawn.end());
  for (int32_t id = 0; id < static_cast<int32_t>(out.size()); ++id) {
    const auto i = static_cast<size_t>(id);
    const auto times = static_cast<float>(std::count(controls.drawn.begin(), controls.drawn.end(), id));
    float& logit = out[i];
    logit += controls.bias[i];
    if (std::find(history.begin(), history.end(), id) != history.end()) {
      logit = logit > 0 ? logit / row.control.repetition_penalty : logit * row.control.repetition_penalty;
    }
    if (times > 0) logit -= row.control.frequency_penalty * times + row.control.presence_penalty;
    if (controls.ends_text[i] && row.position < row.control.first_end_position) {
      logit = -std::numeric_limits<float>::infinity();
    }
  }
  for (const std::vector<int32_t>& phrase : controls.banned) {
    if (phrase.size() - 1 > history.size()) continue;
    if (std::equal(phrase.begin(), phrase.end() - 1, history.end() - static_cast<int64_t>(phrase.size()) + 1)) {
      out[static_cast<size_t>(phrase.back())] = -std::numeric_limits<float>::infinity();
    }
  }
  return out;
}

std::vector<char> ControlRow(const Controls& controls) {
  const auto vocab = static_cast<int32_t>(controls.bias.size());
  std::vector<char> bytes(static_cast<size_t>(ControlBytes(vocab)));
  const ControlView view{.rows = bytes.data(), .row_bytes = ControlBytes(vocab)};
  auto* const tokens = new (view.TokensOf(0)) TokenControl[controls.bias.size()];
  for (size_t i = 0; i < controls.bias.size(); ++i) {
    tokens[i] = {.bias = controls.bias[i], .marks = controls.ends_text[i] ? kEndsText : 0};
  }
  for (const int32_t id : controls.prompt) tokens[id].marks |= kInPrompt;
  for (const int32_t id : controls.drawn) ++tokens[id].marks;
  auto* const phrases = new (view.PhrasesOf(0, vocab)) BannedPhrases;
  for (const std::vector<int32_t>& phrase : controls.banned) {
    phrases->lengths[phrases->count] = static_cast<int32_t>(phrase.size());
    std::copy(phrase.begin(), phrase.end(), phrases->ids[phrases->count++]);
  }
  std::vector<int32_t> history = controls.prompt;
  history.insert(history.end(), controls.drawn.begin(), controls.drawn.end());
  for (size_t i = 0; i < kMaxPhraseIds; ++i) {
    phrases->recent[i] = i < history.size() ? history[history.size() - 1 - i] : -1;
  }
  return bytes;
}

Controls RandomControls(int32_t vocab, const std::function<int32_t(int32_t)>& random) {
  const auto size = static_cast<size_t>(vocab);
  Controls c{.bias = std::vector<float>(size), .ends_text = std::vector<bool>(size)};
  const bool only_some = random(3) == 0;
  for (size_t i = 0; i < size; ++i) {
    if (only_some && random(4) != 0) c.bias[i] = -std::numeric_limits<float>::infinity();
    if (random(10) == 0) c.bias[i] += static_cast<float>(random(2001) - 1000) / 100;
    c.ends_text[i] = random(20) == 0;
  }
  for (int32_t i = random(50); i > 0; --i) c.prompt.push_back(random(vocab));
  for (int32_t i = random(50); i > 0; --i) c.drawn.push_back(random(std::min(vocab, 12)));
  std::vector<int32_t> history = c.prompt;
  history.insert(history.end(), c.drawn.begin(), c.drawn.end());
  // Half of the phrases fit the end of the history.
  for (int32_t i = random(kMaxPhrases + 1); i > 0; --i) {
    std::vector<int32_t> phrase(static_cast<size_t>(1 + random(kMaxPhraseIds)));
    for (int32_t& id : phrase) id = random(vocab);
    if (random(2) == 0 && phrase.size() - 1 <= history.size()) {
      std::copy(history.end() - static_cast<int64_t>(phrase.size()) + 1, history.end(), phrase.begin());
    }
    c.banned.push_back(std::move(phrase));
  }
  return c;
}

RowSample Sample(const std::vector<float>& logits, const RowSampling& row) {
  RowSample result;
  const std::vector<int32_t> ranked = Ranked(logits);
  if (row.target >= 0) {
    result.token = row.target;
  } else {
    const std::vector<double> kept = SamplingDistribution(logits, row);
    double best = -std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < kept.size(); ++i) {
      if (kept[i] == 0) continue;
      const double score = std::log(kept[i]) + Gumbel(row.seed, row.position, static_cast<int32_t>(i));
      if (score > best) {
        best = score;
        result.token = static_cast<int32_t>(i);
      }
    }
  }
  const double log_sum = LogSumExp(logits);
  const auto log_probability = [&](int32_t id) {
    return static_cast<float>(logits[static_cast<size_t>(id)] - log_sum);
  };
  result.logprob = log_probability(result.token);
  result.rank = static_cast<int32_t>(std::find(ranked.begin(), ranked.end(), result.token) - ranked.begin()) + 1;
  for (int i = 0; i < row.num_top; ++i) {
    result.top_ids[i] = ranked[static_cast<size_t>(i)];
    result.top_logprobs[i] = log_probability(result.top_ids[i]);
  }
  return result;
}

}  // namespace batucada::reference
