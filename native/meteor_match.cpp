#include "meteor_match.hpp"

#include <algorithm>

namespace revolion {

void MeteorMatcher::Index::clear(std::size_t entries) {
  std::size_t size = 64;
  while (size < 2 * entries) size *= 2;
  if (size > slots_.size() || ++stamp_ == 0) {
    slots_.assign(std::max(size, slots_.size()), Slot{});
    stamp_ = 1;
  }
  values_.clear();
  next_.clear();
}

std::size_t MeteorMatcher::Index::slot_of(std::uint32_t key) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = (key * 0x9E3779B1u ^ key >> 15) & mask;
  while (slots_[slot].stamp == stamp_ && slots_[slot].key != key) slot = (slot + 1) & mask;
  return slot;
}

void MeteorMatcher::Index::add(std::uint32_t key, std::uint32_t value) {
  const auto entry = static_cast<std::uint32_t>(values_.size());
  values_.push_back(value);
  next_.push_back(MeteorData::kNone);
  Slot& slot = slots_[slot_of(key)];
  if (slot.stamp == stamp_)
    next_[slot.tail] = entry;
  else
    slot = {key, stamp_, entry, entry};
  slot.tail = entry;
}

template <class Use>
void MeteorMatcher::Index::each(std::uint32_t key, Use use) const {
  const Slot& slot = slots_[slot_of(key)];
  if (slot.stamp != stamp_) return;
  for (std::uint32_t i = slot.head; i != MeteorData::kNone; i = next_[i]) use(values_[i]);
}

void MeteorMatcher::Marks::clear(std::size_t words) {
  if (words > stamps_.size() || ++stamp_ == 0) {
    stamps_.assign(std::max(words + words / 2, stamps_.size()), 0);
    values_.resize(stamps_.size());
    stamp_ = 1;
  }
}

bool MeteorMatcher::Marks::is_new(std::uint32_t word, std::uint32_t& value) {
  if (stamps_[word] == stamp_) {
    value = values_[word];
    return false;
  }
  stamps_[word] = stamp_;
  values_[word] = value;
  return true;
}

MeteorMatcher::MeteorMatcher(std::shared_ptr<const MeteorData> data, const MeteorWords& words)
    : data_(std::move(data)), words_(words) {}

void MeteorMatcher::set_answer(const MeteorText& answer) {
  answer_ = answer;
  for (Index* index : {&by_hash_, &by_stem_, &by_word_}) index->clear(answer.size());
  marks_.clear(words_.size());
  different_.clear();
  std::size_t sets = 0;
  for (std::uint32_t i = 0; i < answer.size(); ++i) {
    const MeteorWord& word = words_[answer[i]];
    by_hash_.add(word.hash, i);
    by_stem_.add(word.stem, i);
    by_word_.add(answer[i], i);
    std::uint32_t unused = 0;
    if (!marks_.is_new(answer[i], unused)) continue;
    different_.push_back(answer[i]);
    sets += word.sets_end - word.sets_start;
  }
  by_synset_.clear(sets);
  for (const std::uint32_t i : different_)
    for (std::uint32_t s = words_[i].sets_start; s < words_[i].sets_end; ++s)
      by_synset_.add(words_.synsets()[s], i);
  if (data_) set_answer_phrases(answer);
}

void MeteorMatcher::match(const MeteorText& reference, bool exact_only, MeteorCandidates& out) {
  out.pool.clear();
  out.single.assign(reference.size(), {});
  out.phrase.assign(reference.size(), {});
  match_singles(reference, exact_only, out);
  if (data_ && !exact_only) match_phrases(reference, out);
}

void MeteorMatcher::match_singles(const MeteorText& reference, bool exact_only,
                                  MeteorCandidates& out) {
  marks_.clear(words_.size());
  for (std::uint32_t place = 0; place < reference.size(); ++place) {
    std::uint32_t first = place;
    if (marks_.is_new(reference[place], first)) {
      out.single[place].start = static_cast<std::uint32_t>(out.pool.size());
      match_word(words_[reference[place]], exact_only, out);
      out.single[place].end = static_cast<std::uint32_t>(out.pool.size());
    } else {
      out.single[place] = out.single[first];
    }
  }
}

void MeteorMatcher::match_word(const MeteorWord& word, bool exact_only, MeteorCandidates& out) {
  by_hash_.each(word.hash, [&](std::uint32_t i) { out.pool.push_back({i, 1, 1, kExact}); });
  if (exact_only) return;
  by_stem_.each(word.stem, [&](std::uint32_t i) {
    if (words_[answer_[i]].hash != word.hash) out.pool.push_back({i, 1, 1, kStem});
  });
  match_synonyms(word, out);
}

// Two words share many sets at times; the pair is one candidate.
void MeteorMatcher::match_synonyms(const MeteorWord& word, MeteorCandidates& out) {
  different_.clear();
  for (std::uint32_t s = word.sets_start; s < word.sets_end; ++s)
    by_synset_.each(words_.synsets()[s], [&](std::uint32_t other) {
      if (words_[other].hash != word.hash) different_.push_back(other);
    });
  if (different_.empty()) return;
  std::sort(different_.begin(), different_.end());
  different_.erase(std::unique(different_.begin(), different_.end()), different_.end());
  places_.clear();
  for (const std::uint32_t other : different_)
    by_word_.each(other, [&](std::uint32_t i) { places_.push_back(i); });
  std::sort(places_.begin(), places_.end());
  for (const std::uint32_t i : places_) out.pool.push_back({i, 1, 1, kSynonym});
}

}  // namespace revolion
