// From uv to texels: wrapping, the mip level, and the four texels around a place on a level.
#pragma once
#include "images.h"
#include "pixels.h"

namespace rp::RP_ISA {

RP_INLINE Floats floor(Floats value) {
#if RP_LANES == 16
  return reinterpret_cast<Floats>(_mm512_floor_ps(value));
#elif RP_LANES == 8
  return reinterpret_cast<Floats>(_mm256_floor_ps(value));
#else
  const Floats near = to_float(__builtin_convertvector(value, Ints));
  const Floats below = select(near > value, near - 1.0f, near);
  return select((value > -8388608.0f) & (value < 8388608.0f), below, value);  // beyond, all numbers are whole (or NaN)
#endif
}

// log2 of a positive normal number: the exponent, and the series of artanh for the rest in [sqrt 1/2, sqrt 2].
RP_INLINE Floats log2(Floats value) {
  const Ints raw = reinterpret_cast<Ints>(value);
  Floats rest = reinterpret_cast<Floats>((raw & 0x7fffff) | 0x3f800000);
  const Ints high = rest > 1.41421356f;
  rest = select(high, rest * 0.5f, rest);
  const Floats exponent = to_float((raw >> 23) - 127 - high);
  const Floats t = (rest - 1.0f) / (rest + 1.0f), tt = t * t;
  const Floats series = (((0.32059890f * tt + 0.41219858f) * tt + 0.57707802f) * tt + 0.96179669f) * tt + 2.88539008f;
  return exponent + t * series;
}

// A coordinate brought into [0, 1], where it is `value` + `rest`: `rest` is what rounding took away, for a texel's
// width may be a thousandth and its weight is wanted to six digits. `slope`: the derivative, -1, 0 or 1.
// NaN, and infinity where it has no place (all but kClamp), give NaN.
struct Wrapped {
  Floats value, rest, slope;
};

RP_INLINE Wrapped wrapped(Floats u, int64_t mode) {
  if (mode == kClamp) {
    const Ints inside = (u >= 0.0f) & (u <= 1.0f);
    return {min(splat(1.0f), max(Floats{}, u)), Floats{}, select(inside, splat(1.0f), Floats{})};
  }
  const float period = mode == kMirror ? 2.0f : 1.0f;
  const Floats whole = floor(u * (1.0f / period)) * period;
  const Floats part = u - whole, rest = u - (part + whole);
  if (mode == kRepeat) return {part, rest, splat(1.0f)};
  const Ints back = part > 1.0f;
  return {select(back, 2.0f - part, part), select(back, -rest, rest), select(back, splat(-1.0f), splat(1.0f))};
}

// Texels below and above a place along an axis, and the weight of the one above.
struct Neighbours {
  Ints low, high;
  Floats part;
};

// The place is counted in texels, from the middle of texel 0: at * size - 1/2; or, for the nearest texel, from its
// border. The product is exact up to a size of 2^14, because `head` has ten bits.
RP_INLINE Neighbours neighbours(const Wrapped& at, Ints size, bool repeat, bool nearest) {
  const Floats count = to_float(size), head = reinterpret_cast<Floats>(reinterpret_cast<Ints>(at.value) & ~0x3fff);
  const Floats place = head * count - (nearest ? 0.0f : 0.5f), rest = ((at.value - head) + at.rest) * count;
  Floats whole = floor(place + rest), part = (place - whole) + rest;
  const Ints rounded_up = part < 0.0f;
  whole = select(rounded_up, whole - 1.0f, whole);
  part = select(rounded_up, part + 1.0f, part);
  const Ints low = round_to_int(whole), last = size - 1;
  if (nearest) {
    const Ints index = max(min(low, last), Ints{});
    return {index, index, Floats{}};
  }
  if (repeat) return {select(low < 0, last, low), select(low >= last, Ints{}, low + 1), part};
  return {max(low, Ints{}), min(low + 1, last), part};
}

// The mip level of each pixel, between two levels of an image.
struct MipLevel {
  Ints fine;     // the finer of the two
  Floats mix;    // weight of the coarser one
  Floats slope;  // derivative of the level after clamping by the level before: 1 or 0
};

RP_INLINE MipLevel between(Floats level, Ints inside, int last) {
  const Floats fine = min(floor(level), splat(static_cast<float>(last)));
  return {round_to_int(fine), level - fine, select(inside, splat(1.0f), Floats{})};
}

RP_INLINE MipLevel given_level(Floats level, int last) {
  const Floats most = splat(static_cast<float>(last)), known = select(level == level, level, Floats{});
  return between(min(max(known, Floats{}), most), (level >= 0.0f) & (level <= most), last);
}

// Squared lengths of the footprint's two axes in texels of level 0; NaN counts as 0.
struct Stretch {
  Columns d;  // u by column, u by row, v by column, v by row
  Floats by_column, by_row;

  RP_INLINE Stretch(const Columns& derivatives, const Image& image) {
    const auto clean = [](Floats value, int size) {
      return select(value == value, value, Floats{}) * static_cast<float>(size);
    };
    d = {clean(derivatives.x, image.width), clean(derivatives.y, image.width), clean(derivatives.z, image.height),
         clean(derivatives.w, image.height)};
    by_column = d.x * d.x + d.z * d.z;
    by_row = d.y * d.y + d.w * d.w;
  }
  RP_INLINE Floats longer() const { return max(by_column, by_row); }

  RP_INLINE MipLevel level(const Image& image) const {
    const Floats square = longer(), most = splat(image.coarsest_square);
    const Ints inside = (square >= 1.0f) & (square <= most);
    return between(0.5f * log2(min(max(square, splat(1.0f)), most)), inside, image.last);
  }
};

// Four texels of one level, per pixel: bottom left, bottom right, top left, top right.
struct Taps {
  Ints level, texel[4];  // numbers of texels, from the top left
  Ints offset[4];        // the same in numbers of floats
  Floats across, up;     // weights of what is right and of what is on top
  Floats width, height;  // of the level
};

RP_INLINE void set_taps(const Image& image, int64_t channels, Ints level, const Wrapped& u, const Wrapped& v, Taps& t) {
  const Ints width = max(splat(image.width) >> level, splat(1)), height = max(splat(image.height) >> level, splat(1));
  const Neighbours x = neighbours(u, width, image.wrap_u == kRepeat, image.nearest);
  const Neighbours y = neighbours(v, height, image.wrap_v == kRepeat, image.nearest);
  const Ints bottom = (height - 1 - y.low) * width, top = (height - 1 - y.high) * width;  // v points up, rows go down
  t.level = level;
  t.texel[0] = bottom + x.low;
  t.texel[1] = bottom + x.high;
  t.texel[2] = top + x.low;
  t.texel[3] = top + x.high;
  for (int tap = 0; tap < 4; ++tap) t.offset[tap] = t.texel[tap] * static_cast<int32_t>(channels);
  t.across = x.part;
  t.up = y.part;
  t.width = to_float(width);
  t.height = to_float(height);
}

}  // namespace rp::RP_ISA
