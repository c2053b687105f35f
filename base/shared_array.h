// An array that is never changed and that all its copies share: a request's long parts, which every choice of it needs.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

namespace batucada {

// Copying costs a count, whatever the length. What is read may be read by any thread; each copy belongs to one.
template <typename T>
class SharedArray {
 public:
  using value_type = T;
  using const_iterator = typename std::vector<T>::const_iterator;
  using const_reverse_iterator = typename std::vector<T>::const_reverse_iterator;
  using iterator = const_iterator;

  SharedArray() = default;
  SharedArray(std::vector<T> values)  // NOLINT: a vector is what it holds
      : values_(values.empty() ? nullptr : std::make_shared<const std::vector<T>>(std::move(values))) {}
  SharedArray(std::initializer_list<T> values) : SharedArray(std::vector<T>(values)) {}

  size_t size() const { return vector().size(); }
  bool empty() const { return values_ == nullptr; }
  const T* data() const { return vector().data(); }
  const T& operator[](size_t i) const { return vector()[i]; }
  const T& at(size_t i) const { return vector().at(i); }
  const T& front() const { return vector().front(); }
  const T& back() const { return vector().back(); }
  const_iterator begin() const { return vector().begin(); }
  const_iterator end() const { return vector().end(); }
  const_reverse_iterator rbegin() const { return vector().rbegin(); }
  const_reverse_iterator rend() const { return vector().rend(); }

  // The values themselves, valid as long as any copy of this.
  const std::vector<T>& vector() const {
    static const std::vector<T> none;
    return values_ == nullptr ? none : *values_;
  }
  friend bool operator==(const SharedArray& a, const SharedArray& b) { return a.vector() == b.vector(); }

 private:
  std::shared_ptr<const std::vector<T>> values_;  // null: empty
};

}  // namespace batucada
