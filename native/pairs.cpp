#include "pairs.hpp"

#include <utility>

#include "ptb.hpp"

namespace revolion {

PairScorer::PairScorer(bool tokenize, std::unique_ptr<Meteor> meteor)
    : tokenize_(tokenize), meteor_(std::move(meteor)) {}

std::string_view PairScorer::tokens_of(std::string_view text, std::string& memory) const {
  if (!tokenize_) return text;
  memory.clear();
  tokenize_ptb(text, memory);
  return memory;
}

PairCounts PairScorer::score(const Pair& pair) {
  if (memory_.size() < pair.count + 1) memory_.resize(pair.count + 1);
  const std::string_view answer = tokens_of(pair.answer, memory_[0]);
  split_at_spaces(answer, words_);
  ngrams_.begin(words_);
  split_at_blanks(answer, words_);
  subsequences_.begin(words_);
  references_.clear();
  for (std::size_t i = 0; i < pair.count; ++i) {
    references_.push_back(tokens_of(pair.references[i], memory_[i + 1]));
    split_at_spaces(references_[i], words_);
    ngrams_.add_reference(words_);
    split_at_blanks(references_[i], words_);
    subsequences_.add_reference(words_);
  }
  MeteorStatistics meteor;
  if (meteor_) meteor = meteor_->best(answer, references_.data(), references_.size());
  return {ngrams_.end(), meteor, subsequences_.end()};
}

}  // namespace revolion
