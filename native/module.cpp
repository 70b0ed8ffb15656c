// The Python module `revolion.metrics._native`: lists of texts in, arrays out. The interpreter's lock
// is released while texts are worked on.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "meteor_compile.hpp"
#include "parallel.hpp"
#include "ptb.hpp"
#include "stem.hpp"
#include "texts.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace revolion {
namespace {

template <std::size_t Dimensions>
using Doubles = nb::ndarray<nb::numpy, double, nb::ndim<Dimensions>, nb::c_contig>;
using Rows = nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

constexpr std::size_t kColumns = 2 * kOrders + 2 + kMeteorStatistics + 2;

/// A float64 array of this shape that Python owns.
template <typename... Sizes>
Doubles<sizeof...(Sizes)> doubles(Sizes... sizes) {
  auto* data = new double[(sizes * ...)]();
  const nb::capsule owner(data, [](void* memory) noexcept { delete[] static_cast<double*>(memory); });
  return Doubles<sizeof...(Sizes)>(data, {sizes...}, owner);
}

/// METEOR with its data, or with exact and stem matches and a list of function words.
class MeteorKind {
 public:
  explicit MeteorKind(const std::string& data_path) : data_(MeteorData::open(data_path)) {}
  explicit MeteorKind(const std::vector<std::string>& function_words)
      : function_words_(function_words.begin(), function_words.end()) {}

  std::unique_ptr<Meteor> make() const {
    if (data_) return std::make_unique<Meteor>(data_);
    return std::make_unique<Meteor>(nullptr, [this](std::string_view word) {
      return function_words_.count(std::string(word)) > 0;
    });
  }

  std::string normalise(std::string_view text) const {
    const NonBreaking prefixes = data_ ? NonBreaking(data_->prefix_text()) : NonBreaking();
    std::string out;
    revolion::normalise(text, prefixes, out);
    return out;
  }

 private:
  std::shared_ptr<const MeteorData> data_;
  std::unordered_set<std::string> function_words_;
};

/// Writes a pair's counts into column i of the columns' matrix [kColumns, n].
void write_counts(const PairCounts& counts, double* column, std::size_t stride) {
  const auto put = [&](double value) {
    *column = value;
    column += stride;
  };
  for (const auto value : counts.bleu.correct) put(static_cast<double>(value));
  for (const auto value : counts.bleu.guess) put(static_cast<double>(value));
  put(static_cast<double>(counts.bleu.answer_length));
  put(static_cast<double>(counts.bleu.reference_length));
  for (const double value : counts.meteor.flat()) put(value);
  put(counts.rouge.coco);
  put(counts.rouge.f1);
}

/// Without `meteor` its counts are 0.
Doubles<2> count(nb::handle answers, nb::handle references, const MeteorKind* meteor, bool tokenize,
                 std::size_t threads) {
  const Pairs pairs(answers, references);
  auto result = doubles(kColumns, pairs.size());
  double* data = result.data();
  {
    const nb::gil_scoped_release release;
    for_each_parallel(pairs.size(), threads, [&] {
      auto scorer = std::make_shared<PairScorer>(tokenize, meteor ? meteor->make() : nullptr);
      return [&, scorer](std::size_t i) {
        write_counts(scorer->score(pairs[i]), data + i, pairs.size());
      };
    });
  }
  return result;
}

/// float64[n] of float64[n, 23].
Doubles<1> meteor_scores(const Rows& statistics) {
  if (statistics.shape(1) != kMeteorStatistics) {
    throw nb::value_error("METEOR's statistics have 23 columns");
  }
  const std::size_t size = statistics.shape(0);
  auto scores = doubles(size);
  for (std::size_t row = 0; row < size; ++row) {
    const double* counts = statistics.data() + row * kMeteorStatistics;
    scores.data()[row] = meteor_score(MeteorStatistics::from(counts));
  }
  return scores;
}

nb::list tokenize_all(nb::handle texts, std::size_t threads) {
  Texts taken;
  taken.add_all(texts, "texts");
  std::vector<std::string> tokens(taken.views().size());
  {
    const nb::gil_scoped_release release;
    for_each_parallel(tokens.size(), threads, [&] {
      return [&](std::size_t i) { tokenize_ptb(taken.views()[i], tokens[i]); };
    });
  }
  nb::list result;
  for (const auto& text : tokens) result.append(nb::str(text.data(), text.size()));
  return result;
}

std::string stem(std::string_view word) {
  std::string out;
  stem_english(word, out);
  return out;
}

}  // namespace
}  // namespace revolion

NB_MODULE(_native, module) {
  using namespace revolion;
  nb::set_leak_warnings(false);
  module.attr("METEOR_FORMAT") = kMeteorVersion;
  nb::class_<MeteorKind>(module, "Meteor")
      .def(nb::init<const std::string&>(), "source"_a)
      .def(nb::init<const std::vector<std::string>&>(), "source"_a)
      .def("normalise", &MeteorKind::normalise, "text"_a);
  nb::class_<MeteorCompiler>(module, "MeteorCompiler")
      .def("__init__",
           [](MeteorCompiler* self, nb::bytes function_words, nb::bytes synsets,
              nb::bytes exceptions, nb::bytes prefixes) {
             const auto view = [](const nb::bytes& bytes) {
               return std::string_view(bytes.c_str(), bytes.size());
             };
             new (self) MeteorCompiler(
                 {view(function_words), view(synsets), view(exceptions), view(prefixes)});
           },
           "function_words"_a, "synsets"_a, "exceptions"_a, "prefixes"_a)
      .def("feed",
           [](MeteorCompiler& self, const nb::bytes& piece) {
             const std::string_view text(piece.c_str(), piece.size());
             const nb::gil_scoped_release release;
             self.feed(text);
           },
           "piece"_a)
      .def("finish", &MeteorCompiler::finish, "path"_a, nb::call_guard<nb::gil_scoped_release>());
  module.def("count", &count, "answers"_a.none(), "references"_a.none(), "meteor"_a.none(),
             "tokenize"_a, "threads"_a);
  module.def("meteor_scores", &meteor_scores, "statistics"_a);
  module.def("tokenize_ptb", &tokenize_all, "texts"_a.none(), "threads"_a = 1);
  module.def("stem_english", &stem, "word"_a);
}
