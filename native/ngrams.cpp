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

void NgramCounter::begin(const std::vector<Word>& answer) {
  length_ = static_cast<std::int64_t>(answer.size());
  closest_ = -1;
  reference_ = 0;
  known_ = 0;
  if (counts_.size() < kOrders * answer.size()) counts_.resize(kOrders * answer.size());
  for (const Word word : answer) count_answer(word, 0);
  distinct_ = known_;
  grams_.clear((kOrders - 1) * answer.size());
  for (std::size_t start = 0; start < answer.size(); ++start) {
    const std::size_t end = std::min(answer.size(), start + kOrders);
    Word head = answer[start];
    for (std::size_t place = start + 1; place < end; ++place) {
      const Gram gram{head, answer[place]};
      head = distinct_ + grams_.enter(gram, hash_of_gram(gram));
      count_answer(head, static_cast<int>(place - start));
    }
  }
}

void NgramCounter::count_answer(Word number, int order) {
  Count& count = counts_[number];
  if (number == known_) {
    ++known_;
    count.order = order;
    count.in_answer = count.in_reference = count.most = 0;
    count.reference = 0;
  }
  ++count.in_answer;
}

void NgramCounter::add_reference(const std::vector<Word>& reference) {
  ++reference_;
  const auto length = static_cast<std::int64_t>(reference.size());
  const auto gap = std::llabs(length - length_), best = std::llabs(closest_ - length_);
  if (closest_ < 0 || gap < best || (gap == best && length < closest_)) closest_ = length;
  for (std::size_t start = 0; start < reference.size(); ++start) {
    Word head = reference[start];
    if (head == kUnknown) continue;
    count_reference(head);
    const std::size_t end = std::min(reference.size(), start + kOrders);
    for (std::size_t place = start + 1; place < end; ++place) {
      if (reference[place] == kUnknown) break;
      const Gram gram{head, reference[place]};
      const Word found = grams_.find(gram, hash_of_gram(gram));
      if (found == kUnknown) break;  // the answer has none of the longer ones either
      head = distinct_ + found;
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
  for (Word number = 0; number < known_; ++number) {
    const Count& count = counts_[number];
    result.correct[count.order] += std::min(count.in_answer, count.most);
  }
  return result;
}

}  // namespace revolion
