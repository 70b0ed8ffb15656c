// Items spread over threads: each takes the next block when it is done with one, so a few long texts
// do not leave the others waiting. What is computed for an item can't depend on who computes it.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace revolion {

/// Calls `make()` once per thread for a worker, and `worker(i)` once for each i below `count`.
/// Rethrows the first exception once all threads have ended.
template <typename Make>
void for_each_parallel(std::size_t count, std::size_t threads, const Make& make) {
  constexpr std::size_t kBlock = 32;
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex guard;
  const auto work = [&] {
    try {
      auto worker = make();
      for (std::size_t start; (start = next.fetch_add(kBlock)) < count;) {
        const std::size_t end = std::min(start + kBlock, count);
        for (std::size_t i = start; i < end; ++i) worker(i);
      }
    } catch (...) {
      const std::lock_guard<std::mutex> lock(guard);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  const std::size_t useful = std::min(threads, (count + kBlock - 1) / kBlock);
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < useful; ++i) others.emplace_back(work);
  work();
  for (auto& other : others) other.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace revolion
