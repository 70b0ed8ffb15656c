#include "meteor_score.hpp"

#include <cmath>
#include <cstring>

namespace revolion {
namespace {

// METEOR 1.5, English, task "rank" (Denkowski & Lavie 2014).
constexpr double kAlpha = 0.85, kBeta = 0.20, kGamma = 0.60, kDelta = 0.75;
constexpr double kWeights[kMeteorModules] = {1.0, 0.6, 0.8, 0.6};

static_assert(sizeof(MeteorStatistics) == kMeteorStatistics * sizeof(double),
              "flat() copies the fields in their order");

std::size_t count_functions(const MeteorWords& words, const MeteorText& text, std::size_t start,
                            std::size_t count) {
  std::size_t functions = 0;
  for (std::size_t i = start; i < start + count; ++i) functions += words[text[i]].is_function;
  return functions;
}

double weighted_share(const MeteorStatistics& statistics,
                      double MeteorStatistics::Side::*side) {
  double matched = 0;
  for (std::size_t m = 0; m < kMeteorModules; ++m)
    matched += kWeights[m] * (kDelta * statistics.modules[m].content.*side +
                                    (1 - kDelta) * statistics.modules[m].function.*side);
  const double functions = statistics.function_words.*side;
  const double content = statistics.words.*side - functions;
  return matched / (kDelta * content + (1 - kDelta) * functions);
}

}  // namespace

bool MeteorStatistics::is_whole() const {
  return chunks == 1 && matched.answer == words.answer && matched.reference == words.reference;
}

std::array<double, kMeteorStatistics> MeteorStatistics::flat() const {
  MeteorStatistics summands = *this;
  if (is_whole()) summands.chunks = 0;
  std::array<double, kMeteorStatistics> out;
  std::memcpy(out.data(), &summands, sizeof out);
  return out;
}

MeteorStatistics MeteorStatistics::from(const double* flat) {
  MeteorStatistics out;
  std::memcpy(static_cast<void*>(&out), flat, sizeof out);
  return out;
}

MeteorStatistics meteor_statistics(const MeteorWords& words, const MeteorText& answer,
                                   const MeteorText& reference,
                                   const std::vector<MeteorMatch>& matches) {
  MeteorStatistics out;
  const auto whole = [](std::size_t n) { return static_cast<double>(n); };
  out.words = {whole(answer.size()), whole(reference.size())};
  out.function_words = {whole(count_functions(words, answer, 0, answer.size())),
                        whole(count_functions(words, reference, 0, reference.size()))};
  std::size_t next_answer = MeteorData::kNone, next_reference = MeteorData::kNone;
  for (const MeteorMatch& match : matches) {
    const MeteorCandidate& candidate = match.candidate;
    const std::size_t in_answer =
        count_functions(words, answer, candidate.answer, candidate.answer_words);
    const std::size_t in_reference =
        count_functions(words, reference, match.reference, candidate.reference_words);
    auto& module = out.modules[candidate.module];
    module.content.answer += whole(candidate.answer_words - in_answer);
    module.content.reference += whole(candidate.reference_words - in_reference);
    module.function.answer += whole(in_answer);
    module.function.reference += whole(in_reference);
    out.matched.answer += candidate.answer_words;
    out.matched.reference += candidate.reference_words;
    if (candidate.answer != next_answer || match.reference != next_reference) ++out.chunks;
    next_answer = candidate.answer + candidate.answer_words;
    next_reference = match.reference + candidate.reference_words;
  }
  return out;
}

double meteor_score(const MeteorStatistics& statistics) {
  const double precision = weighted_share(statistics, &MeteorStatistics::Side::answer);
  const double recall = weighted_share(statistics, &MeteorStatistics::Side::reference);
  const double mean = 1.0 / ((1.0 - kAlpha) / precision + kAlpha / recall);
  const double matched = (statistics.matched.answer + statistics.matched.reference) / 2;
  const double fragments = statistics.is_whole() ? 0 : statistics.chunks / matched;
  const double score = mean * (1.0 - kGamma * std::pow(fragments, kBeta));
  return std::isnan(score) ? 0 : score;
}

}  // namespace revolion
