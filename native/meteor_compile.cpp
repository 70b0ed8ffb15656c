#include "meteor_compile.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "meteor_data.hpp"

namespace revolion {
namespace {

// Hands out numbers to words in the order in which they are first seen.
class WordTable {
 public:
  WordTable() : slots_(1u << 16) {}

  std::uint32_t number(std::string_view word) {
    if (2 * count() >= slots_.size()) grow();
    std::uint32_t& slot = find(word);
    if (slot == 0) {
      text_ += word;
      start_.push_back(static_cast<std::uint32_t>(text_.size()));
      slot = count();
    }
    return slot - 1;
  }
  std::uint32_t count() const { return static_cast<std::uint32_t>(start_.size() - 1); }
  std::string_view text(std::uint32_t i) const {
    return std::string_view(text_).substr(start_[i], start_[i + 1] - start_[i]);
  }
  const std::string& all_text() const { return text_; }
  const std::vector<std::uint32_t>& starts() const { return start_; }
  const std::vector<std::uint32_t>& slots() const { return slots_; }

 private:
  std::uint32_t& find(std::string_view word) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = word_slot_hash(word) & mask;
    while (slots_[slot] != 0 && text(slots_[slot] - 1) != word) slot = (slot + 1) & mask;
    return slots_[slot];
  }
  void grow() {
    slots_.assign(slots_.size() * 2, 0);
    for (std::uint32_t i = 0; i < count(); ++i) find(text(i)) = i + 1;
  }

  std::string text_;
  std::vector<std::uint32_t> start_{0}, slots_;
};

// The trie of left phrases while it grows: an edge is (node, word), found by hash.
class PhraseTrie {
 public:
  PhraseTrie() : slots_(1u << 16) {}

  std::uint32_t node(const std::uint32_t* words, std::size_t count) {
    std::uint32_t at = 0;
    for (std::size_t i = 0; i < count; ++i) at = step(at, words[i]);
    return at;
  }
  std::uint32_t count() const { return static_cast<std::uint32_t>(parent_.size()); }
  std::uint32_t parent(std::uint32_t node) const { return parent_[node]; }
  std::uint32_t word(std::uint32_t node) const { return word_[node]; }

 private:
  std::uint32_t step(std::uint32_t parent, std::uint32_t word) {
    if (2 * count() >= slots_.size()) grow();
    std::uint32_t& slot = find(parent, word);
    if (slot == 0) {
      slot = count();  // node 0 is the root and no child, so 0 can mean empty
      parent_.push_back(parent);
      word_.push_back(word);
    }
    return slot;
  }
  std::uint32_t& find(std::uint32_t parent, std::uint32_t word) {
    const std::size_t mask = slots_.size() - 1;
    const std::uint64_t key = ((std::uint64_t{parent} << 32) | word) * 0x9E3779B97F4A7C15u;
    std::size_t slot = static_cast<std::size_t>(key >> 32) & mask;
    while (slots_[slot] != 0 &&
           (parent_[slots_[slot]] != parent || word_[slots_[slot]] != word))
      slot = (slot + 1) & mask;
    return slots_[slot];
  }
  void grow() {
    slots_.assign(slots_.size() * 2, 0);
    for (std::uint32_t i = 1; i < count(); ++i) find(parent_[i], word_[i]) = i;
  }

  std::vector<std::uint32_t> parent_{0}, word_{0}, slots_;
};

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

template <class Use>
void each_word(std::string_view line, Use use) {
  for (std::size_t start = 0; start < line.size();) {
    const std::size_t end = std::min(line.find(' ', start), line.size());
    if (end > start) use(line.substr(start, end - start));
    start = end + 1;
  }
}

std::uint32_t whole_number(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size())
    throw std::runtime_error("synonym sets: '" + std::string(text) + "' is no number");
  return number;
}

// Lists of numbers per word in one array, as the file keeps them.
struct Lists {
  std::vector<std::uint32_t> start, values;
};

class Writer {
 public:
  explicit Writer(const std::string& path) : path_(path), out_(path, std::ios::binary) {
    std::memset(&header_, 0, sizeof header_);
    out_.write(reinterpret_cast<const char*>(&header_), sizeof header_);
    place_ = sizeof header_;
  }
  void add(MeteorSection section, const void* data, std::size_t bytes) {
    while (place_ % 8 != 0) out_.put('\0'), ++place_;
    header_.place[section] = {place_, bytes};
    out_.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
    place_ += bytes;
  }
  template <class T>
  void add(MeteorSection section, const std::vector<T>& values) {
    add(section, values.data(), values.size() * sizeof(T));
  }
  void close() {
    std::memcpy(header_.magic, kMeteorMagic, sizeof kMeteorMagic);
    header_.version = kMeteorVersion;
    header_.sections = kMeteorSections;
    header_.file_bytes = place_;
    out_.seekp(0);
    out_.write(reinterpret_cast<const char*>(&header_), sizeof header_);
    out_.close();
    if (!out_) throw std::runtime_error(path_ + ": can't write METEOR's data (disk full?)");
  }

 private:
  std::string path_;
  std::ofstream out_;
  MeteorHeader header_;
  std::uint64_t place_;
};

}  // namespace

struct MeteorCompiler::State {
  explicit State(const MeteorSources& sources);
  void line(std::string_view text);
  void paraphrase(std::string_view text);
  std::vector<std::uint32_t> rank_words() const;
  Lists lists_by_word(const std::vector<std::vector<std::uint32_t>>& lists) const;
  void write_words(Writer& out) const;
  void write_phrases(Writer& out) const;
  void append_list(const std::vector<std::uint32_t>& entries,
                   std::vector<std::uint16_t>& out) const;

  // The lists of the small resources, by word; bases and sets are kept as word numbers of `words`.
  WordTable words;
  std::vector<std::string> function_words;
  std::vector<std::vector<std::uint32_t>> synsets, bases;
  std::string prefixes;
  // Paraphrase i belongs to the trie's node node_of[i]; its words are arena[end[i - 1], end[i]).
  PhraseTrie trie;
  std::vector<std::uint32_t> node_of, end{0}, arena, phrase;
  std::vector<std::uint64_t> uses;  // of a word in the table
  std::string pending;              // an unfinished line
  int field = 0;                    // of the record: probability, phrase, paraphrase
  std::uint32_t node = 0;
  std::string left;
  // Set by finish(): the final number of a word.
  std::vector<std::uint32_t> final_number;
};

MeteorCompiler::State::State(const MeteorSources& sources) : prefixes(sources.prefixes) {
  std::string_view text = sources.function_words;
  while (!text.empty())
    if (const auto word = take_line(text); !word.empty()) function_words.emplace_back(word);
  for (const std::string& word : function_words) words.number(word);
  const auto at = [](std::vector<std::vector<std::uint32_t>>& lists, std::uint32_t word) -> auto& {
    if (lists.size() <= word) lists.resize(word + 1);
    return lists[word];
  };
  // Tokens hold no underscore after normalisation, so WordNet's 64,188 collocations can't match.
  for (text = sources.synsets; !text.empty();) {
    const auto word = take_line(text);
    if (text.empty())
      throw std::runtime_error("synonym sets: '" + std::string(word) + "' has none");
    const auto numbers = take_line(text);
    if (word.find('_') != std::string_view::npos) continue;
    auto& list = at(synsets, words.number(word));
    list.clear();  // a word listed again starts anew (probed)
    each_word(numbers, [&](std::string_view number) {
      list.push_back(whole_number(number));
    });
  }
  for (text = sources.exceptions; !text.empty();) {
    const auto base = take_line(text);
    if (text.empty())
      throw std::runtime_error("exceptions: '" + std::string(base) + "' has no forms");
    const std::uint32_t number = words.number(base);
    each_word(take_line(text),
              [&](std::string_view form) { at(bases, words.number(form)).push_back(number); });
  }
}

void MeteorCompiler::State::line(std::string_view text) {
  if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  if (field == 1 && text != left) {  // the table lists all paraphrases of a phrase in a row
    phrase.clear();
    each_word(text, [&](std::string_view word) { phrase.push_back(words.number(word)); });
    if (uses.size() < words.count()) uses.resize(words.count());
    for (const std::uint32_t word : phrase) ++uses[word];
    node = trie.node(phrase.data(), phrase.size());
    left = text;
  } else if (field == 2) {
    paraphrase(text);
  }
  field = (field + 1) % 3;
}

void MeteorCompiler::State::paraphrase(std::string_view text) {
  const std::size_t start = arena.size();
  each_word(text, [&](std::string_view word) { arena.push_back(words.number(word)); });
  if (arena.size() == start || node == 0) return;
  if (uses.size() < words.count()) uses.resize(words.count());
  for (std::size_t i = start; i < arena.size(); ++i) ++uses[arena[i]];
  node_of.push_back(node);
  end.push_back(static_cast<std::uint32_t>(arena.size()));
}

// Frequent paraphrase words first, then the words of the other lists: final numbers.
std::vector<std::uint32_t> MeteorCompiler::State::rank_words() const {
  std::vector<std::uint32_t> order(words.count()), final(words.count());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return uses[a] > uses[b]; });
  for (std::uint32_t i = 0; i < order.size(); ++i) final[order[i]] = i;
  const auto used = std::count_if(uses.begin(), uses.end(), [](std::uint64_t n) { return n > 0; });
  if (used > 0x10000)
    throw std::runtime_error("paraphrases: " + std::to_string(used) +
                             " different words, at most 65536");
  return final;
}

Lists MeteorCompiler::State::lists_by_word(
    const std::vector<std::vector<std::uint32_t>>& lists) const {
  std::vector<const std::vector<std::uint32_t>*> by_final(words.count(), nullptr);
  for (std::size_t i = 0; i < lists.size(); ++i) by_final[final_number[i]] = &lists[i];
  Lists out;
  for (const auto* list : by_final) {
    out.start.push_back(static_cast<std::uint32_t>(out.values.size()));
    if (list != nullptr) out.values.insert(out.values.end(), list->begin(), list->end());
  }
  out.start.push_back(static_cast<std::uint32_t>(out.values.size()));
  return out;
}

void MeteorCompiler::State::write_words(Writer& out) const {
  std::vector<std::uint32_t> order(words.count());
  for (std::uint32_t i = 0; i < words.count(); ++i) order[final_number[i]] = i;
  WordTable final;
  for (const std::uint32_t i : order) final.number(words.text(i));
  std::vector<std::uint8_t> flags(words.count(), 0);
  for (const std::string& word : function_words) flags[final.number(word)] |= kFunctionWord;
  for (std::size_t i = 0; i < synsets.size(); ++i)
    if (!synsets[i].empty()) flags[final_number[i]] |= kSynonymWord;
  std::vector<std::vector<std::uint32_t>> renumbered = bases;
  for (auto& list : renumbered)
    for (auto& word : list) word = final_number[word];
  const Lists sets = lists_by_word(synsets), forms = lists_by_word(renumbered);
  out.add(kWordText, final.all_text().data(), final.all_text().size());
  out.add(kWordStart, final.starts());
  out.add(kWordSlots, final.slots());
  out.add(kWordFlags, flags);
  out.add(kSynsetStart, sets.start);
  out.add(kSynsets, sets.values);
  out.add(kBaseStart, forms.start);
  out.add(kBases, forms.values);
  out.add(kPrefixText, prefixes.data(), prefixes.size());
}

void MeteorCompiler::State::append_list(const std::vector<std::uint32_t>& entries,
                                        std::vector<std::uint16_t>& out) const {
  std::size_t total = 0;
  for (const std::uint32_t i : entries) total += end[i + 1] - end[i];
  if (total > 0xFFFF || entries.size() > 0xFFFF)
    throw std::runtime_error("paraphrases: a phrase has " + std::to_string(entries.size()) +
                             " paraphrases, too many for the format");
  out.push_back(static_cast<std::uint16_t>(entries.size()));
  const auto number = [&](std::uint32_t at) {
    return static_cast<std::uint16_t>(final_number[arena[at]]);
  };
  for (const std::uint32_t i : entries) {
    std::uint16_t rarest = 0;
    for (std::uint32_t at = end[i]; at < end[i + 1]; ++at) rarest = std::max(rarest, number(at));
    out.push_back(rarest);
  }
  total = 0;
  for (const std::uint32_t i : entries)
    out.push_back(static_cast<std::uint16_t>(total += end[i + 1] - end[i]));
  for (const std::uint32_t i : entries)
    for (std::uint32_t at = end[i]; at < end[i + 1]; ++at) out.push_back(number(at));
}

void MeteorCompiler::State::write_phrases(Writer& out) const {
  const std::uint32_t nodes = trie.count();
  std::vector<std::vector<std::uint32_t>> children(nodes), entries(nodes);
  for (std::uint32_t i = 1; i < nodes; ++i) children[trie.parent(i)].push_back(i);
  for (std::uint32_t i = 0; i < node_of.size(); ++i) entries[node_of[i]].push_back(i);
  std::vector<std::uint32_t> order{0}, child, list;
  std::vector<std::uint16_t> word{0}, paraphrases;
  order.reserve(nodes);
  for (std::size_t i = 0; i < order.size(); ++i) {  // breadth first
    auto& next = children[order[i]];
    std::sort(next.begin(), next.end(), [&](std::uint32_t a, std::uint32_t b) {
      return final_number[trie.word(a)] < final_number[trie.word(b)];
    });
    child.push_back(static_cast<std::uint32_t>(order.size()));
    list.push_back(static_cast<std::uint32_t>(paraphrases.size()));
    for (const std::uint32_t node : next) {
      order.push_back(node);
      word.push_back(static_cast<std::uint16_t>(final_number[trie.word(node)]));
    }
    if (!entries[order[i]].empty()) append_list(entries[order[i]], paraphrases);
  }
  child.push_back(static_cast<std::uint32_t>(order.size()));
  list.push_back(static_cast<std::uint32_t>(paraphrases.size()));
  out.add(kNodeWord, word);
  out.add(kNodeChild, child);
  out.add(kNodeList, list);
  out.add(kParaphrases, paraphrases);
}

MeteorCompiler::MeteorCompiler(const MeteorSources& sources) : state_(new State(sources)) {}
MeteorCompiler::~MeteorCompiler() = default;

void MeteorCompiler::feed(std::string_view piece) {
  State& state = *state_;
  while (!piece.empty()) {
    const std::size_t end = piece.find('\n');
    if (end == std::string_view::npos) {
      state.pending += piece;
      return;
    }
    if (state.pending.empty()) {
      state.line(piece.substr(0, end));
    } else {
      state.pending += piece.substr(0, end);
      state.line(state.pending);
      state.pending.clear();
    }
    piece.remove_prefix(end + 1);
  }
}

void MeteorCompiler::finish(const std::string& path) {
  State& state = *state_;
  if (!state.pending.empty()) feed("\n");
  if (state.field != 0)
    throw std::runtime_error("paraphrases: the table ends in the middle of a record");
  state.uses.resize(state.words.count());
  state.final_number = state.rank_words();
  Writer out(path);
  state.write_words(out);
  state.write_phrases(out);
  out.close();
}

}  // namespace revolion
