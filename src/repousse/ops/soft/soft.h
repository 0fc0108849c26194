// What forward and backward pass share: the rules, which faces come near which pixels, and how near.
//
// Lengths are in units of half the image's shorter side. The image is worked through in square tiles. The faces that
// reach a row of tiles are listed, and each tile goes through that list in the order of faces; so memory does not grow
// with the number of faces per pixel, and sums do not depend on the number of threads.
#pragma once
#include <algorithm>
#include <atomic>
#include <cmath>

#include "exponential.h"
#include "pixels.h"

namespace rp::RP_ISA {

constexpr int kTile = 16;
constexpr int kTileBlocks = kTile * kTile / kLanes;
constexpr int kMostChannels = 4;
constexpr float kLeastArea = 1e-10f;  // twice the area of a face that is left out
constexpr float kMostPlace = 1e6f, kMostDepth = 1e12f;

enum DistanceRule { kHardDistance, kEuclidean, kBarycentric };
enum AlphaRule { kHardAlpha, kSumAlpha, kProdAlpha };
enum ColorRule { kHardColor, kSoftmaxColor };

struct Rules {
  int distance, alpha, color;
  int cull;  // 0 none, 1 back, 2 front
  float inverse_sigma;
  float reach;       // squared distance from which on a face is not seen
  float sharpness;   // 1 / (gamma (far - near))
  float near, far;   // camera depth
  float background;  // depth at which the background counts as a face
};

// A vertex on the screen: place, camera depth, 1 / w, which is not positive behind the camera.
struct Corner {
  float x, y, z, r;
};

// The pixels that a face can reach: columns and rows [begin, end).
struct Box {
  int16_t column_begin, column_end, row_begin, row_end;
};

// One image. `faces` and `colors` begin with its first face; colors (count, 3, C).
struct Frame {
  const Corner* corners;
  const int32_t* faces;
  const float* colors;
  int64_t count;
  int width, height;
  float step;  // from pixel to pixel

  RP_INLINE Floats x(Floats centre_x) const { return (centre_x - 0.5f * static_cast<float>(width)) * step; }
  RP_INLINE Floats y(Floats centre_y) const { return (centre_y - 0.5f * static_cast<float>(height)) * step; }
};

struct Face {
  float x[3], y[3], z[3], r[3];
  float area, inverse_area;                       // twice the signed area
  float edge_x[3], edge_y[3], inverse_length[3];  // edge k runs from corner k to the next; 1 / squared length
  bool in_range;                                  // between near and far as a whole

  RP_INLINE Face(const Frame& frame, int64_t face, const Rules& rules) {
    in_range = true;
    for (int k = 0; k < 3; ++k) {
      const Corner& corner = frame.corners[frame.faces[3 * face + k]];
      x[k] = corner.x;
      y[k] = corner.y;
      z[k] = corner.z;
      r[k] = corner.r;
      in_range = in_range && z[k] >= rules.near && z[k] <= rules.far;
    }
    for (int k = 0; k < 3; ++k) {
      const int next = (k + 1) % 3;
      edge_x[k] = x[next] - x[k];
      edge_y[k] = y[next] - y[k];
      inverse_length[k] = 1 / (edge_x[k] * edge_x[k] + edge_y[k] * edge_y[k]);
    }
    area = edge_x[2] * edge_y[0] - edge_x[0] * edge_y[2];
    inverse_area = 1 / area;
  }

  bool finite() const {
    float sum = 0;
    for (int k = 0; k < 3; ++k) sum += ((x[k] - x[k]) + (y[k] - y[k])) + ((z[k] - z[k]) + (r[k] - r[k]));
    return sum == 0;
  }

  // Faces that can be drawn; false for NaN.
  bool good(const Rules& rules) const {
    for (int k = 0; k < 3; ++k)
      if (!(std::fabs(x[k]) <= kMostPlace && std::fabs(y[k]) <= kMostPlace && std::fabs(z[k]) <= kMostDepth &&
            r[k] > 0 && r[k] <= kMostDepth))
        return false;
    if (!(std::fabs(area) >= kLeastArea)) return false;
    if (rules.cull && (rules.cull == 1) == (area > 0)) return false;  // y is down: front faces have a negative area
    const auto [nearest, farthest] = std::minmax({z[0], z[1], z[2]});
    return nearest <= rules.far && farthest >= rules.near;
  }
};

inline std::pair<int16_t, int16_t> pixels_between(double low, double high, double step, int size) {
  const double begin = std::ceil(low / step + 0.5 * size - 0.5 - 0.01);
  const double end = std::floor(high / step + 0.5 * size - 0.5 + 0.01) + 1;
  return {static_cast<int16_t>(std::clamp(begin, 0.0, static_cast<double>(size))),
          static_cast<int16_t>(std::clamp(end, 0.0, static_cast<double>(size)))};
}

inline Box box_of(const Frame& frame, const Face& face, const Rules& rules) {
  if (!face.good(rules)) return {0, 0, 0, 0};
  const double margin = rules.distance == kEuclidean ? std::sqrt(static_cast<double>(rules.reach)) : 0;
  // Barycentrics down to -m reach as far as a triangle that is larger by 3 m, about the centroid.
  const double grown = rules.distance == kBarycentric ? std::sqrt(static_cast<double>(rules.reach)) : 0;
  double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
  for (int axis = 0; axis < 2; ++axis) {
    const float* place = axis == 0 ? face.x : face.y;
    const double sum = static_cast<double>(place[0]) + place[1] + place[2];
    for (int k = 0; k < 3; ++k) {
      const double at = place[k] + grown * (3.0 * place[k] - sum);
      low[axis] = std::min(low[axis], at - margin);
      high[axis] = std::max(high[axis], at + margin);
    }
  }
  const auto columns = pixels_between(low[0], high[0], frame.step, frame.width);
  const auto rows = pixels_between(low[1], high[1], frame.step, frame.height);
  return {columns.first, columns.second, rows.first, rows.second};
}

// A face in the list of a row of tiles.
struct Listed {
  int32_t face;
  Box box;
};

inline int64_t list_row(const Box* boxes, int64_t count, int row, Listed* list) {
  int64_t length = 0;
  for (int64_t face = 0; face < count; ++face) {
    list[length] = {static_cast<int32_t>(face), boxes[face]};
    length += boxes[face].row_begin < row + kTile && boxes[face].row_end > row &&
              boxes[face].column_begin < boxes[face].column_end;
  }
  return length;
}

// Calls body(index in the tile, block) for the blocks of a tile that a box touches, or for all of them.
template <class Body>
RP_INLINE void for_blocks(const Frame& frame, int column, int row, Box box, Body&& body) {
  const int right = std::min<int>(box.column_end, column + kTile), low = std::min<int>(box.row_end, row + kTile);
  const int left = column + (std::max<int>(box.column_begin - column, 0) & -kBlockWidth);
  for (int y = row + (std::max<int>(box.row_begin - row, 0) & -kBlockHeight); y < low; y += kBlockHeight)
    for (int x = left; x < right; x += kBlockWidth)
      body((y - row) / kBlockHeight * (kTile / kBlockWidth) + (x - column) / kBlockWidth,
           PixelBlock<false>(x, y, frame.width, frame.height));
}
inline Box whole(const Frame& frame) {
  return {0, static_cast<int16_t>(frame.width), 0, static_cast<int16_t>(frame.height)};
}

// Calls start(column, row), visit(column, row, listed) for all faces of a tile, and finish(column, row), for the tiles
// of rows [row_begin, row_end).
template <class Start, class Visit, class Finish>
RP_INLINE void for_tiles(const Frame& frame, const Box* boxes, int row_begin, int row_end, Start&& start, Visit&& visit,
                         Finish&& finish) {
  Listed* const list = static_cast<Listed*>(scratch(3, (frame.count + 1) * static_cast<int64_t>(sizeof(Listed))));
  for (int row = row_begin; row < row_end; row += kTile) {
    const int64_t length = list_row(boxes, frame.count, row, list);
    for (int column = 0; column < frame.width; column += kTile) {
      start(column, row);
      for (int64_t i = 0; i < length; ++i)
        if (list[i].box.column_begin < column + kTile && list[i].box.column_end > column) visit(column, row, list[i]);
      finish(column, row);
    }
  }
}

RP_INLINE Mask either(Mask a, Mask b) { return static_cast<Mask>(a | b); }
RP_INLINE Mask both(Mask a, Mask b) { return static_cast<Mask>(a & b); }
RP_INLINE Mask neither(Mask a) { return static_cast<Mask>(~a); }
RP_INLINE Floats magnitude(Floats value) {
  return reinterpret_cast<Floats>(reinterpret_cast<Ints>(value) & 0x7fffffff);
}

// Where a block of pixels lies relative to a face.
struct Near {
  Floats dx[3], dy[3];  // corners relative to the pixels
  Floats w[3];          // barycentrics on the screen, not clamped
  Mask inside, seen;
  Floats covers, misses;       // D and 1 - D
  Floats to_x, to_y, part[3];  // euclidean: from the pixel to the nearest point of the outline, and its barycentrics
  Floats least;                // barycentric: the least of w
  Floats u[3], q[3];           // clamped barycentrics; times 1 / w
  Floats inverse_q, depth;     // 1 / sum q; camera depth
};

RP_INLINE void find_place(const Face& f, Floats x, Floats y, Near& n) {
  for (int k = 0; k < 3; ++k) {
    n.dx[k] = f.x[k] - x;
    n.dy[k] = f.y[k] - y;
  }
  for (int i = 0; i < 3; ++i) {
    const int j = (i + 1) % 3, k = (i + 2) % 3;
    n.w[i] = (n.dx[j] * n.dy[k] - n.dy[j] * n.dx[k]) * f.inverse_area;
  }
  n.least = min(min(n.w[0], n.w[1]), n.w[2]);
  n.inside = neither(less(n.least, Floats{}));
}

// The squared distance to the outline.
RP_INLINE Floats find_outline(const Face& f, Near& n) {
  Floats nearest = splat(INFINITY);
  for (int k = 0; k < 3; ++k) {
    const int next = (k + 1) % 3, last = (k + 2) % 3;
    const Floats along = (n.dx[k] * f.edge_x[k] + n.dy[k] * f.edge_y[k]) * -f.inverse_length[k];
    const Floats t = min(max(along, Floats{}), splat(1.0f));
    const Floats to_x = n.dx[k] + t * f.edge_x[k], to_y = n.dy[k] + t * f.edge_y[k];
    const Floats square = to_x * to_x + to_y * to_y;
    const Mask closer = less(square, nearest);
    nearest = blend(closer, square, nearest);
    n.to_x = blend(closer, to_x, n.to_x);
    n.to_y = blend(closer, to_y, n.to_y);
    n.part[k] = blend(closer, 1.0f - t, n.part[k]);
    n.part[next] = blend(closer, t, n.part[next]);
    n.part[last] = blend(closer, Floats{}, n.part[last]);
  }
  return nearest;
}

// D = 1 / (1 + exp(-x)) and 1 - D, each to full relative precision.
RP_INLINE void find_coverage(Mask inside, Floats magnitude_of_x, Near& n) {
  const Floats e = exp_of_negative(-magnitude_of_x);
  const Floats more = 1.0f / (1.0f + e), less = e * more;
  n.covers = blend(inside, more, less);
  n.misses = blend(inside, less, more);
}

RP_INLINE void find_depth(const Face& f, Near& n) {
  for (int k = 0; k < 3; ++k) {
    n.u[k] = min(max(n.w[k], Floats{}), splat(1.0f));
    n.q[k] = n.u[k] * f.r[k];
  }
  n.inverse_q = 1.0f / ((n.q[0] + n.q[1]) + n.q[2]);
  n.depth = ((n.q[0] * f.z[0] + n.q[1] * f.z[1]) + n.q[2] * f.z[2]) * n.inverse_q;
}

// Fills `n`; false if no pixel of the block sees the face. `kDepth`: whether depth and its weights are wanted.
template <bool kDepth>
RP_INLINE bool find(const Face& f, const Rules& rules, Floats x, Floats y, Near& n) {
  for (int k = 0; k < 3; ++k) n.part[k] = Floats{};
  n.to_x = n.to_y = Floats{};
  find_place(f, x, y, n);
  Floats square = Floats{};
  n.seen = n.inside;
  if (rules.distance != kHardDistance) {
    square = rules.distance == kEuclidean ? find_outline(f, n) : n.least * n.least;
    n.seen = either(n.inside, less(square, splat(rules.reach)));
  }
  if (!bits(n.seen)) return false;
  if (kDepth || !f.in_range) {
    find_depth(f, n);
    if (!f.in_range)
      n.seen = both(n.seen, neither(either(less(n.depth, splat(rules.near)), less(splat(rules.far), n.depth))));
  }
  if (rules.distance == kHardDistance) {
    n.covers = splat(1.0f);
    n.misses = Floats{};
  } else {
    find_coverage(n.inside, square * rules.inverse_sigma, n);
  }
  return true;
}

// The arguments that both kernels have in common.
struct Call {
  const float* corners;
  int64_t vertices;
  bool packed;
  const int32_t* faces;
  int64_t face_count;
  const int64_t* ranges;  // first face and number of faces per image, or null for all
  int64_t batch;
  const float* colors;  // (F, 3, C), or (B, N, 3, C) if `batched`
  int64_t color_rows;   // N
  bool batched;
  int channels, height, width, threads;
  Rules rules;

  int64_t first(int64_t b) const { return ranges ? ranges[2 * b] : 0; }
  int64_t count(int64_t b) const { return ranges ? ranges[2 * b + 1] : face_count; }
  // Of the colours of the image's first face, in floats.
  int64_t color_offset(int64_t b) const {
    return 3 * static_cast<int64_t>(channels) * (batched ? b * color_rows : first(b));
  }
  Frame frame(int64_t b) const {
    const float* mine = corners + (packed ? 0 : 4 * b * vertices);
    return {reinterpret_cast<const Corner*>(mine),
            faces + 3 * first(b),
            colors ? colors + color_offset(b) : nullptr,
            count(b),
            width,
            height,
            2.0f / static_cast<float>(std::min(width, height))};
  }

  // The boxes of all images one after the other; image b's begin at number `box_offset(b)`.
  int64_t box_offset(int64_t b) const {
    int64_t offset = 0;
    for (int64_t i = 0; i < b; ++i) offset += count(i);
    return offset;
  }
  // `not_finite`: how many faces have a corner that is not.
  Box* find_boxes(int64_t* not_finite = nullptr) const {
    std::atomic<int64_t> count_bad{0};
    Box* const boxes = static_cast<Box*>(scratch(2, (box_offset(batch) + 1) * static_cast<int64_t>(sizeof(Box))));
    constexpr int64_t kChunk = 2048;
    for (int64_t b = 0; b < batch; ++b) {
      const Frame image = frame(b);
      Box* const mine = boxes + box_offset(b);
      parallel_for((image.count + kChunk - 1) / kChunk, threads, [&](int64_t chunk, int) {
        for (int64_t i = chunk * kChunk; i < std::min(image.count, (chunk + 1) * kChunk); ++i) {
          const Face face(image, i, rules);
          if (!face.finite()) count_bad.fetch_add(1, std::memory_order_relaxed);
          mine[i] = box_of(image, face, rules);
        }
      });
    }
    if (not_finite) *not_finite = count_bad.load();
    return boxes;
  }
};

}  // namespace rp::RP_ISA
