#include "meteor_words.hpp"

#include "stem.hpp"
#include "text.hpp"

namespace revolion {

std::uint32_t java_hash(std::string_view text) {
  std::uint32_t hash = 0;
  for (std::size_t place = 0; place < text.size();) {
    const char32_t point = next_code_point(text, place);
    if (point < 0x10000) {
      hash = 31 * hash + static_cast<std::uint32_t>(point);
    } else {
      hash = 31 * hash + (0xD7C0 + static_cast<std::uint32_t>(point >> 10));
      hash = 31 * hash + (0xDC00 + static_cast<std::uint32_t>(point & 0x3FF));
    }
  }
  return hash;
}

MeteorWords::MeteorWords(std::shared_ptr<const MeteorData> data, IsFunction is_function)
    : data_(std::move(data)), is_function_(std::move(is_function)) {
  clear();
}

void MeteorWords::clear() {
  words_.clear();
  texts_.clear();
  ends_.assign(1, 0);
  synsets_.clear();
  slots_.assign(1 << 12, 0);
}

std::string_view MeteorWords::text(std::uint32_t index) const {
  return std::string_view(texts_).substr(ends_[index], ends_[index + 1] - ends_[index]);
}

std::uint32_t MeteorWords::find(std::string_view word) {
  if (2 * words_.size() >= slots_.size()) grow();
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = word_slot_hash(word) & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask)
    if (text(slots_[slot] - 1) == word) return slots_[slot] - 1;
  add(word);
  slots_[slot] = static_cast<std::uint32_t>(words_.size());
  return slots_[slot] - 1;
}

void MeteorWords::grow() {
  slots_.assign(slots_.size() * 2, 0);
  const std::size_t mask = slots_.size() - 1;
  for (std::uint32_t i = 0; i < words_.size(); ++i) {
    std::size_t slot = word_slot_hash(text(i)) & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = i + 1;
  }
}

void MeteorWords::add(std::string_view word) {
  MeteorWord entry;
  entry.hash = java_hash(word);
  stem_.clear();
  stem_english(word, stem_);
  entry.stem = java_hash(stem_);
  entry.is_function = is_function_ ? is_function_(word) : data_ && data_->is_function(word);
  entry.sets_start = static_cast<std::uint32_t>(synsets_.size());
  if (data_) {
    data_->synsets(word, scratch_);
    synsets_.insert(synsets_.end(), scratch_.begin(), scratch_.end());
    const std::uint32_t number = data_->word(word);
    if (number < MeteorData::kParaphraseWords) {
      entry.number = number;
      entry.node = data_->child(0, number);
    }
  }
  entry.sets_end = static_cast<std::uint32_t>(synsets_.size());
  words_.push_back(entry);
  texts_ += word;
  ends_.push_back(static_cast<std::uint32_t>(texts_.size()));
}

}  // namespace revolion
