// Barycentrics and depth of visible faces, and their derivative with respect to clip positions.
#include <algorithm>

#include "scatter.h"

namespace rp::RP_ISA {
namespace {

constexpr int kBandRows = 32;  // rows per job of the forward pass

struct View {
  const float* positions;
  const Projected* projected;
  const int32_t* faces;
  const int32_t* face_id;
  int width, height;

  void clip_corners(int32_t face, const float* (&clip)[3]) const {
    for (int i = 0; i < 3; ++i)
      clip[i] = positions + 4 * static_cast<int64_t>(faces[3 * static_cast<int64_t>(face) + i]);
  }
};

RP_INLINE void gather_corners(const View& view, Ints ids, Corners& corners) {
  for_each_face(ids, [&](int32_t face, Mask mask) {
    set_corners(view.projected, view.faces + 3 * static_cast<int64_t>(face), mask, corners);
  });
}

// Lanes whose face has a corner that cannot be projected.
RP_INLINE uint32_t unsafe_lanes(const Corners& c, uint32_t covered) {
  const Floats sum = (c.px[0] + c.px[1]) + c.px[2];
  return bits(sum != sum) & covered;
}

template <class Block>
void block_forward(const View& view, const Block& block, float* bary, float* depth) {
  const Ints ids = block.template read<Ints>(view.face_id, -1);
  Floats b0{}, b1{}, z{};
  const uint32_t covered = bits(not_negative(ids));
  if (covered) {
    Corners corners;
    gather_corners(view, ids, corners);
    const Weights w = weights(corners, block.centre_x(), block.centre_y());
    const Ints empty = ids < 0;
    b0 = select(empty, Floats{}, (w.e[0] * corners.r[0]) / w.sum_q);
    b1 = select(empty, Floats{}, (w.e[1] * corners.r[1]) / w.sum_q);
    z = select(empty, Floats{},
               ((w.e[0] * corners.zeta[0] + w.e[1] * corners.zeta[1]) + w.e[2] * corners.zeta[2]) / w.sum_e);
    for (uint32_t special = unsafe_lanes(corners, covered); special; special &= special - 1) {
      const int lane = __builtin_ctz(special);
      const float* clip[3];
      view.clip_corners(ids[lane], clip);
      const Homogeneous h(clip, block.column + lane % kBlockWidth, block.row + lane / kBlockWidth, view.width,
                          view.height);
      double zc = 0, wc = 0;
      for (int i = 0; i < 3; ++i) zc += h.bary(i) * clip[i][2], wc += h.bary(i) * clip[i][3];
      b0[lane] = static_cast<float>(h.bary(0));
      b1[lane] = static_cast<float>(h.bary(1));
      z[lane] = static_cast<float>(std::clamp(zc / wc, 0.0, 1.0));
    }
  }
  block.write(depth, z);
  block.write_pairs(bary, b0, b1);
}

// Adds the derivative of one block to `gradient` (V, 4), in the form of scatter.h.
template <class Block>
void block_backward(const View& view, const Block& block, const float* g_bary, const float* g_depth, float* gradient) {
  const Ints ids = block.template read<Ints>(view.face_id, -1);
  const uint32_t covered = bits(not_negative(ids));
  if (!covered) return;
  Corners corners;
  gather_corners(view, ids, corners);
  Floats g_b[3] = {};
  block.read_pairs(g_bary, g_b[0], g_b[1]);
  const Floats g_z = block.template read<Floats>(g_depth, 0.0f);
  const Weights w = weights(corners, block.centre_x(), block.centre_y());
  const Floats mean = (g_b[0] * (w.e[0] * corners.r[0]) + g_b[1] * (w.e[1] * corners.r[1])) / w.sum_q;
  Floats g_e[3] = {};
  CornerGradients g;
  add_barycentric_gradient(corners, w, g_b, mean, g_e, g);
  add_depth_gradient(corners, w, g_z, g_e, g);
  add_edge_gradient(w, g_e, g);

  float rows[3][4 * kLanes];
  for (int i = 0; i < 3; ++i) store_rows(rows[i], g.corner[i]);
  const uint32_t special = unsafe_lanes(corners, covered);
  for_each_face(ids, [&](int32_t face, Mask mask) {
    const int32_t* index = view.faces + 3 * static_cast<int64_t>(face);
    float* const to[3] = {gradient + 4 * static_cast<int64_t>(index[0]), gradient + 4 * static_cast<int64_t>(index[1]),
                          gradient + 4 * static_cast<int64_t>(index[2])};
    uint32_t lanes = bits(mask);
    if ((lanes & special) == 0) return add_lanes(rows, lanes, to);
    const float* clip[3];
    view.clip_corners(face, clip);
    double sum[3][4] = {};
    for (; lanes; lanes &= lanes - 1) {
      const int lane = __builtin_ctz(lanes);
      const Homogeneous h(clip, block.column + lane % kBlockWidth, block.row + lane / kBlockWidth, view.width,
                          view.height);
      const double g_lane[3] = {g_b[0][lane], g_b[1][lane], 0};
      h.add_gradient(clip, g_lane, g_z[lane], sum);
    }
    for (int i = 0; i < 3; ++i)
      add_clip_gradient(view.projected[index[i]], view.width / 2.0f, view.height / 2.0f, sum[i], to[i]);
  });
}

}  // namespace

// positions (B, V, 4), or (V, 4) shared by the batch if `packed`; faces (F, 3); face_id (B, H, W);
// bary (B, H, W, 2); depth (B, H, W). Returns 0, or -1 if memory ran out.
RP_KERNEL(rp_barycentrics)
(const float* positions, int64_t vertices, const int32_t* faces, int64_t batch, int32_t packed, int32_t height,
 int32_t width, int32_t threads, const int32_t* face_id, float* bary, float* depth) try {
  const int64_t all_vertices = packed ? vertices : batch * vertices, pixels = static_cast<int64_t>(height) * width;
  auto* projected = static_cast<Projected*>(scratch(0, (all_vertices + 1) * static_cast<int64_t>(sizeof(Projected))));
  project(positions, all_vertices, width / 2.0f, height / 2.0f, threads, projected);
  const int64_t bands = (height + kBandRows - 1) / kBandRows;
  parallel_for(batch * bands, threads, [&](int64_t job, int) {
    const int64_t b = job / bands, vertex = packed ? 0 : b * vertices;
    const View view{positions + 4 * vertex, projected + vertex, faces, face_id + b * pixels, width, height};
    const int begin = static_cast<int>(job % bands) * kBandRows, end = std::min(begin + kBandRows, height);
    for_each_block(begin, end, width, height,
                   [&](const auto& block) { block_forward(view, block, bary + 2 * b * pixels, depth + b * pixels); });
  });
  return 0;
} catch (...) {
  return -1;
}

// g_bary (B, H, W, 2), g_depth (B, H, W) -> g_positions like positions, overwritten.
RP_KERNEL(rp_barycentrics_backward)
(const float* positions, int64_t vertices, const int32_t* faces, int64_t batch, int32_t packed, int32_t height,
 int32_t width, int32_t threads, const int32_t* face_id, const float* g_bary, const float* g_depth,
 float* g_positions) try {
  const int64_t all_vertices = packed ? vertices : batch * vertices, pixels = static_cast<int64_t>(height) * width;
  const float half_width = width / 2.0f, half_height = height / 2.0f;
  auto* projected = static_cast<Projected*>(scratch(0, (all_vertices + 1) * static_cast<int64_t>(sizeof(Projected))));
  project(positions, all_vertices, half_width, half_height, threads, projected);
  const Schedule schedule(batch, height, vertices * 16, packed != 0);
  const Buffers buffers(schedule, g_positions, 4 * vertices, batch, packed != 0, 1);
  schedule.run(threads, [&](int64_t unit, int64_t b, int64_t strip, int64_t group, bool first) {
    const auto [begin, end] = schedule.rows(strip, height);
    const int64_t vertex = packed ? 0 : b * vertices;
    const View view{positions + 4 * vertex, projected + vertex, faces, face_id + b * pixels, width, height};
    float* gradient = buffers.start(unit, group, first);
    for_each_block(begin, end, width, height, [&](const auto& block) {
      block_backward(view, block, g_bary + 2 * b * pixels, g_depth + b * pixels, gradient);
    });
  });
  buffers.finish(threads);
  to_clip_gradients(projected, all_vertices, half_width, half_height, threads, g_positions);
  return 0;
} catch (...) {
  return -1;
}

}  // namespace rp::RP_ISA
