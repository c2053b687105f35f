// The SentencePiece library behind standard types only: its header declares an absl::string_view of its own, which does
// not compile beside Abseil's. Immutable after Load and thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace batucada {

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // ▁, U+2581

class SentencePieceModel {
 public:
  enum class Kind { kOrdinary, kControl, kUnknown, kByte };

  // How the model treats spaces at the start of a text when it decodes.
  struct SpaceRules {
    bool drops_first = false;       // a text does not begin with the space of its first piece
    bool drops_until_text = false;  // nor with those of the pieces behind it, as long as there is no text
  };

  // `model` is the content of a tokenizer.model. Without a value, *error says why.
  static std::optional<SentencePieceModel> Load(std::string_view model, std::string* error);

  SentencePieceModel(SentencePieceModel&&) noexcept;
  ~SentencePieceModel();

  int size() const;
  Kind kind(int id) const;
  const std::string& piece(int id) const;
  std::optional<int> start_id() const;
  SpaceRules space_rules() const { return space_rules_; }

  // Replaces *ids. False if the library refuses, which *error then explains. Where there are neither byte tokens nor
  // byte_encoder_, a run of unknown characters takes time squared in its length.
  bool Encode(std::string_view text, std::vector<int>* ids, std::string* error) const;
  std::string Decode(const std::vector<int>& ids) const;

 private:
  SentencePieceModel(std::unique_ptr<sentencepiece::SentencePieceProcessor> processor,
                     std::unique_ptr<sentencepiece::SentencePieceProcessor> byte_encoder);

  SpaceRules ProbeSpaceRules() const;

  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
  // The same model with byte tokens behind its own, which encodes in place of it; null where the model needs none.
  std::unique_ptr<sentencepiece::SentencePieceProcessor> byte_encoder_;
  SpaceRules space_rules_;
};

}  // namespace batucada
