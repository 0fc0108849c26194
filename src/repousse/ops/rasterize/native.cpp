// Visibility on the CPU: which face covers each pixel centre. docs/design.md, "The numbers behind visibility", is the
// specification; the comments here are about speed.
//
// A strip of the image is kept as blocks of kLanes pixels (4 wide), depth and id side by side, so that one vector
// operation tests one block. Faces are set up kLanes at a time (lanes are faces), then drawn in rising order, so a
// strict depth test gives ties to the lowest id.
#include <algorithm>
#include <atomic>
#include <limits>

#include "clip.h"
#include "pixels.h"

namespace rp::RP_ISA {
namespace {

constexpr int32_t kSmallExtent = 64 << kSnapBits;  // int32 edge functions are exact up to here
constexpr float kFar = 2.0f;                       // beyond every depth

struct Block {
  float z[kLanes];
  int32_t id[kLanes];
};

// What went wrong with the faces of a batch. Written rarely.
struct Problems {
  std::atomic<int64_t> not_finite{0};                             // faces with a vertex that is not finite
  std::atomic<int64_t> bad_face{std::numeric_limits<int64_t>::max()};  // lowest face with an index out of range

  void report_bad_face(int64_t face) {
    for (int64_t lowest = bad_face.load(); face < lowest && !bad_face.compare_exchange_weak(lowest, face);) {
    }
  }
};

struct Image {
  const float* positions;      // clip space, 4 per vertex
  const Projected* projected;
  const int32_t* faces;
  int8_t* facing;              // per face, or null if this strip does not write it
  int64_t face_begin, face_end;
  int width, height;
  int cull;                    // 0 none, 1 back, 2 front
  int64_t vertices;
  Problems* problems;
};

struct Strip {
  Block* blocks;
  int row_begin, row_end;      // multiples of kBlockHeight but for the image's last row
  int blocks_per_row;

  Block& at(int column, int row) const {
    return blocks[static_cast<int64_t>((row - row_begin) / kBlockHeight) * blocks_per_row + column / kBlockWidth];
  }
};


// Writes without asking whether any pixel was hit: a branch on that is mispredicted too often to pay.
RP_INLINE void draw_block(Block& block, Ints outside, Floats z, int32_t id) {
  const Floats before = load<Floats>(block.z);
  const Mask hit = not_negative(outside) & less(z, before);
  store(block.z, blend(hit, z, before));
  store(block.id, blend(hit, splat(id), load<Ints>(block.id)));
}

// The depth plane of one face, as evaluated at every pixel.
struct Plane {
  float zb, zx, zy, z_min, z_max;
  int32_t column, row;  // the anchor

  RP_INLINE Floats at_row(Floats row_offset) const { return zy * row_offset; }
  RP_INLINE Floats at(Floats column_offset, Floats at_row) const {
    return min(max((zb + zx * column_offset) + at_row, splat(z_min)), splat(z_max));
  }
};

// ---- wide and clipped triangles: int64 edges, one at a time -----------------------------------------------------

struct Edge {
  int64_t a, b, e;  // step per pixel, per row, value at the origin: floor of (edge function + bias) / 256
};

int64_t floor_divide(int64_t a, int64_t b) { return a / b - ((a % b != 0) && ((a < 0) != (b < 0))); }

struct Corner {
  int64_t X, Y;
  double zeta;
};

void draw_wide(const Image& image, const Strip& strip, const Corner (&c)[3], int32_t id) {
  const int64_t area = (c[1].X - c[0].X) * (c[2].Y - c[0].Y) - (c[2].X - c[0].X) * (c[1].Y - c[0].Y);
  if (area == 0) return;
  const auto [x_min, x_max] = std::minmax({c[0].X, c[1].X, c[2].X});
  const auto [y_min, y_max] = std::minmax({c[0].Y, c[1].Y, c[2].Y});
  const int64_t column_begin = std::max<int64_t>((x_min + 127) >> kSnapBits, 0);
  const int64_t column_end = std::min<int64_t>((x_max - 128) >> kSnapBits, image.width - 1);
  const int64_t row_begin = std::max<int64_t>((y_min + 127) >> kSnapBits, strip.row_begin);
  const int64_t row_end = std::min<int64_t>((y_max - 128) >> kSnapBits, strip.row_end - 1);
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
      const int64_t most = at_row[i] + std::max<int64_t>(0, a * (kBlockWidth - 1)) +
                           std::max<int64_t>(0, b * (kBlockHeight - 1));
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
        const int64_t least = e + std::min<int64_t>(0, a * (kBlockWidth - 1)) +
                              std::min<int64_t>(0, b * (kBlockHeight - 1));
        if (least >= 0) continue;  // the whole block is inside this edge; else the values are small enough for int32
        outside |= static_cast<int32_t>(e) + static_cast<int32_t>(a) * lane_column() +
                   static_cast<int32_t>(b) * lane_row();
      }
      const Floats offset = to_float(splat(static_cast<int32_t>(column - plane.column)) + lane_column());
      draw_block(strip.at(static_cast<int>(column), static_cast<int>(row)), outside, plane.at(offset, row_part), id);
    }
  }
}

// A face that is wide, or has vertices that cannot be projected. Returns its facing.
int8_t draw_special(const Image& image, const Strip& strip, int64_t face) {
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
  const auto visible = [&](double signed_area) {
    return signed_area != 0 && image.cull != (signed_area > 0 ? 1 : 2);
  };
  if (safe) {
    const Corner corners[3] = {snapped(0), snapped(1), snapped(2)};
    const int64_t area = (corners[1].X - corners[0].X) * (corners[2].Y - corners[0].Y) -
                         (corners[2].X - corners[0].X) * (corners[1].Y - corners[0].Y);
    if (visible(static_cast<double>(area))) draw_wide(image, strip, corners, static_cast<int32_t>(face));
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
    for (int i = 2; drawable && i < count; ++i) {
      const Corner piece[3] = {corners[0], corners[i - 1], corners[i]};
      draw_wide(image, strip, piece, static_cast<int32_t>(face));
    }
  }
  return static_cast<int8_t>((area < 0) - (area > 0));
}

// ---- small triangles: kLanes set up at once ---------------------------------------------------------------------

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

RP_INLINE void draw_small(const Strip& strip, const Stored& s, int lane, int32_t id) {
  const Plane plane{s.zb[lane],    s.zx[lane],            s.zy[lane],         s.z_min[lane],
                    s.z_max[lane], s.anchor_column[lane], s.anchor_row[lane]};
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
  Block* blocks = &strip.at(left, top);
  for (int row = top; row <= bottom; row += kBlockHeight, blocks += strip.blocks_per_row) {
    const Floats row_part = plane.at_row(row_offset);
    Ints f0 = e0, f1 = e1, f2 = e2;
    Floats offset = first_offset;
    for (int i = 0; i <= last; ++i) {
      draw_block(blocks[i], f0 | f1 | f2, plane.at(offset, row_part), id);
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
RP_INLINE void draw_tiny(const Strip& strip, const Faces& f, uint32_t lanes, int32_t first_id) {
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
      Block& block = strip.at(column, row);
      const int at = (row & (kBlockHeight - 1)) * kBlockWidth + (column & (kBlockWidth - 1));
      const uint32_t id = static_cast<uint32_t>(first_id + lane);
      if (depth[lane] < block.z[at] || (depth[lane] == block.z[at] && id < static_cast<uint32_t>(block.id[at]))) {
        block.z[at] = depth[lane];
        block.id[at] = static_cast<int32_t>(id);
      }
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

// Draws faces [group, group + kLanes) below image.face_end onto the strip.
RP_INLINE void draw_group(const Image& image, const Strip& strip, const int32_t* indices, int64_t group,
                          uint32_t valid) {
  Faces f;
  load_faces(image, indices, f);
  const uint32_t special = bits(set_box(f)) & valid;
  if (image.facing) write_facing(image.facing + group, f.area, valid);
  f.column_begin = max(f.column_begin, Ints{});
  f.column_end = min(f.column_end, splat(image.width - 1));
  f.row_begin = max(f.row_begin, splat(strip.row_begin));
  f.row_end = min(f.row_end, splat(strip.row_end - 1));
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
        const int8_t facing = draw_special(image, strip, group + lane);
        if (image.facing) image.facing[group + lane] = facing;
      } else {
        draw_small(strip, stored, lane, static_cast<int32_t>(group + lane));
      }
    }
  }
  if (tiny) draw_tiny(strip, f, tiny, static_cast<int32_t>(group));
}

// ---- one strip of one image -------------------------------------------------------------------------------------

// The rows that kLanes faces touch, so that a strip can pass over groups that lie elsewhere.
struct Rows {
  int16_t begin, end;  // inclusive
};

// The indices of a group, all of them in range. An incomplete group, or one with bad indices, is copied with its lanes
// that are not `valid` pointing to vertex 0, so that all lanes can be read.
RP_INLINE const int32_t* group_indices(const Image& image, int64_t group, int32_t (&copy)[3 * kLanes],
                                       uint32_t& valid) {
  const int64_t count = std::min<int64_t>(kLanes, image.face_end - group);
  const int32_t* indices = image.faces + 3 * group;
  valid = static_cast<uint32_t>((uint64_t{1} << count) - 1);
  if (count == kLanes) {
    const Ints limit = splat(static_cast<int32_t>(image.vertices));
    Ints good = Ints{} == 0;
    for (int i = 0; i < 3; ++i) {
      const Ints index = load<Ints>(indices + i * kLanes);
      good &= (index >= 0) & (index < limit);
    }
    if (bits(~good) == 0) return indices;
  }
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    bool good = lane < count;
    for (int64_t i = 3 * lane; good && i < 3 * lane + 3; ++i) good = indices[i] >= 0 && indices[i] < image.vertices;
    if (lane < count && !good) image.problems->report_bad_face(group + lane);
    if (!good) valid &= ~(1u << lane);
    for (int64_t i = 3 * lane; i < 3 * lane + 3; ++i) copy[i] = good ? indices[i] : 0;
  }
  return copy;
}

RP_INLINE void prefetch_group(const Image& image, int64_t group) {
  if (group + kLanes > image.face_end) return;
  for (int i = 0; i < 3 * kLanes; ++i)  // an address out of range does no harm here
    __builtin_prefetch(&image.projected[static_cast<uint32_t>(image.faces[3 * group + i])]);
}

// Prefetching pays where vertices do not fit into the cache, else it costs.
constexpr int64_t kPrefetchVertices = 32768;

void draw_strip(const Image& image, const Strip& strip, const Rows* rows, bool prefetch) {
  int32_t copy[3 * kLanes];
  int64_t index = 0;
  for (int64_t group = image.face_begin; group < image.face_end; group += kLanes, ++index) {
    if (rows && (rows[index].begin >= strip.row_end || rows[index].end < strip.row_begin)) continue;
    if (prefetch) prefetch_group(image, group + 2 * kLanes);
    uint32_t valid;
    const int32_t* indices = group_indices(image, group, copy, valid);
    draw_group(image, strip, indices, group, valid);
  }
}

// Fills the table for groups [begin, end) and writes `facing`, once for all strips. Special faces span every row.
void tabulate(const Image& image, int64_t begin, int64_t end, Rows* rows, bool prefetch) {
  int32_t copy[3 * kLanes];
  for (int64_t index = begin; index < end; ++index) {
    const int64_t group = image.face_begin + index * kLanes;
    if (prefetch) prefetch_group(image, group + 2 * kLanes);
    uint32_t valid;
    const int32_t* indices = group_indices(image, group, copy, valid);
    Faces f;
    load_faces(image, indices, f);
    const Ints special = set_box(f);
    write_facing(image.facing + group, f.area, valid);
    for (uint32_t left = bits(special) & valid; left; left &= left - 1) {
      const int64_t face = group + __builtin_ctz(left);
      image.facing[face] = draw_special(image, Strip{nullptr, 0, 0, 0}, face);  // no rows: nothing is drawn
    }
    const Ints first = select(special, Ints{}, max(min(f.row_begin, splat(32767)), Ints{}));
    const Ints last = select(special, splat(32767), max(min(f.row_end, splat(32767)), splat(-1)));
    int32_t low = 32767, high = -1;
    for (int lane = 0; lane < kLanes; ++lane) {
      low = std::min(low, first[lane]);
      high = std::max(high, last[lane]);
    }
    rows[index] = {static_cast<int16_t>(low), static_cast<int16_t>(high)};
  }
}

void clear(const Strip& strip, int64_t blocks) {
  const Floats far = splat(kFar);
  const Ints none = splat(-1);
  for (int64_t i = 0; i < blocks; ++i) {
    store(strip.blocks[i].z, far);
    store(strip.blocks[i].id, none);
  }
}

void write_ids(const Strip& strip, int width, int32_t* face_id) {
  for (int row = strip.row_begin; row < strip.row_end; ++row) {
    const Block* blocks = &strip.at(0, row);
    const int offset = (row & (kBlockHeight - 1)) * kBlockWidth;
    int32_t* out = face_id + static_cast<int64_t>(row) * width;
    int column = 0;
    for (; column + kBlockWidth <= width; column += kBlockWidth, ++blocks)
      std::memcpy(out + column, blocks->id + offset, sizeof(int32_t) * kBlockWidth);
    if (column < width)
      std::memcpy(out + column, blocks->id + offset, sizeof(int32_t) * static_cast<size_t>(width - column));
  }
}

}  // namespace

// positions (B, V, 4), or (V, 4) with ranges (B, 2) = (first face, number of faces); faces (F, 3); face_id (B, H, W);
// facing (B, F), with ranges (1, F). Returns the number of faces with a vertex that is not finite; -1 if memory ran out;
// -2 - face if that face holds an index out of range (it is the lowest such face).
RP_KERNEL(rp_visibility)
(const float* positions, int64_t vertices, const int32_t* faces, int64_t face_count, const int64_t* ranges,
 int64_t batch, int32_t height, int32_t width, int32_t cull, int32_t threads, int32_t* face_id, int8_t* facing) try {
  const int64_t all_vertices = ranges ? vertices : batch * vertices;
  auto* projected = static_cast<Projected*>(scratch(0, (all_vertices + kLanes) * static_cast<int64_t>(sizeof(Projected))));
  project(positions, all_vertices, width / 2.0f, height / 2.0f, threads, projected);
  const bool prefetch = vertices > kPrefetchVertices;

  // Strips: as many jobs as keep all threads busy, each a whole number of block rows.
  const int64_t wanted = threads <= 1 || batch >= 4 * threads ? 1 : (4 * threads + batch - 1) / batch;
  const int strip_rows = static_cast<int>(((height + wanted - 1) / wanted + 15) / 16 * 16);
  const int64_t strips = (height + strip_rows - 1) / strip_rows;
  const int blocks_per_row = (width + kBlockWidth - 1) / kBlockWidth;
  const int64_t strip_blocks = static_cast<int64_t>(blocks_per_row) * (strip_rows / kBlockHeight);
  auto* blocks = static_cast<Block*>(scratch(1, std::max(threads, 1) * strip_blocks * static_cast<int64_t>(sizeof(Block))));

  Problems problems;
  const auto image_of = [&](int64_t b) {
    const int64_t begin = ranges ? ranges[2 * b] : 0, end = ranges ? begin + ranges[2 * b + 1] : face_count;
    return Image{positions + (ranges ? 0 : 4 * b * vertices), projected + (ranges ? 0 : b * vertices), faces,
                 facing + (ranges ? 0 : b * face_count), begin, end, width, height, cull, vertices, &problems};
  };
  Rows* table = nullptr;
  const int64_t groups = (face_count + kLanes - 1) / kLanes + 1;
  if (strips > 1) {
    table = static_cast<Rows*>(scratch(2, batch * groups * static_cast<int64_t>(sizeof(Rows))));
    constexpr int64_t kChunk = 256;
    const int64_t chunks = (groups + kChunk - 1) / kChunk;
    parallel_for(batch * chunks, threads, [&](int64_t job, int) {
      const Image image = image_of(job / chunks);
      const int64_t own = (image.face_end - image.face_begin + kLanes - 1) / kLanes, begin = job % chunks * kChunk;
      tabulate(image, begin, std::min(begin + kChunk, own), table + job / chunks * groups, prefetch);
    });
  }
  parallel_for(batch * strips, threads, [&](int64_t job, int worker) {
    const int64_t b = job / strips;
    Image image = image_of(b);
    if (table) image.facing = nullptr;
    const int row_begin = static_cast<int>(job % strips) * strip_rows;
    const Strip strip{blocks + worker * strip_blocks, row_begin, std::min(row_begin + strip_rows, height), blocks_per_row};
    clear(strip, strip_blocks);
    draw_strip(image, strip, table ? table + b * groups : nullptr, prefetch);
    write_ids(strip, width, face_id + b * height * width);
  });
  const int64_t bad = problems.bad_face;
  return bad == std::numeric_limits<int64_t>::max() ? problems.not_finite.load() : -2 - bad;
} catch (...) {
  return -1;
}

}  // namespace rp::RP_ISA
