// What the PTB tokenizer takes whole because it comes from the web: addresses, e-mail, file names,
// tags, and accented letters written as entities.
#include "ptb_match.hpp"

namespace revolion::ptb {
namespace {

// Behind the characters a URL may hold: all but blanks and `" < > | ( )`, and braces unless told
// otherwise. A non-breaking space may stand in it, by the probes.
std::size_t skip_url_characters(std::string_view text, std::size_t place, bool braces) {
  while (place < text.size()) {
    const unsigned char c = text[place];
    if (has(c, bits::kUrlStop) && !(braces && (c == '{' || c == '}'))) break;
    ++place;
  }
  return place;
}

// Behind the last character of [start, end) that may end a URL, if at least one precedes it.
std::size_t trim_url(std::string_view text, std::size_t start, std::size_t end) {
  constexpr std::string_view kNotLast = ".!?,-{}";
  while (end > start && kNotLast.find(text[end - 1]) != std::string_view::npos) --end;
  if (end == start) return start;
  std::size_t second = start;
  next_code_point(text, second);
  return end > second ? end : start;
}

// Behind `/path` of two characters or more behind a host; `place` if there is none.
std::size_t match_path(std::string_view text, std::size_t place) {
  if (byte_at(text, place) != '/') return place;
  const std::size_t end = trim_url(text, place + 1, skip_url_characters(text, place + 1, true));
  return end == place + 1 ? place : end;
}

// Behind the part of a host up to a dot. A `plain` one stops at digits, capitals and the signs that
// a probe of each ASCII character between `~` and `~.com/ab` found to cut the address.
std::size_t skip_label(std::string_view text, std::size_t place, bool plain) {
  constexpr std::string_view kStops = ".!?,", kPlainStops = "$'-/:;=@[\\]^_`";
  while (place < text.size()) {
    const unsigned char c = text[place];
    const char sign = static_cast<char>(c);
    if (has(c, bits::kUrlStop) || kStops.find(sign) != std::string_view::npos) break;
    if (plain && has(c, bits::kDigit | bits::kUpper)) break;
    if (plain && kPlainStops.find(sign) != std::string_view::npos) break;
    ++place;
  }
  return place;
}

// `www.` host, an ending of two to four letters, perhaps a path.
std::size_t match_www(std::string_view text, std::size_t place, Hints& hints) {
  if (place < hints.no_www_before || !has_word(text, place, "www.")) return place;
  std::size_t furthest = place, dot = place + 3;
  while (byte_at(text, dot) == '.') {
    const std::size_t next = skip_label(text, dot + 1, false);
    if (dot > place + 3) {
      std::size_t ending = dot + 1;
      while (ending < dot + 5 && is_ascii_letter(byte_at(text, ending))) ++ending;
      if (ending >= dot + 3) {
        const std::size_t end = match_path(text, ending);
        if (end > furthest) furthest = end;
      }
    }
    if (next == dot + 1) break;
    dot = next;
  }
  if (furthest == place) hints.no_www_before = dot;
  return furthest;
}

bool is_email_character(std::string_view text, std::size_t place) {
  const unsigned char c = text[place];
  if (has(c, bits::kUrlStop)) return false;
  return c != 0xC2 || byte_at(text, place + 1) != 0xA0;
}

}  // namespace

std::size_t match_url(std::string_view text, std::size_t place, Hints& hints) {
  const unsigned char first = byte_at(text, place) | 0x20;
  if (first == 'w') return match_www(text, place, hints);
  if (first != 'h' || !has_word(text, place, "http")) return place;
  std::size_t start = place + 4;
  if ((byte_at(text, start) | 0x20) == 's') ++start;
  if (text.compare(start, 3, "://") != 0) return place;
  start += 3;
  const std::size_t end = trim_url(text, start, skip_url_characters(text, start, false));
  return end == start ? place : end;
}

// `host.com`, perhaps with a path. The host may start with signs (`*.example.com`), but has no
// digits, capitals, hyphens or underscores, and no boundary is asked for behind the ending.
std::size_t match_domain(std::string_view text, std::size_t place, Hints& hints) {
  if (place < hints.no_domain_before) return place;
  std::size_t furthest = place, start = place;
  for (;;) {
    const std::size_t dot = skip_label(text, start, true);
    if (dot == start || byte_at(text, dot) != '.') {
      if (furthest == place) hints.no_domain_before = dot;
      return furthest;
    }
    for (const std::string_view ending : {"com", "net", "org", "edu"}) {
      if (!has_word(text, dot + 1, ending)) continue;
      const std::size_t end = match_path(text, dot + 4);
      if (end > furthest) furthest = end;
    }
    start = dot + 1;
  }
}

// A letter or digit, anything but blanks and `" < > | ( ) { }`, `@`, and a domain of the same
// characters without two dots in a row; angle brackets around it belong to it.
std::size_t match_email(std::string_view text, std::size_t place, Hints& hints) {
  if (place < hints.no_email_before) return place;
  std::size_t start = place;
  if (byte_at(text, start) == '<') ++start;
  else if (has_word(text, start, "&lt;")) start += 4;
  if (!is_ascii_alnum(byte_at(text, start))) return place;
  std::size_t i = start + 1;
  for (; i < text.size() && is_email_character(text, i); ++i) {
    if (text[i] != '@') continue;
    std::size_t end = i + 1;
    while (end < text.size() && is_email_character(text, end)) {
      if (text[end] == '.' && (text[end - 1] == '.' || end == i + 1)) break;
      ++end;
    }
    if (end > i + 1 && text[end - 1] == '.') --end;
    if (end > i + 1) return byte_at(text, end) == '>' ? end + 1 : end;
  }
  hints.no_email_before = i;
  return place;
}

std::size_t match_file_name(std::string_view text, std::size_t place, Hints& hints) {
  if (place < hints.no_file_name_before) return place;
  // By a sweep over all endings of up to four letters and common longer ones.
  constexpr std::string_view kEndings[] = {
      "c",   "h",   "x",   "gz",  "pl",  "ps",  "py",  "bat", "bmp", "cgi",  "cpp",  "dll",  "doc",
      "exe", "gif", "htm", "jar", "jpg", "mov", "mp3", "pdf", "php", "png",  "ppt",  "sql",  "tar",
      "txt", "wav", "xml", "zip", "docx", "html", "java", "jpeg", "class"};
  const auto skip_part = [&](std::size_t i) {
    for (;;) {
      const Char c = char_at(text, i);
      if (c.kind != CharClass::kLetter && c.kind != CharClass::kDigit &&
          c.kind != CharClass::kMark && c.kind != CharClass::kSoftHyphen) return i;
      i = c.end;
    }
  };
  std::size_t dot = skip_part(place), furthest = place;
  while (dot > place && byte_at(text, dot) == '.') {
    const std::size_t end = skip_part(dot + 1);
    if (end == dot + 1) break;
    const Char next = char_at(text, end);
    const bool closed = next.kind == CharClass::kEnd || next.kind == CharClass::kSpace ||
                        next.point == ',' || next.point == '.' || next.point == '!' ||
                        next.point == '?';
    for (const std::string_view ending : kEndings) {
      const bool known = ending.size() == end - dot - 1 && has_word(text, dot + 1, ending);
      if (closed && known) furthest = end;
    }
    dot = end;
  }
  if (furthest == place) hints.no_file_name_before = dot;
  return furthest;
}

namespace {

std::size_t skip_name(std::string_view text, std::size_t place) {
  if (!is_ascii_letter(byte_at(text, place))) return place;
  while (is_ascii_alnum(byte_at(text, place)) || byte_at(text, place) == '_' ||
         byte_at(text, place) == '-' || byte_at(text, place) == '.' ||
         byte_at(text, place) == ':') {
    ++place;
  }
  return place;
}

std::size_t skip_blanks(std::string_view text, std::size_t place) {
  while (byte_at(text, place) == ' ') ++place;
  return place;
}

// `="value"` behind an attribute's name, blanks allowed around the sign.
std::size_t match_value(std::string_view text, std::size_t place) {
  std::size_t i = skip_blanks(text, place);
  if (byte_at(text, i) != '=') return place;
  i = skip_blanks(text, i + 1);
  const unsigned char quote = byte_at(text, i);
  if (quote != '"' && quote != '\'') return place;
  const std::size_t close = text.find(static_cast<char>(quote), i + 1);
  return close == std::string_view::npos ? place : close + 1;
}

}  // namespace

std::size_t match_tag(std::string_view text, std::size_t place, Hints& hints) {
  if (place < hints.no_tag_before) return place;
  std::size_t i = place + 1;
  const unsigned char first = byte_at(text, i);
  if (first == '!' || first == '?') {
    if (!is_ascii_letter(byte_at(text, i + 1)) && byte_at(text, i + 1) != '-') return place;
    const std::size_t close = text.find('>', i + 2);
    if (close != std::string_view::npos) return close + 1;
    hints.no_tag_before = text.size();
    return place;
  }
  const bool closing = first == '/';
  std::size_t name = i + closing;
  i = skip_name(text, name);
  if (i == name) return place;
  while (!closing) {
    const std::size_t start = skip_blanks(text, i);
    if (start == i) break;
    const std::size_t end = skip_name(text, start);
    if (end == start) break;
    i = match_value(text, end);
  }
  i = skip_blanks(text, i);
  if (!closing && byte_at(text, i) == '/') i = skip_blanks(text, i + 1);
  return byte_at(text, i) == '>' ? i + 1 : place;
}

std::size_t match_entity_letter(std::string_view text, std::size_t place) {
  if (byte_at(text, place) != '&') return place;
  constexpr std::string_view kVowels = "aeiou", kAccents[] = {"acute;", "grave;", "uml;"};
  const char vowel = ascii_lower(static_cast<char>(byte_at(text, place + 1)));
  if (kVowels.find(vowel) == std::string_view::npos) return place;
  for (const std::string_view accent : kAccents) {
    if (has_word(text, place + 2, accent)) return place + 2 + accent.size();
  }
  return place;
}

}  // namespace revolion::ptb
