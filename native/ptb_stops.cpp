// Words of the PTB tokenizer that keep their full stop: abbreviations, initials, acronyms. The
// lists are what sweeps found over all strings of up to four letters and 1.3 million whole and
// clipped dictionary words, in lower and upper case.
#include "ptb_match.hpp"

#include <algorithm>
#include <iterator>

namespace revolion::ptb {
namespace {

// Never the end of a sentence (the stop stays even before a word it touches, unless that joins:
// `Mr.Smith` is one token).
constexpr std::string_view kTitles[] = {
    "adj",  "adm",  "adv",  "alex", "asst", "atty", "ave",   "brig", "capt", "cf",   "cie",  "cmdr",
    "col",  "comdr", "cpl", "det",  "dr",   "drs",  "elec",  "ens",  "ft",   "gen",  "gov",  "govs",
    "hon",  "insp", "invt", "jos",  "lieut", "lt",  "maj",   "messrs", "mlle", "mme", "mr", "mrs",
    "ms",   "msgr", "mt",   "natl", "pfc",  "ph",   "pres",  "prof", "profs", "pvt", "rep",  "reps",
    "rev",  "sen",  "sens", "sfc",  "sgt",  "spc",  "st",    "ste",  "supt", "treas", "vs",  "wm"};

// May end a sentence.
constexpr std::string_view kClippings[] = {
    "al",   "ala",  "apr",  "ariz", "assn", "assoc", "aug", "bhd",  "bldg", "blvd", "bros", "calif",
    "co",   "colo", "conn", "corp", "cos",  "ct",   "dak",  "dec",  "dept", "esq",  "est",  "etc",
    "ext",  "feb",  "fla",  "fri",  "ga",   "inc",  "ind",  "intl", "jan",  "jr",   "jul",  "jun",
    "kan",  "kans", "ky",   "ltd",  "mar",  "md",   "mich", "minn", "mo",   "mon",  "mont", "neb",
    "nev",  "nov",  "oct",  "okla", "penn", "plc",  "rd",   "rt",   "sep",  "sept", "seq",  "sq",
    "sr",   "sys",  "tel",  "tenn", "thu",  "thurs", "tue", "tues", "univ", "va",   "vt",   "wed",
    "wis",  "wisc", "wyo"};

// States that are also words: with a capital only.
constexpr std::string_view kCapitalized[] = {"ark",  "az",  "del", "ill", "la",  "mass",
                                             "miss", "ore", "pa",  "tex", "wash"};
// With small letters behind the first.
constexpr std::string_view kSmallLetters[] = {"mfg", "mtg", "ppte", "ppty", "pte",
                                                "ptes", "pty", "ptys"};
// Before a digit only.
constexpr std::string_view kNumbered[] = {"art", "ca", "fig", "figs", "no",
                                          "nos", "op", "pp",  "prop"};

// Words that start a new sentence behind an initial.
constexpr std::string_view kStarters[] = {
    "a", "about", "according", "additionally", "after", "an", "as", "at", "but", "earlier", "he",
    "her", "here", "however", "if", "in", "it", "last", "many", "more", "mr.", "ms.", "now",
    "once", "one", "other", "our", "she", "since", "so", "some", "such", "that", "the", "their",
    "then", "there", "these", "they", "this", "we", "what", "when", "while", "yet", "you"};

constexpr std::size_t kLongest = 6;  // of an abbreviation

template <std::size_t kSize>
bool is_in(const std::string_view (&words)[kSize], std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

// Whether blanks and then a word that starts a sentence follow.
bool starts_sentence(std::string_view text, std::size_t place) {
  Char c = char_at(text, place);
  if (c.kind != CharClass::kSpace) return false;
  std::size_t start = place;
  while (c.kind == CharClass::kSpace) {
    start = c.end;
    c = char_at(text, start);
  }
  if (!has(byte_at(text, start), bits::kUpper)) return false;
  char lower[16];
  std::size_t size = 0;
  while (size < sizeof lower && (is_ascii_letter(byte_at(text, start + size)) ||
                                 byte_at(text, start + size) == '.')) {
    lower[size] = ascii_lower(text[start + size]);
    ++size;
  }
  return is_blank(char_at(text, start + size).kind) &&
         is_in(kStarters, std::string_view(lower, size));
}

// `No. 5`, `fig.3`: a digit behind the stop, at most one blank between.
bool is_numbered(std::string_view text, std::size_t behind) {
  Char c = char_at(text, behind);
  if (c.kind == CharClass::kSpace) c = char_at(text, c.end);
  return c.kind == CharClass::kDigit;
}

// What a clipping peeks at: a character, two if it is a hyphen. So `etc.b` and `Jan.-F` are cut,
// `etc.bc` and `Jan.-Feb` are not.
std::size_t skip_peeked(std::string_view text, std::size_t place) {
  const Char first = char_at(text, place);
  return first.point == '-' ? char_at(text, first.end).end : first.end;
}

}  // namespace

std::size_t match_acronym(std::string_view text, std::size_t place) {
  std::size_t end = place;
  while (is_ascii_letter(byte_at(text, end)) && byte_at(text, end + 1) == '.') end += 2;
  return end >= place + 4 ? end : place;
}

void match_abbreviation(std::string_view text, std::size_t place, Best& best) {
  char lower[kLongest];
  std::size_t size = 0;
  bool small_letters = true;
  while (is_ascii_letter(byte_at(text, place + size))) {
    if (size == kLongest) return;
    small_letters = small_letters && (size == 0 || !has(text[place + size], bits::kUpper));
    lower[size] = ascii_lower(text[place + size]);
    ++size;
  }
  if (byte_at(text, place + size) != '.') return;
  const std::size_t behind = place + size + 1;
  if (size == 1) {
    if (starts_sentence(text, behind)) best.offer(place + 1, text.size() + 1);
    else best.offer(behind);
    best.offer(match_acronym(text, place));
    return;
  }
  const std::string_view word(lower, size);
  if ((word == "ph" || word == "ed") && has_word(text, behind, "d.")) best.offer(behind + 2);
  const bool capitalized = has(text[place], bits::kUpper);
  if (is_in(kClippings, word) || (capitalized && is_in(kCapitalized, word)) ||
      (small_letters && is_in(kSmallLetters, word))) {
    best.offer(behind, skip_peeked(text, behind));
  } else if (is_in(kTitles, word) || (is_in(kNumbered, word) && is_numbered(text, behind))) {
    best.offer(behind);
  }
}

}  // namespace revolion::ptb
