#include "words.hpp"

#include "text.hpp"

namespace revolion {

void split_at_spaces(std::string_view text, std::vector<std::string_view>& words) {
  words.clear();
  std::size_t start = 0;
  for (std::size_t place = 0; place < text.size();) {
    const std::size_t before = place;
    const auto byte = static_cast<unsigned char>(text[place]);
    const char32_t point = byte < 0x80 ? (++place, byte) : next_code_point(text, place);
    if (!is_space(point)) continue;
    if (before > start) words.push_back(text.substr(start, before - start));
    start = place;
  }
  if (text.size() > start) words.push_back(text.substr(start));
}

}  // namespace revolion
