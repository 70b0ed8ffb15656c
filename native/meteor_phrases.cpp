// The paraphrase part of MeteorMatcher: which phrases of the table occur in one text, and where
// their paraphrases occur in the other.
#include <algorithm>

#include "meteor_match.hpp"

namespace revolion {

void MeteorMatcher::set_answer_phrases(const MeteorText& answer) {
  fill(answer, in_answer_);
  find_phrases(answer, answer_phrases_);
}

// Linked from the back, so that the chain of a word runs from left to right.
void MeteorMatcher::fill(const MeteorText& text, Occurrences& out) const {
  for (const std::uint32_t word : out.numbers)
    if (word < MeteorData::kParaphraseWords) out.bits[word >> 6] = 0;
  out.numbers.clear();
  for (const std::uint32_t word : text) out.numbers.push_back(words_[word].number);
  out.next.assign(text.size(), MeteorData::kNone);
  for (std::size_t i = text.size(); i-- > 0;) {
    const std::uint32_t word = out.numbers[i];
    if (word >= MeteorData::kParaphraseWords) continue;
    if (out.has(word)) out.next[i] = out.first[word];
    out.first[word] = static_cast<std::uint32_t>(i);
    out.bits[word >> 6] |= std::uint64_t{1} << (word & 63);
  }
}

// By place, then by length.
void MeteorMatcher::find_phrases(const MeteorText& text, std::vector<Phrase>& out) const {
  out.clear();
  for (std::uint32_t place = 0; place < text.size(); ++place) {
    std::uint32_t node = words_[text[place]].node;
    for (std::uint32_t end = place + 1; node != MeteorData::kNone; ++end) {
      out.push_back({place, node, static_cast<std::uint16_t>(end - place)});
      if (end == text.size() || end - place == 0xFFFF) break;
      node = data_->child(node, words_[text[end]].number);
    }
  }
}

void MeteorMatcher::find_hits(std::uint32_t node, const Occurrences& other) {
  hits_.clear();
  const ParaphraseList list = data_->paraphrases(node);
  const std::size_t size = other.numbers.size();
  for (std::uint32_t i = 0; i < list.size; ++i) {
    if (!other.has(list.rarest[i])) continue;
    const std::uint16_t start = i == 0 ? 0 : list.end[i - 1], end = list.end[i];
    if (end <= start || end > list.end[list.size - 1]) continue;  // only in a damaged file
    const std::uint16_t* const words = list.words + start;
    const std::uint16_t count = end - start;
    if (!std::all_of(words, words + count, [&](std::uint16_t word) { return other.has(word); }))
      continue;
    for (std::uint32_t at = other.first[words[0]]; at != MeteorData::kNone; at = other.next[at])
      if (at + count <= size && std::equal(words, words + count, other.numbers.begin() + at))
        hits_.push_back({at, count});
  }
}

// First the phrases of the reference, then those of the answer, sorted by where they start in the
// reference; the sort is stable, so that length, file order and place keep their say.
void MeteorMatcher::match_phrases(const MeteorText& reference, MeteorCandidates& out) {
  fill(reference, in_reference_);
  find_phrases(reference, reference_phrases_);
  placed_.clear();
  for (const Phrase& phrase : reference_phrases_) {
    find_hits(phrase.node, in_answer_);
    for (const Hit& hit : hits_)
      placed_.push_back({phrase.place, {hit.place, hit.words, phrase.words, kParaphrase}});
  }
  for (const Phrase& phrase : answer_phrases_) {
    find_hits(phrase.node, in_reference_);
    for (const Hit& hit : hits_)
      placed_.push_back({hit.place, {phrase.place, phrase.words, hit.words, kParaphrase}});
  }
  for (const Placed& placed : placed_) ++out.phrase[placed.start].end;
  auto start = static_cast<std::uint32_t>(out.pool.size());
  out.pool.resize(out.pool.size() + placed_.size());
  for (auto& range : out.phrase) {
    const std::uint32_t count = range.end;
    range = {start, start};
    start += count;
  }
  for (const Placed& placed : placed_) out.pool[out.phrase[placed.start].end++] = placed.candidate;
}

}  // namespace revolion
