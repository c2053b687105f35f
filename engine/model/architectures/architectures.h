// The architectures there are, a file each.
#pragma once

#include "engine/model/architecture.h"

namespace batucada {

// flash-linear-attention's SambaForCausalLM (arXiv 2406.07522): Mamba-1 layers, attention layers where attn.layers says
// so, an MLP after each. With attn.layers naming every layer it is a Llama-style (no window) or Mistral-style (window)
// Transformer. `attn` is one specification or, as flash-linear-attention writes it since 0.6, a list of them. Keys of
// our own, for what that layout cannot say: "mlp_width" and "attn.head_dim". "intermediate_size" means d_inner, not the
// MLP's width.
extern const Architecture kSamba;
// transformers' MambaForCausalLM: a stack of Mamba-1 layers (arXiv 2312.00752) without MLPs.
extern const Architecture kMamba;
// The same as state-spaces' own code writes it (mamba_ssm): config.json with d_model, n_layer and ssm_cfg.
extern const Architecture kMambaOriginal;
// transformers' FalconMambaForCausalLM: Mamba with norms of δ's low rank, B and C that have no weights.
extern const Architecture kFalconMamba;
// AI21's JambaForCausalLM (arXiv 2403.19887), dense: Mamba with learned norms of δ's low rank, B and C, attention
// without rotation in every attn_layer_period-th layer, an MLP after each.
extern const Architecture kJamba;
// transformers' LlamaForCausalLM (arXiv 2302.13971, 2407.21783).
extern const Architecture kLlama;
// transformers' MistralForCausalLM (arXiv 2310.06825): with a window, or without.
extern const Architecture kMistral;
// Microsoft's Phi4FlashForCausalLM, SambaY with differential attention (arXiv 2507.06607): the lower half is Mamba and
// windowed attention by turns; above, gated memory units and attention read the memory and the keys and values of the
// two layers in the middle.
extern const Architecture kPhi4Flash;

}  // namespace batucada
