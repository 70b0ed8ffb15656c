// BLEU's counts of one answer: clipped n-gram matches and lengths.
//
// Papineni et al. (2002) in pycocoevalcap's variant: an n-gram of the answer counts at most as often
// as in the one reference that has it most, and of the references' lengths the one closest to the
// answer's is taken, the shorter of two equally close. The score itself is a formula over these
// counts and stands in `metrics/bleu.py`.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "words.hpp"

namespace revolion {

constexpr int kOrders = 4;

struct BleuCounts {
  std::array<std::int64_t, kOrders> correct{};
  std::array<std::int64_t, kOrders> guess{};
  std::int64_t answer_length = 0;
  std::int64_t reference_length = 0;
};

/// Counts one answer after the other; keeps its memory from one to the next.
class NgramCounter {
 public:
  /// The answer, as numbers of the words of `str.split()`, counted from 0 as they first occur.
  void begin(const std::vector<Word>& answer);
  /// One of its references, likewise, `kUnknown` for words that the answer does not have.
  void add_reference(const std::vector<Word>& reference);
  BleuCounts end() const;

 private:
  // A single word is known by its own number. A longer n-gram is its first n - 1 words, which are
  // an n-gram already known, and its last word; their numbers go on behind the words'.
  struct Gram {
    Word head, last;
    bool operator==(const Gram& other) const { return head == other.head && last == other.last; }
  };
  static std::uint64_t hash_of_gram(const Gram& gram);

  struct Count {
    std::int32_t order, in_answer, in_reference, most;
    std::uint32_t reference;
  };
  void count_answer(Word number, int order);
  void count_reference(Word number);

  SmallTable<Gram> grams_;
  std::vector<Count> counts_;  // the first `known_` are this answer's
  Word known_ = 0, distinct_ = 0;
  std::int64_t length_ = 0, closest_ = -1;
  std::uint32_t reference_ = 0;
};

}  // namespace revolion
