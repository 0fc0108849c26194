// Steps 1 and 2 of visibility: clip coordinates to pixels (see docs/design.md, "The numbers behind visibility").
#pragma once
#include <cfloat>

#include "lanes.h"
#include "pool.h"

namespace rp::RP_ISA {

constexpr float kGuard = 64.0f;  // |x|, |y| beyond kGuard * w are clipped, so that snapped coordinates stay exact
constexpr float kSnap = 256.0f;  // subpixel steps per pixel
constexpr int kSnapBits = 8;

// A vertex on the screen: pixels, z / w and 1 / w. px is NaN for a vertex that needs clipping.
struct Projected {
  float px, py, zeta, r;
};

RP_INLINE Columns project_columns(Columns clip, float half_width, float half_height) {
  const Floats w = clip.w, limit = kGuard * w;
  const Ints safe = (w >= FLT_MIN) & (w <= FLT_MAX) & (clip.z >= 0.0f) & (clip.z <= w) & (clip.x <= limit) &
                    (clip.x >= -limit) & (clip.y <= limit) & (clip.y >= -limit);
  Columns screen;
  screen.x = select(safe, (clip.x / w) * half_width + half_width, splat(NAN));
  screen.y = (clip.y / w) * half_height + half_height;
  screen.z = clip.z / w;
  screen.w = 1.0f / w;
  return screen;
}

// One vertex, with the very same result.
inline Projected project_one(const float* clip, float half_width, float half_height) {
  const float x = clip[0], y = clip[1], z = clip[2], w = clip[3], limit = kGuard * w;
  const bool safe =
      w >= FLT_MIN && w <= FLT_MAX && z >= 0 && z <= w && x <= limit && x >= -limit && y <= limit && y >= -limit;
  return {safe ? (x / w) * half_width + half_width : NAN, (y / w) * half_height + half_height, z / w, 1.0f / w};
}

// Projects vertices [begin, end); reads and writes within these only.
RP_INLINE void project_range(const float* positions, int64_t begin, int64_t end, float half_width, float half_height,
                             Projected* out) {
  const float* rows[kLanes];
  int64_t v = begin;
  for (; v + kLanes <= end; v += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) rows[lane] = positions + 4 * (v + lane);
    store_rows(&out[v].px, project_columns(gather_rows(rows), half_width, half_height));
  }
  if (v == end) return;
  float tail[4 * kLanes];
  for (int lane = 0; lane < kLanes; ++lane) rows[lane] = positions + 4 * (v + lane < end ? v + lane : v);
  store_rows(tail, project_columns(gather_rows(rows), half_width, half_height));
  std::memcpy(static_cast<void*>(out + v), tail, static_cast<size_t>(end - v) * sizeof(Projected));
}

// Projects `count` vertices on all threads.
inline void project(const float* positions, int64_t count, float half_width, float half_height, int threads,
                    Projected* out) {
  constexpr int64_t kChunk = 8192;
  parallel_for((count + kChunk - 1) / kChunk, threads, [&](int64_t chunk, int) {
    const int64_t begin = chunk * kChunk, end = begin + kChunk < count ? begin + kChunk : count;
    project_range(positions, begin, end, half_width, half_height, out);
  });
}

RP_INLINE int32_t snap(float pixels) { return static_cast<int32_t>(std::lrintf(pixels * kSnap)); }

}  // namespace rp::RP_ISA
