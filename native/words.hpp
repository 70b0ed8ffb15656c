// The words of one answer, each with a small number, so that n-grams and subsequences compare
// numbers instead of texts.
//
// One table serves an answer and all its references: the answer's words are entered, a reference's
// are only looked up, for a word that the answer does not have can match nothing. Words are compared
// byte by byte; the hash only says where to look.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace revolion {

using Word = std::int32_t;
constexpr Word kUnknown = -1;

inline std::uint64_t hash_of(std::string_view text) {
  constexpr std::uint64_t kFactor = 0x9E3779B97F4A7C15ULL;
  std::uint64_t state = text.size() * kFactor;
  const char* place = text.data();
  std::size_t left = text.size();
  for (; left >= 8; place += 8, left -= 8) {
    std::uint64_t eight;
    std::memcpy(&eight, place, 8);
    state = (state ^ eight) * kFactor;
    state ^= state >> 29;
  }
  std::uint64_t rest = 0;
  if (left >= 4) {  // two reads that may overlap: the length, which is in the state, tells them apart
    std::uint32_t first, last;
    std::memcpy(&first, place, 4);
    std::memcpy(&last, place + left - 4, 4);
    rest = static_cast<std::uint64_t>(last) << 32 | first;
  } else if (left > 0) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(place[at]); };
    rest = byte(0) | byte(left / 2) << 8 | byte(left - 1) << 16;
  }
  state = (state ^ rest) * kFactor;
  return state ^ (state >> 32);
}

/// Open addressing from keys to small numbers, emptied in no time: a slot counts only if it was
/// written since the last `clear`.
template <typename Key>
class SmallTable {
 public:
  void clear(std::size_t expected) {
    std::size_t wanted = 16;
    while (wanted < 2 * expected) wanted *= 2;
    if (slots_.size() < wanted || slots_.size() > kLargest) {
      slots_.assign(wanted, Slot{});
      round_ = 0;
    }
    if (++round_ == 0) {  // the counter came round: what is old must not look new
      slots_.assign(slots_.size(), Slot{});
      round_ = 1;
    }
    size_ = 0;
  }

  Word find(const Key& key, std::uint64_t hash) const {
    const Slot& slot = slots_[place_of(key, hash)];
    return slot.round == round_ ? slot.number : kUnknown;
  }

  /// The key's number; a new key gets the next one.
  Word enter(const Key& key, std::uint64_t hash) {
    Slot& slot = slots_[place_of(key, hash)];
    if (slot.round != round_) slot = Slot{key, size_++, round_};
    return slot.number;
  }

  Word size() const { return size_; }

 private:
  struct Slot {
    Key key{};
    Word number = 0;
    std::uint32_t round = 0;
  };
  static constexpr std::size_t kLargest = 1 << 16;  // slots kept for the next answer

  std::size_t place_of(const Key& key, std::uint64_t hash) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t place = hash & mask;
    while (slots_[place].round == round_ && !(slots_[place].key == key)) place = (place + 1) & mask;
    return place;
  }

  std::vector<Slot> slots_ = std::vector<Slot>(16);
  std::uint32_t round_ = 0;
  Word size_ = 0;
};

using WordTable = SmallTable<std::string_view>;

/// Whether Python's `str.split()` parts words at this character.
inline bool is_space(char32_t point) {
  if (point <= 0x20) return point == 0x20 || (point >= 0x09 && point <= 0x0D) || point >= 0x1C;
  return point == 0x85 || point == 0xA0 || point == 0x1680 || (point >= 0x2000 && point <= 0x200A) ||
         point == 0x2028 || point == 0x2029 || point == 0x202F || point == 0x205F || point == 0x3000;
}

/// The words that `str.split()` finds: runs of what is no white space. For BLEU.
void split_at_spaces(std::string_view text, std::vector<std::string_view>& words);

/// Whether a text holds a character that is, or could be, another white space than the blank.
inline bool has_odd_space(std::string_view text) {
  unsigned odd = 0;  // no early end: so compilers make it a few instructions for many bytes
  for (const char one : text) {
    const auto byte = static_cast<unsigned char>(one);
    odd |= static_cast<unsigned>(byte < 0x20) | static_cast<unsigned>(byte >= 0xC2 && byte <= 0xE3);
  }
  return odd != 0;
}

/// Appends `number(word)` of each word that `str.split(" ")` finds to cleared `numbers`: two blanks
/// in a row enclose an empty word. For ROUGE-L. Returns true only if `str.split()` finds the same
/// words, as it does in tokenised texts.
template <typename Number>
bool number_at_blanks(std::string_view text, std::vector<Word>& numbers, const Number& number) {
  numbers.clear();
  bool is_plain = !has_odd_space(text);
  const auto take = [&](std::size_t start, std::size_t end) {
    is_plain &= end > start;
    numbers.push_back(number(std::string_view(text.data() + start, end - start)));
  };
  std::size_t start = 0;
  for (std::size_t place = 0; place < text.size(); ++place) {
    if (text[place] != ' ') continue;
    take(start, place);
    start = place + 1;
  }
  take(start, text.size());
  return is_plain;
}

}  // namespace revolion
