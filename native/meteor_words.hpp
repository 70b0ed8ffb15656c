// What METEOR knows of a word, looked up once and kept: an answer and its references share most of
// their words, and so do the answers of a data set. The cache is bounded: it is emptied between two
// answers when it is_full().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "meteor_data.hpp"

namespace revolion {

constexpr std::size_t kMeteorCacheWords = 1 << 15, kMeteorCacheBytes = 1 << 21;

struct MeteorWord {
  std::uint32_t hash = 0;  // Java's String.hashCode: METEOR compares words and stems by it, so
  std::uint32_t stem = 0;  // that "al" and "c." are one word
  std::uint32_t number = MeteorData::kNone;  // in the paraphrase table, below 65,536
  std::uint32_t node = MeteorData::kNone;    // below the root of the trie of phrases
  std::uint32_t sets_start = 0, sets_end = 0;  // synonym sets, ascending
  bool is_function = false;                  // compared as text, not by hash (probed)
};

/// Java's String.hashCode, over UTF-16 units.
std::uint32_t java_hash(std::string_view text);

/// Words by their text. Not for two threads.
class MeteorWords {
 public:
  using IsFunction = std::function<bool(std::string_view)>;

  /// `data` may be null: then no word has synonyms or paraphrases, and `is_function` decides.
  MeteorWords(std::shared_ptr<const MeteorData> data, IsFunction is_function);

  /// The word's index, until the next clear().
  std::uint32_t find(std::string_view word);
  const MeteorWord& operator[](std::uint32_t index) const { return words_[index]; }
  std::size_t size() const { return words_.size(); }
  const std::uint32_t* synsets() const { return synsets_.data(); }
  bool is_full() const {
    return words_.size() > kMeteorCacheWords || texts_.size() > kMeteorCacheBytes;
  }
  void clear();

 private:
  std::string_view text(std::uint32_t index) const;
  void add(std::string_view word);
  void grow();

  std::shared_ptr<const MeteorData> data_;
  IsFunction is_function_;
  std::vector<MeteorWord> words_;
  std::string texts_;
  std::vector<std::uint32_t> ends_, slots_, synsets_, scratch_;
  std::string stem_;
};

}  // namespace revolion
