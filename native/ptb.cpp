// The rules, found by probing the Java tool; the furthest-reaching one at a place wins.
//
// | rule           | examples, and where it is |
// |----------------|---------------------------|
// | plain words    | `Ärger` -> `ärger`; most never leave this file |
// | cut words      | `cannot` -> `can not`, `gonna` -> `gon na`, `'tis` -> `'t is` (ptb_words) |
// | contractions   | `it's` -> `it 's`, `don't` -> `do n't` (ptb_words) |
// | elisions       | `y'all` -> `y' all`; `l'eau`, `O'Neil`, `ma'am` whole (ptb_words) |
// | cut beginnings | `'em`, `'til`, `'n'`, `'90s` whole (ptb_words) |
// | hyphens        | `20-year-old`, `snake_case` whole; `a--b` -> `a b` (ptb_words) |
// | slashes        | `his/her` whole, three parts at most (ptb_words) |
// | dots inside    | `example.org`, `what?yes` whole (ptb_words) |
// | capitals       | `AT&T`, `US$`, `C++`, `F#` whole (ptb_words) |
// | stops          | `Mr.`, `etc.`, `U.S.`, `J.` keep theirs, `No.` before a digit (ptb_stops) |
// | initials       | `X. The` -> `x the`: certain words start a sentence (ptb_stops) |
// | numbers        | `1,000.5`, `-5` whole; `10:30am` -> `10:30 am` (ptb_numbers) |
// | glued          | `1 1/2`, `(555) 555-0123`: one token, non-breaking blanks (ptb_numbers) |
// | web            | URLs, `*.example.com`, e-mails, `5.txt` whole (ptb_web) |
// | tags           | `<br />` whole, its blanks non-breaking (ptb_web) |
// | entities       | `&amp;` -> `&`; `&eacute;` is a letter (ptb_marks, ptb_web) |
// | names          | `#tag`, `@user` whole (ptb_marks) |
// | runs           | `?!`, `***`, `-----` stay; `?`, `--`, `...` go (ptb_marks) |
// | brackets       | `(` -> `-lrb-`, `[` -> `-lsb-`, `{` -> `-lcb-` (ptb_marks) |
// | faces          | `:-)` -> `:--rrb-`; `^_^` (ptb_faces) |
// | currency       | pound -> `#`, euro -> `$`, cent -> `cents`, one-half sign -> `1/2` |
// | quotes         | go; two curly ones in a row stay as one token (ptb_write) |
// | dropped        | control characters, emoji, unassigned code points (ptb_chars) |
//
// In one thing Java is not followed: a line break inside a text is a blank here, while there it
// shifts all later captions.
#include "ptb.hpp"

#include "ptb_match.hpp"

namespace revolion {
namespace {

using ptb::Best;
using ptb::byte_at;
using ptb::Char;
using ptb::char_at;
using ptb::CharClass;
using ptb::Form;
using ptb::Hints;

class Scanner {
 public:
  Scanner(std::string_view text, std::string& out) : text_(text), out_(out), start_(out.size()) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      hints_.at_sign |= text[i] == '@';
      hints_.slash |= text[i] == '/';
      if (text[i] == '.') hints_.domain |= may_start_ending(byte_at(text, i + 1));
    }
  }

  void run() {
    while (place_ < text_.size()) {
      const unsigned char byte = text_[place_];
      if (byte == ' ') {
        ++place_;
      } else if (!ptb::is_ascii_letter(byte) || !take_plain_word()) {
        take_token();
      }
    }
    if (address_last_) strip_blanks();
  }

 private:
  // Most words are letters with a blank, the end, or a mark and then a blank behind them.
  bool take_plain_word() {
    std::size_t end = place_ + 1;
    while (end < text_.size() && ptb::is_ascii_letter(text_[end])) ++end;
    if (end < text_.size() && text_[end] != ' ') {
      const char mark = text_[end];
      if (mark != ',' && mark != '.' && mark != '?' && mark != '!' && mark != ';') return false;
      if (end + 1 < text_.size() && text_[end + 1] != ' ') return false;
      if (mark == '.' && end - place_ <= 6) return false;
    }
    const std::size_t size = end - place_;
    if ((size == 5 || size == 6) && may_be_cut()) return false;
    address_last_ = false;
    separate();
    const std::size_t before = out_.size();
    out_.append(text_.data() + place_, size);
    for (std::size_t i = before; i < out_.size(); ++i) out_[i] = ptb::ascii_lower(out_[i]);
    place_ = end;
    return true;
  }

  // Whether the word might be cannot, gonna, gotta, lemme, gimme or wanna.
  bool may_be_cut() const {
    const char first = ptb::ascii_lower(text_[place_]);
    const char third = ptb::ascii_lower(text_[place_ + 2]);
    return (third == 'n' || third == 't' || third == 'm') &&
           (first == 'c' || first == 'g' || first == 'l' || first == 'w');
  }

  // Of com, net, org, edu.
  static bool may_start_ending(unsigned char c) {
    c |= 0x20;
    return c == 'c' || c == 'n' || c == 'o' || c == 'e';
  }

  void take_token() {
    const Char c = char_at(text_, place_);
    Best best;
    if (hints_.domain && !ptb::is_ascii_alnum(text_[place_])) {
      best.offer(ptb::match_domain(text_, place_, hints_));
      const bool word = c.kind == CharClass::kLetter || c.kind == CharClass::kMark ||
                        c.kind == CharClass::kDigit || c.kind == CharClass::kSoftHyphen;
      if (best.end > place_ && !word) return take(best);
    }
    switch (c.kind) {
      case CharClass::kEnd:
      case CharClass::kSpace:
      case CharClass::kJoiner:
      case CharClass::kDrop:
        place_ = c.end;
        return;
      case CharClass::kDash:
      case CharClass::kEllipsis: return drop(c.end);
      case CharClass::kDollar: return take_literal("$", c.end);
      case CharClass::kPound: return take_literal("#", c.end);
      case CharClass::kCents: return take_literal("cents", c.end);
      case CharClass::kFraction: return take_fraction(c);
      case CharClass::kQuote: return take_quotes();
      case CharClass::kSoftHyphen:
      case CharClass::kLetter:
      case CharClass::kMark:
      case CharClass::kDigit:
        ptb::match_word(text_, place_, hints_, best);
        break;
      case CharClass::kSymbol:
        if (c.point == '`') return take_quotes();
        if (c.point < 0x80) ptb::match_mark(text_, place_, hints_, best);
        else best.offer(ptb::match_scripts(text_, place_));
        break;
    }
    if (best.end <= place_) best.offer(c.end, c.end);
    take(best);
  }

  // One or two curly quotes make a token, of which two different or two double ones are in no list
  // of punctuation and stay. An apostrophe may reach further: ’em.
  void take_quotes() {
    Best best;
    std::size_t end = place_;
    const std::string token = ptb::take_quotes(text_, end);
    ptb::match_after_apostrophe(text_, place_, best);
    const bool alone = end == char_at(text_, place_).end;
    if (best.end > place_ && (best.reach >= end || alone)) return take(best);
    drop(end);
    if (ptb::is_removed(token)) return;
    separate();
    out_ += token;
  }

  void take_fraction(const Char& c) {
    switch (c.point) {
      case 0xBC: return take_literal("1/4", c.end);
      case 0xBD: return take_literal("1/2", c.end);
      case 0xBE: return take_literal("3/4", c.end);
      case 0x2153: return take_literal("1/3", c.end);
      default: return take_literal("2/3", c.end);
    }
  }

  void take_literal(std::string_view token, std::size_t end) {
    address_last_ = false;
    separate();
    out_ += token;
    place_ = end;
  }

  void drop(std::size_t end) {
    address_last_ = false;
    place_ = end;
  }

  // An address may end with wide blanks; pycocoevalcap strips them from the end of the line.
  void strip_blanks() {
    while (out_.size() > start_) {
      std::size_t last = out_.size() - 1;
      while (last > start_ && (out_[last] & 0xC0) == 0x80) --last;
      if (char_at(out_, last).kind != CharClass::kSpace) return;
      out_.resize(last);
    }
  }

  void take(const Best& best);

  void separate() {
    if (out_.size() > start_) out_ += ' ';
  }

  std::string_view text_;
  std::string& out_;
  std::size_t start_;
  std::size_t place_ = 0;
  bool address_last_ = false;  // whether the last token, removed ones counted, is an address
  Hints hints_;
};

std::string without_soft_hyphens(std::string_view token) {
  std::string rest;
  std::size_t soft;
  while ((soft = token.find("\xC2\xAD")) != std::string_view::npos) {
    rest += token.substr(0, soft);
    token.remove_prefix(soft + 2);
  }
  return rest += token;
}

void Scanner::take(const Best& best) {
  if (best.form == Form::kLiteral) return take_literal(best.literal, best.end);
  std::string_view token = text_.substr(place_, best.end - place_);
  place_ = best.end;
  address_last_ = best.form == Form::kVerbatim;
  std::string rest;
  if (best.form == Form::kPlain && token.find("\xC2\xAD") != std::string_view::npos) {
    token = rest = without_soft_hyphens(token);
  }
  if (best.form == Form::kNothing || ptb::is_removed(token)) return;
  separate();
  ptb::append_token(token, best.form, out_);
}

// Behind a line break at `place` (CR LF is one; NEL, U+2028, U+2029 count), else `place`.
std::size_t skip_line_break(std::string_view text, std::size_t place) {
  const unsigned char byte = byte_at(text, place);
  if (byte == '\r') return byte_at(text, place + 1) == '\n' ? place + 2 : place + 1;
  if (byte >= '\n' && byte <= '\f') return place + 1;
  if (byte == 0xC2 && byte_at(text, place + 1) == 0x85) return place + 2;
  if (byte == 0xE2 && byte_at(text, place + 1) == 0x80 && (byte_at(text, place + 2) | 1) == 0xA9) {
    return place + 3;
  }
  return place;
}

bool has_line_break(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const unsigned char byte = text[i];
    const bool rare = (byte >= '\n' && byte <= '\r') || byte == 0xC2 || byte == 0xE2;
    if (rare && skip_line_break(text, i) != i) return true;
  }
  return false;
}

}  // namespace

void tokenize_ptb(std::string_view text, std::string& out) {
  if (!has_line_break(text)) return Scanner(text, out).run();
  std::string joined;
  joined.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t behind = skip_line_break(text, i);
    joined += behind == i ? text[i] : ' ';
    i = behind == i ? i + 1 : behind;
  }
  Scanner(joined, out).run();
}

}  // namespace revolion
