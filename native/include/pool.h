// A small pool of threads for data-parallel loops. Not OpenMP: torch brings its own copy of that.
#pragma once
#include <cstdint>

namespace rp {

constexpr int kMaxThreads = 256;

// Calls job(context, index, worker) for every index in [0, jobs), on at most `threads` threads including the
// caller's; `worker` < threads tells which. Runs on the caller alone if another Python thread is using the pool.
void run_jobs(int64_t jobs, int threads, void (*job)(void*, int64_t, int), void* context);

template <class Body>
void parallel_for(int64_t jobs, int threads, Body&& body) {
  if (jobs <= 1 || threads <= 1) {
    for (int64_t index = 0; index < jobs; ++index) body(index, 0);
    return;
  }
  run_jobs(
      jobs, threads, [](void* context, int64_t index, int worker) { (*static_cast<Body*>(context))(index, worker); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

// Memory for one kernel call, reused by later calls of the same thread: a fresh block costs a page fault per 4 KiB.
// `slot` in 0..3 lets a kernel hold several blocks.
void* scratch(int slot, int64_t bytes);

}  // namespace rp
