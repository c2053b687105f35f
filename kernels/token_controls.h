// What a request may do to the logits before a token is drawn: a bias per id, penalties for ids that were seen, ids and
// phrases that must not come. A sequence that asks for any has a control row in the device's memory as long as it runs,
// so that a step needs nothing of the host's and a CUDA graph of a step serves every request.
//
// In this order, as vLLM does:
//   logit = -infinity            for banned ids, and for ids that end the text, at positions before
//                                ControlRequest::first_end_position
//   logit = logit + bias         -infinity: never drawn
//   logit = logit / r or · r     r = repetition penalty (arXiv 1909.05858), if the id is in the prompt or was drawn:
//                                divided where positive, multiplied where negative
//   logit = logit - frequency · times drawn - presence · (drawn at all)
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/gumbel.h"

namespace batucada {

// One id of one sequence.
struct TokenControl {
  float bias = 0;
  uint32_t marks = 0;  // times drawn, and the marks below
};
inline constexpr uint32_t kInPrompt = 1u << 31;
inline constexpr uint32_t kEndsText = 1u << 30;
inline constexpr uint32_t kBannedNow = 1u << 29;  // would complete a banned phrase; set for the length of one draw
inline constexpr uint32_t kTimesDrawn = kBannedNow - 1;

// Runs of ids that must not come. An id is banned where the ids before it are the rest of its phrase.
inline constexpr int kMaxPhrases = 64;
inline constexpr int kMaxPhraseIds = 8;
struct BannedPhrases {
  int32_t count = 0;
  int32_t lengths[kMaxPhrases] = {};
  int32_t ids[kMaxPhrases][kMaxPhraseIds] = {};
  int32_t recent[kMaxPhraseIds] = {};  // the newest ids of the sequence, newest first; -1 before the first
};

// Control rows: each {TokenControl[vocab], BannedPhrases}, one after the other. Empty: no sequence may be controlled.
struct ControlView {
  char* rows = nullptr;
  int64_t row_bytes = 0;  // from one row to the next

  BATUCADA_HOST_DEVICE TokenControl* TokensOf(int32_t row) const {
    return reinterpret_cast<TokenControl*>(rows + row * row_bytes);
  }
  BATUCADA_HOST_DEVICE BannedPhrases* PhrasesOf(int32_t row, int32_t vocab) const {
    return reinterpret_cast<BannedPhrases*>(TokensOf(row) + vocab);
  }
};
constexpr int64_t ControlBytes(int32_t vocab) {
  const int64_t bytes = int64_t{vocab} * static_cast<int64_t>(sizeof(TokenControl)) + sizeof(BannedPhrases);
  return (bytes + 255) / 256 * 256;
}

// What a draw asks of its sequence's controls, and what a grammar leaves of the vocabulary. POD, part of RowSampling.
struct ControlRequest {
  float repetition_penalty = 1;  // > 0
  float presence_penalty = 0;
  float frequency_penalty = 0;
  int32_t first_end_position = 0;     // ids that end the text are not drawn at positions before this
  int32_t row = -1;                   // of ControlView, of this sequence alone; -1: no controls are read or written
  const uint32_t* allowed = nullptr;  // [ceil(vocab / 32)] on the device: an id whose bit id % 32 of word id / 32 is
                                      // not set has the logit -infinity, before all else; null: every id is allowed
};

BATUCADA_HOST_DEVICE bool IsAllowed(const uint32_t* allowed, int32_t id) {
  return allowed == nullptr || (allowed[id / 32] >> (id % 32) & 1u) != 0;
}

BATUCADA_HOST_DEVICE float ControlledLogit(float logit, TokenControl control, const ControlRequest& request,
                                           int32_t position) {
  if (control.marks & kBannedNow || (control.marks & kEndsText && position < request.first_end_position)) {
    return -INFINITY;
  }
  logit += control.bias;
  const uint32_t drawn = control.marks & kTimesDrawn;
  if (drawn > 0 || control.marks & kInPrompt) {
    logit = logit > 0 ? logit / request.repetition_penalty : logit * request.repetition_penalty;
  }
  if (drawn > 0) logit -= request.frequency_penalty * static_cast<float>(drawn) + request.presence_penalty;
  return logit;
}

// The id that the sequence must not draw next because of phrase `i`, or -1.
BATUCADA_HOST_DEVICE int32_t BannedByPhrase(const BannedPhrases& phrases, int32_t i) {
  const int32_t length = phrases.lengths[i];
  for (int32_t back = 1; back < length; ++back) {
    if (phrases.recent[back - 1] != phrases.ids[i][length - 1 - back]) return -1;
  }
  return phrases.ids[i][length - 1];
}

// Notes that `token` was drawn.
BATUCADA_HOST_DEVICE void NoteDrawn(TokenControl* tokens, BannedPhrases& phrases, int32_t token) {
  if ((tokens[token].marks & kTimesDrawn) < kTimesDrawn) ++tokens[token].marks;
  for (int32_t i = kMaxPhraseIds - 1; i > 0; --i) phrases.recent[i] = phrases.recent[i - 1];
  phrases.recent[0] = token;
}

}  // namespace batucada
