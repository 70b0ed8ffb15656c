#include "meteor_data.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace revolion {
namespace {

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw std::runtime_error(path + ": " + what + "; compile METEOR's data anew");
}

// The order decides which base wins. Found by giving every possible base a synonym set of its own
// and asking which one a made-up form reaches; then again without the winner.
struct Rule {
  std::string_view suffix, replacement;
};
constexpr Rule kRules[] = {
    {"s", ""},    {"ses", "s"},  {"xes", "x"}, {"zes", "z"}, {"ches", "ch"}, {"shes", "sh"},
    {"men", "man"}, {"ies", "y"}, {"es", "e"},  {"es", ""},   {"ed", "e"},    {"ed", ""},
    {"ing", "e"}, {"ing", ""},   {"er", ""},   {"est", ""},  {"er", "e"},    {"est", "e"},
};

bool ends_with(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

}  // namespace

std::shared_ptr<const MeteorData> MeteorData::open(const std::string& path) {
  std::shared_ptr<MeteorData> data(new MeteorData);
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw std::runtime_error(path + ": " + std::strerror(errno));
  struct stat status {};
  const bool known = ::fstat(file, &status) == 0 && S_ISREG(status.st_mode);
  const std::size_t size = known ? static_cast<std::size_t>(status.st_size) : 0;
  void* bytes = MAP_FAILED;
  if (size >= sizeof(MeteorHeader)) bytes = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
  ::close(file);
  if (!known) throw std::runtime_error(path + ": is no file");
  if (size < sizeof(MeteorHeader)) fail(path, "too short for METEOR data");
  if (bytes == MAP_FAILED) throw std::runtime_error(path + ": " + std::strerror(errno));
  data->bytes_ = static_cast<const char*>(bytes);
  data->size_ = size;
  data->read_header(path);
  return data;
}

MeteorData::~MeteorData() {
  if (bytes_ != nullptr) ::munmap(const_cast<char*>(bytes_), size_);
}

template <class T>
MeteorData::Column<T> MeteorData::column(MeteorSection section) const {
  const auto& place = header_.place[section];
  return {reinterpret_cast<const T*>(bytes_ + place.start), place.bytes / sizeof(T)};
}

void MeteorData::read_header(const std::string& path) {
  std::memcpy(&header_, bytes_, sizeof header_);
  if (std::memcmp(header_.magic, kMeteorMagic, sizeof kMeteorMagic) != 0)
    fail(path, "not METEOR data");
  if (header_.version != kMeteorVersion || header_.sections != kMeteorSections)
    fail(path, "METEOR data of version " + std::to_string(header_.version) + ", needs " +
                   std::to_string(kMeteorVersion));
  if (header_.file_bytes != size_)
    fail(path, "has " + std::to_string(size_) + " of " + std::to_string(header_.file_bytes) +
                   " bytes");
  for (const auto& place : header_.place)
    if (place.start % 8 != 0 || place.start > size_ || place.bytes > size_ - place.start)
      fail(path, "METEOR data with a section out of bounds");
  const auto words = column<char>(kWordText), prefixes = column<char>(kPrefixText);
  words_ = {words.data, words.size};
  prefixes_ = {prefixes.data, prefixes.size};
  word_start_ = column<std::uint32_t>(kWordStart);
  word_slots_ = column<std::uint32_t>(kWordSlots);
  word_flags_ = column<std::uint8_t>(kWordFlags);
  synset_start_ = column<std::uint32_t>(kSynsetStart);
  synsets_ = column<std::uint32_t>(kSynsets);
  base_start_ = column<std::uint32_t>(kBaseStart);
  bases_ = column<std::uint32_t>(kBases);
  node_word_ = column<std::uint16_t>(kNodeWord);
  node_child_ = column<std::uint32_t>(kNodeChild);
  node_list_ = column<std::uint32_t>(kNodeList);
  paraphrases_ = column<std::uint16_t>(kParaphrases);
  const std::size_t n = word_flags_.size, nodes = node_word_.size, slots = word_slots_.size;
  if (nodes == 0 || word_start_.size != n + 1 || synset_start_.size != n + 1 ||
      base_start_.size != n + 1 || node_child_.size != nodes + 1 || node_list_.size != nodes + 1 ||
      slots <= n || (slots & (slots - 1)) != 0)
    fail(path, "METEOR data whose sections disagree");
}

// Offsets inside the sections are clamped, not trusted: a damaged file gives wrong words, no crash.
std::string_view MeteorData::text(std::uint32_t word) const {
  const std::size_t start = word_start_[word], end = word_start_[word + 1];
  return start <= end && end <= words_.size() ? words_.substr(start, end - start)
                                              : std::string_view();
}

std::uint32_t MeteorData::word(std::string_view wanted) const {
  const std::size_t mask = word_slots_.size - 1;
  std::size_t slot = word_slot_hash(wanted) & mask;
  for (std::size_t tries = 0; tries <= mask; ++tries, slot = (slot + 1) & mask) {
    const std::uint32_t entry = word_slots_[slot];
    if (entry == 0 || entry > word_flags_.size) return kNone;
    if (text(entry - 1) == wanted) return entry - 1;
  }
  return kNone;
}

bool MeteorData::is_function(std::string_view wanted) const {
  const std::uint32_t number = word(wanted);
  return number != kNone && (word_flags_[number] & kFunctionWord) != 0;
}

void MeteorData::append_synsets(std::uint32_t word, std::vector<std::uint32_t>& out) const {
  const std::size_t end = std::min<std::size_t>(synset_start_[word + 1], synsets_.size);
  for (std::size_t i = synset_start_[word]; i < end; ++i) out.push_back(synsets_[i]);
}

// Words that end in "ss" or "ful" and words of one or two letters have no regular base.
std::uint32_t MeteorData::regular_base(std::string_view text) const {
  if (text.size() <= 2 || ends_with(text, "ss") || ends_with(text, "ful")) return kNone;
  std::string base;
  for (const Rule& rule : kRules) {
    if (!ends_with(text, rule.suffix)) continue;
    base.assign(text.substr(0, text.size() - rule.suffix.size())).append(rule.replacement);
    const std::uint32_t number = word(base);
    if (number != kNone && (word_flags_[number] & kSynonymWord) != 0) return number;
  }
  return kNone;
}

// A form listed as irregular never falls back to the rules, even if none of its bases is known.
void MeteorData::synsets(std::string_view text, std::vector<std::uint32_t>& out) const {
  out.clear();
  const std::uint32_t number = word(text);
  bool irregular = false;
  if (number != kNone) {
    append_synsets(number, out);
    const std::size_t start = base_start_[number];
    const std::size_t end = std::min<std::size_t>(base_start_[number + 1], bases_.size);
    irregular = start < end;
    for (std::size_t i = start; i < end; ++i)
      if (bases_[i] < word_flags_.size) append_synsets(bases_[i], out);
  }
  if (!irregular) {
    const std::uint32_t base = regular_base(text);
    if (base != kNone) append_synsets(base, out);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
}

std::uint32_t MeteorData::child(std::uint32_t node, std::uint32_t word) const {
  if (word >= kParaphraseWords) return kNone;
  const std::size_t nodes = node_word_.size;
  const std::size_t first = std::min<std::size_t>(node_child_[node], nodes);
  const std::size_t last = std::min<std::size_t>(node_child_[node + 1], nodes);
  if (first >= last) return kNone;
  const std::uint16_t* const begin = node_word_.data + first;
  const std::uint16_t* const end = node_word_.data + last;
  const std::uint16_t* const at = std::lower_bound(begin, end, static_cast<std::uint16_t>(word));
  return at != end && *at == word ? static_cast<std::uint32_t>(at - node_word_.data) : kNone;
}

ParaphraseList MeteorData::paraphrases(std::uint32_t node) const {
  const std::size_t start = node_list_[node], end = node_list_[node + 1];
  ParaphraseList list;
  if (start >= end || end > paraphrases_.size) return list;
  const std::size_t size = paraphrases_[start], head = 1 + 2 * size;
  if (size == 0 || head > end - start) return list;
  list.rarest = paraphrases_.data + start + 1;
  list.end = list.rarest + size;
  list.words = list.end + size;
  if (list.end[size - 1] > end - start - head) return list;
  list.size = static_cast<std::uint32_t>(size);
  return list;
}

}  // namespace revolion
