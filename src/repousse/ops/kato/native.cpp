// The gradient of Kato et al. (2018): as released (every edge of every visible face), and from the crossing list (only
// where the visible surface ends). reference.py states the released one in words.
#include <algorithm>
#include <cmath>

#include "planes.h"

namespace rp::RP_ISA {
namespace {

struct Point {
  double u, v;
};

// The images of a batch as planes: lines are columns (axis 0) or rows (axis 1). `up`: row 0 of the planes is the
// lowest.
struct Pictures {
  const float *image, *gradient, *depth;  // depth: null for the released sweeps
  const int32_t* face_id;
  int64_t height, width, channels;
  bool up;
  char* memory;  // for one image after the other, or for all
  int64_t bytes;

  Planes planes(int axis, int64_t slot) const {
    char* at = memory + slot * bytes;
    if (axis == 1) return Planes(height, width, channels, at);
    return Planes(width, height, channels, at + Planes::bytes(height, width, channels));
  }
  static int64_t bytes_of(int64_t height, int64_t width, int64_t channels) {
    return (Planes::bytes(height, width, channels) + Planes::bytes(width, height, channels) + 63) / 64 * 64;
  }
  void fill_slot(int64_t b, int64_t slot) const {
    const int64_t offset = b * height * width, first = up ? (height - 1) * width : 0, down = up ? -width : width;
    const Steps rows{first, down, 1}, columns{first, 1, down};
    for (int axis = 0; axis < 2; ++axis) {
      const Steps& steps = axis == 1 ? rows : columns;
      fill_colors(planes(axis, slot), steps, image + offset * channels, gradient + offset * channels);
      if (depth)
        copy_plane(planes(axis, slot), steps, depth + offset, 1, planes(axis, slot).depth);
      else
        fill_faces(planes(axis, slot), steps, face_id + offset);
    }
  }
};

// ---- as released
// ------------------------------------------------------------------------------------------------------

double meet(Point p, Point q, double u) { return p.v + (q.v - p.v) / (q.u - p.u) * (u - p.u); }

// The last pixel before the triangle's other side; the border if that side runs along the line.
int64_t far_side(Point a, Point b, Point c, double u, int outward, int64_t count) {
  const Point start = (u - a.u) * (u - c.u) < 0 ? a : b;
  if (start.u == c.u) return outward > 0 ? 0 : count - 1;
  const double other = std::clamp(meet(start, c, u), -1.0, static_cast<double>(count));
  return static_cast<int64_t>(outward > 0 ? std::ceil(other) : std::floor(other));
}

// Both sweeps of the edge a -> b of `face` along all lines it crosses; adds to the v of its ends.
void sweep_edge(const Planes& planes, Point a, Point b, Point c, int outward, int32_t face, float eps, float& g_a,
                float& g_b) {
  const double low = std::min(a.u, b.u), high = std::max(a.u, b.u), unit = 2.0 / static_cast<double>(planes.count);
  if (!(low < high)) return;
  const auto last = static_cast<int64_t>(std::trunc(std::min(high, static_cast<double>(planes.lines - 1))));
  double sum_a = 0, sum_b = 0;
  for (auto line = static_cast<int64_t>(std::max(std::ceil(low), 0.0)); line <= last; ++line) {
    const auto u = static_cast<double>(line);
    const double crossing = meet(a, b, u);
    const double inner_place = outward > 0 ? std::floor(crossing) : std::ceil(crossing);
    if (!(inner_place >= 0 && inner_place + outward >= 0 && inner_place < static_cast<double>(planes.count) &&
          inner_place + outward < static_cast<double>(planes.count)))
      continue;
    const auto inner = static_cast<int64_t>(inner_place), outer = inner + outward;
    const double run = b.u - a.u;
    const double arm[2] = {u == b.u ? 0 : run / (b.u - u) * unit, u == a.u ? 0 : run / (u - a.u) * unit};
    const int32_t* faces = planes.face_line(line);
    if (faces[inner] == face) {
      const int64_t from = outward > 0 ? outer : 0, to = outward > 0 ? planes.count - 1 : outer;
      const Pull outside = pull(planes, line, from, to, inner, crossing, arm, eps, [](int64_t) { return Ints{} == 0; });
      sum_a += outside.sum[0];
      sum_b += outside.sum[1];
    }
    const int64_t limit = far_side(a, b, c, u, outward, planes.count);
    const int64_t from = std::max<int64_t>(std::min(inner, limit), 0);
    const int64_t to = std::min(std::max(inner, limit), planes.count - 1);
    const Pull inside = pull(planes, line, from, to, outer, crossing, arm, eps,
                             [&](int64_t v) { return load<Ints>(faces + v) == face; });
    sum_a += inside.sum[0];
    sum_b += inside.sum[1];
  }
  g_a -= static_cast<float>(sum_a);
  g_b -= static_cast<float>(sum_b);
}

// A front face with its corners in pixels (origin in the lower left, integers are pixel centres).
void sweep_face(const Planes& columns, const Planes& rows, const float* ndc, const int32_t* corners, int32_t face,
                float eps, float* gradient) {
  const double size[2] = {static_cast<double>(columns.lines), static_cast<double>(rows.lines)};
  double p[3][2];
  for (int k = 0; k < 3; ++k)
    for (int axis = 0; axis < 2; ++axis)
      p[k][axis] =
          (static_cast<double>(ndc[2 * static_cast<int64_t>(corners[k]) + axis]) * size[axis] + size[axis] - 1) / 2;
  for (const auto& corner : p)
    if (!std::isfinite(corner[0]) || !std::isfinite(corner[1])) return;
  if ((p[2][1] - p[0][1]) * (p[1][0] - p[0][0]) < (p[1][1] - p[0][1]) * (p[2][0] - p[0][0])) return;
  for (int k = 0; k < 3; ++k) {
    const int ib = (k + 1) % 3, ic = (k + 2) % 3;
    for (int axis = 0; axis < 2; ++axis) {
      const Point a{p[k][axis], p[k][1 - axis]}, b{p[ib][axis], p[ib][1 - axis]}, c{p[ic][axis], p[ic][1 - axis]};
      const int outward = (a.u < b.u) == (axis == 0) ? -1 : 1;
      sweep_edge(axis == 0 ? columns : rows, a, b, c, outward, face, eps,
                 gradient[2 * static_cast<int64_t>(corners[k]) + 1 - axis],
                 gradient[2 * static_cast<int64_t>(corners[ib]) + 1 - axis]);
    }
  }
}

// ---- from crossings
// -----------------------------------------------------------------------------------------------------

struct CrossingList {
  const int64_t *inner, *outer;
  const int32_t* vertices;
  const float* offset;
  const int8_t* axis;  // 0: the pair lies in a row; 1: in a column
};

// The last of the pixels from `place` in the given direction before the first empty one.
RP_INLINE int64_t last_covered(const float* depth, int64_t count, int64_t place, int direction) {
  for (int64_t next = place + direction;;) {
    if (direction > 0) {
      if (next >= count) return count - 1;
      const uint32_t empty = bits(load<Floats>(depth + next) >= kEmpty);  // the padding behind a line is not empty
      if (empty) return std::min(next + __builtin_ctz(empty), count) - 1;
      next += kLanes;
    } else {
      if (next < 0) return 0;
      if (next < kLanes - 1) {
        for (; next >= 0; --next)
          if (depth[next] >= kEmpty) return next + 1;
        return 0;
      }
      const uint32_t empty = bits(load<Floats>(depth + next - (kLanes - 1)) >= kEmpty);
      if (empty) return next - (kLanes - 1) + (31 - __builtin_clz(empty)) + 1;
      next -= kLanes;
    }
  }
}

// The edge may be pulled outwards by pixels up to the border that no nearer surface covers, and inwards by those of the
// surface it bounds, up to the first empty pixel.
void sweep_crossing(const Pictures& pictures, int64_t slot, const CrossingList& list, int64_t i, const float* ndc,
                    float eps, float* gradient) {
  const bool horizontal = list.axis[i] == 0;
  const Planes planes = pictures.planes(horizontal ? 1 : 0, slot);
  const int64_t pixels = pictures.height * pictures.width, pixel = list.inner[i] % pixels;
  const int64_t row = pixel / pictures.width, column = pixel % pictures.width;
  const int64_t line = horizontal ? row : column, inner = horizontal ? column : row;
  const int outward = list.outer[i] > list.inner[i] ? 1 : -1;
  const int64_t outer = inner + outward;
  const double crossing = static_cast<double>(inner) + outward * static_cast<double>(list.offset[i]);

  // The ends' coordinate across lines, in pixels with integers at centres (y down), for the lever arms.
  const int64_t vertex[2] = {list.vertices[2 * i], list.vertices[2 * i + 1]};
  const auto lines = static_cast<double>(planes.lines), unit = 2.0 / static_cast<double>(planes.count);
  double u[2];
  for (int end = 0; end < 2; ++end) {
    const double across = horizontal ? -ndc[2 * vertex[end] + 1] : ndc[2 * vertex[end]];
    u[end] = (across * lines + lines - 1) / 2;
  }
  const auto at = static_cast<double>(line);
  if (!std::isfinite(u[0]) || !std::isfinite(u[1]) || u[0] == u[1]) return;
  const double run = u[1] - u[0];
  const double arm[2] = {u[1] == at ? 0 : run / (u[1] - at) * unit, u[0] == at ? 0 : run / (at - u[0]) * unit};

  const float* depth = planes.depth_line(line);
  const float edge_depth = depth[inner];
  const int64_t from = outward > 0 ? outer : 0, to = outward > 0 ? planes.count - 1 : outer;
  const Pull outside = pull(planes, line, from, to, inner, crossing, arm, eps,
                            [&](int64_t v) { return load<Floats>(depth + v) > edge_depth; });
  const int64_t end_of_surface = last_covered(depth, planes.count, inner, -outward);
  const Pull inside = pull(planes, line, std::min(inner, end_of_surface), std::max(inner, end_of_surface), outer,
                           crossing, arm, eps, [](int64_t) { return Ints{} == 0; });
  const int coordinate = horizontal ? 0 : 1;
  const double sign = horizontal ? -1 : 1;  // rows run downwards, NDC y upwards
  for (int end = 0; end < 2; ++end)
    gradient[2 * vertex[end] + coordinate] += static_cast<float>(sign * (outside.sum[end] + inside.sum[end]));
}

}  // namespace

// ndc (B, V, 2), x right, y up; faces (F, 3); face_id (B, H, W); image, g_image (B, H, W, C) -> g_ndc (B, V, 2),
// overwritten. Returns 0, or -1 if memory ran out.
RP_KERNEL(rp_kato_released)
(const float* ndc, int64_t vertices, const int32_t* faces, int64_t face_count, int64_t batch, int32_t height,
 int32_t width, int32_t channels, int32_t threads, const int32_t* face_id, const float* image, const float* g_image,
 float eps, float* g_ndc) try {
  const Schedule schedule(batch, 128, vertices * 8, false);  // strips are ranges of faces here
  const Buffers buffers(schedule, g_ndc, 2 * vertices, batch, false, 1);
  const int64_t bytes = Pictures::bytes_of(height, width, channels), pixels = static_cast<int64_t>(height) * width;
  auto* seen = static_cast<uint8_t*>(scratch(2, batch * face_count));
  const Pictures pictures{
      image, g_image, nullptr, face_id, height, width, channels, true, static_cast<char*>(scratch(0, batch * bytes)),
      bytes};
  parallel_for(batch, threads, [&](int64_t b, int) {
    uint8_t* mine = seen + b * face_count;
    std::memset(mine, 0, static_cast<size_t>(face_count));
    for (int64_t i = b * pixels; i < (b + 1) * pixels; ++i)
      if (face_id[i] >= 0) mine[face_id[i]] = 1;
    pictures.fill_slot(b, b);
  });
  schedule.run(threads, [&](int64_t unit, int64_t b, int64_t strip, int64_t group, bool first) {
    float* gradient = buffers.start(unit, group, first);
    const Planes columns = pictures.planes(0, b), rows = pictures.planes(1, b);
    // Both sweeps need a pixel that shows the face, so only faces that are seen have a gradient.
    for (int64_t face = strip * face_count / schedule.strips; face < (strip + 1) * face_count / schedule.strips; ++face)
      if (seen[b * face_count + face])
        sweep_face(columns, rows, ndc + 2 * b * vertices, faces + 3 * face, static_cast<int32_t>(face), eps, gradient);
  });
  buffers.finish(threads);
  return 0;
} catch (...) {
  return -1;
}

// The columns of the crossing list (N rows, ordered by image); ndc (B, V, 2), or (V, 2) if `packed`; the rest as above.
RP_KERNEL(rp_kato_crossings)
(const int64_t* inner, const int64_t* outer, const int32_t* edge_vertices, const float* offset, const int8_t* axis,
 int64_t count, const float* ndc, int64_t vertices, int32_t packed, int64_t batch, int32_t height, int32_t width,
 int32_t channels, int32_t threads, const int32_t* face_id, const float* depth, const float* image,
 const float* g_image, float eps, float* g_ndc) try {
  const CrossingList list{inner, outer, edge_vertices, offset, axis};
  const Schedule schedule(batch, 128, vertices * 8, packed != 0);  // strips are ranges of crossings here
  const Buffers buffers(schedule, g_ndc, 2 * vertices, batch, packed != 0, 1);
  const int64_t bytes = Pictures::bytes_of(height, width, channels), pixels = static_cast<int64_t>(height) * width;
  auto* surface = static_cast<float*>(scratch(2, batch * pixels * 4));  // depth, kEmpty where nothing is seen
  const Pictures pictures{
      image, g_image, surface, face_id, height, width, channels, false, static_cast<char*>(scratch(0, batch * bytes)),
      bytes};
  parallel_for(batch, threads, [&](int64_t b, int) {
    for (int64_t i = b * pixels; i < (b + 1) * pixels; ++i) surface[i] = face_id[i] < 0 ? kEmpty : depth[i];
    pictures.fill_slot(b, b);
  });
  schedule.run(threads, [&](int64_t unit, int64_t b, int64_t strip, int64_t group, bool first) {
    float* gradient = buffers.start(unit, group, first);
    const int64_t begin = std::lower_bound(inner, inner + count, b * pixels,
                                           [&](int64_t a, int64_t limit) { return a / pixels < limit / pixels; }) -
                          inner;
    const int64_t end = std::lower_bound(inner, inner + count, (b + 1) * pixels,
                                         [&](int64_t a, int64_t limit) { return a / pixels < limit / pixels; }) -
                        inner;
    const int64_t mine = end - begin;
    for (int64_t i = begin + strip * mine / schedule.strips; i < begin + (strip + 1) * mine / schedule.strips; ++i)
      sweep_crossing(pictures, b, list, i, ndc + (packed ? 0 : 2 * b * vertices), eps, gradient);
  });
  buffers.finish(threads);
  return 0;
} catch (...) {
  return -1;
}

}  // namespace rp::RP_ISA
