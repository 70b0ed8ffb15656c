// METEOR's statistics and the score made of them. The statistics of many answers are summed and
// scored once for a corpus score, so statistics and score stay apart. One trap lies between them: a
// pair that matches whole, in one chunk, has no fragmentation. The Java program prints 1 for its
// chunks and yet adds 0 to a corpus's (probed: two whole pairs make a corpus of 1.0, not of 0.478).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "meteor_align.hpp"

namespace revolion {

constexpr std::size_t kMeteorStatistics = 23;

/// METEOR's counts as it prints them, in its own order.
struct MeteorStatistics {
  struct Side {
    double answer = 0, reference = 0;
  };
  struct Module {
    Side content, function;
  };
  Side words, function_words;
  std::array<Module, kMeteorModules> modules{};  // words matched, by MeteorModule
  double chunks = 0;
  Side matched;  // words matched by all modules

  /// Whether every word on both sides was matched in one chunk.
  bool is_whole() const;
  /// The counts in order as they may be summed: those above, but 0 chunks for a whole pair. The
  /// score of the pair is the same.
  std::array<double, kMeteorStatistics> flat() const;
  /// Of flat counts or sums of them, or of counts as METEOR prints them.
  static MeteorStatistics from(const double* flat);
};

/// Counts for a pair whose best alignment is `matches`.
MeteorStatistics meteor_statistics(const MeteorWords& words, const MeteorText& answer,
                                   const MeteorText& reference,
                                   const std::vector<MeteorMatch>& matches);

/// The score of one pair or of a sum of pairs, in [0, 1]; 0 where it is undefined.
double meteor_score(const MeteorStatistics& statistics);

}  // namespace revolion
