// Triangles that are wide, or have to be clipped: int64 edges, one triangle at a time.
#pragma once
#include <algorithm>

#include "clip.h"
#include "strip.h"

namespace rp::RP_ISA {

struct Edge {
  int64_t a, b, e;  // step per pixel, per row, value at the origin: floor of (edge function + bias) / 256
};

inline int64_t floor_divide(int64_t a, int64_t b) { return a / b - ((a % b != 0) && ((a < 0) != (b < 0))); }

struct Corner {
  int64_t X, Y;
  double zeta;
};

template <class Target>
void draw_wide(const Image& image, const Target& target, const Corner (&c)[3], int32_t id) {
  const int64_t area = (c[1].X - c[0].X) * (c[2].Y - c[0].Y) - (c[2].X - c[0].X) * (c[1].Y - c[0].Y);
  if (area == 0) return;
  const auto [x_min, x_max] = std::minmax({c[0].X, c[1].X, c[2].X});
  const auto [y_min, y_max] = std::minmax({c[0].Y, c[1].Y, c[2].Y});
  const int64_t column_begin = std::max<int64_t>((x_min + 127) >> kSnapBits, 0);
  const int64_t column_end = std::min<int64_t>((x_max - 128) >> kSnapBits, image.width - 1);
  const int64_t row_begin = std::max<int64_t>((y_min + 127) >> kSnapBits, target.row_begin);
  const int64_t row_end = std::min<int64_t>((y_max - 128) >> kSnapBits, target.row_end - 1);
  if (column_begin > column_end || row_begin > row_end) return;

  const double s = 256.0 / static_cast<double>(area);
  const double dz1 = c[1].zeta - c[0].zeta, dz2 = c[2].zeta - c[0].zeta;
  const auto dX = [&](int i) { return static_cast<double>(c[i].X - c[0].X); };
  const auto dY = [&](int i) { return static_cast<double>(c[i].Y - c[0].Y); };
  const double zx = (dz1 * dY(2) - dz2 * dY(1)) * s, zy = (dz2 * dX(1) - dz1 * dX(2)) * s;
  const double fx = static_cast<double>(128 - (c[0].X & 255)) / 256.0;
  const double fy = static_cast<double>(128 - (c[0].Y & 255)) / 256.0;
  const Plane plane{static_cast<float>((c[0].zeta + zx * fx) + zy * fy),
                    static_cast<float>(zx),
                    static_cast<float>(zy),
                    static_cast<float>(std::min({c[0].zeta, c[1].zeta, c[2].zeta})),
                    static_cast<float>(std::max({c[0].zeta, c[1].zeta, c[2].zeta})),
                    static_cast<int32_t>(c[0].X >> kSnapBits),
                    static_cast<int32_t>(c[0].Y >> kSnapBits)};

  const int64_t left = column_begin & ~int64_t{kBlockWidth - 1}, top = row_begin - row_begin % kBlockHeight;
  Edge edges[3];
  for (int i = 0; i < 3; ++i) {
    // Corners in the order that makes the area positive.
    const Corner &p = area > 0 ? c[i] : c[(3 - i) % 3], &q = area > 0 ? c[(i + 1) % 3] : c[(5 - i) % 3];
    const int64_t a = p.Y - q.Y, b = q.X - p.X;
    const int64_t bias = (a > 0 || (a == 0 && b > 0)) ? 0 : -1;
    edges[i] = {a, b, (a * (left * 256 + 128 - p.X) + b * (top * 256 + 128 - p.Y) + bias) >> kSnapBits};
  }
  for (int64_t row = top; row <= row_end; row += kBlockHeight) {
    // The blocks of this row that the triangle may touch: where every edge's largest value is not negative.
    int64_t first = 0, last = (column_end - left) / kBlockWidth;
    int64_t at_row[3];
    for (int i = 0; i < 3; ++i) {
      const auto [a, b, e] = edges[i];
      at_row[i] = e + b * (row - top);
      const int64_t most =
          at_row[i] + std::max<int64_t>(0, a * (kBlockWidth - 1)) + std::max<int64_t>(0, b * (kBlockHeight - 1));
      if (a > 0) first = std::max(first, -floor_divide(most, a * kBlockWidth));
      if (a < 0) last = std::min(last, floor_divide(most, -a * kBlockWidth));
      if (a == 0 && most < 0) last = -1;
    }
    const Floats row_part = plane.at_row(to_float(splat(static_cast<int32_t>(row - plane.row)) + lane_row()));
    for (int64_t index = first; index <= last; ++index) {
      const int64_t column = left + index * kBlockWidth;
      Ints outside{};
      for (int i = 0; i < 3; ++i) {
        const auto [a, b, unused] = edges[i];
        const int64_t e = at_row[i] + a * kBlockWidth * index;
        const int64_t least =
            e + std::min<int64_t>(0, a * (kBlockWidth - 1)) + std::min<int64_t>(0, b * (kBlockHeight - 1));
        if (least >= 0) continue;  // the whole block is inside this edge; else the values are small enough for int32
        outside |=
            static_cast<int32_t>(e) + static_cast<int32_t>(a) * lane_column() + static_cast<int32_t>(b) * lane_row();
      }
      const Floats offset = to_float(splat(static_cast<int32_t>(column - plane.column)) + lane_column());
      target.draw(target.at(static_cast<int>(column), static_cast<int>(row)), outside, plane.at(offset, row_part), id);
    }
  }
}

// Draws what clipping left of a face, a polygon, as triangles around its first corner. Once snapped, these may overlap.
template <class Target>
void draw_polygon(const Image& image, const Target& target, const Corner (&corners)[kMaxClipped], int count,
                  int32_t id) {
  for (int i = 2; i < count; ++i) {
    const Corner piece[3] = {corners[0], corners[i - 1], corners[i]};
    draw_wide(image, target, piece, id);
  }
}

// A face that is wide, or has vertices that cannot be projected. Returns its facing.
template <class Target>
int8_t draw_special(const Image& image, const Target& target, int64_t face) {
  const int32_t* index = image.faces + 3 * face;
  ClipVertex polygon[kMaxClipped];
  bool safe = true;
  for (int i = 0; i < 3; ++i) {
    const float* clip = image.positions + 4 * static_cast<int64_t>(index[i]);
    if (!is_finite(clip)) {
      if (image.facing) ++image.problems->not_finite;  // once per face, as `facing` is written
      return 0;
    }
    polygon[i] = {clip[0], clip[1], clip[2], clip[3], i};
    safe = safe && !std::isnan(image.projected[index[i]].px);
  }
  const auto snapped = [&](int corner) -> Corner {
    const Projected& p = image.projected[index[corner]];
    return {snap(p.px), snap(p.py), p.zeta};
  };
  const auto visible = [&](double signed_area) { return signed_area != 0 && image.cull != (signed_area > 0 ? 1 : 2); };
  if (safe) {
    const Corner corners[3] = {snapped(0), snapped(1), snapped(2)};
    const int64_t area = (corners[1].X - corners[0].X) * (corners[2].Y - corners[0].Y) -
                         (corners[2].X - corners[0].X) * (corners[1].Y - corners[0].Y);
    if (visible(static_cast<double>(area))) draw_wide(image, target, corners, static_cast<int32_t>(face));
    return static_cast<int8_t>((area < 0) - (area > 0));
  }
  const ClipVertex a = polygon[0], b = polygon[1], c = polygon[2];
  const double area = a.x * (b.y * c.w - b.w * c.y) - a.y * (b.x * c.w - b.w * c.x) + a.w * (b.x * c.y - b.y * c.x);
  if (visible(area)) {
    const int count = clip_polygon(polygon, 3);
    const double half_width = image.width / 2.0, half_height = image.height / 2.0;
    Corner corners[kMaxClipped];
    bool drawable = true;
    for (int i = 0; i < count; ++i) {
      const ClipVertex& v = polygon[i];
      if (v.corner >= 0 && !std::isnan(image.projected[index[v.corner]].px))
        corners[i] = snapped(v.corner);
      else
        drawable = drawable && place(v, half_width, half_height, corners[i].X, corners[i].Y, corners[i].zeta);
    }
    if (drawable) draw_polygon(image, target, corners, count, static_cast<int32_t>(face));
  }
  return static_cast<int8_t>((area < 0) - (area > 0));
}

}  // namespace rp::RP_ISA
