#include "ngrams.hpp"

#include <algorithm>
#include <cstdlib>

namespace revolion {

std::uint64_t NgramCounter::hash_of_gram(const Gram& gram) {
  std::uint64_t both = static_cast<std::uint64_t>(static_cast<std::uint32_t>(gram.head)) << 32 |
                       static_cast<std::uint32_t>(gram.last);
  both *= 0x9E3779B97F4A7C15ULL;
  return both ^ (both >> 31);
}

void NgramCounter::begin(const std::vector<std::string_view>& answer) {
  length_ = static_cast<std::int64_t>(answer.size());
  closest_ = -1;
  reference_ = 0;
  counts_.clear();
  table_.clear(answer.size());
  grams_.clear(kOrders * answer.size());
  words_.clear();
  for (const auto& word : answer) words_.push_back(table_.enter(word, hash_of(word)));
  for (std::size_t start = 0; start < words_.size(); ++start) {
    Word head = kUnknown;
    for (std::size_t n = 0; n < kOrders && start + n < words_.size(); ++n) {
      const Gram gram{head, words_[start + n]};
      head = grams_.enter(gram, hash_of_gram(gram));
      count_answer(head, n);
    }
  }
}

void NgramCounter::count_answer(Word number, std::size_t order) {
  if (static_cast<std::size_t>(number) == counts_.size()) {
    counts_.push_back({static_cast<std::int32_t>(order), 0, 0, 0, 0});
  }
  ++counts_[number].in_answer;
}

void NgramCounter::add_reference(const std::vector<std::string_view>& reference) {
  ++reference_;
  const auto length = static_cast<std::int64_t>(reference.size());
  const auto gap = std::llabs(length - length_), best = std::llabs(closest_ - length_);
  if (closest_ < 0 || gap < best || (gap == best && length < closest_)) closest_ = length;
  words_.clear();
  for (const auto& word : reference) words_.push_back(table_.find(word, hash_of(word)));
  for (std::size_t start = 0; start < words_.size(); ++start) {
    Word head = kUnknown;
    for (std::size_t n = 0; n < kOrders && start + n < words_.size(); ++n) {
      if (words_[start + n] == kUnknown) break;
      const Gram gram{head, words_[start + n]};
      head = grams_.find(gram, hash_of_gram(gram));
      if (head == kUnknown) break;  // the answer has none of the longer ones either
      count_reference(head);
    }
  }
}

void NgramCounter::count_reference(Word number) {
  Count& count = counts_[number];
  if (count.reference != reference_) {
    count.reference = reference_;
    count.in_reference = 0;
  }
  count.most = std::max(count.most, ++count.in_reference);
}

BleuCounts NgramCounter::end() const {
  BleuCounts result;
  result.answer_length = length_;
  result.reference_length = closest_;
  for (int n = 0; n < kOrders; ++n) result.guess[n] = std::max<std::int64_t>(0, length_ - n);
  for (const Count& count : counts_) {
    result.correct[count.order] += std::min(count.in_answer, count.most);
  }
  return result;
}

}  // namespace revolion
