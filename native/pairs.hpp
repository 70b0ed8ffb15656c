// One answer and its references: from texts to every count and value, in one pass.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "meteor.hpp"
#include "ngrams.hpp"
#include "subsequence.hpp"

namespace revolion {

/// A text of the caller's, and how many of them are one answer's references.
struct Pair {
  std::string_view answer;
  const std::string_view* references;
  std::size_t count;
};

struct PairCounts {
  BleuCounts bleu;
  MeteorStatistics meteor;
  RougeL rouge;
};

/// Scores pair after pair; one instance a thread.
class PairScorer {
 public:
  /// `tokenize`: texts are raw and become Penn Treebank tokens first. `meteor` scores METEOR, if given.
  PairScorer(bool tokenize, std::unique_ptr<Meteor> meteor);

  PairCounts score(const Pair& pair);

 private:
  std::string_view tokens_of(std::string_view text, std::string& memory) const;
  /// Begins both metrics with the answer; whether both part it into the same words.
  bool enter_words(std::string_view answer);

  bool tokenize_;
  std::unique_ptr<Meteor> meteor_;
  // The answer's words as either metric parts them; mostly alike, and then one table serves both.
  WordTable blank_table_, space_table_;
  NgramCounter ngrams_;
  SubsequenceScorer subsequences_;
  std::vector<std::string> memory_;
  std::vector<std::string_view> words_, references_;
  std::vector<Word> numbers_;
};

}  // namespace revolion
