// Reading the texels of a block. They stay as they lie in memory, four channels of one pixel side by side, and so are
// mixed: to transpose eight texels per pixel would cost more than the mixing.
#pragma once
#include "lookup.h"

namespace rp::RP_ISA {

RP_INLINE Floats mixed(Floats a, Floats b, Floats share) { return a + share * (b - a); }

// Where the texels of one level are, if not all in one level of one image and followed by enough numbers.
struct Addresses {
  const float* of[4][kLanes];
  float copies[4][kLanes][4];

  __attribute__((noinline)) void find(const Inputs& in, const Footprint& f, int level, int64_t channel, int count) {
    const Taps& t = f.taps[level];
    for (int tap = 0; tap < 4; ++tap)
      for (int lane = 0; lane < kLanes; ++lane) {
        const float* texel = in.images[f.image_id[lane]].texels[t.level[lane]] + t.offset[tap][lane] + channel;
        if (f.last)
          texel =
              static_cast<float*>(std::memcpy(copies[tap][lane], texel, static_cast<size_t>(count) * sizeof(float)));
        of[tap][lane] = texel;
      }
  }
};

// Calls body(texels), where texels(tap, x) are those of the pixels in the block's column x: four numbers each from
// `channel` on, of which `count` are meant. Level 0 is the finer, 1 the coarser one.
template <class Body>
RP_INLINE void with_texels(const Inputs& in, const Footprint& f, int level, int64_t channel, int count, Body&& body) {
  const auto quads = [](auto address) {
    return [=](int tap, int x) { return load_quads_at<Floats>([&](int y) { return address(tap, 4 * y + x); }); };
  };
  const Taps& t = f.taps[level];
  if (__builtin_expect(f.even && !f.last, 1)) {
    const float* const first = f.image->texels[t.level[0]] + channel;
    return body(quads([=, &t](int tap, int lane) { return first + t.offset[tap][lane]; }));
  }
  Addresses addresses;
  addresses.find(in, f, level, channel, count);
  body(quads([&](int tap, int lane) { return addresses.of[tap][lane]; }));
}

// Asks for the left texels of each pixel on each level, before they are needed.
RP_INLINE void prefetch_texels(const Footprint& f) {
  if (!f.even) return;
  const bool deep = is_deep(f);
  for (int level = 0; level < (deep ? 2 : 1); ++level) {
    const Taps& t = f.taps[level];
    const float* const first = f.image->texels[t.level[0]];
    for (int tap = 0; tap < 4; tap += 2)
      for (int lane = 0; lane < kLanes; ++lane) __builtin_prefetch(first + t.offset[tap][lane]);
  }
}

}  // namespace rp::RP_ISA
