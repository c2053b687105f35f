#include "kernels/cuda/sample.h"

#include "kernels/cuda/sample_row.cuh"
#include "kernels/gumbel.h"

namespace batucada::cuda {
namespace {

constexpr int kMaxLevels = 4;  // of histograms: 11 bits each, more than a distance between two floats has
constexpr float kLargest = 3.402823466e38f;
constexpr float kMassUnit = 1099511627776.f;

__device__ __forceinline__ Mass MassOf(float logit, float max, float per_temperature) {
  return static_cast<Mass>(Exp2((logit - max) * per_temperature) * kMassUnit);
}

enum class Measure { kCount, kMass };

// The largest logit t such that the ids with logit >= t number at least `count`, or weigh at least `mass`, looking only
// at ids with logit >= floor. `per_temperature` is log2(e) / temperature.
template <Measure kMeasure>
__device__ float Threshold(const Row& row, Shared& s, float max, float min, float floor, uint32_t count, Mass mass,
                           float per_temperature) {
  constexpr bool kWeigh = kMeasure == Measure::kMass;
  // Distances from the maximum, max - logit, are cut into bins; the bin that holds the threshold is cut again.
  float from[kMaxLevels] = {}, per_bin[kMaxLevels] = {};
  int chosen[kMaxLevels] = {};
  float low = 0.f;
  float high = fmaxf(max - fmaxf(min, floor), 1e-30f);
  uint32_t above_count = 0;
  Mass above_mass = 0;
  int levels = 0;
  // Whether a distance fell into the chosen bin of every level so far. Bins are monotone in the distance.
  const auto bin_of = [&](int level, float distance) {
    return static_cast<int>(
        fminf(fmaxf((distance - from[level]) * per_bin[level], 0.f), static_cast<float>(kBins - 1)));
  };
  const auto inside = [&](float logit) {
    if (!(logit >= floor)) return false;
    const float distance = max - logit;
    bool in = true;
#pragma unroll
    for (int level = 0; level < kMaxLevels; ++level) {
      if (level < levels) in = in && bin_of(level, distance) == chosen[level];
    }
    return in;
  };
  uint32_t in_bin = 0;
#pragma unroll
  for (int level = 0; level < kMaxLevels; ++level) {
    for (int i = threadIdx.x; i < kBins; i += kThreads) {
      s.count[i] = 0;
      if (kWeigh) s.mass[i] = 0;
    }
    from[level] = low;
    per_bin[level] = static_cast<float>(kBins) / (high - low);
    __syncthreads();
    row.ForEach([&](int, float logit) {
      if (!inside(logit)) return;
      const int bin = bin_of(level, max - logit);
      atomicAdd(&s.count[bin], 1u);
      if (kWeigh) atomicAdd(&s.mass[bin], MassOf(logit, max, per_temperature));
    });
    __syncthreads();
    // Where the running sum from the maximum down first reaches the goal. Each thread adds up two bins.
    const int bin = threadIdx.x * 2;
    const uint32_t count0 = s.count[bin], count1 = s.count[bin + 1];
    const Mass mass0 = kWeigh ? s.mass[bin] : count0, mass1 = kWeigh ? s.mass[bin + 1] : count1;
    uint32_t count_sum = count0 + count1;
    Mass mass_sum = mass0 + mass1;
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int lanes = 1; lanes < 32; lanes *= 2) {
      const uint32_t c = __shfl_up_sync(kAll, count_sum, lanes);
      const Mass m = __shfl_up_sync(kAll, mass_sum, lanes);
      if (lane >= lanes) {
        count_sum += c;
        mass_sum += m;
      }
    }
    if (lane == 31) {
      s.warp_count[threadIdx.x / 32] = count_sum;
      s.warp_mass[threadIdx.x / 32] = mass_sum;
    }
    if (threadIdx.x == 0) s.bin = -1;
    __syncthreads();
    uint32_t count_before = above_count;
    Mass mass_before = kWeigh ? above_mass : above_count;
    for (int w = 0; w < threadIdx.x / 32; ++w) {
      count_before += s.warp_count[w];
      mass_before += s.warp_mass[w];
    }
    count_before += count_sum - count0 - count1;
    mass_before += mass_sum - mass0 - mass1;
    const Mass goal = kWeigh ? mass : count;
    const bool here0 = mass_before < goal && mass_before + mass0 >= goal;
    const bool here1 = mass_before + mass0 < goal && mass_before + mass0 + mass1 >= goal;
    if (here0 || here1) {
      s.bin = here0 ? bin : bin + 1;
      s.bin_count = here0 ? count0 : count1;
      s.above_count = here0 ? count_before : count_before + count0;
      s.above_mass = here0 ? mass_before : mass_before + mass0;
    }
    __syncthreads();
    if (s.bin < 0) return floor;  // there is less than asked for: everything from the floor up is kept
    chosen[level] = s.bin;
    in_bin = s.bin_count;
    above_count = s.above_count;
    above_mass = s.above_mass;
    levels = level + 1;
    const float width = (high - low) / static_cast<float>(kBins);
    low += width * static_cast<float>(s.bin);
    high = low + width;
    __syncthreads();
    if (in_bin <= kCandidates) break;
  }
  // Rank the values of the bin. More of them than fit, after all levels, are equal: any of them will do.
  if (threadIdx.x == 0) s.num_candidates = 0;
  __syncthreads();
  row.ForEach([&](int, float logit) {
    if (!inside(logit)) return;
    const int at = atomicAdd(&s.num_candidates, 1);
    if (at < kCandidates) s.candidates[at] = logit;
  });
  __syncthreads();
  const int candidates = ::min(s.num_candidates, kCandidates);
  Choice best{-INFINITY, 0};
  Choice least{-INFINITY,
               0};  // of negated values: the smallest candidate, in case rounding leaves the goal out of reach
  if (threadIdx.x < candidates) {
    const float mine = s.candidates[threadIdx.x];
    Mass sum = kWeigh ? above_mass : above_count;
    for (int i = 0; i < candidates; ++i) {
      const float other = s.candidates[i];
      if (other >= mine) sum += kWeigh ? MassOf(other, max, per_temperature) : 1;
    }
    if (sum >= (kWeigh ? mass : count)) best = {mine, 0};
    least = {-mine, 0};
  }
  best = BlockBest(best, s);
  least = BlockBest(least, s);
  return best.score > -INFINITY ? best.score : -least.score;
}

// The first `num_top` ids, most likely first, ties by smaller id, into result.
__device__ void ReportTop(const Row& row, Shared& s, float max, float min, float log_sum, int num_top,
                          RowSample& result) {
  const float threshold = Threshold<Measure::kCount>(row, s, max, min, -INFINITY, num_top, 0, 0.f);
  if (threadIdx.x == 0) s.num_candidates = 0;
  __syncthreads();
  row.ForEach([&](int id, float logit) {
    if (!(logit > threshold)) return;  // fewer than num_top
    const int at = atomicAdd(&s.num_candidates, 1);
    s.candidates[at] = logit;
    s.candidate_ids[at] = id;
  });
  __syncthreads();
  // Those that tie at the threshold, in order of their ids, until there are enough.
  for (int base = 0; base < row.vocab; base += kThreads) {
    const int have = s.num_candidates;
    if (have >= num_top) break;  // the same for all
    const int id = base + threadIdx.x;
    const bool tie = id < row.vocab && row.At(id) == threshold;
    const uint32_t ties = __ballot_sync(kAll, tie);
    if (threadIdx.x % 32 == 0) s.warp_count[threadIdx.x / 32] = __popc(ties);
    __syncthreads();
    int at = have + __popc(ties & ((1u << threadIdx.x % 32) - 1));
    for (int w = 0; w < threadIdx.x / 32; ++w) at += s.warp_count[w];
    if (tie && at < num_top) {
      s.candidates[at] = threshold;
      s.candidate_ids[at] = id;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      for (int w = 0; w < kWarps; ++w) s.num_candidates += s.warp_count[w];
    }
    __syncthreads();
  }
  const int candidates = ::min(s.num_candidates, num_top);
  if (threadIdx.x >= candidates) return;
  const Choice mine{s.candidates[threadIdx.x], s.candidate_ids[threadIdx.x]};
  int rank = 0;
  for (int i = 0; i < candidates; ++i) rank += Better({s.candidates[i], s.candidate_ids[i]}, mine);
  result.top_ids[rank] = mine.id;
  result.top_logprobs[rank] = fminf(mine.score, kLargest) - log_sum;
}

// Floats as integers in the same order, and back.
__device__ __forceinline__ uint32_t Ordered(float v) {
  const uint32_t bits = __float_as_uint(v);
  return bits ^ (bits >> 31 != 0 ? 0xffffffffu : 0x80000000u);
}
__device__ __forceinline__ float FromOrdered(uint32_t v) {
  return __uint_as_float(v ^ (v >> 31 != 0 ? 0x80000000u : 0xffffffffu));
}

// The kept id with the largest logit / temperature + Gumbel variate.
__device__ int Draw(const Row& row, Shared& s, const RowSampling& request, const Choice& top, float threshold) {
  const float per_temperature = 1.f / request.temperature;
  // The most likely id is always kept: its score is there to beat.
  Choice best{top.score * per_temperature + Gumbel(request.seed, request.position, top.id), top.id};
  // What any thread has found raises the bar for all, so that few ids need their variate.
  if (threadIdx.x == 0) s.bar = Ordered(best.score);
  __syncthreads();
  PhiloxWords words{};
  uint32_t group = UINT32_MAX;
  row.ForEach([&](int id, float logit) {
    if (!(logit >= threshold)) return;
    // Unsigned and by cases, so that the words stay in registers.
    const uint32_t number = static_cast<uint32_t>(id);
    if (number / 4 != group) {
      group = number / 4;
      words = GumbelWords(request.seed, request.position, group);
    }
    const uint32_t low = number % 2 == 0 ? words.word[0] : words.word[1];
    const uint32_t high = number % 2 == 0 ? words.word[2] : words.word[3];
    const uint32_t bits = number % 4 < 2 ? low : high;
    const float scaled = logit * per_temperature;
    // A variate exceeds x only if its uniform number is below 1 - exp(-exp(-x)) < exp(-x): most ids end here.
    const float v = static_cast<float>(bits) * 0x1p-32f;
    const float bar = FromOrdered(*static_cast<volatile uint32_t*>(&s.bar));
    if (v > Exp2((scaled - bar) * kLog2E) * 1.0001f) return;
    const Choice mine{scaled + GumbelFromBits(bits), id};
    if (!Better(mine, best)) return;
    best = mine;
    atomicMax(&s.bar, Ordered(mine.score));
  });
  return TeamBest(row, best, s).id;
}

// The most likely id, -1 if no logit is finite; the least logit; the logarithm of the sum of exponentials.
struct Summary {
  Choice top;
  float min;
  float log_sum;
};

__device__ __noinline__ Summary Summarize(Row row, Shared& s) {
  // Sums of exponentials are relative to the thread's own maximum, so that one pass is enough.
  Choice top{-INFINITY, row.vocab};
  float min = INFINITY;
  float sum = 0.f;
  row.ForEach([&](int id, float logit) {
    if (!(logit > -INFINITY)) return;
    if (logit > top.score) {
      sum *= Exp2((top.score - logit) * kLog2E);
      top = {logit, id};
    }
    sum += Exp2((logit - top.score) * kLog2E);
    min = fminf(min, logit);
  });
  const float own_max = top.score;
  top = TeamBest(row, top, s);
  sum = TeamSum(row, own_max == -INFINITY ? 0.f : sum * Exp2((own_max - top.score) * kLog2E), s);
  min = -TeamBest(row, {-min, 0}, s).score;
  // The least of what is above -infinity is +infinity only if there is nothing between.
  if (!(min < INFINITY)) top.id = -1;
  if (top.score == INFINITY) return {{kLargest, top.id}, min, kLargest};
  return {top, min, top.score + logf(sum)};
}

// One of the ids that the filters leave, or the most likely one.
__device__ int Choose(const Row& row, Shared& s, const RowSampling& request, const Choice& top, float min) {
  if (!(request.temperature >= kGreedyTemperature) || top.id < 0) return top.id;
  const float per_temperature = kLog2E / request.temperature;
  float threshold = -INFINITY;
  if (request.top_k > 0 && request.top_k < row.vocab) {
    threshold = Threshold<Measure::kCount>(row, s, top.score, min, -INFINITY, request.top_k, 0, per_temperature);
  }
  if (request.top_p < 1.f) {
    Mass all = 0;
    row.ForEach([&](int, float logit) {
      if (logit >= threshold) all += MassOf(logit, top.score, per_temperature);
    });
    all = BlockSum(all, s.warp_mass);
    const Mass goal = static_cast<Mass>(static_cast<double>(all) * request.top_p);
    threshold = Threshold<Measure::kMass>(row, s, top.score, min, threshold, 0, goal > 0 ? goal : 1, per_temperature);
  }
  if (request.min_p > 0.f) {
    threshold = fmaxf(threshold, fminf(top.score, top.score + request.temperature * logf(request.min_p)));
  }
  return Draw(row, s, request, top, threshold);
}

// Marks, or unmarks, the ids that would complete a banned phrase.
__device__ void MarkBanned(TokenControl* tokens, const BannedPhrases& phrases, bool banned) {
  for (int i = threadIdx.x; i < phrases.count; i += kThreads) {
    const int id = BannedByPhrase(phrases, i);
    if (id < 0) continue;
    banned ? atomicOr(&tokens[id].marks, kBannedNow) : atomicAnd(&tokens[id].marks, ~kBannedNow);
  }
  __syncthreads();
}

// Whether a team may share the row: filters that need a threshold, controls and the most likely ids are one block's.
__device__ __forceinline__ bool Shares(const RowSampling& request) {
  return request.top_k <= 0 && !(request.top_p < 1.f) && request.control.row < 0 &&
         request.control.allowed == nullptr && request.num_top <= 0;
}

__global__ void __launch_bounds__(kThreads) SampleKernel(const SampleParams p, bool aligned, int blocks) {
  __shared__ Shared s;
  LetNextKernelStart();
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.aligned;" ::: "memory");
#endif
  if (threadIdx.x == 0) s.meetings = 0;
  WaitForEarlierKernels();
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.wait.aligned;" ::: "memory");  // all of the team are here
#endif
  const int of_batch = blockIdx.x / blocks;
  const int rank = blockIdx.x % blocks;
  const RowSampling request = p.requests[of_batch];
  const bool shared = blocks > 1 && Shares(request);
  if (!shared && rank > 0) return;
  RowSample& result = p.results[of_batch];
  const Row row{p.logits + of_batch * p.stride,
                p.vocab,
                aligned,
                shared ? blocks : 1,
                rank,
                nullptr,
                request.control,
                request.position,
                nullptr};
  const Summary model = Summarize(row, s);

  const bool draws = request.target < 0;
  int token = model.top.id < 0 ? -1 : request.target;
  if (draws && model.top.id >= 0) {
    Row drawn = row;
    Summary left = model;
    const bool controlled = request.control.row >= 0;
    TokenControl* const tokens = controlled ? p.controls.TokensOf(request.control.row) : nullptr;
    BannedPhrases* const phrases = controlled ? p.controls.PhrasesOf(request.control.row, p.vocab) : nullptr;
    if (controlled) {
      MarkBanned(tokens, *phrases, true);
      drawn.controls = tokens;
    }
    drawn.allowed = request.control.allowed;
    if (controlled || drawn.allowed != nullptr) left = Summarize(drawn, s);
    token = Choose(drawn, s, request, left.top, left.min);
    if (controlled) {
      __syncthreads();  // all have read the marks
      MarkBanned(tokens, *phrases, false);
      if (threadIdx.x == 0 && token >= 0) NoteDrawn(tokens, *phrases, token);
    }
  }
  const float logit = token < 0 ? 0.f : fminf(row.logits[token], kLargest);
  int before = 0;
  if (token >= 0 && token != model.top.id) {
    row.ForEach([&](int id, float other) { before += Better({other, id}, {logit, token}); });
    before = TeamCount(row, static_cast<uint32_t>(before), s);
  }
  if (threadIdx.x == 0 && rank == 0) {
    result.token = token;
    result.logprob = token < 0 ? 0.f : logit - model.log_sum;
    result.rank = token < 0 ? 0 : before + 1;
    // Always an id: a step that is planned already will look it up.
    if (draws) p.last_token[request.slot] = ::max(token, 0);
  }
  if (request.num_top > 0 && model.top.id >= 0) {
    ReportTop(row, s, model.top.score, model.min, model.log_sum, ::min(request.num_top, ::min(kMaxTop, p.vocab)),
              result);
  }
}

// As many as run at once. A cluster lies in one GPC, and larger ones do not fill it: of sixteen clusters of eight,
// fifteen find a place. One where bits must not depend on the batch: a row's sum is in the order of its blocks.
int BlocksOfARow(const SampleParams& p, const Target& target) {
  if (!target.hopper || target.batch_invariant) return 1;
  int blocks = kMostBlocks;
  const auto fits = [&] {
    const int room = blocks > 2 ? target.multiprocessors * 7 / 8 : target.multiprocessors;
    return p.rows * blocks <= room && blocks * kThreads * 4 <= p.vocab;
  };
  while (blocks > 1 && !fits()) blocks /= 2;
  return blocks;
}

}  // namespace

cudaError_t Sample(const SampleParams& params, const Target& target) {
  const bool aligned = reinterpret_cast<uintptr_t>(params.logits) % 16 == 0 && params.stride % 4 == 0;
  const int blocks = BlocksOfARow(params, target);
  return LaunchClusters(target, SampleKernel, dim3(params.rows * blocks), dim3(kThreads), 0, blocks, params, aligned,
                        blocks);
}

}  // namespace batucada::cuda
