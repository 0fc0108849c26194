// Soft rasterization, backward: each face near a pixel is found anew and passes on its share of the pixel's gradient.
#include "scatter.h"
#include "soft.h"

namespace rp::RP_ISA {
namespace {

// What the pixels of a tile pull with.
template <int kC>
struct Pulls {
  Floats alpha[kTileBlocks];    // prod: g_alpha (1 - A); sum: g_alpha / F; hard: 0
  Floats nearest[kTileBlocks];  // as left by the forward pass
  Floats scale[kTileBlocks];    // 1 / sum of weights
  Floats g[kTileBlocks][kC ? kC : 1];
  Floats mean[kTileBlocks];  // sum over channels of g times the pixel's colour
  Ints shown[kTileBlocks];
};

struct In {
  const float *image, *memory, *g_image;
  const int32_t* shown;
  int64_t pixels;
  float share;
};

template <int kC>
RP_INLINE void load_block(const Rules& rules, const In& in, const PixelBlock<false>& block, int i, Pulls<kC>& pulls) {
  Floats g[kC + 1], values[kC + 1];
  for (int lane = 0; lane < kLanes; ++lane)
    for (int c = 0; c <= kC; ++c) {
      const int64_t at = block.pixel(lane) * (kC + 1) + c;
      g[c][lane] = block.inside(lane) ? in.g_image[at] : 0.0f;
      values[c][lane] = block.inside(lane) ? in.image[at] : 0.0f;
    }
  if (rules.alpha == kProdAlpha)
    pulls.alpha[i] = g[kC] * block.template read<Floats>(in.memory, 0.0f);
  else
    pulls.alpha[i] = g[kC] * (rules.alpha == kSumAlpha ? in.share : 0.0f);
  if constexpr (kC > 0) {
    pulls.nearest[i] = block.template read<Floats>(in.memory + in.pixels, 0.0f);
    pulls.scale[i] = block.template read<Floats>(in.memory + 2 * in.pixels, 0.0f);
    pulls.mean[i] = Floats{};
    for (int c = 0; c < kC; ++c) {
      pulls.g[i][c] = g[c];
      pulls.mean[i] = pulls.mean[i] + g[c] * values[c];
    }
    pulls.shown[i] = in.shown ? block.template read<Ints>(in.shown, -1) : splat(-1);
  }
}

// The derivative with respect to a face: x, y, depth and 1 / w of its corners, and its colours.
template <int kC>
struct FaceGradient {
  Columns corner[3];
  Floats color[3][kC ? kC : 1];

  RP_INLINE FaceGradient() {
    for (Columns& c : corner) c.x = c.y = c.z = c.w = Floats{};
    for (auto& one : color)
      for (Floats& c : one) c = Floats{};
  }
};

// Adds what colours and depth have in the gradient; to g_w of the weights on the screen, and g_x of the coverage.
template <int kC>
RP_INLINE void add_colors(const Face& f, const Rules& rules, const float* colors, int32_t id, const Near& n, int i,
                          const Pulls<kC>& pulls, Floats& g_x, Floats (&g_w)[3], FaceGradient<kC>& g) {
  Floats s[3] = {};
  for (int k = 0; k < 3; ++k)
    for (int c = 0; c < kC; ++c) s[k] = s[k] + pulls.g[i][c] * colors[k * kC + c];
  const Floats color = ((n.q[0] * s[0] + n.q[1] * s[1]) + n.q[2] * s[2]) * n.inverse_q;
  Floats share, g_depth = Floats{};
  if (rules.color == kSoftmaxColor) {
    const Floats e = exp_of_negative(magnitude(pulls.nearest[i] - n.depth) * -rules.sharpness);
    share = blend(n.seen, (n.covers * e) * pulls.scale[i], Floats{});
    const Floats gain = (color - pulls.mean[i]) * share;
    g_x = g_x + gain * n.misses;
    g_depth = gain * -rules.sharpness;
  } else {
    share = blend(both(n.seen, equal(pulls.shown[i], splat(id))), splat(1.0f), Floats{});
  }
  const Floats mean = share * color + g_depth * n.depth;
  for (int k = 0; k < 3; ++k) {
    const Floats scaled = n.q[k] * n.inverse_q;
    const Floats pull = ((share * s[k] + g_depth * f.z[k]) - mean) * n.inverse_q;
    g.corner[k].z += g_depth * scaled;
    g.corner[k].w += pull * n.u[k];
    const Mask free = both(less(Floats{}, n.w[k]), less(n.w[k], splat(1.0f)));
    g_w[k] = blend(free, pull * f.r[k], Floats{});
    const Floats part = share * scaled;
    for (int c = 0; c < kC; ++c) g.color[k][c] += part * pulls.g[i][c];
  }
}

// g_w: derivative with respect to the weights w_i = e_i / sum e.
template <int kC>
RP_INLINE void add_weights(const Face& f, const Near& n, const Floats (&g_w)[3], FaceGradient<kC>& g) {
  const Floats mean = (g_w[0] * n.w[0] + g_w[1] * n.w[1]) + g_w[2] * n.w[2];
  Floats h[3];
  for (int k = 0; k < 3; ++k) h[k] = (g_w[k] - mean) * f.inverse_area;
  for (int i = 0; i < 3; ++i) {
    const int j = (i + 1) % 3, k = (i + 2) % 3;
    g.corner[i].x += n.dy[j] * h[k] - n.dy[k] * h[j];
    g.corner[i].y += n.dx[k] * h[j] - n.dx[j] * h[k];
  }
}

template <int kC>
RP_INLINE void add_block(const Face& f, const Rules& rules, const float* colors, int32_t id, const Near& n, int i,
                         const Pulls<kC>& pulls, FaceGradient<kC>& g) {
  // With respect to x of D = 1 / (1 + exp(-x)). For prod, dA/dx = prod over the other faces (1 - D) D (1 - D) = (1 - A)
  // D.
  Floats g_x = pulls.alpha[i] * (rules.alpha == kProdAlpha ? n.covers : n.covers * n.misses);
  Floats g_w[3] = {};
  g_x = blend(n.seen, g_x, Floats{});
  if constexpr (kC > 0) add_colors<kC>(f, rules, colors, id, n, i, pulls, g_x, g_w, g);
  if (rules.distance == kEuclidean) {
    const Floats scale = g_x * blend(n.inside, splat(2 * rules.inverse_sigma), splat(-2 * rules.inverse_sigma));
    const Floats pull_x = scale * n.to_x, pull_y = scale * n.to_y;
    for (int k = 0; k < 3; ++k) {
      g.corner[k].x += n.part[k] * pull_x;
      g.corner[k].y += n.part[k] * pull_y;
    }
  } else if (rules.distance == kBarycentric) {
    const Floats pull = (g_x * (2 * rules.inverse_sigma)) * magnitude(n.least);
    Mask left = neither(less(Floats{}, Floats{}));
    for (int k = 0; k < 3; ++k) {
      const Mask is_least = both(left, neither(less(n.least, n.w[k])));
      g_w[k] = g_w[k] + blend(is_least, pull, Floats{});
      left = both(left, neither(is_least));
    }
  }
  if (kC > 0 || rules.distance == kBarycentric) add_weights<kC>(f, n, g_w, g);
}

RP_INLINE Float4 sum_of_rows(const Columns& columns) {
  Floats m[4] = {columns.x, columns.y, columns.z, columns.w};
  transpose(m);
  float quads[kLanes];
  store(quads, (m[0] + m[1]) + (m[2] + m[3]));
  Float4 sum = load<Float4>(quads);
  for (int quad = 1; quad < kLanes / 4; ++quad) sum += load<Float4>(quads + 4 * quad);
  return sum;
}

// Where gradients go; either may be null.
struct Sums {
  float *corners, *colors;  // (V, 4); (N, 3, C), from the image's first face on
};

template <int kC>
RP_INLINE void add_face(const Frame& frame, int64_t face, const FaceGradient<kC>& g, const Sums& sums) {
  for (int k = 0; k < 3; ++k) {
    if (sums.corners)
      add4(sums.corners + 4 * static_cast<int64_t>(frame.faces[3 * face + k]), sum_of_rows(g.corner[k]));
    if constexpr (kC > 0) {
      if (!sums.colors) continue;
      Columns columns{g.color[k][0], Floats{}, Floats{}, Floats{}};
      if constexpr (kC > 1) columns.y = g.color[k][1];
      if constexpr (kC > 2) columns.z = g.color[k][2];
      if constexpr (kC > 3) columns.w = g.color[k][3];
      const Float4 sum = sum_of_rows(columns);
      float* const to = sums.colors + (3 * face + k) * kC;
      for (int c = 0; c < kC; ++c) to[c] += sum[c];
    }
  }
}

template <int kC>
void pull(const Frame& frame, const Rules& rules, const Box* boxes, int row_begin, int row_end, const In& in,
          const Sums& sums) {
  Pulls<kC> pulls;
  for_tiles(
      frame, boxes, row_begin, row_end,
      [&](int column, int row) {
        for_blocks(frame, column, row, whole(frame),
                   [&](int i, const PixelBlock<false>& block) { load_block<kC>(rules, in, block, i, pulls); });
      },
      [&](int column, int row, const Listed& listed) {
        const Face face(frame, listed.face, rules);
        const float* const colors = frame.colors + 3 * kC * static_cast<int64_t>(listed.face);
        FaceGradient<kC> g;
        bool any = false;
        for_blocks(frame, column, row, listed.box, [&](int i, const PixelBlock<false>& block) {
          Near n;
          if (!find<kC != 0>(face, rules, frame.x(block.centre_x()), frame.y(block.centre_y()), n)) return;
          any = true;
          add_block<kC>(face, rules, colors, listed.face, n, i, pulls, g);
        });
        if (any) add_face<kC>(frame, listed.face, g, sums);
      },
      [](int, int) {});
}

using Pull = void (*)(const Frame&, const Rules&, const Box*, int, int, const In&, const Sums&);
constexpr Pull kPull[kMostChannels + 1] = {pull<0>, pull<1>, pull<2>, pull<3>, pull<4>};

}  // namespace

// Arguments as of rp_soft, its results, and g_image (B, H, W, C + 1) -> g_corners like corners and g_colors like
// colors, overwritten; either may be null. Returns 0, or -1 if memory ran out.
RP_KERNEL(rp_soft_backward)
(const float* corners, int64_t vertices, int32_t packed, const int32_t* faces, int64_t face_count,
 const int64_t* ranges, int64_t batch, const float* colors, int64_t color_rows, int32_t batched, int32_t channels,
 int32_t height, int32_t width, int32_t threads, int32_t distance, int32_t alpha, int32_t color, int32_t cull,
 float inverse_sigma, float reach, float sharpness, float near, float far, float background_depth, const float* image,
 const float* memory, const int32_t* shown, const float* g_image, float* g_corners, float* g_colors) try {
  const Call call{corners,
                  vertices,
                  packed != 0,
                  faces,
                  face_count,
                  ranges,
                  batch,
                  colors,
                  color_rows,
                  batched != 0,
                  channels,
                  height,
                  width,
                  threads,
                  {distance, alpha, color, cull, inverse_sigma, reach, sharpness, near, far, background_depth}};
  const Box* const boxes = call.find_boxes();
  const int64_t pixels = static_cast<int64_t>(height) * width, planes = channels ? 3 : 1;
  const int64_t of_corners = g_corners ? 4 * vertices : 0;
  const int64_t of_colors = g_colors ? 3 * channels * color_rows : 0;
  const Schedule schedule(batch, height, (of_corners + of_colors) * static_cast<int64_t>(sizeof(float)),
                          (g_corners && packed) || (g_colors && !batched));
  const Buffers corner_sums(schedule, g_corners, of_corners, batch, packed != 0, 0);
  const Buffers color_sums(schedule, g_colors, of_colors, batch, !batched, 1);
  schedule.run(threads, [&](int64_t unit, int64_t b, int64_t strip, int64_t group, bool first) {
    const Frame frame = call.frame(b);
    Sums sums{nullptr, nullptr};
    if (g_corners) sums.corners = corner_sums.start(unit, group, first);
    if (g_colors) sums.colors = color_sums.start(unit, group, first) + (batched ? 0 : call.color_offset(b));
    const In in{image + b * pixels * (channels + 1),
                memory + b * planes * pixels,
                g_image + b * pixels * (channels + 1),
                shown ? shown + b * pixels : nullptr,
                pixels,
                frame.count ? 1.0f / static_cast<float>(frame.count) : 0.0f};
    const auto [begin, end] = schedule.rows(strip, height);
    kPull[channels](frame, call.rules, boxes + call.box_offset(b), begin, end, in, sums);
  });
  if (g_corners) corner_sums.finish(threads);
  if (g_colors) color_sums.finish(threads);
  return 0;
} catch (...) {
  return -1;
}

}  // namespace rp::RP_ISA
