// Smileys of the PTB tokenizer: `:-)`, `;P`, `>:(`, `^_^`, `(^.^)`, `o'O`. All strings of up to
// three ASCII signs, and of four over the characters faces are made of, were probed.
#include "ptb_match.hpp"

namespace revolion::ptb {
namespace {

bool is_one_of(unsigned char c, std::string_view set) {
  return c != 0 && set.find(static_cast<char>(c)) != std::string_view::npos;
}

constexpr std::string_view kMouths = "()DOPdp@[]{|\\";
constexpr std::string_view kSlits = "-^x=~<>'";  // eyes of upright faces

// `:-)`: eyes, perhaps a nose, a mouth; no letter or digit behind it.
std::size_t match_lying_face(std::string_view text, std::size_t place) {
  std::size_t i = place;
  if (is_one_of(byte_at(text, i), "<>")) ++i;
  if (!is_one_of(byte_at(text, i), ":;=")) return place;
  ++i;
  if (is_one_of(byte_at(text, i), "-o*'")) ++i;
  const unsigned char mouth = byte_at(text, i);
  if (!is_one_of(mouth, kMouths)) return place;
  return is_ascii_alnum(byte_at(text, i + 1)) ? place : i + 1;
}

// `(^.^)`: two eyes in brackets, perhaps something between them.
std::size_t match_bracketed_face(std::string_view text, std::size_t place) {
  std::size_t i = place + 1;
  const unsigned char eye = byte_at(text, i);
  if (!is_one_of(eye, kSlits)) return place;
  ++i;
  const unsigned char nose = byte_at(text, i), other = byte_at(text, i + 1);
  if (is_one_of(nose, "_.-") && is_one_of(other, kSlits)) {
    if (nose == '-' && (eye == '-' || other == '-')) return place;  // (--x) is no face
    ++i;
  }
  if (!is_one_of(byte_at(text, i), kSlits)) return place;
  return byte_at(text, i + 1) == ')' ? i + 2 : place;
}

}  // namespace

std::size_t match_face(std::string_view text, std::size_t place) {
  const unsigned char first = byte_at(text, place);
  if (first == '(') return match_bracketed_face(text, place);
  if (is_one_of(first, kSlits) && byte_at(text, place + 1) == '_' &&
      is_one_of(byte_at(text, place + 2), kSlits)) {
    return place + 3;
  }
  if ((first | 0x20) == 'o' && is_one_of(byte_at(text, place + 1), "'`") &&
      (byte_at(text, place + 2) | 0x20) == 'o') {
    return place + 3;
  }
  return match_lying_face(text, place);
}

}  // namespace revolion::ptb
