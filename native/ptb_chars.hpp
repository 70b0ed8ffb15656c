// What a character is to the PTB tokenizer, and how it is lower-cased. The classes were found by
// putting each code point of the basic plane between letters, between digits, alone, doubled and so
// on, and grouping those that behave alike; code points beyond the basic plane (emoji, mathematical
// letters) are always dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "text.hpp"

namespace revolion::ptb {

enum class CharClass : std::uint8_t {
  kEnd,         // behind the text
  kSpace,       // blanks, also non-breaking and wide ones
  kDrop,        // leaves nothing but ends a token: control characters, emoji, unassigned
  kLetter,
  kMark,        // like a letter, but not behind a hyphen or a leading digit: accents that combine
  kDigit,
  kSoftHyphen,  // vanishes inside a word
  kJoiner,      // U+2010, U+2011, U+058A: a hyphen between letters, dropped elsewhere
  kSymbol,      // a token of its own
  kQuote,       // curly and angle quotes, their Windows-1252 bytes
  kDash,
  kDollar,      // euro and other currencies that become `$`
  kPound,       // becomes `#`
  kCents,       // becomes `cents`
  kFraction,    // one-half sign: becomes `1/2`
  kEllipsis,
};

/// The class of a code point from U+0080 on.
CharClass class_beyond_ascii(char32_t point);

/// Appends the lower case of a token as Java's String.toLowerCase gives it (dotted I, final sigma).
void append_lower(std::string_view token, std::string& out);

namespace bits {
constexpr std::uint8_t kLetter = 1, kDigit = 2, kUpper = 4, kBlank = 8, kUrlStop = 16;
}

/// Bits of ASCII bytes: letters, digits, upper case, blanks; kUrlStop ends URLs and e-mails.
struct AsciiBits {
  std::uint8_t of[256] = {};
  constexpr AsciiBits() {
    for (int c = 'a'; c <= 'z'; ++c) of[c] = bits::kLetter;
    for (int c = 'A'; c <= 'Z'; ++c) of[c] = bits::kLetter | bits::kUpper;
    for (int c = '0'; c <= '9'; ++c) of[c] = bits::kDigit;
    for (const char* c = " \t\n\r\v\f"; *c; ++c) of[int{*c}] = bits::kBlank | bits::kUrlStop;
    for (const char* c = "\"<>|(){}"; *c; ++c) of[int{*c}] = bits::kUrlStop;
  }
};
inline constexpr AsciiBits kAscii;

inline bool has(unsigned char c, std::uint8_t wanted) { return (kAscii.of[c] & wanted) != 0; }
inline bool is_ascii_letter(unsigned char c) { return has(c, bits::kLetter); }
inline bool is_ascii_digit(unsigned char c) { return has(c, bits::kDigit); }
inline bool is_ascii_alnum(unsigned char c) { return has(c, bits::kLetter | bits::kDigit); }
inline char ascii_lower(char c) { return has(c, bits::kUpper) ? static_cast<char>(c + 32) : c; }

/// The character at a place: its code point, its class, and the place behind it.
struct Char {
  char32_t point;
  CharClass kind;
  std::size_t end;
};

inline Char char_at(std::string_view text, std::size_t place) {
  if (place >= text.size()) return {0, CharClass::kEnd, place};
  const unsigned char byte = text[place];
  if (byte < 0x80) {
    const CharClass kind = is_ascii_letter(byte)               ? CharClass::kLetter
                           : is_ascii_digit(byte)              ? CharClass::kDigit
                           : has(byte, bits::kBlank)           ? CharClass::kSpace
                           : byte < 0x20 || byte == 0x7F       ? CharClass::kDrop
                                                               : CharClass::kSymbol;
    return {byte, kind, place + 1};
  }
  std::size_t end = place;
  const char32_t point = next_code_point(text, end);
  return {point, class_beyond_ascii(point), end};
}

/// Whether a blank or the end of the text is there.
inline bool is_blank(CharClass kind) {
  return kind == CharClass::kSpace || kind == CharClass::kEnd;
}

/// The byte at a place, or 0 behind the text (a NUL in the text is a dropped character anyway).
inline unsigned char byte_at(std::string_view text, std::size_t place) {
  return place < text.size() ? static_cast<unsigned char>(text[place]) : 0;
}

/// Whether `text` holds the lower-case ASCII `word` at `place`, in any case.
inline bool has_word(std::string_view text, std::size_t place, std::string_view word) {
  if (place > text.size() || text.size() - place < word.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (ascii_lower(text[place + i]) != word[i]) return false;
  }
  return true;
}

}  // namespace revolion::ptb
