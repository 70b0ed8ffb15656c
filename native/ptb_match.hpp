// The shapes of the PTB tokenizer. Each `match_*` looks for one shape at a place and returns the
// place behind it, or the place itself if the shape is not there. Where several shapes fit, the one
// that reaches furthest wins, and what it peeks at behind the token counts as reach: that, found by
// probing, is why `cannot` is `can not` but `cannot's` is `cannot 's`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ptb_chars.hpp"

namespace revolion::ptb {

/// How a token is written.
enum class Form : std::uint8_t {
  kPlain,    // lower-cased, without soft hyphens
  kVerbatim, // lower-cased only: addresses, file names, #tags
  kNothing,  // punctuation: removed
  kGlued,    // its blanks become non-breaking ones: fractions, tags
  kDialled,  // that, and brackets as in a face: telephone numbers
  kFace,     // its round brackets become -lrb- and -rrb-
  kQuoted,   // a contraction: its apostrophe becomes a straight one
  kWordsAmp, // `&amp;` becomes `&`
  kLiteral,  // written as `Best::literal`
};

/// The furthest-reaching token so far; of equals the one offered first.
struct Best {
  std::size_t end = 0, reach = 0;
  Form form = Form::kPlain;
  std::string_view literal;

  void offer(std::size_t token_end, std::size_t token_reach, Form token_form = Form::kPlain) {
    if (token_reach <= reach) return;
    end = token_end;
    reach = token_reach;
    form = token_form;
  }
  void offer(std::size_t token_end) { offer(token_end, token_end); }
  void offer(std::size_t token_end, Form token_form) { offer(token_end, token_end, token_form); }
  void offer_literal(std::size_t token_end, std::string_view text) {
    if (token_end <= reach) return;
    offer(token_end, token_end, Form::kLiteral);
    literal = text;
  }
};

/// What a text may hold, so that whole families of shapes need not be tried, and how far it was
/// searched for some in vain, so that long texts without blanks are not searched again and again.
struct Hints {
  bool at_sign = false;  // an e-mail address
  bool slash = false;    // `his/her`, `http://`
  bool domain = false;   // `.com`, `.net`, `.org`, `.edu`
  std::size_t no_email_before = 0, no_domain_before = 0, no_tag_before = 0, no_hyphen_before = 0,
              no_file_name_before = 0, no_www_before = 0;
};

// ptb_words.cpp: what starts with a letter, a digit, a mark or a soft hyphen.
void match_word(std::string_view text, std::size_t place, Hints& hints, Best& best);
std::size_t match_apostrophe(std::string_view text, std::size_t place);
std::size_t skip_contraction(std::string_view text, std::size_t place);
std::size_t match_contraction(std::string_view text, std::size_t place);
void match_after_apostrophe(std::string_view text, std::size_t place, Best& best);

// ptb_stops.cpp: words that keep their full stop.
void match_abbreviation(std::string_view text, std::size_t place, Best& best);
std::size_t match_acronym(std::string_view text, std::size_t place);

// ptb_numbers.cpp
std::size_t match_number(std::string_view text, std::size_t place);
/// Digits set high or low, perhaps with a sign: `10⁻³`, `H₂O`.
std::size_t match_scripts(std::string_view text, std::size_t place);
/// `12/31-1999`: day, month and year with hyphens or slashes.
std::size_t match_date(std::string_view text, std::size_t place);
std::size_t match_fraction(std::string_view text, std::size_t place);
std::size_t match_telephone(std::string_view text, std::size_t place);

// ptb_web.cpp
std::size_t match_url(std::string_view text, std::size_t place, Hints& hints);
std::size_t match_domain(std::string_view text, std::size_t place, Hints& hints);
std::size_t match_email(std::string_view text, std::size_t place, Hints& hints);
std::size_t match_file_name(std::string_view text, std::size_t place, Hints& hints);
std::size_t match_tag(std::string_view text, std::size_t place, Hints& hints);
std::size_t match_entity_letter(std::string_view text, std::size_t place);

// ptb_marks.cpp: what starts with an ASCII sign.
void match_mark(std::string_view text, std::size_t place, Hints& hints, Best& best);

// ptb_write.cpp
bool is_removed(std::string_view token);
/// One or two curly quotes or backticks as Java writes them; moves `place` behind them.
std::string take_quotes(std::string_view text, std::size_t& place);
void append_token(std::string_view token, Form form, std::string& out);

// ptb_faces.cpp
std::size_t match_face(std::string_view text, std::size_t place);

}  // namespace revolion::ptb
