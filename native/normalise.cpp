#include "normalise.hpp"

#include <algorithm>
#include <cstddef>

#include "ptb_chars.hpp"
#include "text.hpp"

namespace revolion {
namespace {

constexpr std::string_view kNumericOnly = "#NUMERIC_ONLY#";

/// Capitals beyond the basic plane: Deseret, Osage, Old Hungarian, Warang Citi, Medefaidrin, Adlam.
/// The PTB tokenizer, which drops such symbols, does not lower-case them.
struct LowerCase {
  char32_t first, last, shift;
};
constexpr LowerCase kLowerCase[] = {
    {0x10400, 0x10427, 40}, {0x104B0, 0x104D3, 40}, {0x10C80, 0x10CB2, 64},
    {0x118A0, 0x118BF, 32}, {0x16E40, 0x16E5F, 32}, {0x1E900, 0x1E921, 34},
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_control(char c) { return static_cast<unsigned char>(c) <= ' '; }

/// Whether a byte belongs to a letter, in text whose symbols stand alone between spaces: there no
/// byte above ASCII next to a mark is anything else.
bool is_letter(char c) {
  return is_lower(c) || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}

/// What METEOR takes for letters above ASCII; Greek, Arabic, kana and Han are symbols to it.
bool is_letter_above_ascii(char32_t c) {
  if (c < 0x180) return c >= 0xC0 && c != 0xD7 && c != 0xF7 && c != 0x17F;
  return (c >= 0x400 && c <= 0x527) || (c >= 0x1D00 && c <= 0x1D7F) ||
         (c >= 0xA640 && c <= 0xA66E) || (c >= 0xA67E && c <= 0xA697);
}

bool is_ascii_space(char32_t c) {
  return c == ' ' || c == '\t' || c == '\f' || c == '\n' || c == '\r';
}

/// Spaces that are symbols until the last step drops them: "x.", U+00A0, "y" becomes "x . y".
bool is_wide_space(char32_t c) {
  return c == 0xA0 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_wide_space(std::string_view word) {
  std::size_t place = 0;
  return is_wide_space(next_code_point(word, place)) && place == word.size();
}

/// The code point at `place` with curly quotes, backticks and en dashes made plain.
char32_t next_plain(std::string_view text, std::size_t& place) {
  const char32_t c = next_code_point(text, place);
  if (c == '`' || c == 0x2018 || c == 0x2019) return '\'';
  if (c == 0x201C || c == 0x201D) return '"';
  return c;
}

/// Java's String.trim: METEOR strips whatever is not above a space, control characters too.
std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_control(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_control(text.back())) text.remove_suffix(1);
  return text;
}

void append_apart(std::string& out, char32_t symbol) {
  out += ' ';
  append_code_point(out, symbol);
  out += ' ';
}

/// Two apostrophes in a row are a quotation mark. `place` is behind the first.
void append_apostrophe(std::string_view text, std::size_t& place, std::string& out) {
  std::size_t behind = place;
  if (place < text.size() && next_plain(text, behind) == '\'') {
    out += " \" ";
    place = behind;
  } else {
    out += '\'';
  }
}

/// A single dot stays where it is, several are set apart. `place` is behind the first.
void append_dots(std::string_view text, std::size_t& place, std::string& out) {
  const std::size_t start = place - 1;
  while (place < text.size() && text[place] == '.') ++place;
  if (place - start == 1) {
    out += '.';
  } else {
    out += ' ';
    out += text.substr(start, place - start);
    out += ' ';
  }
}

/// Symbols and runs of dots set apart; what is left within words is letters, digits and ' , - .
/// The result has a space at either end, so that every mark has two neighbours.
void set_symbols_apart(std::string_view text, std::string& out) {
  out += ' ';
  for (std::size_t place = 0; place < text.size();) {
    const char32_t c = next_plain(text, place);
    const char ascii = c < 0x80 ? static_cast<char>(c) : '\0';
    if (is_letter(ascii) || is_digit(ascii) || ascii == ',' || ascii == '-' || ascii == '\v') {
      out += ascii;
    } else if (is_ascii_space(c)) {
      out += ' ';
    } else if (c == '.') {
      append_dots(text, place, out);
    } else if (c == '\'') {
      append_apostrophe(text, place, out);
    } else if (c == 0x2013) {
      out += " - ";
    } else if (is_letter_above_ascii(c)) {
      append_code_point(out, c);
    } else {
      append_apart(out, c);
    }
  }
  out += ' ';
}

/// Replaces `mark` by `instead` wherever its neighbours are `left` and `right`, from left to right.
/// A neighbour serves one mark only: "a,b,c" becomes "a , b,c" and "rock-n-roll" "rock n-roll".
template <class Left, class Right>
void replace_between(std::string& text, std::string& scratch, char mark, std::string_view instead,
                     Left left, Right right) {
  scratch.clear();
  std::size_t copied = 0, free = 0;
  for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
    if (at <= free || at + 1 >= text.size()) continue;
    if (!left(text[at - 1]) || !right(text[at + 1])) continue;
    scratch.append(text, copied, at - copied).append(instead);
    copied = at + 1;
    free = at + 2;
    while (free < text.size() && (text[free] & 0xC0) == 0x80) ++free;
  }
  if (copied == 0) return;
  scratch.append(text, copied, std::string::npos);
  text.swap(scratch);
}

/// Commas stand alone, save between two digits: "10,000" is one word, "5,x" three.
void set_commas_apart(std::string& text, std::string& scratch) {
  const auto digit = [](char c) { return is_digit(c); };
  const auto other = [](char c) { return !is_digit(c); };
  replace_between(text, scratch, ',', " , ", other, other);
  replace_between(text, scratch, ',', " , ", other, digit);
  replace_between(text, scratch, ',', " , ", digit, other);
}

/// "don't" is "don 't", "1990's" is "1990 's", "1'a" stays, other apostrophes stand alone.
void split_apostrophes(std::string& text, std::string& scratch) {
  const auto letter = [](char c) { return is_letter(c); };
  const auto digit = [](char c) { return is_digit(c); };
  const auto no_letter = [](char c) { return !is_letter(c); };
  const auto neither = [](char c) { return !is_letter(c) && !is_digit(c); };
  replace_between(text, scratch, '\'', " ' ", no_letter, no_letter);
  replace_between(text, scratch, '\'', " ' ", neither, letter);
  replace_between(text, scratch, '\'', " ' ", letter, no_letter);
  replace_between(text, scratch, '\'', " '", letter, letter);
  replace_between(text, scratch, '\'', " '", digit, [](char c) { return c == 's'; });
}

/// Every second hyphen of a run goes: "--" is "-", "---" is "--".
void halve_hyphens(std::string& text) {
  std::size_t kept = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    text[kept++] = text[at];
    if (text[at] == '-' && at + 1 < text.size() && text[at + 1] == '-') ++at;
  }
  text.resize(kept);
}

/// Appends the lower case of a word; a symbol beyond the basic plane is a word of its own.
void append_lower(std::string_view word, std::string& out) {
  const auto beyond_ascii = [](char c) { return static_cast<unsigned char>(c) >= 0x80; };
  if (std::none_of(word.begin(), word.end(), beyond_ascii)) {
    for (const char c : word) out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return;
  }
  std::size_t place = 0;
  const char32_t symbol = next_code_point(word, place);
  for (const LowerCase& range : kLowerCase) {
    if (symbol >= range.first && symbol <= range.last) {
      return append_code_point(out, symbol + range.shift);
    }
  }
  ptb::append_lower(word, out);
}

/// Whether the dot that ends `stem` + "." belongs to the word; `next` begins the word behind it.
bool keeps_dot(std::string_view stem, char next, const NonBreaking& prefixes) {
  if (is_lower(next)) return true;
  const NonBreaking::Kind kind = prefixes.kind(stem);
  return kind == NonBreaking::Kind::kAlways ||
         (kind == NonBreaking::Kind::kBeforeNumber && is_digit(next));
}

/// A word with its final dot settled: "u.s." is "us" (any letter and an inner dot make an acronym),
/// "dr." and what a lower-case word follows keep it, else it stands alone.
void append_word(std::string_view word, char next, const NonBreaking& prefixes, std::string& out) {
  const bool dotted = word.back() == '.' && word.find_first_not_of('.') != std::string_view::npos;
  if (!dotted) return append_lower(word, out);
  const std::string_view stem = word.substr(0, word.size() - 1);
  const bool acronym = stem.find('.') != std::string_view::npos &&
                       std::any_of(stem.begin(), stem.end(), is_letter);
  if (acronym) {
    const std::size_t start = out.size();
    append_lower(stem, out);
    out.erase(std::remove(out.begin() + static_cast<std::ptrdiff_t>(start), out.end(), '.'),
              out.end());
  } else {
    append_lower(stem, out);
    out += keeps_dot(stem, next, prefixes) ? "." : " .";
  }
}

/// Appends the words of `text` with one space between, trimmed as Java does.
void append_words(std::string_view text, const NonBreaking& prefixes, std::string& out) {
  const std::size_t start = out.size();
  std::size_t at = text.find_first_not_of(' ');
  while (at != std::string_view::npos) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::size_t next = text.find_first_not_of(' ', end);
    const std::string_view word = text.substr(at, end - at);
    at = next;
    if (is_wide_space(word)) continue;
    if (out.size() > start) out += ' ';
    append_word(word, next < text.size() ? text[next] : '\0', prefixes, out);
  }
  const std::string_view words = trimmed(std::string_view(out).substr(start));
  const auto skipped = static_cast<std::size_t>(words.data() - out.data()) - start;
  out.resize(start + skipped + words.size());
  out.erase(start, skipped);
}

}  // namespace

NonBreaking::NonBreaking(std::string_view list) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find('\n'), list.size());
    std::string_view line = trimmed(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
    if (line.empty() || line.front() == '#') continue;
    const std::size_t flag = line.find(kNumericOnly);
    const Kind kind = flag == std::string_view::npos ? Kind::kAlways : Kind::kBeforeNumber;
    entries_.push_back({trimmed(line.substr(0, flag)), kind});
  }
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.word < b.word; });
}

NonBreaking::Kind NonBreaking::kind(std::string_view word) const {
  const auto entry =
      std::lower_bound(entries_.begin(), entries_.end(), word,
                       [](const Entry& listed, std::string_view w) { return listed.word < w; });
  return entry == entries_.end() || entry->word != word ? Kind::kNone : entry->kind;
}

// The order is part of the result: "',--,'" shows that commas come before hyphens are halved,
// "'--'" that apostrophes come after, "a.b-c.d." that dots are settled last.
void normalise(std::string_view text, const NonBreaking& prefixes, std::string& out) {
  std::string marked, scratch;
  marked.reserve(text.size() + text.size() / 4 + 16);
  set_symbols_apart(text, marked);
  set_commas_apart(marked, scratch);
  halve_hyphens(marked);
  split_apostrophes(marked, scratch);
  const auto alphanumeric = [](char c) { return is_letter(c) || is_digit(c); };
  replace_between(marked, scratch, '-', " ",
                  [&](char c) { return alphanumeric(c) || c == '.'; }, alphanumeric);
  append_words(marked, prefixes, out);
}

}  // namespace revolion
