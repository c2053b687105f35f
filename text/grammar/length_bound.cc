#include "text/grammar/length_bound.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/rounding.h"

namespace batucada::grammar {
namespace {

using Kind = Expression::Kind;

// Of texts without an end. Sums and products stay below.
constexpr int64_t kEndless = int64_t{1} << 40;

int64_t Capped(int64_t length) { return std::min(length, kEndless); }

// REQUIRES: neither is above kEndless.
int64_t Times(int64_t length, int64_t count) {
  return length == 0 || count == 0 ? 0 : length > kEndless / count ? kEndless : length * count;
}

// A repetition's count, which is no more than a million.
int32_t Count(int64_t count) { return static_cast<int32_t>(std::min<int64_t>(count, 1'000'000)); }

}  // namespace

LengthBound::Lengths LengthBound::LengthsOf(ExprId id) {
  if (units_.contains(id)) return {1, 1};
  if (const auto known = lengths_.find(id); known != lengths_.end()) return known->second;
  if (!budget_.Spend()) failed_ = true;
  Lengths lengths;
  if (failed_) return lengths;
  const Expression e = e_[id];  // a copy: the arena may move
  switch (e.kind) {
    case Kind::kEmpty: break;
    case Kind::kSequence:
      for (const ExprId child : e.children) {
        const Lengths one = LengthsOf(child);
        lengths = {Capped(lengths.least + one.least), Capped(lengths.most + one.most)};
      }
      break;
    case Kind::kChoice:
      lengths.least = kEndless;
      for (const ExprId child : e.children) {
        const Lengths one = LengthsOf(child);
        lengths = {std::min(lengths.least, one.least), std::max(lengths.most, one.most)};
      }
      break;
    case Kind::kRepeat: {
      const Lengths one = LengthsOf(e.children.front());
      lengths = {Times(one.least, e.min), Times(one.most, e.max == kUnbounded ? kEndless : e.max)};
      break;
    }
    case Kind::kNever:
    case Kind::kBytes:
    case Kind::kChars:
    case Kind::kToken:
    case Kind::kRule: failed_ = true; break;
  }
  lengths_[id] = lengths;
  return lengths;
}

ExprId LengthBound::LengthenRepeat(ExprId id, int64_t least) {
  const Expression repeat = e_[id];
  ExprId body = repeat.children.front();
  if (LengthsOf(body).least == 0) body = Lengthen(body, 1);
  if (body == kNoText || failed_) return kNoText;
  int64_t times = CeilDiv(least, LengthsOf(body).least);
  if (repeat.max != kUnbounded && times > repeat.max) {
    times = repeat.max;
    body = Lengthen(body, CeilDiv(least, times));
    if (body == kNoText) return kNoText;
  }
  times = std::max<int64_t>(times, repeat.min);
  return times > Count(times) ? kNoText : e_.Repeat(body, Count(times), repeat.max);
}

ExprId LengthBound::Lengthen(ExprId id, int64_t least) {
  const Lengths now = LengthsOf(id);
  if (failed_ || now.most < least) return kNoText;
  if (now.least >= least) return id;
  const Expression e = e_[id];
  if (e.kind == Kind::kRepeat) return LengthenRepeat(id, least);
  std::vector<ExprId> parts = e.children;
  if (e.kind == Kind::kChoice) {
    for (ExprId& part : parts) part = Lengthen(part, least);
    return e_.Choice(std::move(parts));
  }
  int64_t missing = least - now.least;
  for (ExprId& part : parts) {
    const Lengths one = LengthsOf(part);
    const int64_t more = std::min(missing, one.most - one.least);
    if (more <= 0) continue;
    const ExprId longer = Lengthen(part, one.least + more);
    if (longer == kNoText) continue;
    missing -= LengthsOf(longer).least - one.least;
    part = longer;
  }
  return missing > 0 ? kNoText : e_.Sequence(std::move(parts));
}

ExprId LengthBound::ShortenSequence(ExprId id, int64_t most) {
  std::vector<ExprId> parts = e_[id].children;
  // What varies, beginning with what varies least: each gets what it can use of an equal share of the rest.
  std::vector<std::pair<int64_t, size_t>> vary;
  int64_t left = most - LengthsOf(id).least;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Lengths one = LengthsOf(parts[i]);
    if (one.most > one.least) vary.emplace_back(one.most - one.least, i);
  }
  std::sort(vary.begin(), vary.end());
  for (size_t i = 0; i < vary.size(); ++i) {
    const auto [wanted, at] = vary[i];
    const int64_t share = std::min(wanted, left / static_cast<int64_t>(vary.size() - i));
    left -= share;
    parts[at] = Shorten(parts[at], LengthsOf(parts[at]).least + share);
  }
  return e_.Sequence(std::move(parts));
}

ExprId LengthBound::ShortenRepeat(ExprId id, int64_t most) {
  const Expression repeat = e_[id];
  const ExprId body = repeat.children.front();
  const Lengths one = LengthsOf(body);
  if (one.least == one.most) return e_.Repeat(body, repeat.min, Count(most / one.least));
  // As many as may be long; fewer where it asks for fewer, more where it asks for more.
  int64_t times = std::max<int64_t>(static_cast<int64_t>(std::sqrt(static_cast<double>(most))), 1);
  times = std::min(times, most / std::max<int64_t>(one.least, 1));
  if (repeat.max != kUnbounded) times = std::min<int64_t>(times, repeat.max);
  times = std::max<int64_t>(times, repeat.min);
  if (times == 0) return kEmptyText;
  const ExprId shorter = Shorten(body, most / times);
  return e_.Repeat(shorter, repeat.min, Count(times));
}

ExprId LengthBound::Shorten(ExprId id, int64_t most) {
  const Lengths now = LengthsOf(id);
  if (failed_ || now.least > most) return kNoText;
  if (now.most <= most) return id;
  const Expression e = e_[id];
  if (e.kind == Kind::kSequence) return ShortenSequence(id, most);
  if (e.kind == Kind::kRepeat) return ShortenRepeat(id, most);
  std::vector<ExprId> parts = e.children;
  for (ExprId& part : parts) part = Shorten(part, most);
  return e_.Choice(std::move(parts));
}

ExprId LengthBound::Within(ExprId expression, int64_t least, int64_t most) {
  ExprId bounded = expression == kNoText ? kNoText : Lengthen(expression, least);
  if (bounded != kNoText && most >= 0) bounded = Shorten(bounded, most);
  if (bounded == kNoText || failed_) return kNoText;
  const Lengths now = LengthsOf(bounded);
  const bool within = now.least >= least && (most < 0 || now.most <= most);
  return within && !failed_ ? bounded : kNoText;
}

}  // namespace batucada::grammar
