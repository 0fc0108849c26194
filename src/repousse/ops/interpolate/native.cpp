// Interpolation of attributes over visible faces, and the fused derivative: attributes and positions in one pass over
// the picture, without a picture of barycentric gradients in between.
#include <algorithm>

#include "scatter.h"

namespace rp::RP_ISA {
namespace {

constexpr int kBandRows = 32;  // rows per job of the forward pass
constexpr int kChunk = 4;      // channels per pass over a block

struct Attributes {
  const float* values;  // (Va, channels)
  const int32_t* faces;
  int64_t channels;

  RP_INLINE const int32_t* corners(int32_t face) const { return faces + 3 * static_cast<int64_t>(face); }
};

// Up to kChunk channels of each pixel's three corners, as lanes.
struct Gathered {
  Floats value[3][kChunk];

  RP_INLINE Gathered() {
    for (auto& corner : value)
      for (Floats& channel : corner) channel = Floats{};
  }
};

template <int count>
RP_INLINE Gathered gather(const Attributes& a, Ints ids, int64_t channel) {
  Gathered g;
  for_each_face(ids, [&](int32_t face, Mask mask) {
    const int32_t* corners = a.corners(face);
    for (int i = 0; i < 3; ++i) {
      const float* value = a.values + corners[i] * a.channels + channel;
      for (int c = 0; c < count; ++c) g.value[i][c] = blend(mask, splat(value[c]), g.value[i][c]);
    }
  });
  return g;
}

// Calls body(channel, integral_constant<count>, last?) for the chunks of all channels.
template <class Body>
RP_INLINE void for_each_chunk(int64_t channels, Body&& body) {
  int64_t channel = 0;
  for (; channel + kChunk < channels; channel += kChunk) body(channel, std::integral_constant<int, kChunk>{}, false);
  switch (channels - channel) {
    case 1:
      return body(channel, std::integral_constant<int, 1>{}, true);
    case 2:
      return body(channel, std::integral_constant<int, 2>{}, true);
    case 3:
      return body(channel, std::integral_constant<int, 3>{}, true);
    case 4:
      return body(channel, std::integral_constant<int, 4>{}, true);
  }
}

template <class Block>
void block_forward(const Attributes& a, const Block& block, const int32_t* face_id, const float* bary, float* out) {
  const Ints ids = block.template read<Ints>(face_id, -1);
  if (bits(not_negative(ids)) == 0) {
    for (int y = 0; y < block.rows; ++y)
      std::memset(out + block.pixel(y * kBlockWidth) * a.channels, 0,
                  static_cast<size_t>(block.columns * a.channels) * sizeof(float));
    return;
  }
  Floats b[3];
  block.read_pairs(bary, b[0], b[1]);
  b[2] = select(ids < 0, Floats{}, (1.0f - b[0]) - b[1]);
  for_each_chunk(a.channels, [&](int64_t channel, auto count, bool) {
    const Gathered g = gather<count>(a, ids, channel);
    Floats value[4] = {};
    for (int c = 0; c < count; ++c) value[c] = (b[0] * g.value[0][c] + b[1] * g.value[1][c]) + b[2] * g.value[2][c];
    block.template write_channels<count>(out, a.channels, channel, {value[0], value[1], value[2], value[3]});
  });
}

// ---- backward -----------------------------------------------------------------------------------------------------

struct Backward {
  const float* positions;
  const Projected* projected;
  const int32_t* faces;
  const int32_t* face_id;
  const float* bary;
  const float *g_out, *g_out_end;
  Attributes attributes;
  int width, height;
  float* g_attributes;  // null if not wanted; rows of `channels`
  float* g_positions;   // null if not wanted; rows of 4 as in scatter.h
};

// Per pixel and corner: what goes to the vertex (position), what to the attribute.
struct Records {
  float position[3][4 * kLanes], attribute[3][4 * kLanes];
};

// The part of the position gradient that a clipped face has, pixel by pixel.
void special_backward(const Backward& k, int column, int row, int32_t face, uint32_t lanes,
                      const float (&g_b)[3][kLanes]) {
  const int32_t* index = k.faces + 3 * static_cast<int64_t>(face);
  const float* clip[3];
  for (int i = 0; i < 3; ++i) clip[i] = k.positions + 4 * static_cast<int64_t>(index[i]);
  double sum[3][4] = {};
  for (; lanes; lanes &= lanes - 1) {
    const int lane = __builtin_ctz(lanes);
    const Homogeneous h(clip, column + lane % kBlockWidth, row + lane / kBlockWidth, k.width, k.height);
    const double g_lane[3] = {g_b[0][lane], g_b[1][lane], g_b[2][lane]};
    h.add_gradient(clip, g_lane, 0, sum);
  }
  for (int i = 0; i < 3; ++i)
    add_clip_gradient(k.projected[index[i]], k.width / 2.0f, k.height / 2.0f, sum[i],
                      k.g_positions + 4 * static_cast<int64_t>(index[i]));
}

// Sums the records of each face's pixels and adds them to its corners.
template <int count, bool kAttributes, bool kPositions>
RP_INLINE void add_records(const Backward& k, Ints ids, uint32_t special, int64_t channel, const Records& records) {
  for_each_face(ids, [&](int32_t face, Mask mask) {
    Float4 position[3] = {}, attribute[3] = {};
    for (uint32_t lanes = bits(mask); lanes; lanes &= lanes - 1) {
      const int at = 4 * __builtin_ctz(lanes);
      for (int i = 0; i < 3; ++i) {
        if (kPositions) position[i] += load<Float4>(records.position[i] + at);
        if (kAttributes) attribute[i] += load<Float4>(records.attribute[i] + at);
      }
    }
    if (kPositions && !(bits(mask) & special)) {
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

// Fills records.position; returns the lanes whose face is clipped (they are dealt with here).
template <class Block>
RP_INLINE uint32_t position_records(const Backward& k, const Block& block, Ints ids, const Floats (&b)[3],
                                    const Floats (&g_b)[3], Records& records) {
  Corners corners;
  for_each_face(ids, [&](int32_t face, Mask mask) {
    set_corners(k.projected, k.faces + 3 * static_cast<int64_t>(face), mask, corners);
  });
  const Weights w = weights(corners, block.centre_x(), block.centre_y());
  // Only differences matter. Taken against corner 2 they vanish exactly where a face's attributes are all the same.
  const Floats g_rest[3] = {g_b[0] - g_b[2], g_b[1] - g_b[2], Floats{}};
  const Floats mean = g_rest[0] * b[0] + g_rest[1] * b[1];
  Floats g_e[3] = {};
  CornerGradients g;
  add_barycentric_gradient(corners, w, g_rest, mean, g_e, g);
  add_edge_gradient(w, g_e, g);
  for (int i = 0; i < 3; ++i) store_rows(records.position[i], g.corner[i]);
  const Floats sum = (corners.px[0] + corners.px[1]) + corners.px[2];
  const uint32_t special = bits(sum != sum) & bits(not_negative(ids));
  if (special) {
    float g_lanes[3][kLanes];
    for (int i = 0; i < 3; ++i) store(g_lanes[i], g_rest[i]);
    for_each_face(ids, [&](int32_t face, Mask mask) {
      if (bits(mask) & special) special_backward(k, block.column, block.row, face, bits(mask), g_lanes);
    });
  }
  return special;
}

template <bool kAttributes, bool kPositions, class Block>
void block_backward(const Backward& k, const Block& block) {
  const Ints ids = block.template read<Ints>(k.face_id, -1);
  if (bits(not_negative(ids)) == 0) return;
  Floats b[3];
  block.read_pairs(k.bary, b[0], b[1]);
  b[2] = (1.0f - b[0]) - b[1];
  Floats g_b[3] = {};
  alignas(64) Records records;
  for_each_chunk(k.attributes.channels, [&](int64_t channel, auto count, bool last) {
    const Columns g = block.template read_channels<count>(k.g_out, k.attributes.channels, channel, k.g_out_end);
    if constexpr (kAttributes)
      for (int i = 0; i < 3; ++i) store_rows(records.attribute[i], {b[i] * g.x, b[i] * g.y, b[i] * g.z, b[i] * g.w});
    if constexpr (kPositions) {
      const Gathered value = gather<count>(k.attributes, ids, channel);
      const Floats g_channel[4] = {g.x, g.y, g.z, g.w};
      for (int i = 0; i < 3; ++i)
        for (int c = 0; c < count; ++c) g_b[i] += g_channel[c] * value.value[i][c];
      if (last) {
        const uint32_t special = position_records(k, block, ids, b, g_b, records);
        return add_records<count, kAttributes, true>(k, ids, special, channel, records);
      }
    }
    add_records<count, kAttributes, false>(k, ids, 0, channel, records);
  });
}

template <class Block>
RP_INLINE void block_backward(const Backward& k, const Block& block) {
  if (k.g_attributes && k.g_positions) return block_backward<true, true>(k, block);
  if (k.g_attributes) return block_backward<true, false>(k, block);
  block_backward<false, true>(k, block);
}

}  // namespace

// attributes (Va, C), or (B, Va, C) if `batched`; attribute_faces (F, 3); face_id (B, H, W); bary (B, H, W, 2);
// out (B, H, W, C). Returns 0.
RP_KERNEL(rp_interpolate)
(const float* attributes, int64_t attribute_count, int32_t channels, int32_t batched, const int32_t* attribute_faces,
 int64_t batch, int32_t height, int32_t width, int32_t threads, const int32_t* face_id, const float* bary, float* out) {
  const int64_t bands = (height + kBandRows - 1) / kBandRows, pixels = static_cast<int64_t>(height) * width;
  parallel_for(batch * bands, threads, [&](int64_t job, int) {
    const int64_t b = job / bands;
    const Attributes a{attributes + (batched ? b * attribute_count * channels : 0), attribute_faces, channels};
    const int begin = static_cast<int>(job % bands) * kBandRows, end = std::min(begin + kBandRows, height);
    for_each_block(begin, end, width, height, [&](const auto& block) {
      block_forward(a, block, face_id + b * pixels, bary + 2 * b * pixels, out + b * pixels * channels);
    });
  });
  return 0;
}

// g_out (B, H, W, C) -> g_attributes like attributes and g_positions like positions, overwritten; either may be null.
// positions (B, V, 4), or (V, 4) shared by the batch if `packed`. Returns 0, or -1 if memory ran out.
RP_KERNEL(rp_interpolate_backward)
(const float* positions, int64_t vertices, const int32_t* faces, int32_t packed, const float* attributes,
 int64_t attribute_count, int32_t channels, int32_t batched, const int32_t* attribute_faces, int64_t batch,
 int32_t height, int32_t width, int32_t threads, const int32_t* face_id, const float* bary, const float* g_out,
 float* g_attributes, float* g_positions) try {
  const int64_t pixels = static_cast<int64_t>(height) * width;
  const int64_t all_vertices = packed ? vertices : batch * vertices;
  const float half_width = width / 2.0f, half_height = height / 2.0f;
  Projected* projected = nullptr;
  if (g_positions) {
    projected = static_cast<Projected*>(scratch(0, (all_vertices + 1) * static_cast<int64_t>(sizeof(Projected))));
    project(positions, all_vertices, half_width, half_height, threads, projected);
  }
  const bool sharing = (g_positions && packed) || (g_attributes && !batched);
  const int64_t attribute_size = attribute_count * channels;
  const Schedule schedule(batch, height, (g_positions ? vertices * 16 : 0) + (g_attributes ? attribute_size * 4 : 0),
                          sharing);
  const Buffers position_buffers(schedule, g_positions, g_positions ? 4 * vertices : 0, batch, packed != 0, 1);
  const Buffers attribute_buffers(schedule, g_attributes, g_attributes ? attribute_size : 0, batch, batched == 0, 2);
  schedule.run(threads, [&](int64_t unit, int64_t b, int64_t strip, int64_t group, bool first) {
    const auto [begin, end] = schedule.rows(strip, height);
    const int64_t vertex = packed ? 0 : b * vertices;
    const Backward k{positions + 4 * vertex,
                     projected + vertex,
                     faces,
                     face_id + b * pixels,
                     bary + 2 * b * pixels,
                     g_out + b * pixels * channels,
                     g_out + batch * pixels * channels,
                     {attributes + (batched ? b * attribute_size : 0), attribute_faces, channels},
                     width,
                     height,
                     g_attributes ? attribute_buffers.start(unit, group, first) : nullptr,
                     g_positions ? position_buffers.start(unit, group, first) : nullptr};
    for_each_block(begin, end, width, height, [&](const auto& block) { block_backward(k, block); });
  });
  if (g_attributes) attribute_buffers.finish(threads);
  if (g_positions) {
    position_buffers.finish(threads);
    to_clip_gradients(projected, all_vertices, half_width, half_height, threads, g_positions);
  }
  return 0;
} catch (...) {
  return -1;
}

}  // namespace rp::RP_ISA
