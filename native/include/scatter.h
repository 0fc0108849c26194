// Adding per-pixel derivatives to vertices: deterministic, without atomics (which cost 5-7 times as much).
//
// The work is cut into a number of units that does not depend on the number of threads; a unit adds to memory of its
// own, and the units' sums are added in order.
#pragma once
#include <algorithm>
#include <utility>

#include "barycentrics.h"

namespace rp::RP_ISA {

// Position gradients are gathered as (px, py, zeta, r) per vertex and turned into clip space once per vertex. A vertex
// that cannot be projected gathers clip space directly.
RP_INLINE void to_clip_gradient(const Projected& p, float half_width, float half_height, float* g) {
  if (p.px != p.px) return;
  const float gx = g[0], gy = g[1], gz = g[2], gr = g[3];
  g[0] = gx * half_width * p.r;
  g[1] = gy * half_height * p.r;
  g[2] = gz * p.r;
  g[3] = -p.r * (((gx * (p.px - half_width) + gy * (p.py - half_height)) + gz * p.zeta) + gr * p.r);
}

// The inverse, for the corners of a clipped face that can be projected.
inline void add_clip_gradient(const Projected& p, float half_width, float half_height, const double (&clip)[4],
                              float* g) {
  if (p.px != p.px) {
    for (int i = 0; i < 4; ++i) g[i] += static_cast<float>(clip[i]);
    return;
  }
  const double r = p.r, gx = clip[0] / (half_width * r), gy = clip[1] / (half_height * r), gz = clip[2] / r;
  g[0] += static_cast<float>(gx);
  g[1] += static_cast<float>(gy);
  g[2] += static_cast<float>(gz);
  const double rest =
      gx * (static_cast<double>(p.px) - half_width) + gy * (static_cast<double>(p.py) - half_height) + gz * p.zeta;
  g[3] += static_cast<float>((-clip[3] / r - rest) / r);
}

RP_INLINE void add4(float* to, Float4 value) { store(to, load<Float4>(to) + value); }

// Sums `lanes` of each corner's rows (kLanes rows of 4 floats) and adds each sum to its vertex.
RP_INLINE void add_lanes(const float (&rows)[3][4 * kLanes], uint32_t lanes, float* const (&to)[3]) {
  Float4 sum[3] = {};
  for (; lanes; lanes &= lanes - 1) {
    const int lane = __builtin_ctz(lanes);
    for (int i = 0; i < 3; ++i) sum[i] += load<Float4>(rows[i] + 4 * lane);
  }
  for (int i = 0; i < 3; ++i) add4(to[i], sum[i]);
}

// How the work is cut, by the sizes alone: the batch into units (whole images, or strips of few images), the units
// into groups that run one after the other and may share a buffer.
struct Schedule {
  int64_t units, strips, groups;
  int strip_rows;

  // `buffer_bytes`: what a unit needs; limits the number of strips. `sharing`: some result is summed over images.
  Schedule(int64_t batch, int height, int64_t buffer_bytes, bool sharing) {
    constexpr int64_t kWanted = 8, kMemory = 32 << 20;
    const int64_t most = std::max<int64_t>(2, kMemory / std::max<int64_t>(1, buffer_bytes * batch));
    strips = std::min((kWanted + batch - 1) / std::max<int64_t>(1, batch), most);
    strip_rows = static_cast<int>(((height + strips - 1) / strips + 15) / 16 * 16);
    strips = (height + strip_rows - 1) / strip_rows;
    units = batch * strips;
    groups = sharing ? std::min(units, kWanted) : units;
  }

  // Calls body(unit, image, strip, group, first unit of its group?) for all units.
  template <class Body>
  void run(int threads, Body&& body) const {
    parallel_for(groups, threads, [&](int64_t group, int) {
      const int64_t first = group * units / groups;
      for (int64_t unit = first; unit < (group + 1) * units / groups; ++unit)
        body(unit, unit / strips, unit % strips, group, unit == first);
    });
  }

  std::pair<int, int> rows(int64_t strip, int height) const {
    const int begin = static_cast<int>(strip) * strip_rows;
    return {begin, std::min(begin + strip_rows, height)};
  }
};

// Where a gradient is added up: one buffer per group if all images share it, else one per unit.
struct Buffers {
  int64_t size, sums, parts_per_sum;  // floats in one buffer; results; buffers that make one result
  bool shared;
  float* result;
  float* parts;  // `result` itself if there is nothing to add up

  Buffers(const Schedule& schedule, float* result, int64_t size, int64_t batch, bool shared, int slot)
      : size(size),
        sums(shared ? 1 : batch),
        parts_per_sum(shared ? schedule.groups : schedule.strips),
        shared(shared),
        result(result),
        parts(parts_per_sum == 1 ? result
                                 : static_cast<float*>(scratch(
                                       slot, sums * parts_per_sum * size * static_cast<int64_t>(sizeof(float))))) {}

  // The buffer of a unit, cleared when it is first used.
  float* start(int64_t unit, int64_t group, bool first) const {
    float* buffer = parts + (shared ? group : unit) * size;
    if (first || !shared) std::memset(buffer, 0, static_cast<size_t>(size) * sizeof(float));
    return buffer;
  }

  void finish(int threads) const {
    if (parts_per_sum == 1) return;
    if (parts_per_sum == 0) {  // a batch without images
      std::memset(result, 0, static_cast<size_t>(size) * sizeof(float));
      return;
    }
    constexpr int64_t kChunk = 8192;
    const int64_t chunks = (size + kChunk - 1) / kChunk;
    parallel_for(sums * chunks, threads, [&](int64_t job, int) {
      const int64_t begin = job % chunks * kChunk, count = std::min(kChunk, size - begin), sum = job / chunks;
      const float* from = parts + sum * parts_per_sum * size + begin;
      float* to = result + sum * size + begin;
      std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
      for (int64_t part = 1; part < parts_per_sum; ++part)
        for (int64_t i = 0; i < count; ++i) to[i] += from[part * size + i];
    });
  }
};

inline void to_clip_gradients(const Projected* projected, int64_t count, float half_width, float half_height,
                              int threads, float* gradient) {
  constexpr int64_t kChunk = 4096;
  parallel_for((count + kChunk - 1) / kChunk, threads, [&](int64_t chunk, int) {
    for (int64_t v = chunk * kChunk; v < std::min(count, (chunk + 1) * kChunk); ++v)
      to_clip_gradient(projected[v], half_width, half_height, gradient + 4 * v);
  });
}

}  // namespace rp::RP_ISA
