// What the interpolation of values and that of their derivatives share: attributes brought into lanes, and gradients
// taken back to attributes and positions.
#pragma once
#include <algorithm>
#include <type_traits>

#include "scatter.h"

namespace rp::RP_ISA {

constexpr int kBandRows = 32;  // rows per job of a forward pass

struct Attributes {
  const float* values;  // (Va, channels)
  const int32_t* faces;
  int64_t channels;

  RP_INLINE const int32_t* corners(int32_t face) const { return faces + 3 * static_cast<int64_t>(face); }
};

// `count` channels of each pixel's three corners, as lanes.
template <int count>
struct Gathered {
  Floats value[3][count];

  RP_INLINE Gathered() {
    for (auto& corner : value)
      for (Floats& channel : corner) channel = Floats{};
  }
};

template <int count>
RP_INLINE Gathered<count> gather(const Attributes& a, Ints ids, int64_t channel) {
  Gathered<count> g;
  for_each_face(ids, [&](int32_t face, Mask mask) {
    const int32_t* corners = a.corners(face);
    for (int i = 0; i < 3; ++i) {
      const float* value = a.values + corners[i] * a.channels + channel;
      for (int c = 0; c < count; ++c) g.value[i][c] = blend(mask, splat(value[c]), g.value[i][c]);
    }
  });
  return g;
}

// Calls body(channel, integral_constant<count>, last?) for all channels, up to kChunk <= 4 at a time.
template <int kChunk, class Body>
RP_INLINE void for_each_chunk(int64_t channels, Body&& body) {
  int64_t channel = 0;
  for (; channel + kChunk < channels; channel += kChunk) body(channel, std::integral_constant<int, kChunk>{}, false);
  switch (channels - channel) {
    case 1:
      return body(channel, std::integral_constant<int, 1>{}, true);
    case 2:
      return body(channel, std::integral_constant<int, 2>{}, true);
    case 3:
      if constexpr (kChunk > 2) return body(channel, std::integral_constant<int, 3>{}, true);
      break;
    case 4:
      if constexpr (kChunk > 2) return body(channel, std::integral_constant<int, 4>{}, true);
  }
}

// One picture of the batch.
struct Picture {
  const float* positions;
  const Projected* projected;  // null if the kernel has no use for it
  const int32_t* faces;
  const int32_t* face_id;
  Attributes attributes;
  int width, height;

  RP_INLINE void gather_corners(Ints ids, Corners& corners) const {
    for_each_face(ids, [&](int32_t face, Mask mask) {
      set_corners(projected, faces + 3 * static_cast<int64_t>(face), mask, corners);
    });
  }
  RP_INLINE void clip_corners(int32_t face, const float* (&clip)[3]) const {
    for (int i = 0; i < 3; ++i)
      clip[i] = positions + 4 * static_cast<int64_t>(faces[3 * static_cast<int64_t>(face) + i]);
  }
};

// ... and where its gradients go.
struct Backward : Picture {
  float* g_attributes;  // null if not wanted; rows of `channels`
  float* g_positions;   // null if not wanted; rows of 4 as in scatter.h

  // Adds a clipped face's gradient, given in clip space.
  void add_clipped(int32_t face, const double (&clip)[3][4]) const {
    const int32_t* index = faces + 3 * static_cast<int64_t>(face);
    for (int i = 0; i < 3; ++i)
      add_clip_gradient(projected[index[i]], width / 2.0f, height / 2.0f, clip[i],
                        g_positions + 4 * static_cast<int64_t>(index[i]));
  }
};

// Per pixel and corner: what goes to the vertex (position), what to the attribute.
struct Records {
  float position[3][4 * kLanes], attribute[3][4 * kLanes];
};

// Lanes whose face has a corner that cannot be projected.
RP_INLINE uint32_t clipped_lanes(const Corners& c, Ints ids) {
  const Floats sum = (c.px[0] + c.px[1]) + c.px[2];
  return bits(sum != sum) & bits(not_negative(ids));
}

// Sums the records of each face's pixels and adds them to its corners, but for positions in `clipped` lanes.
template <int count, bool kAttributes, bool kPositions>
RP_INLINE void add_records(const Backward& k, Ints ids, uint32_t clipped, int64_t channel, const Records& records) {
  for_each_face(ids, [&](int32_t face, Mask mask) {
    Float4 position[3] = {}, attribute[3] = {};
    for (uint32_t lanes = bits(mask); lanes; lanes &= lanes - 1) {
      const int at = 4 * __builtin_ctz(lanes);
      for (int i = 0; i < 3; ++i) {
        if (kPositions) position[i] += load<Float4>(records.position[i] + at);
        if (kAttributes) attribute[i] += load<Float4>(records.attribute[i] + at);
      }
    }
    if (kPositions && !(bits(mask) & clipped)) {
      const int32_t* corners = k.faces + 3 * static_cast<int64_t>(face);
      for (int i = 0; i < 3; ++i) add4(k.g_positions + 4 * static_cast<int64_t>(corners[i]), position[i]);
    }
    if (kAttributes) {
      const int32_t* corners = k.attributes.corners(face);
      for (int i = 0; i < 3; ++i) {
        float* to = k.g_attributes + corners[i] * k.attributes.channels + channel;
        for (int c = 0; c < count; ++c) to[c] += attribute[i][c];
      }
    }
  });
}

// The arguments of a backward kernel that are not its own; see rp_interpolate_backward.
struct BackwardCall {
  const float* positions;
  int64_t vertices;
  const int32_t* faces;
  bool packed;
  const float* attributes;
  int64_t attribute_count;
  int32_t channels;
  bool batched;
  const int32_t* attribute_faces;
  int64_t batch;
  int32_t height, width, threads;
  const int32_t* face_id;
  float *g_attributes, *g_positions;

  // Overwrites both gradients; calls body(picture, index of the picture, block) for all blocks of the batch. Vertices
  // are projected if `projecting`, and always if the gradient of the positions is wanted.
  template <class Body>
  void run(bool projecting, Body&& body) const {
    const int64_t pixels = static_cast<int64_t>(height) * width;
    const int64_t all_vertices = packed ? vertices : batch * vertices, attribute_size = attribute_count * channels;
    const float half_width = width / 2.0f, half_height = height / 2.0f;
    Projected* projected = nullptr;
    if (projecting || g_positions) {
      projected = static_cast<Projected*>(scratch(0, (all_vertices + 1) * static_cast<int64_t>(sizeof(Projected))));
      project(positions, all_vertices, half_width, half_height, threads, projected);
    }
    const Schedule schedule(batch, height, (g_positions ? vertices * 16 : 0) + (g_attributes ? attribute_size * 4 : 0),
                            (g_positions && packed) || (g_attributes && !batched));
    const Buffers position_buffers(schedule, g_positions, g_positions ? 4 * vertices : 0, batch, packed, 1);
    const Buffers attribute_buffers(schedule, g_attributes, g_attributes ? attribute_size : 0, batch, !batched, 2);
    schedule.run(threads, [&](int64_t unit, int64_t b, int64_t strip, int64_t group, bool first) {
      const auto [begin, end] = schedule.rows(strip, height);
      const int64_t vertex = packed ? 0 : b * vertices;
      const Backward picture{{positions + 4 * vertex,
                              projected ? projected + vertex : nullptr,
                              faces,
                              face_id + b * pixels,
                              {attributes + (batched ? b * attribute_size : 0), attribute_faces, channels},
                              width,
                              height},
                             g_attributes ? attribute_buffers.start(unit, group, first) : nullptr,
                             g_positions ? position_buffers.start(unit, group, first) : nullptr};
      for_each_block(begin, end, width, height, [&](const auto& block) { body(picture, b, block); });
    });
    if (g_attributes) attribute_buffers.finish(threads);
    if (!g_positions) return;
    position_buffers.finish(threads);
    to_clip_gradients(projected, all_vertices, half_width, half_height, threads, g_positions);
  }
};

// Calls body(kAttributes, kPositions), integral_constants, for what a picture's gradients are wanted of.
template <class Body>
RP_INLINE void for_wanted(const Backward& k, Body&& body) {
  if (k.g_attributes && k.g_positions) return body(std::true_type{}, std::true_type{});
  if (k.g_attributes) return body(std::true_type{}, std::false_type{});
  body(std::false_type{}, std::true_type{});
}

}  // namespace rp::RP_ISA
