// An architecture: a model_type of config.json. It knows two things that nothing else does: how its config.json is
// written, and what its tensors are called. Adding one is a file in engine/model/architectures and a line in
// architecture.cc; what is new to compute is in layer_spec.h, weights.h and forward.cc.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/model/model_config.h"
#include "engine/model/tensor_table.h"

namespace batucada {

class JsonObject;

// A tensor on disk and the parts stacked in it, in their order. A name with "*" stands for one tensor in each layer
// that has the first of the parts, with the layer's number in its place; further parts that a layer does not have are
// not in its tensor. Lines are in the order of use.
struct TensorLine {
  std::string_view name;
  std::array<std::optional<Part>, 3> parts;
};

// Another way in which files spell names: a beginning or an end, and what the table has in its place.
struct Spelling {
  enum class Where : uint8_t { kPrefix, kSuffix };
  Where where;
  std::string_view other;
  std::string_view ours;
};

// What config.json calls the sizes of the whole model.
struct SizeKeys {
  std::string_view vocab = "vocab_size";
  std::string_view width = "hidden_size";
  std::string_view layers = "num_hidden_layers";
};

struct Architecture {
  std::string_view model_type;
  // Fills in what is not common to all: layers, their norms, final_norm and tie_embeddings. config.json's vocabulary,
  // width and tokens are there already. Problems go to root.Fail; what would change the answer and is not served is
  // one.
  void (*read)(const JsonObject& root, ModelConfig* config);
  std::span<const TensorLine> tensors;
  std::span<const Spelling> spellings = {};
  SizeKeys keys = {};
  // The files know the MLP's width better than config.json does, which only implies it.
  bool mlp_width_from_file = false;
  // Rows of the embeddings without an id in the tokenizer are padding that was never trained: no id of a text, never
  // drawn.
  bool pads_vocabulary = false;

  // The name that the table has for a tensor of a file. Each spelling is applied at most once.
  std::string CanonicalName(std::string_view name) const;
  // The name of a tensor that holds `part` of the whole model; empty if there is none.
  std::string_view NameOf(Part part) const;
};

// Null if there is no such model_type.
const Architecture* FindArchitecture(std::string_view model_type);
// That of a config.json, by its model_type, or by its keys where it names none. Null if there is no such.
const Architecture* FindArchitecture(const JsonObject& root);
// "a", "b" and "c": for messages.
std::string ArchitectureNames();

}  // namespace batucada
