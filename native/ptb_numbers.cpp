// Numbers of the PTB tokenizer: digits with `. , :` between them and a sign before, fractions, and
// telephone numbers, which may hold blanks.
#include "ptb_match.hpp"

namespace revolion::ptb {
namespace {

// Behind a run of digits; a soft hyphen before a digit belongs to it.
std::size_t skip_digits(std::string_view text, std::size_t place) {
  std::size_t behind = place;
  for (;;) {
    const Char c = char_at(text, place);
    if (c.kind == CharClass::kDigit) behind = c.end;
    else if (c.kind != CharClass::kSoftHyphen) return behind;
    place = c.end;
  }
}

// Behind `least` to `most` ASCII digits, as many as there are; `place` itself if there are fewer.
std::size_t skip_some_digits(std::string_view text, std::size_t place, int least, int most) {
  int count = 0;
  while (count < most && is_ascii_digit(byte_at(text, place + count))) ++count;
  return count < least ? place : place + count;
}

std::size_t skip_blank(std::string_view text, std::size_t place) {
  if (byte_at(text, place) == ' ') return place + 1;
  return text.compare(place, 2, "\xC2\xA0") == 0 ? place + 2 : place;
}

std::size_t skip_blank_or_hyphen(std::string_view text, std::size_t place) {
  return byte_at(text, place) == '-' ? place + 1 : skip_blank(text, place);
}

// Behind `. , :` or an Arabic separator.
std::size_t skip_separator(std::string_view text, std::size_t place) {
  const unsigned char byte = byte_at(text, place);
  if (byte == '.' || byte == ',' || byte == ':') return place + 1;
  const bool arabic = byte == 0xD9 && (byte_at(text, place + 1) | 1) == 0xAD;  // U+066B, U+066C
  return arabic && byte_at(text, place + 1) >= 0xAB ? place + 2 : place;
}

// `7946 0018`, `555-1234`, `79460018`: three or four digits, then three to five.
std::size_t match_telephone_end(std::string_view text, std::size_t place) {
  for (int first = 4; first >= 3; --first) {
    const std::size_t middle = skip_some_digits(text, place, first, first);
    if (middle == place) continue;
    const std::size_t last = skip_blank_or_hyphen(text, middle);
    const std::size_t end = skip_some_digits(text, last, 3, 5);
    if (end != last) return end;
  }
  return place;
}

// Two to four digits and a blank or hyphen.
std::size_t skip_area(std::string_view text, std::size_t place) {
  const std::size_t digits = skip_some_digits(text, place, 2, 4);
  if (digits == place) return place;
  const std::size_t end = skip_blank_or_hyphen(text, digits);
  return end == digits ? place : end;
}

}  // namespace

std::size_t match_number(std::string_view text, std::size_t place) {
  std::size_t start = place;
  const unsigned char sign = byte_at(text, place);
  if (sign == '+' || sign == '-') ++start;
  std::size_t end = skip_digits(text, start);
  for (;;) {
    const std::size_t separated = skip_separator(text, end);
    if (separated == end) break;
    if (char_at(text, separated).kind != CharClass::kDigit) break;
    const std::size_t more = skip_digits(text, separated);
    end = more;
  }
  return end == start ? place : end;
}

std::size_t match_fraction(std::string_view text, std::size_t place) {
  const auto simple = [&](std::size_t start) {
    const std::size_t upper = skip_some_digits(text, start, 1, 4);
    if (upper == start) return start;
    std::size_t bar = upper;
    if (text.compare(bar, 3, "\xE2\x81\x84") == 0) {
      bar += 3;
    } else {
      if (byte_at(text, bar) == '\\') ++bar;
      if (byte_at(text, bar) != '/') return start;
      ++bar;
    }
    const std::size_t end = skip_some_digits(text, bar, 1, 4);
    return end == bar ? start : end;
  };
  const std::size_t whole = skip_some_digits(text, place, 1, 4);
  if (whole != place) {
    const std::size_t start = skip_blank_or_hyphen(text, whole);
    if (start != whole) {
      const std::size_t end = simple(start);
      if (end != start) return end;
    }
  }
  return simple(place);
}

std::size_t match_scripts(std::string_view text, std::size_t place) {
  const auto is_high = [](char32_t p) {
    return p == 0xB2 || p == 0xB3 || p == 0xB9 || p == 0x2070 || (p >= 0x2074 && p <= 0x2079);
  };
  const auto is_low = [](char32_t p) { return p >= 0x2080 && p <= 0x2089; };
  Char c = char_at(text, place);
  const char32_t sign = c.point;
  const bool is_sign = sign == 0x207A || sign == 0x207B || sign == 0x208A || sign == 0x208B;
  if (is_sign) c = char_at(text, c.end);
  const bool high = is_high(c.point), low = is_low(c.point);
  std::size_t end = place;
  while ((high && is_high(c.point)) || (low && is_low(c.point))) {
    end = c.end;
    c = char_at(text, end);
  }
  return end;
}

std::size_t match_date(std::string_view text, std::size_t place) {
  std::size_t start = place;
  for (int part = 0; part < 2; ++part) {
    const std::size_t end = skip_some_digits(text, start, 1, 2);
    if (end == start || (byte_at(text, end) != '-' && byte_at(text, end) != '/')) return place;
    start = end + 1;
  }
  const std::size_t end = skip_some_digits(text, start, 2, 4);
  return end == start ? place : end;
}

std::size_t match_telephone(std::string_view text, std::size_t place) {
  if (byte_at(text, place) == '(') {
    const std::size_t area = skip_some_digits(text, place + 1, 2, 3);
    if (area == place + 1 || byte_at(text, area) != ')') return place;
    const std::size_t start = skip_blank(text, area + 1);
    const std::size_t end = match_telephone_end(text, start);
    return end == start ? place : end;
  }
  const bool plus = byte_at(text, place) == '+';
  const std::size_t first = skip_area(text, place + plus);
  if (first == place + plus) return place;
  std::size_t furthest = place;
  const std::size_t second = skip_area(text, first);
  for (const std::size_t start : {first, second}) {
    const std::size_t end = match_telephone_end(text, start);
    if (end != start && end > furthest) furthest = end;
  }
  return furthest;
}

}  // namespace revolion::ptb
