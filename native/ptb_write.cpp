// How the tokens of the PTB tokenizer are written, and which are removed as punctuation.
#include "ptb_match.hpp"

namespace revolion::ptb {
namespace {

// Replaces `&amp;` by `&`.
void append_ampersands(std::string_view token, std::string& out) {
  for (std::size_t i = 0; i < token.size();) {
    if (has_word(token, i, "&amp;")) {
      out += '&';
      i += 5;
    } else {
      out += ascii_lower(token[i++]);
    }
  }
}

// Makes apostrophes straight, and quotes used as such backticks: do n`t.
void append_contraction(std::string_view token, std::string& out) {
  for (std::size_t i = 0; i < token.size();) {
    const std::size_t behind = match_apostrophe(token, i);
    if (behind != i) {
      out += '\'';
      i = behind;
    } else if (static_cast<unsigned char>(token[i]) >= 0x80) {
      next_code_point(token, i);
      out += '`';
    } else {
      out += ascii_lower(token[i++]);
    }
  }
}

void append_bracketed(std::string_view token, std::string& out) {
  for (const char c : token) {
    if (c == '(') out += "-lrb-";
    else if (c == ')') out += "-rrb-";
    else if (c == ' ') out += "\xC2\xA0";
    else out += ascii_lower(c);
  }
}

void append_glued(std::string_view token, std::string& out) {
  for (;;) {
    const std::size_t blank = token.find(' ');
    append_lower(token.substr(0, blank), out);
    if (blank == std::string_view::npos) return;
    out += "\xC2\xA0";
    token.remove_prefix(blank + 1);
  }
}

}  // namespace

bool is_removed(std::string_view token) {
  switch (token.size()) {
    case 0: return true;
    case 1: return std::string_view("'`.?!,:-;").find(token[0]) != std::string_view::npos;
    case 2: return token == "''" || token == "``" || token == "--";
    default: return token == "...";
  }
}

std::string take_quotes(std::string_view text, std::size_t& place) {
  std::string token;
  for (int i = 0; i < 2; ++i) {
    const Char c = char_at(text, place);
    if (c.kind != CharClass::kQuote && c.point != '`') break;
    switch (c.point) {
      case '`':
      case 0x91:
      case 0x2018:
      case 0x201B:
      case 0x2039: token += '`'; break;
      case 0x92:
      case 0x2019:
      case 0x203A: token += '\''; break;
      case 0x93:
      case 0x201C:
      case 0xAB: token += "``"; break;
      case 0x94:
      case 0x201D:
      case 0xBB: token += "''"; break;
      default: append_code_point(token, c.point);
    }
    place = c.end;
  }
  return token;
}

void append_token(std::string_view token, Form form, std::string& out) {
  switch (form) {
    case Form::kFace:
    case Form::kDialled: return append_bracketed(token, out);
    case Form::kGlued: return append_glued(token, out);
    case Form::kQuoted: return append_contraction(token, out);
    case Form::kWordsAmp: return append_ampersands(token, out);
    default: return append_lower(token, out);
  }
}

}  // namespace revolion::ptb
