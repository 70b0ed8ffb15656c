#include "meteor_align.hpp"

#include <algorithm>
#include <cstdlib>

namespace revolion {
namespace {

// Instead of a candidate: leave the word out; or the word is covered by an earlier phrase already.
constexpr std::uint32_t kSkip = 0xFFFFFFFFu, kPass = 0xFFFFFFFEu;

// Inside the beam an exact word counts 1, and a match by any other module half its words, cut to a
// whole number: one word matched by stem or synonym counts nothing, and five words of a phrase
// count 2. Probed with phrases of 1-8 words against exact words; 0.6 a word would give 3 for five.
std::int32_t beam_words(const MeteorCandidate& candidate) {
  if (candidate.module == kExact) return 2;
  return candidate.answer_words / 2 + candidate.reference_words / 2;
}

std::int32_t wrapping_add(std::int32_t a, std::int32_t b) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(a) + static_cast<std::uint32_t>(b));
}

std::int32_t distance_of(const MeteorCandidate& candidate, std::uint32_t place) {
  return std::abs(static_cast<std::int32_t>(candidate.answer) - static_cast<std::int32_t>(place));
}

}  // namespace

const std::vector<MeteorMatch>& MeteorAligner::align(const MeteorCandidates& candidates,
                                                     std::size_t answer_words,
                                                     std::size_t reference_words) {
  stride_ = (answer_words + 63) / 64;
  steps_.clear();
  paths_.assign(1, Path{});
  covered_.assign(stride_, 0);
  find_fixed(candidates, answer_words);
  for (std::uint32_t place = 0; place < reference_words; ++place) {
    extend(candidates, place);
    cut();
    const auto end = successors_.begin() + proposed_;
    if (!std::is_sorted(successors_.begin(), end)) std::sort(successors_.begin(), end);
    apply(candidates, place);
  }
  trace(candidates);
  return matches_;
}

// A match is fixed if it is the only candidate of its word and no other candidate covers any of
// its words, on either side.
void MeteorAligner::find_fixed(const MeteorCandidates& candidates, std::size_t answer_words) {
  const std::size_t places = candidates.single.size();
  answer_cover_.assign(answer_words, 0);
  reference_cover_.assign(places, 0);
  const auto add = [&](std::size_t place, std::uint32_t i) {
    const MeteorCandidate& candidate = candidates[i];
    for (std::size_t w = 0; w < candidate.answer_words; ++w) ++answer_cover_[candidate.answer + w];
    for (std::size_t w = 0; w < candidate.reference_words; ++w) ++reference_cover_[place + w];
  };
  for (std::size_t place = 0; place < places; ++place)
    candidates.each(place, [&](std::uint32_t i) { add(place, i); });
  fixed_.assign(places, false);
  for (std::size_t place = 0; place < places; ++place) {
    if (candidates.count(place) != 1) continue;
    candidates.each(place, [&](std::uint32_t i) {
      const MeteorCandidate& candidate = candidates[i];
      bool fixed = true;
      for (std::size_t w = 0; w < candidate.answer_words; ++w)
        fixed = fixed && answer_cover_[candidate.answer + w] == 1;
      for (std::size_t w = 0; w < candidate.reference_words; ++w)
        fixed = fixed && reference_cover_[place + w] == 1;
      fixed_[place] = fixed;
    });
  }
}

bool MeteorAligner::is_free(std::uint32_t path, const MeteorCandidate& candidate) const {
  const std::uint64_t* bits = covered_.data() + path * stride_;
  for (std::uint32_t i = candidate.answer; i < candidate.answer + candidate.answer_words; ++i)
    if ((bits[i >> 6] >> (i & 63)) & 1) return false;
  return true;
}

void MeteorAligner::extend(const MeteorCandidates& candidates, std::uint32_t place) {
  proposed_ = inserted_ = 0;
  limit_quality_ = limit_order_ = ~std::uint64_t{0};
  for (std::uint32_t parent = 0; parent < paths_.size(); ++parent)
    extend_path(candidates, place, parent);
}

// An open chunk counts once it closes: at a match elsewhere, at a skip, or at the end. A path that
// is inside a phrase of the reference passes.
void MeteorAligner::extend_path(const MeteorCandidates& candidates, std::uint32_t place,
                                std::uint32_t parent) {
  const Path& path = paths_[parent];
  const bool is_open = path.next_answer != MeteorData::kNone;
  if (path.reference_end > place) {
    propose(parent, kPass, path.matches, path.chunks, path.distance);
    return;
  }
  // A match's own distance goes to the path it extends, so that not the match itself, but those
  // tried after it and the skip carry it (probed).
  std::int32_t distance = path.distance;
  candidates.each(place, [&](std::uint32_t i) {
    const MeteorCandidate& candidate = candidates[i];
    if (!is_free(parent, candidate)) return;
    const bool closes = is_open && path.next_answer != candidate.answer;
    propose(parent, i, path.matches + beam_words(candidate), path.chunks + closes, distance);
    distance = wrapping_add(distance, distance_of(candidate, place));
  });
  if (fixed_[place]) return;
  propose(parent, kSkip, path.matches, path.chunks + is_open, distance);
}

void MeteorAligner::propose(std::uint32_t parent, std::uint32_t candidate, std::int32_t matches,
                            std::int32_t chunks, std::int32_t distance) {
  const std::uint64_t quality =
      (std::uint64_t{0x7FFFFFFFu - static_cast<std::uint32_t>(matches)} << 32) |
      static_cast<std::uint32_t>(chunks);
  const std::uint64_t order =
      (std::uint64_t{static_cast<std::uint32_t>(distance) ^ 0x80000000u} << 32) | inserted_;
  if (quality > limit_quality_ || (quality == limit_quality_ && order >= limit_order_)) return;
  ++inserted_;
  Successor& successor = successors_[proposed_++];
  successor.quality = quality;
  successor.order = order;
  successor.parent = parent;
  successor.candidate = candidate;
  if (proposed_ == successors_.size()) cut();
}

// Keeps the best; what is worse than the worst of them needs no place from now on. Parents come in
// order, so most of what the later ones propose is refused at once.
void MeteorAligner::cut() {
  if (proposed_ <= kMeteorBeam) return;
  const auto worst = successors_.begin() + (kMeteorBeam - 1);
  std::nth_element(successors_.begin(), worst, successors_.begin() + proposed_);
  limit_quality_ = worst->quality;
  limit_order_ = worst->order;
  proposed_ = kMeteorBeam;
}

void MeteorAligner::apply(const MeteorCandidates& candidates, std::uint32_t place) {
  next_paths_.resize(proposed_);
  next_covered_.resize(proposed_ * stride_);
  for (std::uint32_t i = 0; i < proposed_; ++i) {
    const Successor& successor = successors_[i];
    std::uint64_t* const covered = next_covered_.data() + i * stride_;
    std::copy_n(covered_.data() + successor.parent * stride_, stride_, covered);
    Path& path = next_paths_[i];
    path = paths_[successor.parent];
    path.matches = static_cast<std::int32_t>(
        0x7FFFFFFFu - static_cast<std::uint32_t>(successor.quality >> 32));
    path.chunks = static_cast<std::int32_t>(successor.quality & 0xFFFFFFFFu);
    path.distance = static_cast<std::int32_t>(
        static_cast<std::uint32_t>(successor.order >> 32) ^ 0x80000000u);
    if (successor.candidate == kSkip) {
      path.next_answer = MeteorData::kNone;
    } else if (successor.candidate != kPass) {
      const MeteorCandidate& candidate = candidates[successor.candidate];
      path.next_answer = candidate.answer + candidate.answer_words;
      path.reference_end = place + candidate.reference_words;
      for (std::uint32_t w = candidate.answer; w < path.next_answer; ++w)
        covered[w >> 6] |= std::uint64_t{1} << (w & 63);
      steps_.push_back({path.step, place, successor.candidate});
      path.step = static_cast<std::uint32_t>(steps_.size() - 1);
    }
  }
  paths_.swap(next_paths_);
  covered_.swap(next_covered_);
}

// An open chunk counts only now; between paths that are equal then, the order so far decides.
void MeteorAligner::trace(const MeteorCandidates& candidates) {
  const auto better = [](const Path& a, const Path& b) {
    if (a.matches != b.matches) return a.matches > b.matches;
    const std::int32_t a_chunks = a.chunks + (a.next_answer != MeteorData::kNone);
    const std::int32_t b_chunks = b.chunks + (b.next_answer != MeteorData::kNone);
    if (a_chunks != b_chunks) return a_chunks < b_chunks;
    return a.distance < b.distance;
  };
  matches_.clear();
  const auto best = std::min_element(paths_.begin(), paths_.end(), better);
  for (std::uint32_t i = best->step; i != MeteorData::kNone; i = steps_[i].previous)
    matches_.push_back({steps_[i].reference, candidates[steps_[i].candidate]});
  std::reverse(matches_.begin(), matches_.end());
}

}  // namespace revolion
