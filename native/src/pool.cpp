#include "pool.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

namespace rp {
namespace {

struct Pool {
  std::mutex in_use;               // held by the caller whose loop is running
  std::atomic<uint32_t> round{0};  // one more for every loop; workers sleep on it
  std::atomic<int64_t> next{0};
  std::atomic<int> pending{0};  // workers that have not finished this round
  int64_t jobs = 0;
  int wanted = 0;  // workers that take part in this round
  void (*job)(void*, int64_t, int) = nullptr;
  void* context = nullptr;
  int workers = 0;
  pid_t owner = getpid();

  void drain(int worker) {
    for (int64_t index; (index = next.fetch_add(1, std::memory_order_relaxed)) < jobs;) job(context, index, worker);
  }

  void work(int worker, uint32_t seen) {
    for (;;) {
      // A short spin catches back-to-back kernels; then sleep.
      for (int spin = 0; spin < 2000 && round.load(std::memory_order_acquire) == seen; ++spin) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
      }
      round.wait(seen, std::memory_order_acquire);
      seen = round.load(std::memory_order_acquire);
      if (worker <= wanted) drain(worker);
      if (pending.fetch_sub(1, std::memory_order_acq_rel) == 1) pending.notify_one();
    }
  }

  void grow(int count) {
    for (; workers < count; ++workers) {
      std::thread(&Pool::work, this, workers + 1, round.load(std::memory_order_relaxed)).detach();
    }
  }
};

// Never destroyed: detached workers may outlive static destructors. A forked child (a DataLoader worker) has none of
// its parent's threads, so it starts a pool of its own.
std::atomic<Pool*> current{new Pool};

Pool& pool() {
  Pool* found = current.load();
  if (found->owner != getpid()) {
    Pool* fresh = new Pool;
    if (current.compare_exchange_strong(found, fresh)) return *fresh;
    delete fresh;
    return *current.load();
  }
  return *found;
}

struct Block {
  void* memory = nullptr;
  int64_t size = 0;
  ~Block() { std::free(memory); }
};
thread_local Block blocks[4];

}  // namespace

void run_jobs(int64_t jobs, int threads, void (*job)(void*, int64_t, int), void* context) {
  Pool& shared = pool();
  threads = static_cast<int>(std::min<int64_t>({threads, jobs, kMaxThreads}));
  std::unique_lock<std::mutex> lock(shared.in_use, std::try_to_lock);
  if (threads <= 1 || !lock.owns_lock()) {
    for (int64_t index = 0; index < jobs; ++index) job(context, index, 0);
    return;
  }
  shared.grow(threads - 1);
  shared.jobs = jobs;
  shared.wanted = threads - 1;
  shared.job = job;
  shared.context = context;
  shared.next.store(0, std::memory_order_relaxed);
  shared.pending.store(shared.workers, std::memory_order_relaxed);
  shared.round.fetch_add(1, std::memory_order_release);
  shared.round.notify_all();
  shared.drain(0);
  for (int left; (left = shared.pending.load(std::memory_order_acquire)) != 0;) {
    for (int spin = 0; spin < 2000 && shared.pending.load(std::memory_order_acquire) == left; ++spin) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
    left = shared.pending.load(std::memory_order_acquire);
    if (left != 0) shared.pending.wait(left, std::memory_order_acquire);
  }
}

void* scratch(int slot, int64_t bytes) {
  Block& block = blocks[slot];
  if (bytes > block.size) {
    std::free(block.memory);
    block.size = 0;
    const int64_t rounded = (bytes + 4095) / 4096 * 4096;
    block.memory = std::aligned_alloc(4096, static_cast<size_t>(rounded));
    if (!block.memory) throw std::bad_alloc();
    block.size = rounded;
  }
  return block.memory;
}

}  // namespace rp
