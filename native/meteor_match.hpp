// Every way in which METEOR can match a piece of an answer with a piece of a reference: the same
// word, the same stem, a shared synonym set, or a listed paraphrase. The alignment (meteor_align)
// chooses among them. METEOR itself compares all pairs of words; here indices over the answer
// give the same candidates in the same order in time that grows with their number.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "meteor_words.hpp"

namespace revolion {

enum MeteorModule : std::uint8_t { kExact, kStem, kSynonym, kParaphrase, kMeteorModules };

struct MeteorCandidate {
  std::uint32_t answer;  // first word matched in the answer
  std::uint16_t answer_words, reference_words;
  MeteorModule module;
};

/// A text as indices into MeteorWords.
using MeteorText = std::vector<std::uint32_t>;

/// Candidates by their first word in the reference. Their order decides ties: exact, stem, synonym
/// (each by place in the answer), then paraphrases. Single words that occur twice in a reference
/// share one range, so that memory grows with different words times words, not with all pairs.
class MeteorCandidates {
 public:
  struct Range {
    std::uint32_t start = 0, end = 0;
    std::uint32_t size() const { return end - start; }
  };

  const MeteorCandidate& operator[](std::uint32_t i) const { return pool[i]; }
  std::uint32_t count(std::size_t place) const {
    return single[place].size() + phrase[place].size();
  }
  /// Calls use(index) for the candidates that start at `place`, in order.
  template <class Use>
  void each(std::size_t place, Use use) const {
    for (std::uint32_t i = single[place].start; i < single[place].end; ++i) use(i);
    for (std::uint32_t i = phrase[place].start; i < phrase[place].end; ++i) use(i);
  }

  std::vector<MeteorCandidate> pool;
  std::vector<Range> single, phrase;  // per word of the reference
};

/// Finds candidates; holds scratch memory. `words` must outlive it.
class MeteorMatcher {
 public:
  MeteorMatcher(std::shared_ptr<const MeteorData> data, const MeteorWords& words);

  /// The answer for the following calls of match().
  void set_answer(const MeteorText& answer);
  /// `exact_only`: leave out all but exact matches.
  void match(const MeteorText& reference, bool exact_only, MeteorCandidates& out);

 private:
  // Which words of the paraphrase table a text has, and where.
  struct Occurrences {
    Occurrences() : bits(MeteorData::kParaphraseWords / 64), first(MeteorData::kParaphraseWords) {}
    bool has(std::uint32_t word) const { return (bits[word >> 6] >> (word & 63)) & 1; }
    std::vector<std::uint64_t> bits;
    std::vector<std::uint32_t> first;    // where a word that `has` first occurs
    std::vector<std::uint32_t> next;     // from one occurrence to the next, or kNone
    std::vector<std::uint32_t> numbers;  // the text
  };
  // A phrase of the table at a place of a text.
  struct Phrase {
    std::uint32_t place, node;
    std::uint16_t words;
  };
  // One place where a paraphrase of a phrase occurs in the other text.
  struct Hit {
    std::uint32_t place;
    std::uint16_t words;
  };
  // Remembers a number per word, and forgets all in no time.
  class Marks {
   public:
    void clear(std::size_t words);
    /// True the first time, when it notes `value`; later `value` is what was noted.
    bool is_new(std::uint32_t word, std::uint32_t& value);

   private:
    std::vector<std::uint32_t> stamps_, values_;
    std::uint32_t stamp_ = 0;
  };
  // Values by key in the order of insertion: a hash table that empties in no time.
  class Index {
   public:
    void clear(std::size_t entries);
    void add(std::uint32_t key, std::uint32_t value);
    template <class Use>
    void each(std::uint32_t key, Use use) const;

   private:
    struct Slot {
      std::uint32_t key, stamp, head, tail;
    };
    std::size_t slot_of(std::uint32_t key) const;
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> values_, next_;
    std::uint32_t stamp_ = 0;
  };

  void match_singles(const MeteorText& reference, bool exact_only, MeteorCandidates& out);
  void match_word(const MeteorWord& word, bool exact_only, MeteorCandidates& out);
  void match_synonyms(const MeteorWord& word, MeteorCandidates& out);
  void match_phrases(const MeteorText& reference, MeteorCandidates& out);
  void set_answer_phrases(const MeteorText& answer);
  void fill(const MeteorText& text, Occurrences& out) const;
  void find_phrases(const MeteorText& text, std::vector<Phrase>& out) const;
  void find_hits(std::uint32_t node, const Occurrences& other);

  std::shared_ptr<const MeteorData> data_;
  const MeteorWords& words_;
  Index by_hash_, by_stem_, by_synset_, by_word_;
  Marks marks_;
  std::vector<std::uint32_t> different_, places_;
  MeteorText answer_;
  Occurrences in_answer_, in_reference_;
  std::vector<Phrase> answer_phrases_, reference_phrases_;
  std::vector<Hit> hits_;
  struct Placed {
    std::uint32_t start;
    MeteorCandidate candidate;
  };
  std::vector<Placed> placed_;
};

}  // namespace revolion
