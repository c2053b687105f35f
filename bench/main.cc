// batucada-bench: decode and prefill of one model on one device, each figure beside its floor from the same run.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "bench/ceilings.h"
#include "bench/figure.h"
#include "bench/loop_bench.h"
#include "bench/step_bench.h"
#include "engine/model/checkpoint.h"
#include "engine/run/model_backend.h"
#include "kernels/ops.h"

namespace batucada {
namespace {

struct BenchOptions {
  std::string model = "models/samba-classics-18m";
  std::string name;
  bool dummy = false;
  bool cuda = false;
  int32_t device = 0;
  int32_t threads = 0;
  int32_t chunk = 0;
  int64_t fill = INT64_MAX;
  std::vector<int32_t> batches = {1, 4, 16};
  std::vector<int64_t> contexts = {128};
  std::vector<int64_t> prompts = {512};
  int64_t prompt_tokens = 0;  // per measurement
  int32_t loop = 0;           // sequences
  bool batch_invariant = false;
  int32_t drafts = 0;
  size_t losses = 3;
  std::string json;
  std::string commit = "unknown";
};

absl::Status Run(const BenchOptions& o, const std::string& command) {
  constexpr uint64_t kSeed = 0;
  BATUCADA_ASSIGN_OR_RETURN(Checkpoint checkpoint,
                            o.dummy ? OpenDummyCheckpoint(o.model, kSeed) : OpenCheckpoint(o.model));
  const int threads = o.threads > 0 ? o.threads : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  BATUCADA_ASSIGN_OR_RETURN(
      std::unique_ptr<Ops> ops,
      o.cuda ? MakeCudaOps(o.device, o.batch_invariant ? RowMath::kSameInAnyBatch : RowMath::kFastest)
             : MakeCpuOps(threads));
  BATUCADA_ASSIGN_OR_RETURN(const Ceilings ceilings, o.cuda ? MeasureGpu(*ops) : MeasureCpu(threads));
  const DType activation = ops->activation_dtype();
  auto partial = std::make_unique<PartialOps>(std::move(ops), ceilings);
  PartialOps& some_ops = *partial;  // lives as long as the backend

  const int32_t most = *std::max_element(o.batches.begin(), o.batches.end());
  int64_t longest = *std::max_element(o.contexts.begin(), o.contexts.end());
  if (!o.prompts.empty()) longest = std::max(longest, *std::max_element(o.prompts.begin(), o.prompts.end()));
  const int32_t chunk = o.chunk > 0 ? o.chunk : o.cuda ? 4096 : 256;
  std::string report;
  constexpr int64_t kDecodeSteps = 2048;  // more than any measurement takes
  BATUCADA_ASSIGN_OR_RETURN(std::unique_ptr<ModelBackend> backend,
                            ModelBackend::Create({.model = checkpoint.config,
                                                  .max_batch_tokens = std::max(chunk, most),
                                                  .max_sequences = most,
                                                  .max_total_tokens = longest + kDecodeSteps,
                                                  .memory_fraction = o.cuda ? 0.95 : 0.8,
                                                  .draft_tokens = o.drafts,
                                                  .load = {.threads = std::min(threads - 1, 8)}},
                                                 *checkpoint.tensors, std::move(partial), &report));
  std::string name = o.name;
  if (name.empty()) {
    const size_t slash = o.model.find_last_of('/', o.model.size() - 2);
    name = o.model.substr(slash == std::string::npos ? 0 : slash + 1);
  }
  std::fprintf(stderr, "%s", report.c_str());

  StepBench bench(name, checkpoint.config, ceilings, activation, {.chunk = chunk, .fill = o.fill, .drafts = o.drafts},
                  backend.get());
  std::vector<Figure> figures = {{absl::StrCat("ceiling/bandwidth/", name), ceilings.bytes_per_s / 1e9, "GB/s", 0, 0},
                                 {absl::StrCat("ceiling/gemm/", name), ceilings.flops_per_s / 1e9, "GFLOP/s", 0, 0}};
  for (const int32_t batch : o.batches) BATUCADA_RETURN_IF_ERROR(bench.Decode(batch, o.contexts, &figures));
  for (const int64_t prompt : o.prompts) {
    if (prompt == 0) continue;
    BATUCADA_ASSIGN_OR_RETURN(Figure figure, bench.Prefill(prompt, std::max<int64_t>(1, o.prompt_tokens / prompt)));
    figures.push_back(std::move(figure));
  }
  for (const int32_t batch : o.losses > 0 ? o.batches : std::vector<int32_t>()) {
    for (const int64_t context : o.contexts) {
      BATUCADA_RETURN_IF_ERROR(bench.Losses(batch, context, o.losses, some_ops, &figures));
    }
  }
  if (o.loop > 0) {
    BATUCADA_ASSIGN_OR_RETURN(
        Figure figure, TimeStepLoop(name, checkpoint.config, o.loop, o.contexts.front(), figures, std::move(backend)));
    figures.push_back(std::move(figure));
  }
  std::printf("%s", FigureTable(figures).c_str());
  if (!o.json.empty()) {
    std::ofstream file(o.json);
    file << FigureJson(figures, o.commit, command);
    if (!file.flush()) return absl::UnavailableError(absl::StrCat("cannot write ", o.json));
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace batucada

int main(int argc, char** argv) {
  batucada::BenchOptions options;
  CLI::App app(
      "Times decode and prefill of a model, each figure beside its floor from ceilings measured in the same run.",
      "batucada-bench");
  app.add_option("model", options.model, "Model directory")->capture_default_str();
  app.add_option("--name", options.name, "Model's name in figures; default: the directory's");
  app.add_flag("--dummy", options.dummy, "Seeded random weights from config.json alone");
  app.add_flag("--cuda", options.cuda, "On a GPU instead of the CPU");
  app.add_flag("--batch-invariant", options.batch_invariant, "On a GPU: the same bits in any batch, as serve has it");
  app.add_option("--device", options.device, "CUDA device");
  app.add_option("--threads", options.threads, "Of the CPU; 0: one per core");
  app.add_option("--chunk", options.chunk, "Prompt tokens of one step; 0: 256 on the CPU, 4096 on a GPU");
  app.add_option("--batch", options.batches, "Sequences that decode at once, one or several")->delimiter(',');
  app.add_option("--context", options.contexts, "Tokens behind each sequence, one or several")->delimiter(',');
  app.add_option(
      "--fill", options.fill,
      "Tokens of --context that are computed, all by default; the rest is read as zeros, which takes as long");
  app.add_option("--prompt", options.prompts, "Prompt lengths to time, one or several; 0: none")->delimiter(',');
  app.add_option("--prompt-tokens", options.prompt_tokens,
                 "Prompt tokens of one measurement: as many prompts as that takes");
  app.add_option("--drafts", options.drafts, "Guesses of each sequence in a decode step, serve's --draft-tokens")
      ->check(CLI::Range(0, 63));
  app.add_option("--loop", options.loop,
                 "Also time the step loop with so many sequences, beside the bare steps of that batch");
  app.add_option("--losses", options.losses,
                 "Of each decode step, how many kinds of op to name that lose most time; 0: none")
      ->capture_default_str();
  app.add_option("--json", options.json, "Also write the figures to this file");
  app.add_option("--commit", options.commit, "Of the source, for the file");
  CLI11_PARSE(app, argc, argv);
  std::string command;
  for (int i = 0; i < argc; ++i) command += (i == 0 ? "batucada-bench" : std::string(" ") + argv[i]);
  const absl::Status status = batucada::Run(options, command);
  if (!status.ok()) std::fprintf(stderr, "batucada-bench: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
