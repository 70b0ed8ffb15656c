// Compiles METEOR's raw resources (word lists, synonyms, paraphrases) into the file that
// meteor_data.hpp describes. One pass over the paraphrase table as it is unpacked, so that its
// 272 MB of text are never in memory at once.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace revolion {

/// The texts of the resource files, as METEOR ships them.
struct MeteorSources {
  std::string_view function_words;  // a word a line
  std::string_view synsets;         // a word, then a line with the numbers of its synonym sets
  std::string_view exceptions;      // a base, then a line with its irregular forms
  std::string_view prefixes;        // non-breaking prefixes
};

class MeteorCompiler {
 public:
  /// Throws std::runtime_error for a list that ends in the middle of a pair of lines.
  explicit MeteorCompiler(const MeteorSources& sources);
  ~MeteorCompiler();

  /// The next piece of the unpacked paraphrase table (probability, phrase, paraphrase: a line
  /// each); pieces may end anywhere.
  void feed(std::string_view piece);

  /// Writes the file. Throws std::runtime_error if the table ended in the middle of a record, does
  /// not fit the format, or `path` can't be written; the caller renames the file into place.
  void finish(const std::string& path);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace revolion
