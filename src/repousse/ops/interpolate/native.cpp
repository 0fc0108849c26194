// Interpolation of attributes over visible faces, and the fused derivative: attributes and positions in one pass over
// the picture, without a picture of barycentric gradients in between.
#include "attributes.h"

namespace rp::RP_ISA {
namespace {

constexpr int kChunk = 4;  // channels per pass over a block

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
  for_each_chunk<kChunk>(a.channels, [&](int64_t channel, auto count, bool) {
    const Gathered g = gather<count>(a, ids, channel);
    Floats value[4] = {};
    for (int c = 0; c < count; ++c) value[c] = (b[0] * g.value[0][c] + b[1] * g.value[1][c]) + b[2] * g.value[2][c];
    block.template write_channels<count>(out, a.channels, channel, {value[0], value[1], value[2], value[3]});
  });
}

// The part of the position gradient that a clipped face has, pixel by pixel.
void clipped_backward(const Backward& k, int column, int row, int32_t face, uint32_t lanes,
                      const float (&g_b)[3][kLanes]) {
  const float* clip[3];
  k.clip_corners(face, clip);
  double sum[3][4] = {};
  for (; lanes; lanes &= lanes - 1) {
    const int lane = __builtin_ctz(lanes);
    const Homogeneous h(clip, column + lane % kBlockWidth, row + lane / kBlockWidth, k.width, k.height);
    const double g_lane[3] = {g_b[0][lane], g_b[1][lane], g_b[2][lane]};
    h.add_gradient(clip, g_lane, 0, sum);
  }
  k.add_clipped(face, sum);
}

// Fills records.position; returns the lanes whose face is clipped (they are dealt with here).
template <class Block>
RP_INLINE uint32_t position_records(const Backward& k, const Block& block, Ints ids, const Floats (&b)[3],
                                    const Floats (&g_b)[3], Records& records) {
  Corners corners;
  k.gather_corners(ids, corners);
  const Weights w = weights(corners, block.centre_x(), block.centre_y());
  // Only differences matter. Taken against corner 2 they vanish exactly where a face's attributes are all the same.
  const Floats g_rest[3] = {g_b[0] - g_b[2], g_b[1] - g_b[2], Floats{}};
  const Floats mean = g_rest[0] * b[0] + g_rest[1] * b[1];
  Floats g_e[3] = {};
  CornerGradients g;
  add_barycentric_gradient(corners, w, g_rest, mean, g_e, g);
  add_edge_gradient(w, g_e, g);
  for (int i = 0; i < 3; ++i) store_rows(records.position[i], g.corner[i]);
  const uint32_t clipped = clipped_lanes(corners, ids);
  if (clipped) {
    float g_lanes[3][kLanes];
    for (int i = 0; i < 3; ++i) store(g_lanes[i], g_rest[i]);
    for_each_face(ids, [&](int32_t face, Mask mask) {
      if (bits(mask) & clipped) clipped_backward(k, block.column, block.row, face, bits(mask), g_lanes);
    });
  }
  return clipped;
}

// What the derivative of interpolation is a function of, besides what every backward pass is given.
struct Pull {
  const float* bary;
  const float *g_out, *g_out_end;
};

template <bool kAttributes, bool kPositions, class Block>
void block_backward(const Backward& k, const Pull& pull, const Block& block) {
  const Ints ids = block.template read<Ints>(k.face_id, -1);
  if (bits(not_negative(ids)) == 0) return;
  Floats b[3];
  block.read_pairs(pull.bary, b[0], b[1]);
  b[2] = (1.0f - b[0]) - b[1];
  Floats g_b[3] = {};
  alignas(64) Records records;
  for_each_chunk<kChunk>(k.attributes.channels, [&](int64_t channel, auto count, bool last) {
    const Columns g = block.template read_channels<count>(pull.g_out, k.attributes.channels, channel, pull.g_out_end);
    if constexpr (kAttributes)
      for (int i = 0; i < 3; ++i) store_rows(records.attribute[i], {b[i] * g.x, b[i] * g.y, b[i] * g.z, b[i] * g.w});
    if constexpr (kPositions) {
      const Gathered value = gather<count>(k.attributes, ids, channel);
      const Floats g_channel[4] = {g.x, g.y, g.z, g.w};
      for (int i = 0; i < 3; ++i)
        for (int c = 0; c < count; ++c) g_b[i] += g_channel[c] * value.value[i][c];
      if (last) {
        const uint32_t clipped = position_records(k, block, ids, b, g_b, records);
        return add_records<count, kAttributes, true>(k, ids, clipped, channel, records);
      }
    }
    add_records<count, kAttributes, false>(k, ids, 0, channel, records);
  });
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
  const BackwardCall call{positions, vertices,     faces,           packed != 0, attributes, attribute_count,
                          channels,  batched != 0, attribute_faces, batch,       height,     width,
                          threads,   face_id,      g_attributes,    g_positions};
  call.run(false, [&](const Backward& k, int64_t b, const auto& block) {
    const Pull pull{bary + 2 * b * pixels, g_out + b * pixels * channels, g_out + batch * pixels * channels};
    for_wanted(k, [&](auto attributes_too, auto positions_too) {
      block_backward<attributes_too, positions_too>(k, pull, block);
    });
  });
  return 0;
} catch (...) {
  return -1;
}

}  // namespace rp::RP_ISA
