// Soft rasterization, forward: every face near a pixel has a share in it.
#include "soft.h"

namespace rp::RP_ISA {
namespace {

// What the pixels of a tile have so far.
template <int kC>
struct Tile {
  Floats alpha[kTileBlocks];    // prod: of 1 - D; sum: of D; hard: 1 or 0
  Floats nearest[kTileBlocks];  // the least depth yet: weights are relative to its
  Floats total[kTileBlocks];    // of the weights
  Floats color[kTileBlocks][kC ? kC : 1];
  Ints shown[kTileBlocks];  // hard colours
};

template <int kC>
RP_INLINE void start_tile(const Rules& rules, const float* background, Tile<kC>& tile) {
  for (int i = 0; i < kTileBlocks; ++i) {
    tile.alpha[i] = splat(rules.alpha == kProdAlpha ? 1.0f : 0.0f);
    tile.nearest[i] = splat(rules.color == kSoftmaxColor ? rules.background : INFINITY);
    tile.total[i] = splat(1.0f);
    for (int c = 0; c < kC; ++c) tile.color[i][c] = splat(background[c]);
    tile.shown[i] = splat(-1);
  }
}

RP_INLINE void add_alpha(const Rules& rules, const Near& n, Floats& alpha) {
  if (rules.alpha == kProdAlpha)
    alpha = alpha * blend(n.seen, n.misses, splat(1.0f));
  else if (rules.alpha == kSumAlpha)
    alpha = alpha + blend(n.seen, n.covers, Floats{});
  else
    alpha = blend(both(n.seen, n.inside), splat(1.0f), alpha);
}

template <int kC>
RP_INLINE void add_color(const Rules& rules, const float* colors, int32_t id, const Near& n, int i, Tile<kC>& tile) {
  const Floats before = tile.nearest[i];
  const Mask closer = both(n.seen, less(n.depth, before));
  Floats keep, weight;
  if (rules.color == kSoftmaxColor) {
    const Floats e = exp_of_negative(magnitude(before - n.depth) * -rules.sharpness);
    keep = blend(closer, e, splat(1.0f));
    weight = blend(n.seen, n.covers * blend(closer, splat(1.0f), e), Floats{});
    tile.nearest[i] = blend(closer, n.depth, before);
    tile.total[i] = tile.total[i] * keep + weight;
  } else {
    const Mask wins = both(closer, n.inside);
    keep = blend(wins, Floats{}, splat(1.0f));
    weight = blend(wins, splat(1.0f), Floats{});
    tile.nearest[i] = blend(wins, n.depth, before);
    tile.shown[i] = blend(wins, splat(id), tile.shown[i]);
  }
  const Floats scale = weight * n.inverse_q;
  for (int c = 0; c < kC; ++c) {
    const Floats value = (n.q[0] * colors[c] + n.q[1] * colors[kC + c]) + n.q[2] * colors[2 * kC + c];
    tile.color[i][c] = tile.color[i][c] * keep + blend(less(Floats{}, scale), value * scale, Floats{});
  }
}

struct Out {
  float *image, *memory;  // (H, W, C + 1); (M, H, W)
  int32_t* shown;         // (H, W), or null
  int64_t pixels;
  float share;  // 1 / number of faces
};

template <int kC>
RP_INLINE void finish_block(const Rules& rules, const Out& out, const PixelBlock<false>& block, int i,
                            const Tile<kC>& tile) {
  Floats values[kC + 1] = {};
  const Floats scale = 1.0f / tile.total[i];
  for (int c = 0; c < kC; ++c) values[c] = tile.color[i][c] * scale;
  values[kC] = rules.alpha == kProdAlpha  ? 1.0f - tile.alpha[i]
               : rules.alpha == kSumAlpha ? tile.alpha[i] * out.share
                                          : tile.alpha[i];
  for (int lane = 0; lane < kLanes; ++lane)
    if (block.inside(lane))
      for (int c = 0; c <= kC; ++c) out.image[block.pixel(lane) * (kC + 1) + c] = values[c][lane];
  block.write(out.memory, tile.alpha[i]);
  if constexpr (kC > 0) {
    block.write(out.memory + out.pixels, tile.nearest[i]);
    block.write(out.memory + 2 * out.pixels, scale);
    if (out.shown) block.write(out.shown, tile.shown[i]);
  }
}

template <int kC>
void draw(const Frame& frame, const Rules& rules, const Box* boxes, const float* background, int row_begin, int row_end,
          const Out& out) {
  Tile<kC> tile;
  for_tiles(
      frame, boxes, row_begin, row_end, [&](int, int) { start_tile(rules, background, tile); },
      [&](int column, int row, const Listed& listed) {
        const Face face(frame, listed.face, rules);
        for_blocks(frame, column, row, listed.box, [&](int i, const PixelBlock<false>& block) {
          Near n;
          if (!find<kC != 0>(face, rules, frame.x(block.centre_x()), frame.y(block.centre_y()), n)) return;
          add_alpha(rules, n, tile.alpha[i]);
          if constexpr (kC > 0)
            add_color<kC>(rules, frame.colors + 3 * kC * static_cast<int64_t>(listed.face), listed.face, n, i, tile);
        });
      },
      [&](int column, int row) {
        for_blocks(frame, column, row, whole(frame),
                   [&](int i, const PixelBlock<false>& block) { finish_block<kC>(rules, out, block, i, tile); });
      });
}

using Draw = void (*)(const Frame&, const Rules&, const Box*, const float*, int, int, const Out&);
constexpr Draw kDraw[kMostChannels + 1] = {draw<0>, draw<1>, draw<2>, draw<3>, draw<4>};

}  // namespace

// corners (B, V, 4), or (V, 4) shared by the batch if `packed`: place, camera depth and 1 / w; faces (F, 3); ranges
// (B, 2) or null; colors (F, 3, C), or (B, N, 3, C) if `batched`; background (B, C), C <= 4.
// -> image (B, H, W, C + 1); memory (B, 3, H, W), or (B, 1, H, W) without colours: alpha as it is added up, least
// depth, 1 / sum of weights; shown (B, H, W), the number of the face within its image, for hard colours only. Returns
// the number of faces with a corner that is not finite, or -1 if memory ran out.
RP_KERNEL(rp_soft)
(const float* corners, int64_t vertices, int32_t packed, const int32_t* faces, int64_t face_count,
 const int64_t* ranges, int64_t batch, const float* colors, int64_t color_rows, int32_t batched, int32_t channels,
 int32_t height, int32_t width, int32_t threads, int32_t distance, int32_t alpha, int32_t color, int32_t cull,
 float inverse_sigma, float reach, float sharpness, float near, float far, float background_depth,
 const float* background, float* image, float* memory, int32_t* shown) try {
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
  int64_t not_finite = 0;
  const Box* const boxes = call.find_boxes(&not_finite);
  const int64_t bands = (height + kTile - 1) / kTile, pixels = static_cast<int64_t>(height) * width;
  const int64_t planes = channels ? 3 : 1;
  parallel_for(batch * bands, threads, [&](int64_t job, int) {
    const int64_t b = job / bands;
    const int begin = static_cast<int>(job % bands) * kTile, end = std::min(begin + kTile, height);
    const Frame frame = call.frame(b);
    const Out out{image + b * pixels * (channels + 1), memory + b * planes * pixels,
                  shown ? shown + b * pixels : nullptr, pixels,
                  frame.count ? 1.0f / static_cast<float>(frame.count) : 0.0f};
    kDraw[channels](frame, call.rules, boxes + call.box_offset(b), background + b * channels, begin, end, out);
  });
  return not_finite;
} catch (...) {
  return -1;
}

}  // namespace rp::RP_ISA
