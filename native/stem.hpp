// The Snowball English stemmer (Porter2) as METEOR 1.5 has it: the algorithm as it stood from 2006
// to 2021. Later versions stem some words otherwise (PyStemmer 3.1 differs on 181 of 152,771), and
// METEOR's numbers need the old stems. Source: snowballstem.org, "The English (Porter2) stemming
// algorithm", with the exceptions of that time.
#pragma once

#include <string>
#include <string_view>

namespace revolion {

/// Appends the stem of a lower-case word.
void stem_english(std::string_view word, std::string& out);

}  // namespace revolion
