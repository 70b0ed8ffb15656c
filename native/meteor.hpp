// METEOR 1.5 for English: exact, stem, synonym and paraphrase matches, as pycocoevalcap scores
// captions (options `-l en -norm`), after Denkowski & Lavie 2014 and probes of the Java program.
//
// Time per pair grows with reference words x 40 paths x candidates per word, memory with the
// candidates. Ordinary texts have a few candidates a word; at worst (one word over and over) it is
// words x words.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "meteor_score.hpp"
#include "normalise.hpp"

namespace revolion {

/// One instance a thread; it holds scratch memory and a bounded cache of words.
class Meteor {
 public:
  /// With all four modules, or with exact and stem matches only if `data` is null; then words are
  /// function words if `is_function` says so, and no dot belongs to an abbreviation.
  explicit Meteor(std::shared_ptr<const MeteorData> data,
                  MeteorWords::IsFunction is_function = nullptr);
  Meteor(const Meteor&) = delete;  // its parts refer to one another
  Meteor& operator=(const Meteor&) = delete;

  /// The statistics for the reference with the highest score, the first of equals. Texts are
  /// tokenised already (PTB); `|||` is METEOR's separator: it is removed from the answer and splits
  /// a reference in two. No reference counts as one empty reference.
  MeteorStatistics best(std::string_view answer, const std::string_view* references,
                        std::size_t count);

 private:
  void read(std::string_view text, MeteorText& out);
  void read_answer(std::string_view answer);
  void try_reference(std::string_view reference, MeteorStatistics& best, double& best_score);

  std::shared_ptr<const MeteorData> data_;
  NonBreaking prefixes_;
  MeteorWords words_;
  MeteorMatcher matcher_;
  MeteorAligner aligner_;
  MeteorCandidates candidates_;
  MeteorText answer_, reference_;
  std::string normalised_, joined_;
};

}  // namespace revolion
