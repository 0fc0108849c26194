// The derivative of texture lookups with respect to texels, uv and level, in one pass over the pixels.
//
// The sum of a texel runs over the pixels in their order, whatever the number of threads: with several of them, the
// texels are divided among jobs, and each job goes through all blocks of pixels that reach its texels.
#include <algorithm>

#include "mipmaps.h"
#include "texels.h"

namespace rp::RP_ISA {
namespace {

constexpr int kParts = 32;  // bits of a block's mask

struct Wanted {
  const float* g_out;  // (B, H, W, C)
  bool texels;
  float *uv, *derivatives, *level;  // like the inputs, or null

  bool coordinates() const { return uv || derivatives || level; }
};

// Texels belong to parts by image and by bands of rows, so that a block of pixels reaches few of them.
struct Parts {
  int32_t images;

  RP_INLINE int bands() const { return std::max(1, kParts / std::max(1, images)); }
  RP_INLINE Ints of(Ints image, Ints texel, const Taps& t) const {
    const Floats row = floor((to_float(texel) + 0.5f) / t.width);
    const Ints band = round_to_int(floor(row * (static_cast<float>(bands()) / t.height)));
    return (image * bands() + band) & (kParts - 1);
  }
};

// The parts that each tap of each pixel belongs to.
struct PartsOfBlock {
  Ints of[2][2];  // by level, bottom and top row

  RP_INLINE PartsOfBlock(const Inputs& in, const Footprint& f) {
    const Parts parts{in.image_count};
    for (int level = 0; level < 2; ++level)
      for (int row = 0; row < 2; ++row)
        of[level][row] = parts.of(f.image_id, f.taps[level].texel[2 * row], f.taps[level]);
  }
  RP_INLINE uint32_t mask(uint32_t lanes, bool deep) const {
    uint32_t result = 0;
    for (int level = 0; level < (deep ? 2 : 1); ++level)
      for (int row = 0; row < 2; ++row) {
        int32_t part[kLanes];
        store(part, of[level][row]);
        for (uint32_t left = lanes; left; left &= left - 1) result |= 1u << part[__builtin_ctz(left)];
      }
    return result;
  }
};

// The pixels whose taps are added, by level and by bottom and top row.
struct Chosen {
  uint32_t lanes[2][2];

  RP_INLINE uint32_t any() const { return lanes[0][0] | lanes[0][1] | lanes[1][0] | lanes[1][1]; }
  RP_INLINE bool holds(int level, int tap, int lane) const { return lanes[level][tap / 2] >> lane & 1; }
};

// Asks for the gradients of the left texels of each pixel on each level, before they are needed.
RP_INLINE void prefetch_gradients(const Footprint& f, int64_t stride) {
  if (!f.even) return;
  for (int level = 0; level < (is_deep(f) ? 2 : 1); ++level)
    for (int tap = 0; tap < 4; tap += 2)
      for (int lane = 0; lane < kLanes; ++lane)
        __builtin_prefetch(f.image->gradient[f.taps[level].level[0]] + f.taps[level].texel[tap][lane] * stride, 1);
}

// Adds `g` (four channels per pixel) times the weights to the texels of one level, pixel by pixel. `chosen` is null if
// all are.
RP_INLINE void scatter_level(const Inputs& in, const Footprint& f, int level, int64_t channel,
                             const float (&rows)[4 * kLanes], const Chosen* chosen) {
  const Taps& t = f.taps[level];
  const Floats share = level ? f.mix : 1.0f - f.mix;
  const Floats top = share * t.up, bottom = share - top, right_top = top * t.across, right = bottom * t.across;
  const Floats weights[4] = {bottom - right, right, top - right_top, right_top};
  alignas(64) float weight[4][kLanes];
  alignas(64) int32_t offset[4][kLanes];
  for (int tap = 0; tap < 4; ++tap) {
    store(weight[tap], weights[tap]);
    store(offset[tap], t.texel[tap] * static_cast<int32_t>(padded(in.channels)));
  }
  const auto add = [&](float* gradient, int tap, int lane, Float4 value) {
    float* texel = gradient + offset[tap][lane];
    store(texel, load<Float4>(texel) + value * weight[tap][lane]);
  };
  if (!chosen && f.even) {
    float* const gradient = f.image->gradient[t.level[0]] + channel;
    for (int lane = 0; lane < kLanes; ++lane) {
      const Float4 value = load<Float4>(rows + 4 * lane);
      for (int tap = 0; tap < 4; ++tap) add(gradient, tap, lane, value);
    }
    return;
  }
  for (uint32_t left = chosen ? chosen->any() : kAllLanes; left; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    float* const gradient = in.images[f.image_id[lane]].gradient[t.level[lane]] + channel;
    const Float4 value = load<Float4>(rows + 4 * lane);
    for (int tap = 0; tap < 4; ++tap)
      if (!chosen || chosen->holds(level, tap, lane)) add(gradient, tap, lane, value);
  }
}

RP_INLINE void scatter(const Inputs& in, const Footprint& f, int64_t channel, const Floats (&g)[4], bool mixes,
                       const Chosen* chosen) {
  alignas(64) float rows[4 * kLanes];
  store_row_quads(rows, g);
  scatter_level(in, f, 0, channel, rows, chosen);
  if (mixes) scatter_level(in, f, 1, channel, rows, chosen);
}

// Of the pixels in each of the block's columns, `count` channels side by side. What follows them is another's.
template <int count, class Block>
RP_INLINE void read_gradient(const Inputs& in, const Wanted& wanted, const Block& block, int64_t picture,
                             int64_t channel, Floats (&g)[4]) {
  const float* first = wanted.g_out + picture * in.pixels() * in.channels;
  const float* end = wanted.g_out + in.batch * in.pixels() * in.channels;
  block.template prefetch_below<false>(first + channel, in.channels);
  block.template read_quads<count>(first, in.channels, channel, end, g);
}

// Numbers of a pixel: the change of what it shows along the image's axes and with the level, times its gradient.
struct Changes {
  Floats by_u{}, by_v{}, by_level{};
};

template <int count>
RP_INLINE Floats sum_of_products(const Floats (&a)[4], const Floats (&b)[4]) {
  Floats m[4];
  for (int x = 0; x < 4; ++x) m[x] = a[x] * b[x];
  transpose(m);
  Floats sum = m[0];
  for (int channel = 1; channel < count; ++channel) sum += m[channel];
  return sum;
}

// What the pixels of column x see on one level: its value, and its change along the image's axes.
struct Surface {
  Floats value, by_u, by_v;

  template <int x, class Texels>
  RP_INLINE static Surface at(const Taps& t, Texels texels, std::integral_constant<int, x>) {
    const Floats across = spread<x>(t.across), up = spread<x>(t.up);
    const Floats left = texels(0, x), top_left = texels(2, x);
    const Floats bottom_step = texels(1, x) - left, top_step = texels(3, x) - top_left;
    const Floats bottom = left + across * bottom_step, step = top_left + across * top_step - bottom;
    return {bottom + up * step, mixed(bottom_step, top_step, up) * spread<x>(t.width), step * spread<x>(t.height)};
  }
};

template <int count>
RP_INLINE void add_changes(const Inputs& in, const Footprint& f, int64_t channel, const Floats (&g)[4], bool deep,
                           Changes& sum) {
  Floats value[4], by_u[4], by_v[4], by_level[4];
  with_texels(in, f, 0, channel, count, [&](auto texels) {
    for_each_column([&](auto x) {
      const Surface s = Surface::at(f.taps[0], texels, x);
      value[x] = s.value;
      by_u[x] = s.by_u;
      by_v[x] = s.by_v;
    });
  });
  if (deep) {
    with_texels(in, f, 1, channel, count, [&](auto texels) {
      for_each_column([&](auto x) {
        const Surface s = Surface::at(f.taps[1], texels, x);
        const Floats mix = spread<x>(f.mix);
        by_level[x] = s.value - value[x];
        by_u[x] = mixed(by_u[x], s.by_u, mix);
        by_v[x] = mixed(by_v[x], s.by_v, mix);
      });
    });
    sum.by_level += sum_of_products<count>(g, by_level);
  }
  sum.by_u += sum_of_products<count>(g, by_u);
  sum.by_v += sum_of_products<count>(g, by_v);
}

template <class Block>
RP_INLINE void write_coordinates(const Inputs& in, const Wanted& wanted, const Block& block, int64_t picture,
                                 const Footprint& f, const Changes& change, Ints shown) {
  const int64_t first = picture * in.pixels();
  const Ints filtered = shown & ~f.nearest, sloping = filtered & (f.level_slope > 0.0f);
  if (wanted.uv) {
    block.template prefetch_below<true>(wanted.uv + 2 * first, 2);
    block.write_pairs(wanted.uv + 2 * first, select(filtered, change.by_u * f.u.slope, Floats{}),
                      select(filtered, change.by_v * f.v.slope, Floats{}));
  }
  const Floats level = select(sloping, change.by_level * f.level_slope, Floats{});
  if (wanted.level) block.write(wanted.level + first, level);
  if (wanted.derivatives) {
    block.template prefetch_below<true>(wanted.derivatives + 4 * first, 4);
    const Columns& d = f.by_derivative;
    const auto part = [&](Floats by) { return select(sloping, level * by, Floats{}); };
    block.template write_channels<4>(wanted.derivatives + 4 * first, 4, 0,
                                     {part(d.x), part(d.y), part(d.z), part(d.w)});
  }
}

// Returns the parts that the block's taps belong to, if it is to scatter nothing (`kScatter` false).
template <bool kScatter, class Block>
uint32_t block_backward(const Inputs& in, const Wanted& wanted, const Block& block, const Footprint& f,
                        int64_t picture) {
  const Ints shown = f.seen & ~f.lost;
  const bool coordinates = wanted.coordinates();
  const bool mixes = is_deep(f), deep = mixes || ((wanted.derivatives || wanted.level) && bits(f.level_slope > 0.0f));
  const uint32_t lanes = bits(shown);
  const Chosen chosen{{{lanes, lanes}, {lanes, lanes}}};
  Changes change;
  for_each_chunk(in.channels, [&](int64_t channel, auto count) {
    Floats g[4];
    read_gradient<count>(in, wanted, block, picture, channel, g);
    if (coordinates) add_changes<count>(in, f, channel, g, deep, change);
    if (kScatter) scatter(in, f, channel, g, mixes, lanes == kAllLanes ? nullptr : &chosen);
  });
  if (coordinates) write_coordinates(in, wanted, block, picture, f, change, shown);
  return kScatter || !wanted.texels ? 0 : PartsOfBlock(in, f).mask(lanes, mixes);
}

template <class Block>
void scatter_part(const Inputs& in, const Wanted& wanted, const Block& block, const Footprint& f, int64_t picture,
                  int part) {
  const Ints shown = f.seen & ~f.lost;
  const PartsOfBlock parts(in, f);
  Chosen chosen{};
  for (int level = 0; level < 2; ++level)
    for (int row = 0; row < 2; ++row) chosen.lanes[level][row] = bits((parts.of[level][row] == splat(part)) & shown);
  for_each_chunk(in.channels, [&](int64_t channel, auto count) {
    Floats g[4];
    read_gradient<count>(in, wanted, block, picture, channel, g);
    scatter(in, f, channel, g, is_deep(f), &chosen);
  });
}

// Blocks in their order, with their masks.
struct Masks {
  int64_t columns, rows;  // blocks of a picture
  std::vector<uint32_t> parts;

  Masks(const Inputs& in)
      : columns((in.width + kBlockWidth - 1) / kBlockWidth),
        rows((in.height + kBlockHeight - 1) / kBlockHeight),
        parts(static_cast<size_t>(in.batch * columns * rows)) {}
  uint32_t& at(int64_t picture, int column, int row) {
    return parts[static_cast<size_t>((picture * rows + row / kBlockHeight) * columns + column / kBlockWidth)];
  }
};

// One thread adds to the texels as it goes through the pixels.
void backward_in_order(const Inputs& in, const Wanted& wanted) {
  const bool coordinates = wanted.coordinates();
  for (int64_t picture = 0; picture < in.batch; ++picture)
    for (int band = 0; band < bands(in.height); ++band)
      for_each_footprint(
          in, picture, band, [](const auto&) { return true; },
          [&](const Footprint& f) RP_ALWAYS_INLINE {
            if (coordinates) prefetch_texels(f);
            prefetch_gradients(f, padded(in.channels));
          },
          [&](const auto& block, const Footprint& f) { block_backward<true>(in, wanted, block, f, picture); });
}

void backward_in_parts(const Inputs& in, const Wanted& wanted, int threads) {
  Masks masks(wanted.texels ? in : Inputs{});
  const bool coordinates = wanted.coordinates();
  parallel_for(in.batch * bands(in.height), threads, [&](int64_t job, int) {
    const int64_t picture = job / bands(in.height);
    for_each_footprint(
        in, picture, static_cast<int>(job % bands(in.height)), [](const auto&) { return true; },
        [&](const Footprint& f) RP_ALWAYS_INLINE {
          if (coordinates) prefetch_texels(f);
        },
        [&](const auto& block, const Footprint& f) {
          const uint32_t parts = block_backward<false>(in, wanted, block, f, picture);
          if (wanted.texels) masks.at(picture, block.column, block.row) = parts;
        });
  });
  if (!wanted.texels) return;
  parallel_for(kParts, threads, [&](int64_t part, int) {
    for (int64_t picture = 0; picture < in.batch; ++picture)
      for (int band = 0; band < bands(in.height); ++band)
        for_each_footprint(
            in, picture, band,
            [&](const auto& block) { return masks.at(picture, block.column, block.row) >> part & 1; },
            [&](const Footprint& f) RP_ALWAYS_INLINE { prefetch_gradients(f, padded(in.channels)); },
            [&](const auto& block, const Footprint& f) {
              scatter_part(in, wanted, block, f, picture, static_cast<int>(part));
            });
  });
}

}  // namespace

// Inputs as for rp_texture. g_out (B, H, W, C) -> g_texels, g_uv, g_derivatives, g_level like what they are the
// derivatives by, overwritten; each may be null. gradient: memory for all levels with padded texels, if g_texels is
// wanted. Returns 0, or -1 if memory ran out.
RP_KERNEL(rp_texture_backward)
(const float* texels, int64_t texel_count, int32_t channels, const int64_t* layout, int32_t image_count, float* pyramid,
 const float* uv, const int32_t* which, const float* derivatives, const float* level, int64_t batch, int32_t height,
 int32_t width, int32_t threads, const float* g_out, float* gradient, float* g_texels, float* g_uv,
 float* g_derivatives, float* g_level) try {
  std::vector<Image> images = read_images(texels, texel_count, channels, layout, image_count, pyramid);
  const Inputs in{images.data(),           image_count, channels, batch, height, width, which, uv, derivatives, level,
                  g_derivatives != nullptr};
  const Wanted wanted{g_out, g_texels != nullptr, g_uv, g_derivatives, g_level};
  if (wanted.coordinates())
    for_each_image(images, threads, [&](Image& image, int inner) { build_mipmaps(image, channels, inner); });
  if (g_texels) clear_gradients(images, channels, gradient, threads);
  if (threads == 1 && g_texels)
    backward_in_order(in, wanted);
  else
    backward_in_parts(in, wanted, threads);
  if (g_texels)
    for_each_image(images, threads, [&](Image& image, int inner) {
      gather_gradients(image, channels, inner, g_texels + (image.texels[0] - texels));
    });
  return 0;
} catch (...) {
  return -1;
}

}  // namespace rp::RP_ISA
