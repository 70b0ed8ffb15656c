#include "subsequence.hpp"

#include <algorithm>

namespace revolion {
namespace {

double f_score(double precision, double recall, double beta) {
  if (precision == 0 || recall == 0) return 0;
  const double square = beta * beta;
  return (1 + square) * precision * recall / (recall + square * precision);
}

int ones(std::uint64_t bits) { return __builtin_popcountll(bits); }

}  // namespace

void SubsequenceScorer::begin(const std::vector<Word>& answer) {
  length_ = static_cast<double>(answer.size());
  precision_ = recall_ = 0;
  blocks_.clear();
  first_.clear();
  last_.clear();
  for (std::size_t place = 0; place < answer.size(); ++place) {
    const Word word = answer[place];
    const auto number = static_cast<std::uint32_t>(place / 64);
    const auto fresh = static_cast<std::int32_t>(blocks_.size());
    if (static_cast<std::size_t>(word) == first_.size()) {
      first_.push_back(fresh);
      last_.push_back(fresh);
      blocks_.push_back({number, -1, 0});
    } else if (blocks_[last_[word]].number != number) {
      blocks_[last_[word]].next = fresh;
      last_[word] = fresh;
      blocks_.push_back({number, -1, 0});
    }
    blocks_[last_[word]].places |= std::uint64_t{1} << (place % 64);
  }
  row_.resize((answer.size() + 63) / 64);
}

void SubsequenceScorer::match(Word word) {
  // Each matched run of ones moves its lowest match to a zero: row' = (row + m) | (row & ~m).
  std::uint64_t carry = 0;
  std::size_t next = 0;  // the block that the carry goes into
  for (std::int32_t at = first_[word]; at >= 0; at = blocks_[at].next) {
    const Block& block = blocks_[at];
    for (; carry && next < block.number; ++next) {
      const std::uint64_t row = row_[next], sum = row + 1;
      carry = sum == 0;
      row_[next] = sum | row;
    }
    const std::uint64_t row = row_[block.number], matches = row & block.places;
    const std::uint64_t sum = row + matches, all = sum + carry;
    carry = (sum < row) | (all < sum);
    row_[block.number] = all | (row & ~matches);
    next = block.number + 1;
  }
  for (; carry && next < row_.size(); ++next) {
    const std::uint64_t row = row_[next], sum = row + 1;
    carry = sum == 0;
    row_[next] = sum | row;
  }
}

void SubsequenceScorer::add_reference(const std::vector<Word>& reference) {
  std::fill(row_.begin(), row_.end(), ~std::uint64_t{0});
  for (const Word word : reference) {
    if (word != kUnknown) match(word);
  }
  // Bits beyond the answer stay ones: nothing matches there, and a carry only adds ones above.
  std::int64_t common = 0;
  for (const std::uint64_t row : row_) common += ones(~row);
  const auto found = static_cast<double>(common);
  precision_ = std::max(precision_, found / length_);
  recall_ = std::max(recall_, found / static_cast<double>(reference.size()));
}

RougeL SubsequenceScorer::end() const {
  return {f_score(precision_, recall_, 1.2), f_score(precision_, recall_, 1.0)};
}

}  // namespace revolion
