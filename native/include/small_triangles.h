// Triangles up to 64 pixels: int32 edges, kLanes triangles set up at once.
#pragma once
#include "wide_triangles.h"

namespace rp::RP_ISA {

// A group of faces, one per lane.
struct Faces {
  Ints X[3], Y[3], unsafe, area;
  Floats zeta[3];
  Ints column_begin, column_end, row_begin, row_end;  // inclusive box of pixel centres
  Ints e[3], a[3], b[3];                              // edges at the box's first pixel; steps per pixel and row
  Floats zb, zx, zy, z_min, z_max;
  Ints anchor_column, anchor_row;
};

RP_INLINE void load_faces(const Image& image, const int32_t* indices, Faces& f) {
  const float* rows[kLanes];
  f.unsafe = Ints{};
  for (int corner = 0; corner < 3; ++corner) {
    for (int lane = 0; lane < kLanes; ++lane) rows[lane] = &image.projected[indices[3 * lane + corner]].px;
    const Columns p = gather_rows(rows);
    f.unsafe |= (p.x != p.x);
    f.X[corner] = round_to_int(p.x * kSnap);
    f.Y[corner] = round_to_int(p.y * kSnap);
    f.zeta[corner] = p.z;
  }
  f.area = (f.X[1] - f.X[0]) * (f.Y[2] - f.Y[0]) - (f.X[2] - f.X[0]) * (f.Y[1] - f.Y[0]);
}

// Sets the box; returns which lanes have extents beyond kSmallExtent or an unsafe vertex.
RP_INLINE Ints set_box(Faces& f) {
  const Ints x_min = min(min(f.X[0], f.X[1]), f.X[2]), x_max = max(max(f.X[0], f.X[1]), f.X[2]);
  const Ints y_min = min(min(f.Y[0], f.Y[1]), f.Y[2]), y_max = max(max(f.Y[0], f.Y[1]), f.Y[2]);
  f.column_begin = (x_min + 127) >> kSnapBits;
  f.column_end = (x_max - 128) >> kSnapBits;
  f.row_begin = (y_min + 127) >> kSnapBits;
  f.row_end = (y_max - 128) >> kSnapBits;
  return f.unsafe | (x_max - x_min > kSmallExtent) | (y_max - y_min > kSmallExtent);
}

RP_INLINE void set_edges(Faces& f) {
  const Ints flip = f.area < 0;  // corners 1 and 2 change places, so that the area is positive
  const Ints X[3] = {f.X[0], select(flip, f.X[2], f.X[1]), select(flip, f.X[1], f.X[2])};
  const Ints Y[3] = {f.Y[0], select(flip, f.Y[2], f.Y[1]), select(flip, f.Y[1], f.Y[2])};
  const Ints centre_x = (f.column_begin << kSnapBits) + 128, centre_y = (f.row_begin << kSnapBits) + 128;
  for (int i = 0; i < 3; ++i) {
    const int j = i == 2 ? 0 : i + 1;
    const Ints a = Y[i] - Y[j], b = X[j] - X[i];
    const Ints bias = ~((a > 0) | ((a == 0) & (b > 0)));  // -1 unless the edge is a left or a top edge
    f.e[i] = (a * (centre_x - X[i]) + b * (centre_y - Y[i]) + bias) >> kSnapBits;
    f.a[i] = a;
    f.b[i] = b;
  }
}

RP_INLINE void set_plane(Faces& f) {
  const Floats dX1 = to_float(f.X[1] - f.X[0]), dX2 = to_float(f.X[2] - f.X[0]);
  const Floats dY1 = to_float(f.Y[1] - f.Y[0]), dY2 = to_float(f.Y[2] - f.Y[0]);
  const Floats dz1 = f.zeta[1] - f.zeta[0], dz2 = f.zeta[2] - f.zeta[0], scale = kSnap / to_float(f.area);
  const Floats fx = to_float(128 - (f.X[0] & 255)) / kSnap, fy = to_float(128 - (f.Y[0] & 255)) / kSnap;
  f.zx = (dz1 * dY2 - dz2 * dY1) * scale;
  f.zy = (dz2 * dX1 - dz1 * dX2) * scale;
  f.zb = (f.zeta[0] + f.zx * fx) + f.zy * fy;
  f.z_min = min(min(f.zeta[0], f.zeta[1]), f.zeta[2]);
  f.z_max = max(max(f.zeta[0], f.zeta[1]), f.zeta[2]);
  f.anchor_column = f.X[0] >> kSnapBits;
  f.anchor_row = f.Y[0] >> kSnapBits;
}

// The same, laid out so that one face can be picked.
struct Stored {
  int32_t e[3][kLanes], a[3][kLanes], b[3][kLanes];  // edges at the first block's first pixel
  float zb[kLanes], zx[kLanes], zy[kLanes], z_min[kLanes], z_max[kLanes];
  int32_t anchor_column[kLanes], anchor_row[kLanes];
  int32_t column_begin[kLanes], column_end[kLanes], row_begin[kLanes], row_end[kLanes];
};

RP_INLINE void store_small(const Faces& f, Stored& s) {
  for (int i = 0; i < 3; ++i) {
    const Ints back = f.a[i] * (f.column_begin & (kBlockWidth - 1)) + f.b[i] * (f.row_begin & (kBlockHeight - 1));
    store(s.e[i], f.e[i] - back);
    store(s.a[i], f.a[i]);
    store(s.b[i], f.b[i]);
  }
  store(s.zb, f.zb);
  store(s.zx, f.zx);
  store(s.zy, f.zy);
  store(s.z_min, f.z_min);
  store(s.z_max, f.z_max);
  store(s.anchor_column, f.anchor_column);
  store(s.anchor_row, f.anchor_row);
  store(s.column_begin, f.column_begin);
  store(s.column_end, f.column_end);
  store(s.row_begin, f.row_begin);
  store(s.row_end, f.row_end);
}

template <class Target>
RP_INLINE void draw_small(const Target& target, const Stored& s, int lane, int32_t id) {
  const Plane plane{s.zb[lane],        s.zx[lane], s.zy[lane], s.z_min[lane], s.z_max[lane], s.anchor_column[lane],
                    s.anchor_row[lane]};
  const int left = s.column_begin[lane] & ~(kBlockWidth - 1), top = s.row_begin[lane] & ~(kBlockHeight - 1);
  const int last = (s.column_end[lane] - left) / kBlockWidth, bottom = s.row_end[lane];
  const Ints columns = lane_column(), rows = lane_row();
  const int a0 = s.a[0][lane], a1 = s.a[1][lane], a2 = s.a[2][lane];
  const int b0 = s.b[0][lane], b1 = s.b[1][lane], b2 = s.b[2][lane];
  Ints e0 = s.e[0][lane] + a0 * columns + b0 * rows;
  Ints e1 = s.e[1][lane] + a1 * columns + b1 * rows;
  Ints e2 = s.e[2][lane] + a2 * columns + b2 * rows;
  const Floats first_offset = to_float(columns + (left - plane.column));
  Floats row_offset = to_float(rows + (top - plane.row));
  Block* blocks = target.at(left, top);
  for (int row = top; row <= bottom; row += kBlockHeight, blocks += target.row_step()) {
    const Floats row_part = plane.at_row(row_offset);
    Ints f0 = e0, f1 = e1, f2 = e2;
    Floats offset = first_offset;
    for (int i = 0; i <= last; ++i) {
      target.draw(blocks + i * target.step(), f0 | f1 | f2, plane.at(offset, row_part), id);
      f0 += a0 * kBlockWidth;
      f1 += a1 * kBlockWidth;
      f2 += a2 * kBlockWidth;
      offset += static_cast<float>(kBlockWidth);
    }
    e0 += b0 * kBlockHeight;
    e1 += b1 * kBlockHeight;
    e2 += b2 * kBlockHeight;
    row_offset += static_cast<float>(kBlockHeight);
  }
}

// Faces whose box is at most 2x2 pixels: all of the group at once, pixel by pixel of the box. They come after the
// group's other faces, so ties are decided here.
template <class Target>
RP_INLINE void draw_tiny(const Target& target, const Faces& f, uint32_t lanes, int32_t first_id) {
  alignas(64) int32_t columns[kLanes], rows[kLanes];
  alignas(64) float depth[kLanes];
  store(columns, f.column_begin);
  store(rows, f.row_begin);
  for (int pixel = 0; pixel < 4; ++pixel) {
    const int x = pixel & 1, y = pixel >> 1;
    Ints outside = (f.column_end - f.column_begin - x) | (f.row_end - f.row_begin - y);
    for (int i = 0; i < 3; ++i) outside |= f.e[i] + x * f.a[i] + y * f.b[i];
    uint32_t hits = bits(outside >= 0) & lanes;
    if (hits == 0) continue;
    const Floats column_offset = to_float(f.column_begin + x - f.anchor_column);
    const Floats row_offset = to_float(f.row_begin + y - f.anchor_row);
    store(depth, min(max((f.zb + f.zx * column_offset) + f.zy * row_offset, f.z_min), f.z_max));
    for (; hits; hits &= hits - 1) {
      const int lane = __builtin_ctz(hits), column = columns[lane] + x, row = rows[lane] + y;
      const int at = (row & (kBlockHeight - 1)) * kBlockWidth + (column & (kBlockWidth - 1));
      target.draw_pixel(target.at(column, row), at, depth[lane], first_id + lane);
    }
  }
}

RP_INLINE uint32_t culled(const Image& image, Ints area) {
  return bits(area == 0) | (image.cull == 1 ? bits(area > 0) : 0) | (image.cull == 2 ? bits(area < 0) : 0);
}

RP_INLINE void write_facing(int8_t* facing, Ints area, uint32_t valid) {
  const Ints value = (area > 0) - (area < 0);  // "true" is -1, and front faces have negative area
#if RP_LANES == 16
  _mm_mask_storeu_epi8(facing, static_cast<__mmask16>(valid), _mm512_cvtepi32_epi8(reinterpret_cast<__m512i>(value)));
#else
  for (int lane = 0; lane < kLanes; ++lane)
    if (valid >> lane & 1) facing[lane] = static_cast<int8_t>(value[lane]);
#endif
}

// Draws faces [group, group + kLanes) below image.face_end onto the target.
template <class Target>
RP_INLINE void draw_group(const Image& image, const Target& target, const int32_t* indices, int64_t group,
                          uint32_t valid) {
  Faces f;
  load_faces(image, indices, f);
  const uint32_t special = bits(set_box(f)) & valid;
  if (image.facing) write_facing(image.facing + group, f.area, valid);
  f.column_begin = max(f.column_begin, Ints{});
  f.column_end = min(f.column_end, splat(image.width - 1));
  f.row_begin = max(f.row_begin, splat(target.row_begin));
  f.row_end = min(f.row_end, splat(target.row_end - 1));
  const Ints in_box = (f.column_begin <= f.column_end) & (f.row_begin <= f.row_end);
  const uint32_t live = bits(in_box) & valid & ~special & ~culled(image, f.area);
  if ((live | special) == 0) return;
  const uint32_t tiny = bits((f.column_end - f.column_begin <= 1) & (f.row_end - f.row_begin <= 1)) & live;
  set_edges(f);
  set_plane(f);
  uint32_t rest = (live & ~tiny) | special;
  if (rest) {
    alignas(64) Stored stored;
    store_small(f, stored);
    for (; rest; rest &= rest - 1) {
      const int lane = __builtin_ctz(rest);
      if (special >> lane & 1) {
        const int8_t facing = draw_special(image, target, group + lane);
        if (image.facing) image.facing[group + lane] = facing;
      } else {
        draw_small(target, stored, lane, static_cast<int32_t>(group + lane));
      }
    }
  }
  if (tiny) draw_tiny(target, f, tiny, static_cast<int32_t>(group));
}

}  // namespace rp::RP_ISA
