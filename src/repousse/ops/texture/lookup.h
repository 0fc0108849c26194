// What the pixels of a block read: the image of each, its texels on two levels, and their weights.
#pragma once
#include "footprint.h"

namespace rp::RP_ISA {

// The inputs of a call. Images of pixels that have no `which`: one for all pictures, or one per picture.
struct Inputs {
  const Image* images;
  int32_t image_count;
  int64_t channels, batch;
  int32_t height, width;
  const int32_t* which;      // (B, H, W), or null
  const float* uv;           // (B, H, W, 2)
  const float* derivatives;  // (B, H, W, 2, 2), or null
  const float* level;        // (B, H, W), or null
  bool by_derivative;        // whether Footprint::by_derivative is wanted

  int64_t pixels() const { return static_cast<int64_t>(height) * width; }
};

struct Footprint {
  Taps taps[2];              // on the finer and on the coarser level
  Floats mix, level_slope;   // see MipLevel
  Floats slope_u, slope_v;   // see Wrapped
  Columns by_derivative;     // of the level, unclamped
  Ints seen, lost, nearest;  // shows an image; its uv has no place on it; its image is not filtered
  Ints readable;             // texels of level 0 up to this one can be read as four numbers
  const Image* image;        // null if the pixels show several
  bool even;                 // all pixels read the same two levels of one image
  Ints image_id;
};

constexpr uint32_t kAllLanes = (1u << kLanes) - 1;

// Whether any pixel needs the coarser level.
RP_INLINE bool is_deep(const Footprint& f) { return bits(f.mix > 0.0f) != 0; }

RP_INLINE Columns level_by_derivative(const Stretch& s, const Image& image) {
  // level = log2(max(by_column, by_row)) / 2; where both are equal, each has half of the derivative.
  const Floats scale = 1.44269504f / s.longer(), half = splat(0.5f);
  const Floats column = select(s.by_column > s.by_row, scale, select(s.by_column == s.by_row, scale * half, Floats{}));
  const Floats row = select(s.by_row > s.by_column, scale, select(s.by_column == s.by_row, scale * half, Floats{}));
  const float width = static_cast<float>(image.width), height = static_cast<float>(image.height);
  return {s.d.x * column * width, s.d.y * row * width, s.d.z * column * height, s.d.w * row * height};
}

// All pixels of a block, as if they all showed image `id`. (Written in place: a footprint is some kilobytes.)
template <class Block>
RP_INLINE void footprint_on(const Inputs& in, int32_t id, const Block& block, int64_t picture, Footprint& f) {
  const Image& image = in.images[id];
  const int64_t first = picture * in.pixels();
  Floats u, v;
  block.read_pairs(in.uv + 2 * first, u, v);
  Wrapped at_u = wrapped(u, image.wrap_u), at_v = wrapped(v, image.wrap_v);
  f.lost = (at_u.value != at_u.value) | (at_v.value != at_v.value);
  for (Floats* value : {&at_u.value, &at_u.rest, &at_v.value, &at_v.rest}) *value = select(f.lost, Floats{}, *value);
  MipLevel level{Ints{}, Floats{}, Floats{}};
  if (in.by_derivative) f.by_derivative = {Floats{}, Floats{}, Floats{}, Floats{}};
  if (image.last > 0 && in.derivatives) {
    const float* end = in.derivatives + 4 * in.batch * in.pixels();
    const Stretch stretch(block.template read_channels<4>(in.derivatives + 4 * first, 4, 0, end), image);
    level = stretch.level(image);
    if (in.by_derivative) f.by_derivative = level_by_derivative(stretch, image);
  } else if (image.last > 0 && in.level) {
    level = given_level(block.template read<Floats>(in.level + first, 0.0f), image.last);
  }
  set_taps(image, level.fine, at_u, at_v, f.taps[0]);
  set_taps(image, min(level.fine + 1, splat(image.last)), at_u, at_v, f.taps[1]);
  f.mix = level.mix;
  f.level_slope = level.slope;
  f.slope_u = at_u.slope;
  f.slope_v = at_v.slope;
  f.seen = f.nearest = Ints{};
  if (image.nearest) f.nearest -= 1;
  const int64_t readable = (image.readable - 4) / in.channels - (image.readable < 4);
  f.readable = splat(static_cast<int32_t>(std::min<int64_t>(readable, INT32_MAX)));
  f.image = &image;
  f.image_id = splat(id);
  f.even = bits(level.fine == splat(level.fine[0])) == kAllLanes;
}

RP_INLINE void merge(const Inputs& in, Mask mask, const Footprint& from, Footprint& to) {
  const auto take = [&](auto... members) { ((to.*members = blend(mask, from.*members, to.*members)), ...); };
  take(&Footprint::mix, &Footprint::level_slope, &Footprint::slope_u, &Footprint::slope_v);
  take(&Footprint::seen, &Footprint::lost, &Footprint::nearest, &Footprint::readable, &Footprint::image_id);
  for (auto column : {&Columns::x, &Columns::y, &Columns::z, &Columns::w})
    if (in.by_derivative) to.by_derivative.*column = blend(mask, from.by_derivative.*column, to.by_derivative.*column);
  for (int i = 0; i < 2; ++i) {
    const Taps& a = from.taps[i];
    Taps& b = to.taps[i];
    for (auto member : {&Taps::across, &Taps::up, &Taps::width, &Taps::height})
      b.*member = blend(mask, a.*member, b.*member);
    b.level = blend(mask, a.level, b.level);
    for (int tap = 0; tap < 4; ++tap) b.texel[tap] = blend(mask, a.texel[tap], b.texel[tap]);
  }
  to.image = nullptr;
  to.even = false;
}

template <class Block>
RP_INLINE Ints inside(const Block& block) {
  return (lane_column() < block.columns) & (lane_row() < block.rows);
}

// What several images in one block need besides; a function of its own, for it is rare.
template <class Block>
__attribute__((noinline)) void add_other_images(const Inputs& in, const Block& block, int64_t picture, Ints ids,
                                                Footprint& f) {
  const int32_t first = ids[0];
  for_each_face(ids, [&](int32_t id, Mask mask) {
    if (id == first) return;
    Footprint other;
    footprint_on(in, id, block, picture, other);
    other.seen = ids == splat(id);
    merge(in, mask, other, f);
  });
}

template <class Block>
RP_INLINE void set_footprint(const Inputs& in, const Block& block, int64_t picture, Footprint& f) {
  Ints ids = splat(in.image_count == 1 ? 0 : static_cast<int32_t>(picture)), seen = inside(block);
  if (in.which) {
    ids = block.template read<Ints>(in.which + picture * in.pixels(), -1);
    ids = select(ids < in.image_count, ids, splat(-1));
    seen = ids == splat(std::max(ids[0], 0));
  }
  footprint_on(in, std::max(ids[0], 0), block, picture, f);
  f.seen = seen;
  if (in.which && bits(ids == splat(ids[0])) != kAllLanes) add_other_images(in, block, picture, ids, f);
}

// Calls body(address), where address(lane) is that of a pixel's texel, in memory with `stride` numbers per texel.
// One of four taps of a level: 0 finer, 1 coarser.
template <class Levels, class Body>
RP_INLINE void with_addresses(const Inputs& in, const Footprint& f, int level, int tap, int64_t stride, Levels levels,
                              Body&& body) {
  const Taps& t = f.taps[level];
  alignas(64) int32_t offset[kLanes];
  store(offset, t.texel[tap] * static_cast<int32_t>(stride));
  if (__builtin_expect(f.even, 1)) {
    auto* const first = (f.image->*levels)[t.level[0]];
    return body([&](int lane) { return first + offset[lane]; });
  }
  body([&](int lane) { return (in.images[f.image_id[lane]].*levels)[t.level[lane]] + offset[lane]; });
}

// The four texels of each pixel: four numbers each from `channel` on, of which `count` are meant.
template <int count>
RP_INLINE void gather(const Inputs& in, const Footprint& f, int level, int64_t channel, Columns (&texels)[4]) {
  const Taps& t = f.taps[level];
  const Ints most = max(max(t.texel[0], t.texel[1]), max(t.texel[2], t.texel[3]));
  // Only the last texels of the tensor have too few numbers behind them.
  const bool last = bits((most > f.readable) & (t.level == 0)) != 0;
  for (int tap = 0; tap < 4; ++tap)
    with_addresses(in, f, level, tap, in.channels, &Image::texels, [&](auto address) {
      if (__builtin_expect(!last, 1)) {
        texels[tap] = gather_rows_at([&](int lane) { return address(lane) + channel; });
        return;
      }
      float copies[kLanes][4] = {};
      for (int lane = 0; lane < kLanes; ++lane)
        std::memcpy(copies[lane], address(lane) + channel, count * sizeof(float));
      texels[tap] = gather_rows_at([&](int lane) { return copies[lane]; });
    });
}

// Asks for one texel of each pixel on each level, before they are needed.
template <class Levels>
RP_INLINE void prefetch(const Footprint& f, int64_t stride, Levels levels) {
  if (!f.even) return;
  const bool deep = is_deep(f);
  for (int level = 0; level < (deep ? 2 : 1); ++level)
    for (int tap = 0; tap < 4; tap += 2) {
      int32_t offset[kLanes];
      store(offset, f.taps[level].texel[tap] * static_cast<int32_t>(stride));
      const float* const first = (f.image->*levels)[f.taps[level].level[0]];
      for (int lane = 0; lane < kLanes; ++lane) __builtin_prefetch(first + offset[lane], 1);
    }
}

// Goes through the blocks of a band of rows. Of some blocks at a time, first the footprints are made by
// prepare(block, footprint), which may ask for memory, then use(block, footprint) is called.
constexpr int kBandRows = 32, kAhead = 4;

template <class Prepare, class Use>
RP_INLINE void for_each_block_of_band(int band, int width, int height, Prepare&& prepare, Use&& use) {
  const int row_begin = band * kBandRows, row_end = std::min(row_begin + kBandRows, height);
  Footprint footprints[kAhead];
  for (int row = row_begin; row < row_end; row += kBlockHeight)
    for (int column = 0; column < width;) {
      const int whole = row + kBlockHeight <= height ? std::min((width - column) / kBlockWidth, kAhead) : 0;
      const auto block = [&](int i) { return PixelBlock<true>(column + i * kBlockWidth, row, width, height); };
      for (int i = 0; i < whole; ++i) prepare(block(i), footprints[i]);
      for (int i = 0; i < whole; ++i) use(block(i), footprints[i]);
      column += whole * kBlockWidth;
      if (whole) continue;
      const PixelBlock<false> partial(column, row, width, height);
      prepare(partial, footprints[0]);
      use(partial, footprints[0]);
      column += kBlockWidth;
    }
}

inline int bands(int height) { return (height + kBandRows - 1) / kBandRows; }

RP_INLINE Floats mixed(Floats a, Floats b, Floats share) { return a + share * (b - a); }

RP_INLINE Floats bilinear(const Taps& t, Floats a, Floats b, Floats c, Floats d) {
  return mixed(mixed(a, b, t.across), mixed(c, d, t.across), t.up);
}

// Calls body(channel, integral_constant<count>) for the channels, four at a time.
template <class Body>
RP_INLINE void for_each_chunk(int64_t channels, Body&& body) {
  int64_t channel = 0;
  for (; channel + 4 <= channels; channel += 4) body(channel, std::integral_constant<int, 4>{});
  switch (channels - channel) {
    case 1:
      return body(channel, std::integral_constant<int, 1>{});
    case 2:
      return body(channel, std::integral_constant<int, 2>{});
    case 3:
      return body(channel, std::integral_constant<int, 3>{});
  }
}

}  // namespace rp::RP_ISA
