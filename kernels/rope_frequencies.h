// The frequencies of rotary position embeddings (arXiv 2104.09864): position · frequency i is the angle by which
// elements i and i + d/2 of a head are turned.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace batucada {

// How frequencies are lowered, so that a model reads longer texts than it was first trained on.
struct RopeScaling {
  enum class Kind : uint8_t {
    kNone,
    kLinear,  // all of them, by `factor` (arXiv 2306.15595)
    kLlama3,  // Llama 3.1: those whose wavelength is beyond original_context / low_freq_factor by `factor`, those
              // within original_context / high_freq_factor not at all, those between in proportion
  };
  Kind kind = Kind::kNone;
  float factor = 1;
  float low_freq_factor = 1;
  float high_freq_factor = 4;
  int32_t original_context = 0;  // tokens

  bool operator==(const RopeScaling&) const = default;
};

// A rotation; theta 0 is none.
struct RopeSpec {
  float theta = 0;  // base
  RopeScaling scaling;

  bool rotates() const { return theta != 0; }
  bool operator==(const RopeSpec&) const = default;
};

// Frequency i of a head of `head_dim` elements, 0 <= i < head_dim / 2: theta^(-2i/head_dim), lowered. Rounded to fp32
// where training rounds.
inline float RopeFrequency(const RopeSpec& rope, int32_t head_dim, int32_t i) {
  const float exponent = -static_cast<float>(2 * i) / static_cast<float>(head_dim);
  const float plain = static_cast<float>(std::pow(double{rope.theta}, double{exponent}));
  const RopeScaling& s = rope.scaling;
  switch (s.kind) {
    case RopeScaling::Kind::kNone: return plain;
    case RopeScaling::Kind::kLinear: return plain / s.factor;
    case RopeScaling::Kind::kLlama3: break;
  }
  const double turns = static_cast<double>(s.original_context) * double{plain} / (2 * std::numbers::pi);
  if (turns < double{s.low_freq_factor}) return plain / s.factor;
  if (turns > double{s.high_freq_factor}) return plain;
  const double smooth = (turns - double{s.low_freq_factor}) / (double{s.high_freq_factor} - double{s.low_freq_factor});
  return static_cast<float>((1 - smooth) * double{plain} / double{s.factor} + smooth * double{plain});
}

}  // namespace batucada
