#include "meteor.hpp"

#include <algorithm>

namespace revolion {
namespace {

constexpr std::string_view kSeparator = "|||";

}  // namespace

Meteor::Meteor(std::shared_ptr<const MeteorData> data, MeteorWords::IsFunction is_function)
    : data_(std::move(data)),
      prefixes_(data_ ? NonBreaking(data_->prefix_text()) : NonBreaking()),
      words_(data_, std::move(is_function)),
      matcher_(data_, words_) {}

MeteorStatistics Meteor::best(std::string_view answer, const std::string_view* references,
                              std::size_t count) {
  if (words_.is_full()) words_.clear();
  read_answer(answer);
  MeteorStatistics best;
  double best_score = -1;
  if (count == 0) try_reference("", best, best_score);
  for (std::size_t i = 0; i < count; ++i) {
    std::string_view rest = references[i];
    for (std::size_t end = rest.find(kSeparator); end != std::string_view::npos;
         end = rest.find(kSeparator)) {
      try_reference(rest.substr(0, end), best, best_score);
      rest.remove_prefix(end + kSeparator.size());
    }
    try_reference(rest, best, best_score);
  }
  return best;
}

void Meteor::read(std::string_view text, MeteorText& out) {
  normalised_.clear();
  normalise(text, prefixes_, normalised_);
  out.clear();
  const std::string_view words = normalised_;
  for (std::size_t start = 0; start < words.size();) {
    const std::size_t end = std::min(words.find(' ', start), words.size());
    if (end > start) out.push_back(words_.find(words.substr(start, end - start)));
    start = end + 1;
  }
}

void Meteor::read_answer(std::string_view answer) {
  if (answer.find(kSeparator) == std::string_view::npos) {
    read(answer, answer_);
  } else {
    joined_.clear();
    for (std::size_t start = 0; start <= answer.size();) {
      const std::size_t end = std::min(answer.find(kSeparator, start), answer.size());
      joined_ += answer.substr(start, end - start);
      start = end + kSeparator.size();
    }
    read(joined_, answer_);
  }
  matcher_.set_answer(answer_);
}

void Meteor::try_reference(std::string_view reference, MeteorStatistics& best,
                           double& best_score) {
  read(reference, reference_);
  matcher_.match(reference_, reference_ == answer_, candidates_);
  const auto& matches = aligner_.align(candidates_, answer_.size(), reference_.size());
  const MeteorStatistics statistics = meteor_statistics(words_, answer_, reference_, matches);
  const double score = meteor_score(statistics);
  if (score > best_score) {
    best = statistics;
    best_score = score;
  }
}

}  // namespace revolion
