// Counts how deep a recursion is while it lives.
#pragma once

namespace batucada::jinja {

class DepthGuard {
 public:
  explicit DepthGuard(int* depth) : depth_(depth) { ++*depth_; }
  ~DepthGuard() { --*depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

 private:
  int* const depth_;
};

}  // namespace batucada::jinja
