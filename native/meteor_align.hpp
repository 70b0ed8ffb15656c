// METEOR's alignment: a beam search over the words of the reference, from left to right, for the
// candidates that match most words in fewest chunks over the shortest distance.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "meteor_match.hpp"

namespace revolion {

constexpr std::size_t kMeteorBeam = 40;

struct MeteorMatch {
  std::uint32_t reference;  // first word matched in the reference
  MeteorCandidate candidate;
};

/// Chooses among candidates; holds scratch memory.
class MeteorAligner {
 public:
  /// The matches of the best path, by their place in the reference.
  const std::vector<MeteorMatch>& align(const MeteorCandidates& candidates,
                                        std::size_t answer_words, std::size_t reference_words);

 private:
  // A path through the reference up to some word. Which words of the answer it covers is kept
  // apart, `stride_` words of bits each.
  struct Path {
    std::int32_t matches = 0, chunks = 0;
    std::int32_t distance = 0;                      // wraps as Java's int does
    std::uint32_t next_answer = MeteorData::kNone;  // that continues the open chunk
    std::uint32_t reference_end = 0;                // words before it are covered or skipped
    std::uint32_t step = MeteorData::kNone;         // the last match, in steps_
  };
  // A path to be: the fields that order it, and how it comes about.
  struct Successor {
    std::uint64_t quality;  // fewer matches, then more chunks
    std::uint64_t order;    // distance, then insertion
    std::uint32_t parent, candidate;
    bool operator<(const Successor& other) const {
      return quality != other.quality ? quality < other.quality : order < other.order;
    }
  };
  struct Step {
    std::uint32_t previous, reference, candidate;
  };

  void find_fixed(const MeteorCandidates& candidates, std::size_t answer_words);
  void extend(const MeteorCandidates& candidates, std::uint32_t place);
  void extend_path(const MeteorCandidates& candidates, std::uint32_t place, std::uint32_t parent);
  void apply(const MeteorCandidates& candidates, std::uint32_t place);
  bool is_free(std::uint32_t path, const MeteorCandidate& candidate) const;
  void propose(std::uint32_t parent, std::uint32_t candidate, std::int32_t matches,
               std::int32_t chunks, std::int32_t distance);
  void cut();
  void trace(const MeteorCandidates& candidates);

  std::size_t stride_ = 0;
  std::vector<Path> paths_, next_paths_;
  std::vector<std::uint64_t> covered_, next_covered_;
  std::array<Successor, 2 * kMeteorBeam> successors_;
  std::uint64_t limit_quality_ = 0, limit_order_ = 0;
  std::uint32_t proposed_ = 0, inserted_ = 0;
  std::vector<Step> steps_;
  std::vector<bool> fixed_;
  std::vector<std::uint32_t> answer_cover_, reference_cover_;
  std::vector<MeteorMatch> matches_;
};

}  // namespace revolion
