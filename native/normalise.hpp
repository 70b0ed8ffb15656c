// The text side of METEOR 1.5's `-norm` for English: punctuation is set apart, quotes and dashes
// are made plain, abbreviations lose their dots, everything becomes lower case. The words that
// METEOR compares and counts are the result's, so one space too many changes a score. The rules
// were found by probing the jar as a black box: 1.4 million short strings of marks and letters, all
// code points in three contexts, 1.2 million random mixtures, 181,000 captions and paragraphs (raw
// and PTB-tokenised) come out the same.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace revolion {

/// Abbreviations whose dot belongs to them, whatever follows ("Dr."), or if a number does ("No.").
class NonBreaking {
 public:
  enum class Kind : std::uint8_t { kNone, kAlways, kBeforeNumber };

  NonBreaking() = default;
  /// Reads the list as it lies in the jar: a word a line, "#NUMERIC_ONLY#" behind some, lines that
  /// start with "#" are comments. Keeps views into `list`, which must outlive this.
  explicit NonBreaking(std::string_view list);

  /// Of which kind `word`, without its dot, is. Case counts: "Dr" and "DR" are listed, "dr" is not.
  Kind kind(std::string_view word) const;

 private:
  struct Entry {
    std::string_view word;
    Kind kind;
  };
  std::vector<Entry> entries_;  // by word
};

/// Appends what METEOR's English normaliser makes of tokenised `text`: words with a space between.
void normalise(std::string_view text, const NonBreaking& prefixes, std::string& out);

}  // namespace revolion
