// What starts with an ASCII sign in the PTB tokenizer: runs, entities, #tags, @users, and the signs
// themselves.
#include "ptb_match.hpp"

namespace revolion::ptb {
namespace {

// Behind at most `most` bytes `c`.
std::size_t skip_run(std::string_view text, std::size_t place, char c,
                     std::size_t most = std::string_view::npos) {
  std::size_t end = place;
  while (end - place < most && byte_at(text, end) == static_cast<unsigned char>(c)) ++end;
  return end;
}

void offer_face(std::string_view text, std::size_t place, Best& best) {
  const std::size_t end = match_face(text, place);
  if (end != place) best.offer(end, Form::kFace);
}

void offer_telephone(std::string_view text, std::size_t place, Best& best) {
  const std::size_t end = match_telephone(text, place);
  if (end != place) best.offer(end, Form::kDialled);
}

void offer_email(std::string_view text, std::size_t place, Hints& hints, Best& best) {
  if (!hints.at_sign) return;
  const std::size_t end = match_email(text, place, hints);
  if (end != place) best.offer(end, Form::kVerbatim);
}

// Behind three to five dots, or as many with a blank between each two; `place` if there are fewer.
std::size_t skip_ellipsis(std::string_view text, std::size_t place) {
  const std::size_t tight = skip_run(text, place, '.', 5);
  if (tight >= place + 3) return tight;
  std::size_t end = place + 1;
  int dots = 1;
  for (; dots < 5; ++dots) {
    std::size_t next = end;
    if (byte_at(text, end) == ' ') ++next;
    else if (text.compare(end, 2, "\xC2\xA0") == 0) next += 2;
    if (next == end || byte_at(text, next) != '.') break;
    end = next + 1;
  }
  return dots >= 3 ? end : place;
}

// `&amp;`, `&mdash;`, `&#39;`, `&eacute;t&eacute;`, `&HT;`.
void match_ampersand(std::string_view text, std::size_t place, Hints& hints, Best& best) {
  const auto is = [&](std::string_view name) { return has_word(text, place, name); };
  if (is("&amp;")) return best.offer_literal(place + 5, "&");
  if (is("&lt;")) {
    offer_email(text, place, hints, best);
    return best.offer_literal(place + 4, "<");
  }
  if (is("&gt;")) return best.offer_literal(place + 4, ">");
  if (is("&nbsp;")) return best.offer(place + 6, Form::kNothing);
  if (is("&mdash;") || is("&ndash;")) return best.offer(place + 7, Form::kNothing);
  if (is("&md;")) return best.offer(place + 4, Form::kNothing);
  if (text.compare(place, 6, "&quot;") == 0) return best.offer(place + 6, Form::kNothing);
  if (text.compare(place, 6, "&apos;") == 0) {
    match_after_apostrophe(text, place, best);
    if (best.end <= place) best.offer(place + 6, Form::kNothing);
    return;
  }
  if (match_entity_letter(text, place) != place) return match_word(text, place, hints, best);
  for (const std::string_view name : {"&ht;", "&tl;", "&ur;", "&lr;", "&qc;", "&ql;", "&qr;",
                                      "&odq;", "&cdq;", "&apos;", "&quot;"}) {
    if (is(name)) return best.offer(place + name.size());
  }
  if (byte_at(text, place + 1) != '#') return;
  std::size_t end = place + 2;
  while (is_ascii_digit(byte_at(text, end))) ++end;
  if (end > place + 2 && byte_at(text, end) == ';') best.offer(end + 1);
}

// `-LRB-` and its kin, as another tokenizer may have left them.
void match_bracket_name(std::string_view text, std::size_t place, Best& best) {
  for (const std::string_view name : {"-lrb-", "-rrb-", "-lsb-", "-rsb-", "-lcb-", "-rcb-"}) {
    if (has_word(text, place, name)) best.offer(place + name.size());
  }
}

void match_tagged_name(std::string_view text, std::size_t place, char mark, Best& best) {
  const std::size_t run = skip_run(text, place, mark);
  if (run >= place + 2) best.offer(run);
  std::size_t end = place + 1;
  if (mark == '@') {
    if (!is_ascii_letter(byte_at(text, end)) && byte_at(text, end) != '_') return;
    while (is_ascii_alnum(byte_at(text, end)) || byte_at(text, end) == '_') ++end;
    return best.offer(end);
  }
  for (;;) {
    const Char c = char_at(text, end);
    const bool letter = c.kind == CharClass::kLetter || c.kind == CharClass::kMark ||
                        c.kind == CharClass::kSoftHyphen;
    if (!letter) return best.offer(end, Form::kVerbatim);
    end = c.end;
  }
}

void match_angle(std::string_view text, std::size_t place, char mark, Hints& hints, Best& best) {
  if (mark == '<') {
    const std::size_t tag = match_tag(text, place, hints);
    if (tag != place) best.offer(tag, Form::kGlued);
    offer_email(text, place, hints, best);
  }
  offer_face(text, place, best);
  if (skip_run(text, place, mark, 2) == place + 2) best.offer(place + 2);
}

// Runs of which one sign is punctuation and more are not: `?!`, `-----`.
void match_run(std::string_view text, std::size_t place, char mark, Best& best) {
  std::size_t end = place;
  if (mark == '-') {
    end = skip_run(text, place, '-');
    return best.offer(end, end - place > 4 ? Form::kPlain : Form::kNothing);
  }
  if (mark == '\\') {
    while (byte_at(text, end) == '\\' && byte_at(text, end + 1) == '*') end += 2;
    if (end > place) best.offer(end);
    return;
  }
  if (mark == '*' || mark == '_') return best.offer(skip_run(text, place, mark));
  while (byte_at(text, end) == '?' || byte_at(text, end) == '!') ++end;
  best.offer(end);
}

}  // namespace

void match_mark(std::string_view text, std::size_t place, Hints& hints, Best& best) {
  const char mark = text[place];
  const auto offer_number = [&] {
    const std::size_t end = match_number(text, place);
    if (end != place) best.offer(end);
  };
  switch (mark) {
    case '"': return best.offer(place + 1, Form::kNothing);
    case '[': return best.offer_literal(place + 1, "-lsb-");
    case ']': return best.offer_literal(place + 1, "-rsb-");
    case '{': return best.offer_literal(place + 1, "-lcb-");
    case '}': return best.offer_literal(place + 1, "-rcb-");
    case ')': return best.offer_literal(place + 1, "-rrb-");
    case '(':
      offer_telephone(text, place, best);
      offer_face(text, place, best);
      return best.offer_literal(place + 1, "-lrb-");
    case '&': match_ampersand(text, place, hints, best); break;
    case '\'':
      offer_face(text, place, best);
      match_after_apostrophe(text, place, best);
      if (byte_at(text, place + 1) == '\'') best.offer(place + 2, Form::kNothing);
      break;
    case '?':
    case '!':
    case '*':
    case '_':
    case '\\': match_run(text, place, mark, best); break;
    case '-':
      offer_number();
      offer_face(text, place, best);
      match_bracket_name(text, place, best);
      match_run(text, place, mark, best);
      break;
    case '+':
      offer_telephone(text, place, best);
      offer_number();
      break;
    case '.': {
      const std::size_t ellipsis = skip_ellipsis(text, place);
      if (ellipsis != place) best.offer(ellipsis, Form::kNothing);
      offer_number();
      break;
    }
    case ',':
    case ':':
    case ';':
      offer_number();
      offer_face(text, place, best);
      break;
    case '<':
    case '>': match_angle(text, place, mark, hints, best); break;
    case '=':
    case '^':
    case '~': offer_face(text, place, best); break;
    case '#':
    case '@': match_tagged_name(text, place, mark, best); break;
    default: break;
  }
  best.offer(place + 1);
}

}  // namespace revolion::ptb
