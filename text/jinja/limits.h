// What one template and one rendering may cost. A chat template is a small program from a model's directory and the
// conversation comes from a stranger: whatever either holds, rendering ends soon, within bounded memory, with a text or
// with an error that names the limit.
#pragma once

#include <cstddef>
#include <cstdint>

namespace batucada::jinja {

// Of a template's source. The longest published ones, with tool calls in several languages, have about 30 KiB.
inline constexpr size_t kMaxSourceBytes = size_t{1} << 20;

// How deep expressions and blocks nest in a template's source. Published templates stay below 40; parsing, evaluating
// and destroying recurse once for each level.
inline constexpr int kMaxSyntaxDepth = 160;

// How deep evaluation recurses: blocks, expressions and the macros that they call, all together. A macro that renders
// nested JSON schemas takes about ten levels for each level of the schema. At most about 2 KiB of stack a level in a
// release build.
inline constexpr int kMaxEvaluationDepth = 800;

// How deep lists and dicts nest inside each other; printing, comparing and destroying them recurses.
inline constexpr int kMaxValueDepth = 200;

// Steps: one for each expression or statement evaluated, for each element visited or made, for each 64 bytes of text
// copied or searched and for each 16 that are looked at character by character. Whatever a filter, method or operator
// does is counted in these: the bytes that it reads and writes, the pieces that it cuts, the comparisons that it makes,
// never the calls. A message costs about 50, so a conversation of 10,000 messages takes a tenth; all of them last about
// half a second.
inline constexpr int64_t kMaxSteps = 5'000'000;

// What is counted, so that small texts are not lost by rounding: a byte copied or searched is one, a step is 64.
inline constexpr int64_t kWorkPerStep = 64;
inline constexpr int64_t kWorkPerCharacterByte = 4;
inline constexpr int64_t kMaxWork = kMaxSteps * kWorkPerStep;

// Of the rendered text, and of any string on the way there. Four million tokens or so.
inline constexpr size_t kMaxStringBytes = size_t{1} << 24;

// Of everything made during one rendering, whether or not it is still alive: a bound on memory and on copying. A
// template that appends each message to a list copies quadratically and gets through 5,000 messages.
inline constexpr size_t kMaxAllocatedBytes = size_t{1} << 29;

// Numbers in one range(): what jinja2's sandbox allows.
inline constexpr int64_t kMaxRange = 100'000;

}  // namespace batucada::jinja
