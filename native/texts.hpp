// Python's texts as UTF-8 views. The texts are held on to, so the views stay good while the
// interpreter's lock is released, whatever other threads do to the lists.
#pragma once

#include <nanobind/nanobind.h>

#include <string>
#include <string_view>
#include <vector>

#include "pairs.hpp"

namespace revolion {

/// Texts taken out of Python sequences. Raises ValueError, naming the place, for what is no text, and
/// for a lone surrogate, which has no UTF-8.
class Texts {
 public:
  /// All items of `list`; messages call it `name`, or the item `name[group]`.
  void add_all(nanobind::handle list, const char* name, Py_ssize_t group = -1);
  const std::vector<std::string_view>& views() const { return views_; }

 private:
  std::string_view view_of(PyObject* text, const char* name, Py_ssize_t group, std::size_t place);

  std::vector<nanobind::object> owners_;
  std::vector<std::string_view> views_;
};

/// Answers with their references. Raises ValueError, naming the place, where lengths differ, an
/// answer has no references or something is no text.
class Pairs {
 public:
  Pairs(nanobind::handle answers, nanobind::handle references);
  std::size_t size() const { return starts_.size() - 1; }
  Pair operator[](std::size_t i) const;

 private:
  Texts answers_, references_;
  std::vector<std::size_t> starts_{0};
};

}  // namespace revolion
