#include "pairs.hpp"

#include <algorithm>
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

bool PairScorer::enter_words(std::string_view answer) {
  blank_table_.clear(1 + static_cast<std::size_t>(std::count(answer.begin(), answer.end(), ' ')));
  const bool is_plain = number_at_blanks(answer, numbers_, [&](std::string_view word) {
    return blank_table_.enter(word, hash_of(word));
  });
  subsequences_.begin(numbers_);
  if (!is_plain) {
    split_at_spaces(answer, words_);
    space_table_.clear(words_.size());
    numbers_.clear();
    for (const auto& word : words_) numbers_.push_back(space_table_.enter(word, hash_of(word)));
  }
  ngrams_.begin(numbers_);
  return is_plain;
}

PairCounts PairScorer::score(const Pair& pair) {
  if (memory_.size() < pair.count + 1) memory_.resize(pair.count + 1);
  const std::string_view answer = tokens_of(pair.answer, memory_[0]);
  const bool is_plain = enter_words(answer);
  const WordTable& space_table = is_plain ? blank_table_ : space_table_;
  references_.clear();
  for (std::size_t i = 0; i < pair.count; ++i) {
    references_.push_back(tokens_of(pair.references[i], memory_[i + 1]));
    const auto known = [&](std::string_view word) {
      return blank_table_.find(word, hash_of(word));
    };
    const bool both_plain = number_at_blanks(references_[i], numbers_, known) && is_plain;
    subsequences_.add_reference(numbers_);
    if (!both_plain) {
      split_at_spaces(references_[i], words_);
      numbers_.clear();
      for (const auto& word : words_) numbers_.push_back(space_table.find(word, hash_of(word)));
    }
    ngrams_.add_reference(numbers_);
  }
  MeteorStatistics meteor;
  if (meteor_) meteor = meteor_->best(answer, references_.data(), references_.size());
  return {ngrams_.end(), meteor, subsequences_.end()};
}

}  // namespace revolion
