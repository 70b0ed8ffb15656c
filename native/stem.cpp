#include "stem.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace revolion {
namespace {

using View = std::string_view;

struct Rule {
  View suffix, instead;
};

// Whole words with a stem of their own.
constexpr Rule kExceptions[] = {
    {"skis", "ski"},   {"skies", "sky"},    {"dying", "die"},    {"lying", "lie"},
    {"tying", "tie"},  {"idly", "idl"},     {"gently", "gentl"}, {"ugly", "ugli"},
    {"early", "earli"}, {"only", "onli"},   {"singly", "singl"}, {"sky", "sky"},
    {"news", "news"},  {"howe", "howe"},    {"atlas", "atlas"},  {"cosmos", "cosmos"},
    {"bias", "bias"},  {"andes", "andes"},
};

// Words that are done once their plural "s" is gone.
constexpr View kDoneAfterPlural[] = {"inning",  "outing",  "canning", "herring",
                                     "earring", "proceed", "exceed",  "succeed"};

// In each table a suffix stands before those it ends with: the longest decides, even if its own
// condition then fails.
constexpr Rule kPastAndGerund[] = {{"eedly", "ee"}, {"ingly", ""}, {"edly", ""},
                                   {"eed", "ee"},   {"ing", ""},   {"ed", ""}};
constexpr Rule kStep2[] = {
    {"ational", "ate"}, {"tional", "tion"}, {"ization", "ize"}, {"ation", "ate"},
    {"fulness", "ful"}, {"ousness", "ous"}, {"iveness", "ive"}, {"biliti", "ble"},
    {"lessli", "less"}, {"entli", "ent"},   {"ousli", "ous"},   {"fulli", "ful"},
    {"aliti", "al"},    {"iviti", "ive"},   {"alism", "al"},    {"abli", "able"},
    {"alli", "al"},     {"enci", "ence"},   {"anci", "ance"},   {"izer", "ize"},
    {"ator", "ate"},    {"bli", "ble"},     {"ogi", "og"},      {"li", ""},
};
constexpr Rule kStep3[] = {{"ational", "ate"}, {"tional", "tion"}, {"alize", "al"},
                           {"icate", "ic"},    {"iciti", "ic"},    {"ative", ""},
                           {"ical", "ic"},     {"ness", ""},       {"ful", ""}};
constexpr Rule kStep4[] = {{"ement", ""}, {"ment", ""}, {"ent", ""}, {"ance", ""}, {"ence", ""},
                           {"able", ""},  {"ible", ""}, {"ant", ""}, {"ism", ""},  {"ate", ""},
                           {"iti", ""},   {"ous", ""},  {"ive", ""}, {"ize", ""},  {"ion", ""},
                           {"al", ""},    {"er", ""},   {"ic", ""}};

bool is_vowel(char c) {
  return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u' || c == 'y';
}

bool is_one_of(char c, View letters) { return letters.find(c) != View::npos; }

bool ends_with(View word, View suffix) {
  // The last letters first: they reject nine rules in ten.
  return word.size() >= suffix.size() && word.back() == suffix.back() &&
         word.compare(word.size() - suffix.size(), suffix.size(), suffix) == 0;
}

bool continues_letter(char byte) { return (byte & 0xC0) == 0x80; }

/// How many letters `word` has, at most `limit`.
std::size_t count_letters(View word, std::size_t limit) {
  std::size_t letters = 0;
  for (std::size_t at = 0; at < word.size() && letters < limit; ++at) {
    letters += !continues_letter(word[at]);
  }
  return letters;
}

/// `word` without its last letter, which may be several bytes.
View without_last(View word) {
  while (!word.empty() && continues_letter(word.back())) word.remove_suffix(1);
  if (!word.empty()) word.remove_suffix(1);
  return word;
}

bool has_vowel(View word) { return std::any_of(word.begin(), word.end(), is_vowel); }

/// Behind the first consonant that follows a vowel at or after `from`.
std::size_t region_after(View word, std::size_t from) {
  while (from < word.size() && !is_vowel(word[from])) ++from;
  while (from < word.size() && is_vowel(word[from])) ++from;
  if (from < word.size()) ++from;
  while (from < word.size() && continues_letter(word[from])) ++from;
  return from;
}

/// Whether `word` ends in a short syllable: consonant, vowel, consonant other than w, x, Y; or is
/// just a vowel and a consonant.
bool ends_in_short_syllable(View word) {
  if (word.empty() || is_vowel(word.back())) return false;
  const View head = without_last(word);
  if (head.empty() || !is_vowel(head.back())) return false;
  if (head.size() == 1) return true;
  return !is_vowel(head[head.size() - 2]) && !is_one_of(word.back(), "wxY");
}

/// The word at the end of the output, while it is being stemmed. Upper-case Y is a consonant.
class Stem {
 public:
  Stem(View word, std::string& out) : out_(out), start_(out.size()) {
    if (word.front() == '\'') word.remove_prefix(1);
    out_.append(word);
    mark_consonant_y();
    mark_regions();
  }

  void run() {
    possessive();
    plural();
    const View word = view();
    if (std::find(std::begin(kDoneAfterPlural), std::end(kDoneAfterPlural), word) ==
        std::end(kDoneAfterPlural)) {
      past_and_gerund();
      final_y();
      derivation_step2();
      derivation_step3();
      derivation_step4();
      final_e_or_l();
    }
    if (has_consonant_y_) {
      std::replace(out_.begin() + static_cast<std::ptrdiff_t>(start_), out_.end(), 'Y', 'y');
    }
  }

 private:
  View view() const { return View(out_).substr(start_); }
  void cut(std::size_t letters) { out_.resize(out_.size() - letters); }
  void replace_end(const Rule& rule) {
    cut(rule.suffix.size());
    out_.append(rule.instead);
  }

  /// What stands before `suffix`.
  View before(View suffix) const {
    const View word = view();
    return word.substr(0, word.size() - suffix.size());
  }

  template <std::size_t n>
  const Rule* match(const Rule (&rules)[n]) const {
    const View word = view();
    const auto fits = [&](const Rule& rule) { return ends_with(word, rule.suffix); };
    const Rule* rule = std::find_if(std::begin(rules), std::end(rules), fits);
    return rule == std::end(rules) ? nullptr : rule;
  }

  void mark_consonant_y() {
    for (std::size_t at = start_; at < out_.size(); ++at) {
      if (out_[at] != 'y' || (at > start_ && !is_vowel(out_[at - 1]))) continue;
      out_[at] = 'Y';
      has_consonant_y_ = true;
    }
  }

  void mark_regions() {
    const View word = view();
    r1_ = region_after(word, 0);
    for (const View prefix : {"gener", "commun", "arsen"}) {
      if (word.substr(0, prefix.size()) == prefix) r1_ = prefix.size();
    }
    r2_ = region_after(word, r1_);
  }

  void possessive() {
    for (const View suffix : {"'s'", "'s", "'"}) {
      if (ends_with(view(), suffix)) return cut(suffix.size());
    }
  }

  void plural() {
    const View word = view();
    if (ends_with(word, "sses")) {
      cut(2);
    } else if (ends_with(word, "ies") || ends_with(word, "ied")) {
      cut(count_letters(before("ies"), 2) == 2 ? 2 : 1);
    } else if (ends_with(word, "s") && !ends_with(word, "us") && !ends_with(word, "ss")) {
      if (has_vowel(without_last(before("s")))) cut(1);
    }
  }

  void past_and_gerund() {
    const Rule* rule = match(kPastAndGerund);
    if (!rule) return;
    const View head = before(rule->suffix);
    if (!rule->instead.empty()) {
      if (head.size() >= r1_) replace_end(*rule);
    } else if (has_vowel(head)) {
      cut(rule->suffix.size());
      mend_after_past();
    }
  }

  /// "hoping" has become "hop" and "hopping" "hopp"; they are "hope" and "hop".
  void mend_after_past() {
    const View word = view();
    const char last = word.back();
    if (ends_with(word, "at") || ends_with(word, "bl") || ends_with(word, "iz")) {
      out_ += 'e';
    } else if (word.size() > 1 && word[word.size() - 2] == last && is_one_of(last, "bdfgmnprt")) {
      cut(1);
    } else if (word.size() == r1_ && ends_in_short_syllable(word)) {
      out_ += 'e';
    }
  }

  void final_y() {
    const View word = view();
    if (word.empty() || !is_one_of(word.back(), "yY")) return;
    const View head = before("y");
    if (!head.empty() && !is_vowel(head.back()) && !without_last(head).empty()) out_.back() = 'i';
  }

  void derivation_step2() {
    const Rule* rule = match(kStep2);
    if (!rule) return;
    const View head = before(rule->suffix);
    if (head.size() < r1_) return;
    if (rule->suffix == "ogi" && !ends_with(head, "l")) return;
    if (rule->suffix == "li" && (head.empty() || !is_one_of(head.back(), "cdeghkmnrt"))) return;
    replace_end(*rule);
  }

  void derivation_step3() {
    const Rule* rule = match(kStep3);
    if (!rule) return;
    if (before(rule->suffix).size() >= (rule->suffix == "ative" ? r2_ : r1_)) replace_end(*rule);
  }

  void derivation_step4() {
    const Rule* rule = match(kStep4);
    if (!rule) return;
    const View head = before(rule->suffix);
    if (head.size() < r2_) return;
    if (rule->suffix == "ion" && (head.empty() || !is_one_of(head.back(), "st"))) return;
    cut(rule->suffix.size());
  }

  void final_e_or_l() {
    const View word = view();
    if (word.empty() || !is_one_of(word.back(), "el")) return;
    const View head = before("e");
    const bool goes = word.back() == 'l'
                          ? head.size() >= r2_ && ends_with(head, "l")
                          : head.size() >= r2_ ||
                                (head.size() >= r1_ && !ends_in_short_syllable(head));
    if (goes) cut(1);
  }

  std::string& out_;
  const std::size_t start_;
  std::size_t r1_ = 0, r2_ = 0;  // where the regions R1 and R2 start, in bytes of the word
  bool has_consonant_y_ = false;
};

}  // namespace

void stem_english(std::string_view word, std::string& out) {
  const auto listed = [&](const Rule& rule) {
    return rule.suffix.size() == word.size() && rule.suffix[0] == word[0] && rule.suffix == word;
  };
  const Rule* rule = std::find_if(std::begin(kExceptions), std::end(kExceptions), listed);
  if (rule != std::end(kExceptions)) {
    out.append(rule->instead);
  } else if (count_letters(word, 3) < 3) {
    out.append(word);
  } else {
    Stem(word, out).run();
  }
}

}  // namespace revolion
