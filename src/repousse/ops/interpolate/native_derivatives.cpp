// How interpolated attributes change from pixel to pixel, and the derivative of that in attributes and positions.
//
// With edge functions e_i (step 7 of docs/design.md), Q = sum e_i r_i and b_i = e_i r_i / Q, a step along x changes the
// weights by b_i' = (e_i' r_i - b_i sum_j e_j' r_j) / Q, where e_i' = y_j - y_k does not depend on the pixel; y alike.
// In the homogeneous form of clipped faces r_i = 1 and f_i takes the place of e_i.
#include "attributes.h"

namespace rp::RP_ISA {
namespace {

constexpr int kChunk = 2;  // channels per pass over a block; each has two derivatives

// The weights of a pixel's corners, as many pixels as a Number has lanes, and how they change along one axis.
template <class Number>
struct Slope {
  Number edge[3];  // e_i' r_i
  Number sum;      // sum edge
  Number b[3];     // b_i'

  RP_INLINE Slope(const Number (&bary)[3], const Number (&edges)[3], Number scale)
      : edge{edges[0], edges[1], edges[2]}, sum((edges[0] + edges[1]) + edges[2]) {
    for (int i = 0; i < 3; ++i) b[i] = (edge[i] - bary[i] * sum) * scale;
  }
};

// The derivative of g_x . b_x' + g_y . b_y' with respect to what these are made of.
template <class Number>
struct SlopeGradients {
  Number g_b[3];          // b_i, all three taken as independent ...
  Number mean;            // ... whose derivative by e_i is (g_b[i] - mean) r_i / Q: the change of Q is in `mean`
  Number g_x[3], g_y[3];  // x.edge[i], y.edge[i]

  // g_x and g_y are given relative to corner 2: only differences matter, since the three b_i' add up to 0.
  RP_INLINE SlopeGradients(const Number (&bary)[3], const Slope<Number>& x, const Slope<Number>& y, Number scale,
                           const Number (&of_x)[3], const Number (&of_y)[3])
      : mean{} {
    const Number mean_x = of_x[0] * bary[0] + of_x[1] * bary[1], mean_y = of_y[0] * bary[0] + of_y[1] * bary[1];
    for (int i = 0; i < 3; ++i) {
      g_x[i] = (of_x[i] - mean_x) * scale;
      g_y[i] = (of_y[i] - mean_y) * scale;
      g_b[i] = -(of_x[i] * x.sum + of_y[i] * y.sum) * scale;
      mean += g_b[i] * bary[i] + (g_x[i] * x.edge[i] + g_y[i] * y.edge[i]);
    }
  }
};

// ---- faces on the screen --------------------------------------------------------------------------------------------

struct OnScreen {
  Corners corners;
  Weights w;
  Floats scale, bary[3], steps_x[3], steps_y[3];  // steps: e_i' along x and y

  template <class Block>
  RP_INLINE OnScreen(const Picture& p, Ints ids, const Block& block) {
    p.gather_corners(ids, corners);
    w = weights(corners, block.centre_x(), block.centre_y());
    scale = 1.0f / w.sum_q;
    for (int i = 0; i < 3; ++i) {
      const int j = (i + 1) % 3, k = (i + 2) % 3;
      bary[i] = (w.e[i] * corners.r[i]) * scale;
      steps_x[i] = w.sign * (corners.py[j] - corners.py[k]);
      steps_y[i] = w.sign * (corners.px[k] - corners.px[j]);
    }
  }
  RP_INLINE Slope<Floats> slope(const Floats (&steps)[3]) const {
    const Floats edges[3] = {steps[0] * corners.r[0], steps[1] * corners.r[1], steps[2] * corners.r[2]};
    return {bary, edges, scale};
  }
  RP_INLINE void add_gradient(const SlopeGradients<Floats>& s, CornerGradients& g) const {
    Floats g_e[3] = {};
    add_barycentric_gradient(corners, w, s.g_b, s.mean, g_e, g);
    add_edge_gradient(w, g_e, g);
    for (int i = 0; i < 3; ++i) {
      const int j = (i + 1) % 3, k = (i + 2) % 3;
      g.corner[i].x += w.sign * (s.g_y[j] * corners.r[j] - s.g_y[k] * corners.r[k]);
      g.corner[i].y += w.sign * (s.g_x[k] * corners.r[k] - s.g_x[j] * corners.r[j]);
      g.corner[i].w += s.g_x[i] * steps_x[i] + s.g_y[i] * steps_y[i];
    }
  }
};

// ---- clipped faces: one pixel at a time, homogeneous, float64 -------------------------------------------------------

struct Clipped {
  const float* const (&clip)[3];
  Homogeneous h;
  double unit_x, unit_y;  // from a pixel to [-1, 1], with the sign of the face
  double bary[3], edges_x[3], edges_y[3];

  Clipped(const float* const (&clip)[3], int column, int row, int width, int height)
      : clip(clip), h(clip, column, row, width, height), unit_x(h.sign * 2 / width), unit_y(h.sign * 2 / height) {
    for (int i = 0; i < 3; ++i) {
      const int j = (i + 1) % 3, k = (i + 2) % 3;
      bary[i] = h.bary(i);
      edges_x[i] = unit_x * (clip[k][3] * h.b[j] - clip[j][3] * h.b[k]);
      edges_y[i] = unit_y * (clip[j][3] * h.a[k] - clip[k][3] * h.a[j]);
    }
  }
  Slope<double> slope(const double (&edges)[3]) const { return {bary, edges, 1 / h.sum}; }

  void add_gradient(const SlopeGradients<double>& s, double (&g)[3][4]) const {
    double g_f[3];
    for (int i = 0; i < 3; ++i) g_f[i] = (s.g_b[i] - s.mean) / h.sum;
    h.add_edge_gradient(g_f, g);
    for (int i = 0; i < 3; ++i) {  // edges_x[i] = unit_x * (w_k b_j - w_j b_k), where b_j = y_j - Y w_j; y alike
      const int j = (i + 1) % 3, k = (i + 2) % 3;
      const double g_x = unit_x * s.g_x[i], g_y = unit_y * s.g_y[i];
      const double g_bj = g_x * clip[k][3], g_bk = -g_x * clip[j][3];
      const double g_ak = g_y * clip[j][3], g_aj = -g_y * clip[k][3];
      g[j][0] += g_aj;
      g[k][0] += g_ak;
      g[j][1] += g_bj;
      g[k][1] += g_bk;
      g[j][3] += g_y * h.a[k] - g_x * h.b[k] - h.X * g_aj - h.Y * g_bj;
      g[k][3] += g_x * h.b[j] - g_y * h.a[j] - h.X * g_ak - h.Y * g_bk;
    }
  }
};

// ---- blocks ---------------------------------------------------------------------------------------------------------

// b_i' of the first two corners, which are all that differences against corner 2 need; 0 in empty lanes.
struct Slopes {
  Floats x[2], y[2];

  template <class Block>
  RP_INLINE Slopes(const Picture& p, const OnScreen& screen, Ints ids, const Block& block) {
    const Slope<Floats> along_x = screen.slope(screen.steps_x), along_y = screen.slope(screen.steps_y);
    const Ints empty = ids < 0;
    for (int i = 0; i < 2; ++i) {
      x[i] = select(empty, Floats{}, along_x.b[i]);
      y[i] = select(empty, Floats{}, along_y.b[i]);
    }
    for (uint32_t clipped = clipped_lanes(screen.corners, ids); clipped; clipped &= clipped - 1) {
      const int lane = __builtin_ctz(clipped);
      const float* clip[3];
      p.clip_corners(ids[lane], clip);
      const Clipped c(clip, block.column + lane % kBlockWidth, block.row + lane / kBlockWidth, p.width, p.height);
      const Slope<double> of_x = c.slope(c.edges_x), of_y = c.slope(c.edges_y);
      for (int i = 0; i < 2; ++i) {
        x[i][lane] = static_cast<float>(of_x.b[i]);
        y[i][lane] = static_cast<float>(of_y.b[i]);
      }
    }
  }
};

template <class Block>
void block_forward(const Picture& p, const Block& block, float* out) {
  const Ints ids = block.template read<Ints>(p.face_id, -1);
  const int64_t numbers = 2 * p.attributes.channels;
  if (bits(not_negative(ids)) == 0) {
    for (int y = 0; y < block.rows; ++y)
      std::memset(out + block.pixel(y * kBlockWidth) * numbers, 0,
                  static_cast<size_t>(block.columns * numbers) * sizeof(float));
    return;
  }
  const OnScreen screen(p, ids, block);
  const Slopes slopes(p, screen, ids, block);
  for_each_chunk<kChunk>(p.attributes.channels, [&](int64_t channel, auto count, bool) {
    const Gathered g = gather<count>(p.attributes, ids, channel);
    Floats change[4] = {};
    for (int c = 0; c < count; ++c) {
      const Floats first = g.value[0][c] - g.value[2][c], second = g.value[1][c] - g.value[2][c];
      change[2 * c] = slopes.x[0] * first + slopes.x[1] * second;
      change[2 * c + 1] = slopes.y[0] * first + slopes.y[1] * second;
    }
    block.template write_channels<2 * count>(out, numbers, 2 * channel, {change[0], change[1], change[2], change[3]});
  });
}

// The part of the position gradient that a clipped face has, pixel by pixel. g_x, g_y: of b_i', relative to corner 2.
void clipped_backward(const Backward& k, int column, int row, int32_t face, uint32_t lanes,
                      const float (&g_x)[2][kLanes], const float (&g_y)[2][kLanes]) {
  const float* clip[3];
  k.clip_corners(face, clip);
  double sum[3][4] = {};
  for (; lanes; lanes &= lanes - 1) {
    const int lane = __builtin_ctz(lanes);
    const Clipped c(clip, column + lane % kBlockWidth, row + lane / kBlockWidth, k.width, k.height);
    const double of_x[3] = {g_x[0][lane], g_x[1][lane], 0}, of_y[3] = {g_y[0][lane], g_y[1][lane], 0};
    c.add_gradient({c.bary, c.slope(c.edges_x), c.slope(c.edges_y), 1 / c.h.sum, of_x, of_y}, sum);
  }
  k.add_clipped(face, sum);
}

// Fills records.position; returns the lanes whose face is clipped (they are dealt with here).
template <class Block>
RP_INLINE uint32_t position_records(const Backward& k, const OnScreen& screen, const Block& block, Ints ids,
                                    const Floats (&g_x)[3], const Floats (&g_y)[3], Records& records) {
  const Floats of_x[3] = {g_x[0] - g_x[2], g_x[1] - g_x[2], Floats{}};
  const Floats of_y[3] = {g_y[0] - g_y[2], g_y[1] - g_y[2], Floats{}};
  CornerGradients g;
  screen.add_gradient(
      {screen.bary, screen.slope(screen.steps_x), screen.slope(screen.steps_y), screen.scale, of_x, of_y}, g);
  for (int i = 0; i < 3; ++i) store_rows(records.position[i], g.corner[i]);
  const uint32_t clipped = clipped_lanes(screen.corners, ids);
  if (clipped) {
    float x_lanes[2][kLanes], y_lanes[2][kLanes];
    for (int i = 0; i < 2; ++i) store(x_lanes[i], of_x[i]), store(y_lanes[i], of_y[i]);
    for_each_face(ids, [&](int32_t face, Mask mask) {
      if (bits(mask) & clipped) clipped_backward(k, block.column, block.row, face, bits(mask), x_lanes, y_lanes);
    });
  }
  return clipped;
}

template <bool kAttributes, bool kPositions, class Block>
void block_backward(const Backward& k, const float* g_out, const float* g_out_end, const Block& block) {
  const Ints ids = block.template read<Ints>(k.face_id, -1);
  if (bits(not_negative(ids)) == 0) return;
  const OnScreen screen(k, ids, block);
  const Slopes slopes(k, screen, ids, block);
  Floats g_x[3] = {}, g_y[3] = {};
  alignas(64) Records records;
  for_each_chunk<kChunk>(k.attributes.channels, [&](int64_t channel, auto count, bool last) {
    const Columns g = block.template read_channels<2 * count>(g_out, 2 * k.attributes.channels, 2 * channel, g_out_end);
    if constexpr (kAttributes) {
      Floats of[3][2];
      for (int i = 0; i < 2; ++i) {
        of[i][0] = slopes.x[i] * g.x + slopes.y[i] * g.y;
        of[i][1] = slopes.x[i] * g.z + slopes.y[i] * g.w;
      }
      for (int c = 0; c < 2; ++c) of[2][c] = -(of[0][c] + of[1][c]);
      for (int i = 0; i < 3; ++i) store_rows(records.attribute[i], {of[i][0], of[i][1], Floats{}, Floats{}});
    }
    if constexpr (kPositions) {
      const Gathered value = gather<count>(k.attributes, ids, channel);
      for (int i = 0; i < 3; ++i) {
        g_x[i] += g.x * value.value[i][0];
        g_y[i] += g.y * value.value[i][0];
        if constexpr (count > 1) {
          g_x[i] += g.z * value.value[i][1];
          g_y[i] += g.w * value.value[i][1];
        }
      }
      if (last) {
        const uint32_t clipped = position_records(k, screen, block, ids, g_x, g_y, records);
        return add_records<count, kAttributes, true>(k, ids, clipped, channel, records);
      }
    }
    add_records<count, kAttributes, false>(k, ids, 0, channel, records);
  });
}

}  // namespace

// Arguments as in rp_interpolate_backward; out (B, H, W, C, 2): along columns, along rows. Returns 0, or -1 if memory
// ran out.
RP_KERNEL(rp_interpolate_derivatives)
(const float* positions, int64_t vertices, const int32_t* faces, int32_t packed, const float* attributes,
 int64_t attribute_count, int32_t channels, int32_t batched, const int32_t* attribute_faces, int64_t batch,
 int32_t height, int32_t width, int32_t threads, const int32_t* face_id, float* out) try {
  const int64_t all_vertices = packed ? vertices : batch * vertices, pixels = static_cast<int64_t>(height) * width;
  auto* projected = static_cast<Projected*>(scratch(0, (all_vertices + 1) * static_cast<int64_t>(sizeof(Projected))));
  project(positions, all_vertices, width / 2.0f, height / 2.0f, threads, projected);
  const int64_t bands = (height + kBandRows - 1) / kBandRows;
  parallel_for(batch * bands, threads, [&](int64_t job, int) {
    const int64_t b = job / bands, vertex = packed ? 0 : b * vertices;
    const Picture picture{positions + 4 * vertex,
                          projected + vertex,
                          faces,
                          face_id + b * pixels,
                          {attributes + (batched ? b * attribute_count * channels : 0), attribute_faces, channels},
                          width,
                          height};
    const int begin = static_cast<int>(job % bands) * kBandRows, end = std::min(begin + kBandRows, height);
    for_each_block(begin, end, width, height,
                   [&](const auto& block) { block_forward(picture, block, out + 2 * b * pixels * channels); });
  });
  return 0;
} catch (...) {
  return -1;
}

// g_out (B, H, W, C, 2) -> g_attributes like attributes and g_positions like positions, overwritten; either may be
// null. Returns 0, or -1 if memory ran out.
RP_KERNEL(rp_interpolate_derivatives_backward)
(const float* positions, int64_t vertices, const int32_t* faces, int32_t packed, const float* attributes,
 int64_t attribute_count, int32_t channels, int32_t batched, const int32_t* attribute_faces, int64_t batch,
 int32_t height, int32_t width, int32_t threads, const int32_t* face_id, const float* g_out, float* g_attributes,
 float* g_positions) try {
  const int64_t numbers = 2 * static_cast<int64_t>(height) * width * channels;
  const BackwardCall call{positions, vertices,     faces,           packed != 0, attributes, attribute_count,
                          channels,  batched != 0, attribute_faces, batch,       height,     width,
                          threads,   face_id,      g_attributes,    g_positions};
  call.run(true, [&](const Backward& k, int64_t b, const auto& block) {
    for_wanted(k, [&](auto attributes_too, auto positions_too) {
      block_backward<attributes_too, positions_too>(k, g_out + b * numbers, g_out + batch * numbers, block);
    });
  });
  return 0;
} catch (...) {
  return -1;
}

}  // namespace rp::RP_ISA
