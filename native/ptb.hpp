// The Penn-Treebank tokenizer of the caption metrics: the same tokens as Stanford's PTBTokenizer
// 3.4.1 gives pycocoevalcap (`-preserveLines -lowerCase`, then punctuation removed), without Java.
// It is one pass over the bytes, because tokenizing is the bottleneck once the metrics are native:
// the Java tool does 23,000 captions a second.
#pragma once

#include <string>
#include <string_view>

namespace revolion {

/// Appends the tokens of `text` (UTF-8) to `out`, lower-cased, punctuation removed, joined by
/// single blanks. Line breaks of any kind inside `text` count as blanks. Keeps no state, so any
/// number of threads may call it.
void tokenize_ptb(std::string_view text, std::string& out);

}  // namespace revolion
