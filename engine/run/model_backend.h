// The backend that runs a model: packs a plan, runs the forward pass on whatever device its Ops drive, reads back the
// samples. The same code for every device.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "engine/model/forward.h"
#include "engine/model/load_options.h"
#include "engine/model/tensor_source.h"
#include "engine/run/backend.h"
#include "engine/run/step_inputs.h"
#include "kernels/ops.h"

namespace batucada {

struct ModelBackendConfig {
  ModelConfig model;
  int32_t max_batch_tokens = 512;  // rows of one step
  int32_t max_sequences = 256;
  int32_t controlled_sequences = 0;  // see BudgetRequest
  int64_t max_total_tokens = 0;      // of one sequence
  int64_t pool_bytes = 0;            // 0: what max_sequences needs, if the device has it
  double memory_fraction = 0.9;      // of the device's free memory
  int64_t prefix_bytes = 0;          // for checkpoints, see BudgetRequest
  int64_t host_bytes = 0;            // likewise
  int32_t parked_sequences = 0;      // likewise
  int32_t draft_tokens = 0;          // that a sequence may have in a step, < block_tokens
  int32_t block_tokens = 64;
  std::vector<int32_t> end_tokens;  // the model's own
  LoadOptions load;
};

class ModelBackend : public Backend {
 public:
  // Sizes the pools, loads the weights from `source` and allocates everything that will ever be needed. Appends what
  // was decided to `report`, line by line.
  static absl::StatusOr<std::unique_ptr<ModelBackend>> Create(const ModelBackendConfig& config, TensorSource& source,
                                                              std::unique_ptr<Ops> ops, std::string* report);
  ~ModelBackend() override;

  const BackendCapacity& capacity() const override { return capacity_; }
  absl::Status Launch(const BatchPlan& plan) override;
  absl::StatusOr<bool> LaunchParts(const BatchPlan& plan, int32_t count) override;
  absl::Status AwaitParts() override { return device_->Wait(parts_before_end_); }
  absl::Status Draw(const BatchPlan& plan) override;
  absl::StatusOr<StepResult> Wait() override;
  void HostBytes(int32_t group, PageId page, std::vector<std::span<char>>* out) override {
    model_->state.HostBytes(group, page, out);
  }
  void Discard(const PoolPages& pages) override { model_->state.Discard(pages, *device_); }
  // What loading the weights took.
  absl::Duration load_time() const { return load_time_; }
  int64_t plan_searches() const override { return ops_->plan_searches() - searches_at_start_; }

 private:
  static constexpr int kMostInFlight = 2;
  struct Launched {
    uint64_t step;
    uint64_t mark;
    size_t stage;                                 // which of staging_ it uses
    std::vector<int32_t> num_top;                 // of each sample
    std::vector<std::vector<char>> control_rows;  // on their way to the device
    std::vector<std::vector<int32_t>> drafts;     // of each decode share; none of a step without
  };
  // A step as the device sees it.
  struct Packed {
    StepView step;
    SampleView samples;
    std::vector<std::vector<char>> control_rows;  // kept until the step ends
  };
  // Host memory of a step in flight.
  struct Staging {
    Buffer inputs;
    Buffer results;  // RowSample[max_samples]
    Buffer masks;    // as masks_
  };

  ModelBackend() = default;
  StepShape ShapeOf(const BatchPlan& plan) const;
  // Writes the control rows of requests that start with this plan; returns what must be kept until it ends.
  std::vector<std::vector<char>> WriteControls(const BatchPlan& plan);
  StepShape DecodeShape(int32_t rows, bool drafts) const;
  // Captures every decode step there can be as a CUDA graph, and finds every plan that other steps need: no request
  // pays for it.
  absl::Status WarmUp();
  absl::Status CaptureDecodeSteps(bool drafts);
  absl::Status RunPromptStep(int32_t rows);
  // Whether the workspace holds the logits of all of a step's samples at once.
  bool HasAllLogits(const SampleView& samples) const { return samples.count <= model_->workspace.logits.rows; }
  // Fetches the results of the step launched last and puts it among those in flight.
  absl::Status Finish(const BatchPlan& plan);
  // Packs the plan at `staged` and copies it to `inputs`.
  Packed Pack(const BatchPlan& plan, const StepShape& shape, const Buffer& staged, const Buffer& inputs);
  // Computes what is behind the layers, as far as it does not wait for masks.
  void RunSamples(const BatchPlan& plan, const Packed& packed);
  // Behind the draws of a step.
  void KeepDrafts(const Packed& packed);
  // Packs, copies and computes.
  Packed RunStep(const BatchPlan& plan, const StepShape& shape, const Staging& stage);

  std::unique_ptr<Ops> ops_;  // outlives every buffer below
  Device* device_ = nullptr;  // where ops_ runs
  std::unique_ptr<Model> model_;
  BackendCapacity capacity_;
  std::vector<int32_t> end_tokens_;
  StepScratch scratch_;
  Buffer inputs_;   // device: StepInputs of the step that runs
  Buffer results_;  // device: RowSample[max_samples]
  Buffer masks_;    // device: [max_sequences, mask_words_] of a constrained step's draws
  int64_t mask_words_ = 0;
  Packed pending_;  // launched last, until it is drawn for
  // Of the plan in parts: its inputs stay where they are while other steps run.
  Buffer parts_inputs_, parts_staged_;  // on the device, and on their way there
  Packed in_parts_;
  int32_t parts_ = 0;                              // of a step
  int32_t next_part_ = 0;                          // the first that is not launched; 0: no plan is in parts
  uint64_t parts_packed_ = 0;                      // a mark: its inputs have left the host
  uint64_t parts_end_ = 0, parts_before_end_ = 0;  // marks: behind the parts launched last, and those before
  std::array<Staging, kMostInFlight> staging_;
  size_t next_stage_ = 0;
  std::deque<Launched> launched_;
  int64_t searches_at_start_ = 0;
  absl::Duration load_time_;
};

}  // namespace batucada
