// Words of the PTB tokenizer and all that is taken as one: hyphens, dots, slashes and apostrophes
// inside, contractions behind. The table of rules is in ptb.cpp.
#include "ptb_match.hpp"

namespace revolion::ptb {
namespace {

bool is_word_kind(CharClass kind) {
  return kind == CharClass::kLetter || kind == CharClass::kMark || kind == CharClass::kSoftHyphen;
}

// Behind letters, marks, soft hyphens, accented letters as entities and, unless told otherwise,
// digits; `place` if the first is a digit.
std::size_t skip_letters(std::string_view text, std::size_t place, bool digits) {
  const std::size_t start = place;
  for (;;) {
    const unsigned char byte = byte_at(text, place);
    if (is_ascii_letter(byte)) {
      ++place;
      continue;
    }
    const Char c = char_at(text, place);
    if (is_word_kind(c.kind) || (digits && c.kind == CharClass::kDigit && place > start)) {
      place = c.end;
    } else if (byte == '&') {
      const std::size_t end = match_entity_letter(text, place);
      if (end == place) return place;
      place = end;
    } else {
      return place;
    }
  }
}

// Behind letters and, if told so, digits; no marks and no soft hyphens.
std::size_t skip_pure(std::string_view text, std::size_t place, bool digits) {
  for (;;) {
    const Char c = char_at(text, place);
    if (c.kind != CharClass::kLetter && !(digits && c.kind == CharClass::kDigit)) return place;
    place = c.end;
  }
}

std::size_t skip_ascii_alnum(std::string_view text, std::size_t place) {
  while (is_ascii_alnum(byte_at(text, place))) ++place;
  return place;
}

// The same with soft hyphens, which are letters beside a hyphen.
std::size_t skip_soft_alnum(std::string_view text, std::size_t place) {
  for (;;) {
    if (is_ascii_alnum(byte_at(text, place))) ++place;
    else if (text.compare(place, 2, "\xC2\xAD") == 0) place += 2;
    else return place;
  }
}

// A word that starts with a digit takes no marks.
std::size_t match_plain_word(std::string_view text, std::size_t place) {
  const std::size_t letters = skip_letters(text, place, true);
  return letters > place ? letters : skip_pure(text, place, true);
}

// Behind an apostrophe or a quote used as one.
std::size_t match_loose_apostrophe(std::string_view text, std::size_t place) {
  const std::size_t end = match_apostrophe(text, place);
  if (end != place) return end;
  if (byte_at(text, place) == '`') return place + 1;
  for (const std::string_view quote : {"\xE2\x80\x98", "\xE2\x80\x9B", "\xC2\x91"}) {
    if (text.compare(place, quote.size(), quote) == 0) return place + quote.size();
  }
  return place;
}

// Behind two letters or more (or digits, if told so), else `place`.
std::size_t skip_two(std::string_view text, std::size_t place, bool digits) {
  const std::size_t end = skip_pure(text, place, digits);
  return end > char_at(text, place).end ? end : place;
}

// `O'Neil`, `d'Or`, `l'eau` before hyphens: one of d, l, o, an apostrophe, two letters or digits.
std::size_t match_elided(std::string_view text, std::size_t place) {
  const unsigned char first = byte_at(text, place) | 0x20;
  if (first == 'd' || first == 'l' || first == 'o') {
    const std::size_t behind = match_loose_apostrophe(text, place + 1);
    if (behind != place + 1) {
      const std::size_t end = skip_two(text, behind, true);
      if (end != behind) return end;
    }
  }
  return place;
}

// `rock-n-roll`, `snake_case`, `20-year-old`, `O'Neil-Smith`.
std::size_t match_hyphenated(std::string_view text, std::size_t place) {
  const std::size_t elided = match_elided(text, place);
  std::size_t end = elided == place ? skip_pure(text, place, true) : elided, furthest = elided;
  while (end != place) {
    const Char c = char_at(text, end);
    if (c.point != '-' && c.point != '_' && c.kind != CharClass::kJoiner) break;
    end = match_elided(text, c.end);
    if (end == c.end) end = skip_pure(text, c.end, true);
    if (end == c.end) break;
    furthest = end;
  }
  return furthest;
}

// `5.5-inch`, `U.S.-based`, `anti-U.S.`: dots and commas in the first part, acronyms in the others.
std::size_t match_dotted_hyphenated(std::string_view text, std::size_t place, Hints& hints) {
  if (place < hints.no_hyphen_before || !is_ascii_alnum(byte_at(text, place))) return place;
  std::size_t end = skip_soft_alnum(text, place);
  while (byte_at(text, end) == '.' || byte_at(text, end) == ',') {
    end = skip_soft_alnum(text, end + 1);
  }
  std::size_t furthest = place;
  while (byte_at(text, end) == '-') {
    const std::size_t start = end + 1;
    const std::size_t plain = skip_soft_alnum(text, start), acronym = match_acronym(text, start);
    end = plain > acronym ? plain : acronym;
    if (end == start) break;
    furthest = end;
  }
  if (furthest == place) hints.no_hyphen_before = end;
  return furthest;
}

// `his/her`, `km/h`, `and/or-not`: two or three parts, each with up to two hyphens before letters.
std::size_t match_slashed(std::string_view text, std::size_t place) {
  const auto skip_slash_part = [&](std::size_t start) {
    std::size_t end = skip_ascii_alnum(text, start);
    for (int hyphens = 0; end > start && hyphens < 2 && byte_at(text, end) == '-'; ++hyphens) {
      std::size_t more = end + 1;
      while (is_ascii_letter(byte_at(text, more))) ++more;
      if (more == end + 1) break;
      end = more;
    }
    return end;
  };
  std::size_t end = skip_slash_part(place), furthest = place;
  for (int slashes = 0; end > place && slashes < 2; ++slashes) {
    std::size_t start = end;
    if (byte_at(text, start) == '\\') ++start;
    if (byte_at(text, start) != '/') break;
    end = skip_slash_part(++start);
    if (end == start) break;
    furthest = end;
  }
  return furthest;
}

// `example.org`, `mr.smith`, `what?yes`: words joined by `. ! ?`.
std::size_t match_joined(std::string_view text, std::size_t place) {
  std::size_t end = skip_letters(text, place, true), furthest = place;
  if (end == place) return place;
  for (;;) {
    const unsigned char byte = byte_at(text, end);
    if (byte != '.' && byte != '!' && byte != '?') return furthest;
    const std::size_t more = skip_letters(text, end + 1, true);
    if (more == end + 1) return furthest;
    furthest = end = more;
  }
}

// `T'ang`, `X'mas`, `n'importe`, `Hallowe'en`, `ma'am`: by the letters around the apostrophe.
std::size_t match_apostrophe_word(std::string_view text, std::size_t place) {
  const unsigned char first = byte_at(text, place);
  if (first == 'n' || (has(first, bits::kUpper) && first != 'I' && first != 'Y')) {
    const std::size_t behind = match_loose_apostrophe(text, place + 1);
    const std::size_t end = skip_two(text, behind, false);
    if (behind != place + 1 && end != behind) return end;
  }
  std::size_t end = skip_pure(text, place, false);
  constexpr std::string_view kVowels = "aeiou";
  const auto is_vowel = [&](unsigned char c) {
    return kVowels.find(ascii_lower(static_cast<char>(c))) != std::string_view::npos;
  };
  if (end <= char_at(text, place).end) return place;
  if (!is_vowel(text[end - 1]) && (text[end - 1] | 0x20) != 'y') return place;
  const std::size_t behind = match_loose_apostrophe(text, end);
  const unsigned char next = byte_at(text, behind);
  if (behind == end || !is_ascii_letter(next) || !(is_vowel(next) || has(next, bits::kUpper))) {
    return place;
  }
  return skip_pure(text, behind, false);
}

// Words with an apostrophe that no pattern covers. Some are known only with the straight one.
std::size_t match_known_apostrophe_word(std::string_view text, std::size_t place) {
  for (const std::string_view word : {"nat'l", "li'l", "c'mon", "e'er"}) {
    if (has_word(text, place, word)) return place + word.size();
  }
  for (const std::string_view word : {"ol", "dunkin", "somethin", "cap", "c"}) {
    const std::size_t behind = place + word.size();
    if (!has_word(text, place, word)) continue;
    const std::size_t end = match_apostrophe(text, behind);
    if (end == behind) continue;
    if (word == "ol" || word.size() > 3) return end;
    if (word == "c" && has_word(text, end, "est")) return end + 3;
    if (word == "cap" && (byte_at(text, end) | 0x20) == 'n') return end + 1;
  }
  return place;
}

// `y'all` becomes `y' all`, `d'5` becomes `d' 5`.
void match_elision(std::string_view text, std::size_t place, Best& best) {
  const unsigned char first = byte_at(text, place) | 0x20;
  if (first != 'd' && first != 'j' && first != 'l' && first != 'y') return;
  const std::size_t end = match_apostrophe(text, place + 1);
  if (end == place + 1) return;
  const Char next = char_at(text, end);
  if (is_word_kind(next.kind)) best.offer(end, first == 'y' ? next.end : end);
  else if (first != 'y') best.offer(end);
}

// `don't`: the word before `n't`, and `n't` itself.
void match_negation(std::string_view text, std::size_t place, Best& best) {
  std::size_t end = place, last = place, before_last = place;
  bool letters = false;
  for (;;) {
    const bool soft = text.compare(end, 2, "\xC2\xAD") == 0;
    if (!soft && !is_ascii_letter(byte_at(text, end))) break;
    letters = letters || (end > place && is_ascii_letter(byte_at(text, last)));
    before_last = last;
    last = end;
    end += soft ? 2 : 1;
  }
  if (end == place || (byte_at(text, last) | 0x20) != 'n') return;
  const std::size_t behind = match_loose_apostrophe(text, end);
  if (behind == end || (byte_at(text, behind) | 0x20) != 't') return;
  if (last == place) best.offer(behind + 1, behind + 1, Form::kQuoted);
  else if (letters && (byte_at(text, before_last) | 0x20) != 'n') best.offer(last, behind + 1);
}

// `pro-` and `anti-` keep their hyphen before a blank or a mark.
void match_prefix(std::string_view text, std::size_t place, Best& best) {
  if (has_word(text, place, "pro-")) best.offer(place + 4);
  if (has_word(text, place, "anti-")) best.offer(place + 5);
}

// `cannot`, `gonna`: cut behind the third letter.
void match_assimilation(std::string_view text, std::size_t place, Best& best) {
  for (const std::string_view word : {"cannot", "gonna", "gotta", "lemme", "gimme", "wanna"}) {
    if (has_word(text, place, word)) best.offer(place + 3, place + word.size());
  }
}

// `AT&T`, `A+B`, `US$`, `C++`, `F#`.
void match_capitals(std::string_view text, std::size_t place, Best& best) {
  std::size_t end = place;
  const auto skip_capitals = [&](std::size_t i) {
    while (has(byte_at(text, i), bits::kUpper)) ++i;
    return i;
  };
  const unsigned char first = byte_at(text, place) | 0x20;
  if (has_word(text, place, "s&ls")) best.offer(place + 4);  // savings and loans, as in newswire
  if (first == 'c' && text.compare(place + 1, 2, "++") == 0) best.offer(place + 3);
  if ((first == 'c' || first == 'f') && byte_at(text, place + 1) == '#') best.offer(place + 2);
  end = skip_capitals(place);
  if (end == place) return;
  if (byte_at(text, end) == '$') best.offer(end + 1);
  for (;;) {
    std::size_t start = end;
    if (has_word(text, start, "&amp;")) start += 5;
    else if (byte_at(text, start) == '&' || byte_at(text, start) == '+') ++start;
    else return;
    end = skip_capitals(start);
    if (end == start) return;
    const bool listed = byte_at(text, end) == '.' && end + 1 < text.size() &&
                        std::string_view(",;:").find(text[end + 1]) != std::string_view::npos;
    if (listed) best.offer(end + 1, end + 2, Form::kWordsAmp);
    best.offer(end, skip_contraction(text, end), Form::kWordsAmp);
  }
}

// Offers a word, and the full stop before `, ; :` that stays with it.
void offer_word(std::string_view text, std::size_t place, std::size_t end, Best& best) {
  if (end == place) return;
  const bool listed = byte_at(text, end) == '.' && end + 1 < text.size() &&
                      std::string_view(",;:").find(text[end + 1]) != std::string_view::npos;
  if (listed) best.offer(end + 1, end + 2);
  best.offer(end);
}

}  // namespace

std::size_t match_apostrophe(std::string_view text, std::size_t place) {
  const unsigned char byte = byte_at(text, place);
  if (byte == '\'') return place + 1;
  if (byte == '&') return text.compare(place, 6, "&apos;") == 0 ? place + 6 : place;
  if (byte < 0x80) return place;
  if (text.compare(place, 3, "\xE2\x80\x99") == 0) return place + 3;
  return text.compare(place, 2, "\xC2\x92") == 0 ? place + 2 : place;
}

// Behind 's, 'll and so on, whatever follows; `place` if it is no contraction.
std::size_t skip_contraction(std::string_view text, std::size_t place) {
  const std::size_t behind = match_apostrophe(text, place);
  if (behind == place) return place;
  const unsigned char first = byte_at(text, behind) | 0x20;
  if (first == 's' || first == 'd' || first == 'm') return behind + 1;
  for (const std::string_view ending : {"ll", "re", "ve"}) {
    if (has_word(text, behind, ending)) return behind + 2;
  }
  return place;
}

// The same as a token: behind a straight apostrophe more letters make it a quote ('sail).
std::size_t match_contraction(std::string_view text, std::size_t place) {
  const std::size_t end = skip_contraction(text, place);
  const bool straight = byte_at(text, place) == '\'';
  return straight && is_ascii_letter(byte_at(text, end)) ? place : end;
}

void match_after_apostrophe(std::string_view text, std::size_t place, Best& best) {
  const std::size_t behind = match_apostrophe(text, place);
  if (behind == place) return;
  const bool straight = behind == place + 1;
  const std::size_t contraction = match_contraction(text, place);
  if (contraction != place) best.offer(contraction, contraction, Form::kQuoted);
  for (const std::string_view word : {"em", "til", "till", "cause"}) {
    if (has_word(text, behind, word)) best.offer(behind + word.size());
  }
  if (straight && (has_word(text, behind, "tis") || has_word(text, behind, "twas"))) {
    best.offer(behind + 1, behind + 3);
  }
  if ((byte_at(text, behind) | 0x20) == 'n') {  // rock 'n' roll
    const std::size_t close = match_apostrophe(text, behind + 1);
    const CharClass next = char_at(text, behind + 1).kind;
    if (close != behind + 1) best.offer(close);
    else if (!straight || is_blank(next)) best.offer(behind + 1);
  }
  if (is_ascii_digit(byte_at(text, behind)) && is_ascii_digit(byte_at(text, behind + 1))) {
    const bool decade = byte_at(text, behind) >= '2' && byte_at(text, behind + 1) == '0' &&
                        (byte_at(text, behind + 2) | 0x20) == 's';
    const CharClass next = char_at(text, behind + 2).kind;
    if (decade) best.offer(behind + 3);
    else if (is_blank(next)) best.offer(behind + 2);
  }
}

void match_word(std::string_view text, std::size_t place, Hints& hints, Best& best) {
  const auto offer_verbatim = [&](std::size_t end) { best.offer(end, end, Form::kVerbatim); };
  const unsigned char first = byte_at(text, place);
  if (is_ascii_letter(first)) {
    match_abbreviation(text, place, best);
    match_assimilation(text, place, best);
    match_prefix(text, place, best);
    match_capitals(text, place, best);
    best.offer(match_known_apostrophe_word(text, place));
  } else if (char_at(text, place).kind != CharClass::kLetter) {
    const std::size_t fraction = match_fraction(text, place);
    if (fraction != place) best.offer(fraction, fraction, Form::kGlued);
    const std::size_t telephone = match_telephone(text, place);
    if (telephone != place) best.offer(telephone, telephone, Form::kDialled);
    best.offer(match_date(text, place));
    best.offer(match_number(text, place));
  }
  match_negation(text, place, best);
  const std::size_t word = match_plain_word(text, place);
  if (word != place) best.offer(word, skip_contraction(text, word));
  offer_word(text, place, word, best);
  match_elision(text, place, best);
  best.offer(match_apostrophe_word(text, place));
  offer_word(text, place, match_hyphenated(text, place), best);
  offer_word(text, place, match_dotted_hyphenated(text, place, hints), best);
  offer_verbatim(match_file_name(text, place, hints));
  const std::size_t joined = match_joined(text, place);
  if (joined != place) best.offer(joined, skip_contraction(text, joined));
  offer_word(text, place, joined, best);
  if (hints.slash) best.offer(match_slashed(text, place));
  offer_verbatim(match_url(text, place, hints));
  if (hints.domain) best.offer(match_domain(text, place, hints));
  if (hints.at_sign) offer_verbatim(match_email(text, place, hints));
  if ((first | 0x20) == 'o' || first == 'x') best.offer(match_face(text, place));
}

}  // namespace revolion::ptb
