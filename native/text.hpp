// UTF-8 as code points. Texts come from Python's str, so they are valid UTF-8; what is not (a
// caller in C++, a broken file) is read byte by byte as U+FFFD and never past the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace revolion {

/// Reads the code point at `place` (< text.size()) and moves `place` behind it.
inline char32_t next_code_point(std::string_view text, std::size_t& place) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char first = byte(place);
  if (first < 0x80) {
    ++place;
    return first;
  }
  const int length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0;
  if (length == 0 || first > 0xF4 || place + length > text.size()) {
    ++place;
    return 0xFFFD;
  }
  char32_t point = first & (0xFF >> (length + 1));
  for (int i = 1; i < length; ++i) {
    if ((byte(place + i) & 0xC0) != 0x80) {
      ++place;
      return 0xFFFD;
    }
    point = (point << 6) | (byte(place + i) & 0x3F);
  }
  place += length;
  return point;
}

/// Appends a code point.
inline void append_code_point(std::string& out, char32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | (point >> 6));
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0 | (point >> 12));
    out += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (point >> 18));
    out += static_cast<char>(0x80 | ((point >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  }
}

}  // namespace revolion
