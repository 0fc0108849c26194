// Values of images at the places that pixels show.
#include <algorithm>
#include <atomic>

#include "mipmaps.h"
#include "texels.h"

namespace rp::RP_ISA {
namespace {

template <int x, class Texels>
RP_INLINE Floats bilinear(const Taps& t, Texels texels) {
  const Floats across = spread<x>(t.across);
  return mixed(mixed(texels(0, x), texels(1, x), across), mixed(texels(2, x), texels(3, x), across), spread<x>(t.up));
}

template <class Block>
void block_forward(const Inputs& in, const Block& block, const Footprint& f, float* out) {
  const Floats outside = select(f.seen, splat(NAN), Floats{});
  const Ints shown = f.seen & ~f.lost;
  const bool all = bits(shown) == kAllLanes, deep = is_deep(f), nearest = bits(f.nearest) != 0;
  for_each_chunk(in.channels, [&](int64_t channel, auto count) {
    Floats value[4];
    with_texels(in, f, 0, channel, count, [&](auto texels) {
      for_each_column([&](auto x) {
        value[x] = bilinear<x>(f.taps[0], texels);
        if (nearest) value[x] = select(spread<x>(f.nearest), texels(0, x), value[x]);
      });
    });
    if (deep)
      with_texels(in, f, 1, channel, count, [&](auto texels) {
        for_each_column([&](auto x) {
          const Floats mix = spread<x>(f.mix), coarser = bilinear<x>(f.taps[1], texels);
          value[x] = select(mix > 0.0f, mixed(value[x], coarser, mix), value[x]);
        });
      });
    if (!all) for_each_column([&](auto x) { value[x] = select(spread<x>(shown), value[x], spread<x>(outside)); });
    block.template write_quads<count>(out, in.channels, channel, value);
  });
}

// The first pixel of `which` that names no image, or -1.
int64_t find_bad_image(const Inputs& in, int threads) {
  constexpr int64_t kChunk = 1 << 14;
  const int64_t size = in.batch * in.pixels();
  const auto count = static_cast<uint32_t>(in.image_count);
  std::atomic<int64_t> first{INT64_MAX};
  parallel_for((size + kChunk - 1) / kChunk, threads, [&](int64_t chunk, int) {
    const int64_t end = std::min(size, (chunk + 1) * kChunk);
    uint32_t bad = 0;
    for (int64_t i = chunk * kChunk; i < end; ++i) bad |= static_cast<uint32_t>(in.which[i]) + 1u > count;
    if (!bad) return;
    int64_t i = chunk * kChunk;
    while (static_cast<uint32_t>(in.which[i]) + 1u <= count) ++i;
    for (int64_t before = first; i < before && !first.compare_exchange_weak(before, i);) {
    }
  });
  return first == INT64_MAX ? -1 : first.load();
}

}  // namespace

// texels (T, C): the images one after the other; layout (images, 6), see read_images; pyramid: memory for the levels
// from 1 on and kSlack more, or null if neither derivatives nor level are given; out (B, H, W, C).
// Returns 0, -1 if memory ran out, or 1 + the first pixel whose `which` is no image.
RP_KERNEL(rp_texture)
(const float* texels, int64_t texel_count, int32_t channels, const int64_t* layout, int32_t image_count, float* pyramid,
 const float* uv, const int32_t* which, const float* derivatives, const float* level, int64_t batch, int32_t height,
 int32_t width, int32_t threads, float* out) try {
  std::vector<Image> images = read_images(texels, texel_count, channels, layout, image_count, pyramid);
  const Inputs in{images.data(), image_count, channels, batch, height, width, which, uv, derivatives, level, false};
  if (which)
    if (const int64_t bad = find_bad_image(in, threads); bad >= 0) return bad + 1;
  for_each_image(images, threads, [&](Image& image, int inner) { build_mipmaps(image, channels, inner); });
  parallel_for(batch * bands(height), threads, [&](int64_t job, int) {
    const int64_t picture = job / bands(height);
    float* to = out + picture * in.pixels() * channels;
    for_each_footprint(
        in, picture, static_cast<int>(job % bands(height)), [](const auto&) { return true; },
        [](const Footprint& f) RP_ALWAYS_INLINE { prefetch_texels(f); },
        [&](const auto& block, const Footprint& f) {
          block.template prefetch_below<true>(to, in.channels);
          block_forward(in, block, f, to);
        });
  });
  return 0;
} catch (...) {
  return -1;
}

}  // namespace rp::RP_ISA
