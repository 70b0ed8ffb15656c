// METEOR's language data as one memory-mapped file: words with their synonym sets and irregular
// bases, function words, non-breaking prefixes, and the paraphrase table. The raw resources take
// seconds to parse (60 MB of gzip, 5.27 million paraphrases); this file is mapped read-only, shared
// by threads and processes, and only the pages a text touches are ever read.
//
// Layout, little-endian: a header (magic, version, file size, the place of each section), then the
// sections, each 8-byte aligned. Words are numbered; those of the paraphrase table come first, most
// frequent first, and fit 16 bits. The table's left phrases form a trie in breadth-first order (the
// children of a node are neighbours, ordered by word), each node with its list of paraphrases.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace revolion {

/// Sections of the file, in this order.
enum MeteorSection : std::size_t {
  kWordText,         // char: all words, one after the other
  kWordStart,        // uint32[words + 1]: where a word starts in kWordText
  kWordSlots,        // uint32[power of two]: hash table, word number + 1, 0 is empty
  kWordFlags,        // uint8[words]: kFunctionWord, kSynonymWord
  kSynsetStart,      // uint32[words + 1]: where a word's synonym sets start in kSynsets
  kSynsets,          // uint32: numbers of synonym sets
  kBaseStart,        // uint32[words + 1]: where a word's irregular bases start in kBases
  kBases,            // uint32: word numbers
  kPrefixText,       // char: the file of non-breaking prefixes as it is
  kNodeWord,         // uint16[nodes]: the word that leads to a node; node 0 is the root
  kNodeChild,        // uint32[nodes + 1]: a node's children are [child[n], child[n + 1])
  kNodeList,         // uint32[nodes + 1]: where a node's list starts in kParaphrases
  kParaphrases,      // uint16: per list `n`, rarest word[n], end[n], words (see ParaphraseList)
  kMeteorSections,
};

constexpr char kMeteorMagic[8] = {'R', 'V', 'M', 'E', 'T', 'E', 'O', 'R'};
constexpr std::uint32_t kMeteorVersion = 1;
constexpr std::uint8_t kFunctionWord = 1;
constexpr std::uint8_t kSynonymWord = 2;  // has synonym sets of its own

struct MeteorHeader {
  char magic[8];
  std::uint32_t version;
  std::uint32_t sections;
  std::uint64_t file_bytes;
  struct Place {
    std::uint64_t start, bytes;
  } place[kMeteorSections];
};

/// FNV-1a; the hash of kWordSlots, which the compiler and the reader must share.
inline std::uint32_t word_slot_hash(std::string_view word) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : word) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return static_cast<std::uint32_t>(hash ^ (hash >> 32));
}

/// The paraphrases of one phrase, in file order. `rarest[i]` is the word of paraphrase i with the
/// highest number, so that one look at a set of words rejects nearly all; its words are
/// words[end[i - 1]] to words[end[i]].
struct ParaphraseList {
  std::uint32_t size = 0;
  const std::uint16_t* rarest = nullptr;
  const std::uint16_t* end = nullptr;
  const std::uint16_t* words = nullptr;
};

class MeteorData {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFFu;
  static constexpr std::uint32_t kParaphraseWords = 0x10000;  // their numbers are below it

  /// Maps the file. Throws std::runtime_error if it can't be read, is no such file, is of another
  /// version or is cut short.
  static std::shared_ptr<const MeteorData> open(const std::string& path);
  ~MeteorData();
  MeteorData(const MeteorData&) = delete;
  MeteorData& operator=(const MeteorData&) = delete;

  /// The word's number, kNone if unknown.
  std::uint32_t word(std::string_view text) const;
  bool is_function(std::string_view text) const;
  /// Synonym sets of the word and of its base forms, ascending, each once.
  void synsets(std::string_view text, std::vector<std::uint32_t>& out) const;
  /// The trie's node below `node` (0: the root) for a word's number, kNone if there is none.
  std::uint32_t child(std::uint32_t node, std::uint32_t word) const;
  ParaphraseList paraphrases(std::uint32_t node) const;
  /// The raw text of the non-breaking prefixes.
  std::string_view prefix_text() const { return prefixes_; }

 private:
  template <class T>
  struct Column {
    const T* data = nullptr;
    std::size_t size = 0;
    T operator[](std::size_t i) const { return data[i]; }
  };

  MeteorData() = default;
  template <class T>
  Column<T> column(MeteorSection section) const;
  void read_header(const std::string& path);
  std::string_view text(std::uint32_t word) const;
  void append_synsets(std::uint32_t word, std::vector<std::uint32_t>& out) const;
  std::uint32_t regular_base(std::string_view text) const;

  const char* bytes_ = nullptr;
  std::size_t size_ = 0;
  MeteorHeader header_{};
  std::string_view words_, prefixes_;
  Column<std::uint32_t> word_start_, word_slots_, synset_start_, synsets_, base_start_, bases_;
  Column<std::uint32_t> node_child_, node_list_;
  Column<std::uint8_t> word_flags_;
  Column<std::uint16_t> node_word_, paraphrases_;
};

}  // namespace revolion
