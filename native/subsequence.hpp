// ROUGE-L of one answer: longest common subsequences of words.
//
// Lin (2004) in pycocoevalcap's variant: precision and recall are maximised over the references one
// by one, then joined with beta = 1.2.
//
// A row of the dynamic programme rises by at most 1 from column to column, so one bit per word of
// the answer holds it (Hyyrö, "Bit-parallel LCS-length computation revisited", 2004). Only the
// 64-bit blocks that hold the reference's word, and those a carry reaches, are touched: memory grows
// with the answer alone, and a rare word costs next to nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "words.hpp"

namespace revolion {

struct RougeL {
  double coco;  // beta = 1.2, in [0, 1]
  double f1;    // beta = 1, in [0, 1]
};

class SubsequenceScorer {
 public:
  /// The answer, as numbers of the words of `str.split(" ")`, at least one, counted from 0 as they
  /// first occur.
  void begin(const std::vector<Word>& answer);
  /// A reference, likewise, `kUnknown` for words that the answer does not have.
  void add_reference(const std::vector<Word>& reference);
  RougeL end() const;

 private:
  struct Block {
    std::uint32_t number;
    std::int32_t next;  // the word's next block, or -1
    std::uint64_t places;
  };
  void match(Word word);

  std::vector<std::int32_t> first_, last_;  // of each word's blocks
  std::vector<Block> blocks_;
  std::vector<std::uint64_t> row_;
  double length_ = 1, precision_ = 0, recall_ = 0;
};

}  // namespace revolion
