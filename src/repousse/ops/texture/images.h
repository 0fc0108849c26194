// The images of a call and their mipmaps: level k of an image of n texels along a side has max(1, n >> k).
#pragma once
#include <algorithm>
#include <vector>

#include "lanes.h"
#include "pool.h"

namespace rp::RP_ISA {

enum Wrap : int64_t { kRepeat, kClamp, kMirror };

constexpr int kMaxLevels = 31;
constexpr int kSlack = 4;  // floats behind the coarsest level: texels are read four numbers at a time

struct Image {
  int height, width;
  int last;               // the coarsest level
  float coarsest_square;  // 4^last
  int64_t wrap_u, wrap_v;
  bool nearest;
  const float* texels[kMaxLevels];  // of each level: rows from the top, `channels` numbers per texel
  float* mipmaps;                   // levels 1 to last, one behind the other: what texels[1] and so on point to
  float* gradient[kMaxLevels];      // of each level, with `padded(channels)` numbers per texel
  int64_t readable;                 // numbers from texels[0] to the end of the tensor

  int height_at(int level) const { return std::max(1, height >> level); }
  int width_at(int level) const { return std::max(1, width >> level); }
  int64_t texels_at(int level) const { return static_cast<int64_t>(height_at(level)) * width_at(level); }
};

// Texels of gradients are padded to whole quads: adding to them is a load and a store of the same 16 bytes, which a
// texel that overlaps with its neighbour's quad would stall.
constexpr int64_t padded(int64_t channels) { return (channels + 3) / 4 * 4; }

// layout (count, 6): first texel, height, width, wrap along u, along v, nearest. `pyramid` receives the levels from 1
// on, or is null where there is level 0 only.
inline std::vector<Image> read_images(const float* texels, int64_t texel_count, int64_t channels, const int64_t* layout,
                                      int64_t count, float* pyramid) {
  std::vector<Image> images(static_cast<size_t>(count));
  for (Image& image : images) {
    image.height = static_cast<int>(layout[1]);
    image.width = static_cast<int>(layout[2]);
    image.wrap_u = layout[3];
    image.wrap_v = layout[4];
    image.nearest = layout[5] != 0;
    image.texels[0] = texels + layout[0] * channels;
    image.readable = (texel_count - layout[0]) * channels;
    image.last = 0;
    image.mipmaps = pyramid;
    while (pyramid && !image.nearest && std::max(image.height, image.width) >> (image.last + 1)) {
      image.texels[++image.last] = pyramid;
      pyramid += image.texels_at(image.last) * channels;
    }
    image.coarsest_square = std::ldexp(1.0f, 2 * image.last);
    layout += 6;
  }
  return images;
}

// Gives each level its part of `gradient` and clears it.
inline void clear_gradients(std::vector<Image>& images, int64_t channels, float* gradient, int threads) {
  float* end = gradient;
  for (Image& image : images)
    for (int level = 0; level <= image.last; ++level) {
      image.gradient[level] = end;
      end += image.texels_at(level) * padded(channels);
    }
  constexpr int64_t kChunk = 1 << 18;
  parallel_for((end - gradient + kChunk - 1) / kChunk, threads, [&](int64_t chunk, int) {
    float* begin = gradient + chunk * kChunk;
    std::memset(begin, 0, static_cast<size_t>(std::min(kChunk, end - begin)) * sizeof(float));
  });
}

// Calls body(image, threads for its rows) for all images: several at a time, or one after the other by rows.
template <class Body>
void for_each_image(std::vector<Image>& images, int threads, Body&& body) {
  const auto count = static_cast<int64_t>(images.size());
  parallel_for(count, threads, [&](int64_t i, int) { body(images[static_cast<size_t>(i)], count == 1 ? threads : 1); });
}

template <class Body>
void for_each_row(int rows, int threads, Body&& body) {
  constexpr int kChunk = 16;
  parallel_for((rows + kChunk - 1) / kChunk, threads, [&](int64_t chunk, int) {
    const int begin = static_cast<int>(chunk) * kChunk;
    for (int row = begin; row < std::min(begin + kChunk, rows); ++row) body(row);
  });
}

}  // namespace rp::RP_ISA
