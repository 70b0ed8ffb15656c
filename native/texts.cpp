#include "texts.hpp"

#include <nanobind/stl/string.h>

namespace nb = nanobind;

namespace revolion {
namespace {

[[noreturn]] void fail(const std::string& message) { throw nb::value_error(message.c_str()); }

std::string at(const std::string& name, std::size_t place) {
  return name + "[" + std::to_string(place) + "]";
}

std::string called(const char* name, Py_ssize_t group) {
  return group < 0 ? name : at(name, static_cast<std::size_t>(group));
}

std::string shown(nb::handle value) {
  const std::string text = nb::cast<std::string>(nb::repr(value));
  return text.size() <= 40 ? text : text.substr(0, 40) + "...";
}

nb::object sequence_of(nb::handle list, const char* name, Py_ssize_t group, const char* cure) {
  if (PyList_CheckExact(list.ptr())) return nb::borrow(list);
  if (PyUnicode_Check(list.ptr()) || PyBytes_Check(list.ptr())) {
    fail(called(name, group) + " is one text, " + shown(list) + "; " + cure);
  }
  PyObject* items = PySequence_Fast(list.ptr(), "");
  if (!items) {
    PyErr_Clear();
    fail(called(name, group) + " is " + shown(list) + "; " + cure);
  }
  return nb::steal(items);
}

}  // namespace

void Texts::add_all(nb::handle list, const char* name, Py_ssize_t group) {
  const nb::object items = sequence_of(list, name, group, "a list of texts is due, even around one");
  const auto size = static_cast<std::size_t>(PySequence_Fast_GET_SIZE(items.ptr()));
  for (std::size_t place = 0; place < size; ++place) {
    PyObject* item = PySequence_Fast_GET_ITEM(items.ptr(), static_cast<Py_ssize_t>(place));
    views_.push_back(view_of(item, name, group, place));
    owners_.push_back(nb::borrow(item));
  }
}

std::string_view Texts::view_of(PyObject* text, const char* name, Py_ssize_t group,
                                std::size_t place) {
  if (!PyUnicode_Check(text)) {
    fail(at(called(name, group), place) + " is " + shown(text) +
         ", not a text; leave out what was not answered, it has no score");
  }
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(text, &size);
  if (!data) {
    PyErr_Clear();
    fail(at(called(name, group), place) + " holds half of a surrogate pair, which is no character: " + shown(text));
  }
  return {data, static_cast<std::size_t>(size)};
}

Pairs::Pairs(nb::handle answers, nb::handle references) {
  answers_.add_all(answers, "answers");
  const nb::object groups = sequence_of(references, "references", -1, "a list of lists is due");
  const auto size = static_cast<std::size_t>(PySequence_Fast_GET_SIZE(groups.ptr()));
  if (size != answers_.views().size()) {
    fail(std::to_string(answers_.views().size()) + " answers but " + std::to_string(size) +
         " lists of references; each answer needs its own list");
  }
  starts_.reserve(size + 1);
  for (std::size_t place = 0; place < size; ++place) {
    PyObject* group = PySequence_Fast_GET_ITEM(groups.ptr(), static_cast<Py_ssize_t>(place));
    references_.add_all(group, "references", static_cast<Py_ssize_t>(place));
    if (references_.views().size() == starts_.back()) {
      fail(at("references", place) + " is empty; each answer needs at least one reference");
    }
    starts_.push_back(references_.views().size());
  }
}

Pair Pairs::operator[](std::size_t i) const {
  return {answers_.views()[i], references_.views().data() + starts_[i], starts_[i + 1] - starts_[i]};
}

}  // namespace revolion
