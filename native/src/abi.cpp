// What Python asks before it chooses kernels.
#include <cstdint>

#define RP_EXPORT extern "C" __attribute__((visibility("default")))

// 0: the portable kernels; 1: x86-64-v3 (AVX2); 2: x86-64-v4 (AVX-512).
RP_EXPORT int64_t rp_instruction_level() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return 2;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) return 1;
#endif
  return 0;
}

// The first row of `faces` (count, 3) with an index outside [0, limit), or -1.
RP_EXPORT int64_t rp_find_bad_face(const int32_t* faces, int64_t count, int64_t limit) {
  constexpr int64_t kChunk = 1024;  // numbers looked at before asking; the inner loop is vectorised
  const auto bound = static_cast<uint32_t>(limit);
  for (int64_t begin = 0; begin < 3 * count; begin += kChunk) {
    const int64_t end = begin + kChunk < 3 * count ? begin + kChunk : 3 * count;
    uint32_t bad = 0;
    for (int64_t i = begin; i < end; ++i) bad |= static_cast<uint32_t>(faces[i]) >= bound;
    if (!bad) continue;
    for (int64_t i = begin; i < end; ++i)
      if (static_cast<uint32_t>(faces[i]) >= bound) return i / 3;
  }
  return -1;
}
