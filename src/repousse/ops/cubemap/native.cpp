// Looking up directions in a cube map or a lat-long image with mip levels, and the derivatives.
#include <algorithm>

#include "maps.h"
#include "pool.h"

namespace rp::RP_ISA {
namespace {

constexpr int64_t kPixels = 4096;  // per job of the forward pass

// All levels of the texels, one after the other: `sizes` holds (height, width) of each, of a cube's faces.
struct Levels {
  const float* texels;
  int64_t channels;
  int32_t count;
  const int64_t* sizes;
  int faces;

  int64_t height(int level) const { return sizes[2 * level]; }
  int64_t width(int level) const { return sizes[2 * level + 1]; }
  int64_t first(int level) const {
    int64_t sum = 0;
    for (int l = 0; l < level; ++l) sum += faces * height(l) * width(l);
    return sum;
  }
};

// The two levels around a level, and the weight of the coarser one.
struct Blend {
  int level = 0;
  double part = 0;
  bool known = true;    // false for NaN
  bool inside = false;  // whether the value depends on the level: not where it is clamped

  Blend(const float* at, int count) {
    if (!at) return;
    known = *at == *at;
    const double clamped = known ? std::clamp<double>(*at, 0, count - 1) : 0;
    level = std::min(static_cast<int>(clamped), std::max(count - 2, 0));
    part = clamped - level;
    inside = known && *at >= 0 && *at <= static_cast<float>(count - 1) && count > 1;
  }
  int levels() const { return part > 0 || inside ? 2 : 1; }
  double weight(int i) const { return i ? part : 1 - part; }
};

// Calls body(texel, weight, by x, by y, by level) for all texels a pixel is made of.
template <class Map, class Body>
RP_INLINE void for_each_texel(const Levels& levels, const Place& place, const Blend& blend, Body&& body) {
  for (int i = 0; i < blend.levels(); ++i) {
    const int level = blend.level + i;
    const int64_t height = levels.height(level), width = levels.width(level), first = levels.first(level);
    const Footprint f = Map::footprint(place, height, width);
    const double of_level = blend.weight(i), columns = of_level * static_cast<double>(width);
    const double rows = of_level * static_cast<double>(height);
    for (int k = 0; k < f.count; ++k)
      body(first + f.texel[k], of_level * f.weight[k], columns * f.by_column[k], rows * f.by_row[k],
           i ? f.weight[k] : -f.weight[k]);
  }
}

template <class Map>
void forward(const Levels& levels, const float* direction, const float* level, int64_t pixels, int threads,
             float* out) {
  parallel_for((pixels + kPixels - 1) / kPixels, threads, [&](int64_t job, int) {
    for (int64_t n = job * kPixels; n < std::min(pixels, (job + 1) * kPixels); ++n) {
      float* value = out + n * levels.channels;
      std::fill(value, value + levels.channels, 0.0f);
      const Place place = Map::place(direction + 3 * n);
      const Blend blend(level ? level + n : nullptr, levels.count);
      if (!place.known || !blend.known) continue;
      for_each_texel<Map>(levels, place, blend, [&](int64_t texel, double weight, double, double, double) {
        const float* from = levels.texels + texel * levels.channels;
        const auto w = static_cast<float>(weight);
        for (int64_t c = 0; c < levels.channels; ++c) value[c] += w * from[c];
      });
    }
  });
}

struct Gradients {
  float *texels, *direction, *level;  // null if not wanted
};

template <class Map>
void pixel_backward(const Levels& levels, const float* direction, const float* level, const float* g_out,
                    const Gradients& g) {
  double by_x = 0, by_y = 0, by_level = 0;
  const Place place = Map::place(direction);
  const Blend blend(level, levels.count);
  if (place.known && blend.known)
    for_each_texel<Map>(levels, place, blend, [&](int64_t texel, double weight, double wx, double wy, double wl) {
      const float* from = levels.texels + texel * levels.channels;
      double value = 0;
      if (g.direction || g.level)
        for (int64_t c = 0; c < levels.channels; ++c) value += static_cast<double>(g_out[c]) * from[c];
      by_x += wx * value;
      by_y += wy * value;
      by_level += wl * value;
      if (!g.texels) return;
      float* to = g.texels + texel * levels.channels;
      const auto w = static_cast<float>(weight);
      for (int64_t c = 0; c < levels.channels; ++c) to[c] += w * g_out[c];
    });
  if (g.direction)
    for (int i = 0; i < 3; ++i) g.direction[i] = static_cast<float>(by_x * place.dx[i] + by_y * place.dy[i]);
  if (g.level) *g.level = blend.inside ? static_cast<float>(by_level) : 0.0f;
}

// The pixels are cut into parts by sizes alone; each adds to texels of its own, and the parts' sums are added in order.
template <class Map>
void backward(const Levels& levels, const float* direction, const float* level, int64_t pixels, int threads,
              const float* g_out, const Gradients& g) {
  constexpr int64_t kParts = 8, kMemory = 64 << 20;
  const int64_t size = levels.first(levels.count) * levels.channels, bytes = size * static_cast<int64_t>(sizeof(float));
  const int64_t affordable = g.texels ? std::max<int64_t>(2, kMemory / std::max<int64_t>(1, bytes)) : kParts;
  const int64_t parts = std::clamp<int64_t>(pixels / kPixels, 1, std::min(kParts, affordable));
  float* sums = g.texels;
  if (g.texels && parts > 1) sums = static_cast<float*>(scratch(0, parts * bytes));
  parallel_for(parts, threads, [&](int64_t part, int) {
    float* texels = g.texels ? sums + part * size : nullptr;
    if (texels) std::fill(texels, texels + size, 0.0f);
    for (int64_t n = part * pixels / parts; n < (part + 1) * pixels / parts; ++n)
      pixel_backward<Map>(levels, direction + 3 * n, level ? level + n : nullptr, g_out + n * levels.channels,
                          {texels, g.direction ? g.direction + 3 * n : nullptr, g.level ? g.level + n : nullptr});
  });
  if (sums == g.texels) return;
  parallel_for((size + kPixels - 1) / kPixels, threads, [&](int64_t job, int) {
    for (int64_t i = job * kPixels; i < std::min(size, (job + 1) * kPixels); ++i) {
      float sum = 0;
      for (int64_t part = 0; part < parts; ++part) sum += sums[part * size + i];
      g.texels[i] = sum;
    }
  });
}

}  // namespace

// texels (all levels' texels, channels); sizes (levels, 2): height and width of each level, of a cube's faces if
// `cube`; direction (pixels, 3); level (pixels) or null for the first; out (pixels, channels). Returns 0.
RP_KERNEL(rp_surroundings)
(const float* texels, int64_t channels, int32_t count, const int64_t* sizes, int32_t cube, const float* direction,
 const float* level, int64_t pixels, int32_t threads, float* out) {
  const Levels levels{texels, channels, count, sizes, cube ? 6 : 1};
  if (cube)
    forward<Cube>(levels, direction, level, pixels, threads, out);
  else
    forward<LatLong>(levels, direction, level, pixels, threads, out);
  return 0;
}

// g_out (pixels, channels) -> gradients like texels, direction and level, overwritten; each may be null. Returns 0, or
// -1 if memory ran out.
RP_KERNEL(rp_surroundings_backward)
(const float* texels, int64_t channels, int32_t count, const int64_t* sizes, int32_t cube, const float* direction,
 const float* level, int64_t pixels, int32_t threads, const float* g_out, float* g_texels, float* g_direction,
 float* g_level) try {
  const Levels levels{texels, channels, count, sizes, cube ? 6 : 1};
  const Gradients gradients{g_texels, g_direction, g_level};
  if (cube)
    backward<Cube>(levels, direction, level, pixels, threads, g_out, gradients);
  else
    backward<LatLong>(levels, direction, level, pixels, threads, g_out, gradients);
  return 0;
} catch (...) {
  return -1;
}

}  // namespace rp::RP_ISA
