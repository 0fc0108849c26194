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
  Taps taps[2];  // on the finer and on the coarser level
  Wrapped u, v;
  Floats mix, level_slope;   // see MipLevel
  Columns by_derivative;     // of the level, unclamped
  Ints seen, lost, nearest;  // shows an image; its uv has no place on it; its image is not filtered
  const Image* image;        // null if the pixels show several
  bool even;                 // all pixels read the same two levels of one image
  bool last;                 // some texel has too few numbers behind it to be read as four
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

// Only the last texels of the tensor have too few numbers behind them; mipmaps have slack.
RP_INLINE bool reads_last(const Image& image, int64_t channels, const Taps& t) {
  const int64_t readable = (image.readable - 4) / channels - (image.readable < 4);
  const Ints most = max(max(t.texel[0], t.texel[1]), max(t.texel[2], t.texel[3]));
  return bits((most > static_cast<int32_t>(std::min<int64_t>(readable, INT32_MAX))) & (t.level == 0)) != 0;
}

// The places of all pixels of a block, as if they all showed image `id`, and between which levels they are. (Written in
// place: a footprint is some kilobytes.)
template <class Block>
RP_INLINE void set_places(const Inputs& in, int32_t id, const Block& block, int64_t picture, Footprint& f) {
  const Image& image = in.images[id];
  const int64_t first = picture * in.pixels();
  Floats u, v;
  block.read_pairs(in.uv + 2 * first, u, v);
  f.u = wrapped(u, image.wrap_u);
  f.v = wrapped(v, image.wrap_v);
  f.lost = (f.u.value != f.u.value) | (f.v.value != f.v.value);
  for (Floats* value : {&f.u.value, &f.u.rest, &f.v.value, &f.v.rest}) *value = select(f.lost, Floats{}, *value);
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
  f.taps[0].level = level.fine;
  f.mix = level.mix;
  f.level_slope = level.slope;
  f.seen = f.nearest = Ints{};
  if (image.nearest) f.nearest -= 1;
  f.image = &image;
  f.image_id = splat(id);
}

// The texels around these places.
RP_INLINE void set_texels(const Inputs& in, Footprint& f) {
  const Image& image = *f.image;
  const Ints fine = f.taps[0].level;
  set_taps(image, in.channels, fine, f.u, f.v, f.taps[0]);
  set_taps(image, in.channels, min(fine + 1, splat(image.last)), f.u, f.v, f.taps[1]);
  f.even = bits(fine == splat(fine[0])) == kAllLanes;
  f.last = reads_last(image, in.channels, f.taps[0]) || reads_last(image, in.channels, f.taps[1]);
}

RP_INLINE void merge(const Inputs& in, Mask mask, const Footprint& from, Footprint& to) {
  const auto take = [&](auto... members) { ((to.*members = blend(mask, from.*members, to.*members)), ...); };
  take(&Footprint::mix, &Footprint::level_slope);
  take(&Footprint::seen, &Footprint::lost, &Footprint::nearest, &Footprint::image_id);
  for (auto column : {&Columns::x, &Columns::y, &Columns::z, &Columns::w})
    if (in.by_derivative) to.by_derivative.*column = blend(mask, from.by_derivative.*column, to.by_derivative.*column);
  to.u.slope = blend(mask, from.u.slope, to.u.slope);
  to.v.slope = blend(mask, from.v.slope, to.v.slope);
  for (int i = 0; i < 2; ++i) {
    const Taps& a = from.taps[i];
    Taps& b = to.taps[i];
    for (auto member : {&Taps::across, &Taps::up, &Taps::width, &Taps::height})
      b.*member = blend(mask, a.*member, b.*member);
    b.level = blend(mask, a.level, b.level);
    for (int tap = 0; tap < 4; ++tap) {
      b.texel[tap] = blend(mask, a.texel[tap], b.texel[tap]);
      b.offset[tap] = blend(mask, a.offset[tap], b.offset[tap]);
    }
  }
  to.image = nullptr;
  to.even = false;
  to.last |= from.last;
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
    set_places(in, id, block, picture, other);
    set_texels(in, other);
    other.seen = ids == splat(id);
    merge(in, mask, other, f);
  });
}

// The image that each pixel shows, -1 for none.
template <class Block>
RP_INLINE Ints shown_images(const Inputs& in, const Block& block, int64_t picture) {
  if (!in.which) return splat(in.image_count == 1 ? 0 : static_cast<int32_t>(picture));
  const Ints ids = block.template read<Ints>(in.which + picture * in.pixels(), -1);
  return select(ids < in.image_count, ids, splat(-1));
}

// A footprint is made in two steps, each of them a long chain of operations: so that several blocks are under way at
// once, the steps are done for some blocks each.
template <class Block>
RP_INLINE void begin_footprint(const Inputs& in, const Block& block, int64_t picture, Footprint& f) {
  const int32_t first = std::max(shown_images(in, block, picture)[0], 0);
  block.template prefetch_below<false>(in.uv + 2 * picture * in.pixels(), 2);
  if (in.derivatives) block.template prefetch_below<false>(in.derivatives + 4 * picture * in.pixels(), 4);
  set_places(in, first, block, picture, f);
}

template <class Block>
RP_INLINE void end_footprint(const Inputs& in, const Block& block, int64_t picture, Footprint& f) {
  set_texels(in, f);
  f.seen = inside(block);
  if (!in.which) return;
  const Ints ids = shown_images(in, block, picture);
  f.seen = ids == f.image_id;
  if (bits(ids == splat(ids[0])) != kAllLanes) add_other_images(in, block, picture, ids, f);
}

// Goes through the blocks of a band of rows that are `wanted`: of some at a time, first the footprints are made, and
// prefetch(footprint) may ask for memory; then use(block, footprint) is called. `prefetch` must always be inlined: gcc
// drops calls of functions that do nothing but ask for memory.
constexpr int kBandRows = 32, kAhead = 4;

template <class Wanted, class Prefetch, class Use>
RP_INLINE void for_each_footprint(const Inputs& in, int64_t picture, int band, Wanted&& wanted, Prefetch&& prefetch,
                                  Use&& use) {
  const int row_begin = band * kBandRows, row_end = std::min(row_begin + kBandRows, in.height);
  Footprint footprints[kAhead];
  for (int row = row_begin; row < row_end; row += kBlockHeight)
    for (int column = 0; column < in.width;) {
      const auto go_through = [&](auto block, int count) {
        for (int i = 0; i < count; ++i)
          if (wanted(block(i))) begin_footprint(in, block(i), picture, footprints[i]);
        for (int i = 0; i < count; ++i)
          if (wanted(block(i))) {
            end_footprint(in, block(i), picture, footprints[i]);
            prefetch(footprints[i]);
          }
        for (int i = 0; i < count; ++i)
          if (wanted(block(i))) use(block(i), footprints[i]);
        column += count * kBlockWidth;
      };
      const int first = column, whole = std::min((in.width - column) / kBlockWidth, kAhead);
      if (row + kBlockHeight <= in.height && whole > 0)
        go_through([&](int i) { return PixelBlock<true>(first + i * kBlockWidth, row, in.width, in.height); }, whole);
      else
        go_through([&](int) { return PixelBlock<false>(first, row, in.width, in.height); }, 1);
    }
}

inline int bands(int height) { return (height + kBandRows - 1) / kBandRows; }

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
