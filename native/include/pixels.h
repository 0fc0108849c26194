// Blocks of pixels: 4 wide, kLanes in all. Most blocks show few faces, so per-face data are brought into lanes by
// going through the distinct faces of a block.
#pragma once
#include "project.h"

namespace rp::RP_ISA {

constexpr int kBlockWidth = 4;
constexpr int kBlockHeight = kLanes / kBlockWidth;

RP_INLINE Ints lane_column() { return iota() & (kBlockWidth - 1); }
RP_INLINE Ints lane_row() { return iota() / kBlockWidth; }

// A block of one image. Those that leave the image (`kWhole` false) have their own, slower code.
template <bool kWhole>
struct PixelBlock {
  int column, row, columns, rows;  // where it is; how much of it lies inside the image
  int64_t first;                   // index of its first pixel in the image
  int64_t width;                   // of the image

  RP_INLINE PixelBlock(int column, int row, int width, int height)
      : column(column),
        row(row),
        columns(kWhole || width - column > kBlockWidth ? kBlockWidth : width - column),
        rows(kWhole || height - row > kBlockHeight ? kBlockHeight : height - row),
        first(static_cast<int64_t>(row) * width + column),
        width(width) {}

  RP_INLINE int64_t pixel(int lane) const { return first + lane / kBlockWidth * width + lane % kBlockWidth; }
  RP_INLINE bool inside(int lane) const {
    return kWhole || (lane % kBlockWidth < columns && lane / kBlockWidth < rows);
  }
  RP_INLINE Floats centre_x() const { return to_float(lane_column() + column) + 0.5f; }
  RP_INLINE Floats centre_y() const { return to_float(lane_row() + row) + 0.5f; }

  // One number per pixel; `outside` where the block leaves the image.
  template <class Vector, class Scalar>
  RP_INLINE Vector read(const Scalar* image, Scalar outside) const {
    if constexpr (kWhole) {
      const Scalar* quads[kBlockHeight];
      for (int y = 0; y < kBlockHeight; ++y) quads[y] = image + first + y * width;
      return load_quads<Vector>(quads);
    }
    Scalar values[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) values[lane] = inside(lane) ? image[pixel(lane)] : outside;
    return load<Vector>(values);
  }

  template <class Vector, class Scalar>
  RP_INLINE void write(Scalar* image, Vector vector) const {
    if constexpr (kWhole) {
      Scalar* quads[kBlockHeight];
      for (int y = 0; y < kBlockHeight; ++y) quads[y] = image + first + y * width;
      return store_quads(quads, vector);
    }
    Scalar values[kLanes];
    store(values, vector);
    for (int lane = 0; lane < kLanes; ++lane)
      if (inside(lane)) image[pixel(lane)] = values[lane];
  }

  // `count` <= 4 numbers per pixel from an image of `channels`, beginning at `channel`; zero outside the image. Four
  // are read at each pixel, so the end of the tensor needs care.
  template <int count>
  RP_INLINE Columns read_channels(const float* image, int64_t channels, int64_t channel, const float* end) const {
    Floats m[4];
    read_quads<count>(image, channels, channel, end, m);
    transpose(m);
    return {m[0], m[1], m[2], m[3]};
  }

  template <int count>
  RP_INLINE void write_channels(float* image, int64_t channels, int64_t channel, const Columns& value) const {
    Floats m[4] = {value.x, value.y, value.z, value.w};
    transpose(m);
    write_quads<count>(image, channels, channel, m);
  }

  // The same without transposing: quads[x] holds the pixels of the block's column x, four numbers of each.
  template <int count>
  RP_INLINE void read_quads(const float* image, int64_t channels, int64_t channel, const float* end,
                            Floats (&quads)[4]) const {
    if (kWhole && image + pixel(kLanes - 1) * channels + channel + 4 <= end) {
      const float *at = image + first * channels + channel, *rows[kBlockHeight];
      for (int y = 0; y < kBlockHeight; ++y) rows[y] = at + y * width * channels;
      for (int x = 0; x < kBlockWidth; ++x)
        quads[x] = load_quads_at<Floats>([&](int y) { return rows[y] + x * channels; });
      return;
    }
    float copies[kLanes][4];
    for (int lane = 0; lane < kLanes; ++lane)
      for (int c = 0; c < 4; ++c)
        copies[lane][c] = c < count && inside(lane) ? image[pixel(lane) * channels + channel + c] : 0.0f;
    for (int x = 0; x < kBlockWidth; ++x)
      quads[x] = load_quads_at<Floats>([&](int y) { return copies[y * kBlockWidth + x]; });
  }

  template <int count>
  RP_INLINE void write_quads(float* image, int64_t channels, int64_t channel, const Floats (&quads)[4]) const {
    if constexpr (kWhole && count == 3)
      if (channels == 3) return write_triples(image, quads);
    float rows[4 * kLanes];
    store_row_quads(rows, quads);
    for (int y = 0; y < kBlockHeight; ++y) {
      float* out = image + (first + y * width) * channels + channel;
      for (int x = 0; x < kBlockWidth; ++x)
        if (inside(y * kBlockWidth + x))
          std::memcpy(out + x * channels, rows + 4 * (y * kBlockWidth + x), count * sizeof(float));
    }
  }

  // Asks for the pixels of the block below, to read or to write them.
  template <bool kWrite>
  RP_INLINE void prefetch_below(const float* image, int64_t channels) const {
    for (int y = kBlockHeight; y < 2 * kBlockHeight; ++y)
      __builtin_prefetch(image + (first + y * width) * channels, kWrite ? 1 : 0);
  }

  // An image of two channels.
  RP_INLINE void read_pairs(const float* image, Floats& a, Floats& b) const {
    if constexpr (kWhole) {
      const float* at = image + 2 * first;
      const auto half = [&](int x) { return load_quads_at<Floats>([&](int y) { return at + 2 * y * width + x; }); };
      return deinterleave(half(0), half(4), a, b);
    }
    for (int lane = 0; lane < kLanes; ++lane) {
      a[lane] = inside(lane) ? image[2 * pixel(lane)] : 0.0f;
      b[lane] = inside(lane) ? image[2 * pixel(lane) + 1] : 0.0f;
    }
  }

  RP_INLINE void write_pairs(float* image, Floats a, Floats b) const {
    if constexpr (kWhole) {
      float *low[kBlockHeight], *high[kBlockHeight];
      for (int y = 0; y < kBlockHeight; ++y) {
        low[y] = image + 2 * (first + y * width);
        high[y] = low[y] + 4;
      }
      Floats low_pairs, high_pairs;
      interleave(a, b, low_pairs, high_pairs);
      store_quads(low, low_pairs);
      return store_quads(high, high_pairs);
    }
    for (int lane = 0; lane < kLanes; ++lane) {
      if (!inside(lane)) continue;
      image[2 * pixel(lane)] = a[lane];
      image[2 * pixel(lane) + 1] = b[lane];
    }
  }

 private:
  // An image of three channels: pixels are stored as four numbers, the fourth of which the next pixel overwrites; the
  // last of a row goes after the number before it.
  RP_INLINE void write_triples(float* image, const Floats (&pixels)[4]) const {
    float* const out = image + 3 * first;
    const auto to = [&](int number) { return [=, this](int y) { return out + 3 * y * width + number; }; };
    store_quads_at(to(0), pixels[0]);
    store_quads_at(to(3), pixels[1]);
    store_quads_at(to(6), pixels[2]);
    store_quads_at(to(8), last_then_three(pixels[2], pixels[3]));
  }
};

// Calls body(block) for the blocks of rows [row_begin, row_end).
template <class Body>
RP_INLINE void for_each_block(int row_begin, int row_end, int width, int height, Body&& body) {
  for (int row = row_begin; row < row_end; row += kBlockHeight) {
    int column = 0;
    if (row + kBlockHeight <= height)
      for (; column + kBlockWidth <= width; column += kBlockWidth) body(PixelBlock<true>(column, row, width, height));
    for (; column < width; column += kBlockWidth) body(PixelBlock<false>(column, row, width, height));
  }
}

// Calls visit(face, mask) for every distinct face among `ids` (>= 0) of a block.
template <class Visit>
RP_INLINE void for_each_face(Ints ids, Visit&& visit) {
  int32_t values[kLanes];
  store(values, ids);
#if RP_LANES == 16
  // A lane leads if no earlier lane shows its face. Knowing all leaders at once keeps the visits independent.
  const __m512i earlier = _mm512_conflict_epi32(reinterpret_cast<__m512i>(ids));
  for (uint32_t leaders = _mm512_testn_epi32_mask(earlier, earlier) & not_negative(ids); leaders;
       leaders &= leaders - 1) {
    const int32_t face = values[__builtin_ctz(leaders)];
    visit(face, equal(ids, splat(face)));
  }
#else
  for (uint32_t left = bits(not_negative(ids)); left;) {
    const int32_t face = values[__builtin_ctz(left)];
    const Mask mask = equal(ids, splat(face));
    left &= ~bits(mask);
    visit(face, mask);
  }
#endif
}

// The corners of each pixel's face.
struct Corners {
  Floats px[3], py[3], zeta[3], r[3];

  RP_INLINE Corners() {  // one by one: the compiler would clear the whole with a slow string instruction
    for (int i = 0; i < 3; ++i) px[i] = py[i] = zeta[i] = r[i] = Floats{};
  }
};

RP_INLINE void set_corners(const Projected* projected, const int32_t* face, Mask mask, Corners& corners) {
  for (int i = 0; i < 3; ++i) {
    const Projected& p = projected[face[i]];
    corners.px[i] = blend(mask, splat(p.px), corners.px[i]);
    corners.py[i] = blend(mask, splat(p.py), corners.py[i]);
    corners.zeta[i] = blend(mask, splat(p.zeta), corners.zeta[i]);
    corners.r[i] = blend(mask, splat(p.r), corners.r[i]);
  }
}

// Calls body(integral_constant<int, x>) for the columns of a block.
template <class Body>
RP_INLINE void for_each_column(Body&& body) {
  body(std::integral_constant<int, 0>{});
  body(std::integral_constant<int, 1>{});
  body(std::integral_constant<int, 2>{});
  body(std::integral_constant<int, 3>{});
}

}  // namespace rp::RP_ISA
