// Pictures of all directions: from a direction to texels of a cube map or of a lat-long image.
//
// Both give a direction a place (x, y) in [0, 1]² of a rectangular picture, and know which texels lie around a place,
// beyond the picture's edges too. Float64 throughout: a place must be exact to a small part of a texel.
#pragma once
#include <cmath>
#include <numbers>

#include "lanes.h"

namespace rp::RP_ISA {

struct Place {
  bool known = false;  // false for a direction that is zero or not finite
  int face = 0;
  double x = 0, y = 0;
  double dx[3] = {}, dy[3] = {};  // derivative of x and y by the direction
};

// The texels around a place, their weights, and the derivatives of these by column and by row.
struct Footprint {
  static constexpr int kMost = 6;  // four; beyond the corner of a cube's face the fourth is the mean of three
  int count = 0;
  int64_t texel[kMost];
  double weight[kMost], by_column[kMost], by_row[kMost];

  void add(int64_t index, double w, double wx, double wy) {
    texel[count] = index;
    weight[count] = w;
    by_column[count] = wx;
    by_row[count++] = wy;
  }
};

// A coordinate in [0, 1] on an axis of `size` texels: the texel below, and the weight of the next one.
struct Between {
  int64_t low;
  double part;

  Between(double at, int64_t size) {
    const double texels = at * static_cast<double>(size) - 0.5, whole = std::floor(texels);
    low = static_cast<int64_t>(whole);
    part = texels - whole;
  }
};

inline bool usable(const float* d) {
  return std::isfinite(d[0]) && std::isfinite(d[1]) && std::isfinite(d[2]) && (d[0] != 0 || d[1] != 0 || d[2] != 0);
}

// A cube map; faces and their orientation are those of OpenGL (the table is in the docstring of `cubemap`).
struct Cube {
  // Axis and sign of a face's x (columns) and y (rows); the face's own axis is face / 2, negative if it is odd.
  struct Axes {
    int x, x_sign, y, y_sign;
  };
  static constexpr Axes kAxes[6] = {{2, -1, 1, -1}, {2, 1, 1, -1}, {0, 1, 2, 1},
                                    {0, 1, 2, -1},  {0, 1, 1, -1}, {0, -1, 1, -1}};

  static int face_of(int axis, bool negative) { return 2 * axis + (negative ? 1 : 0); }

  static Place place(const float* direction) {
    Place p;
    if (!usable(direction)) return p;
    const double d[3] = {direction[0], direction[1], direction[2]};
    int axis = std::abs(d[1]) > std::abs(d[0]) ? 1 : 0;
    if (std::abs(d[2]) > std::abs(d[axis])) axis = 2;
    p.known = true;
    p.face = face_of(axis, d[axis] < 0);
    const Axes& a = kAxes[p.face];
    const double scale = 0.5 / std::abs(d[axis]);
    const double x = a.x_sign * d[a.x] * scale, y = a.y_sign * d[a.y] * scale;
    p.x = x + 0.5;
    p.y = y + 0.5;
    p.dx[a.x] = a.x_sign * scale;
    p.dy[a.y] = a.y_sign * scale;
    p.dx[axis] = -x / d[axis];
    p.dy[axis] = -y / d[axis];
    return p;
  }

  // The texel at a row and a column of which one may lie a step beyond the face's edge: the neighbour's texel there.
  static int64_t texel(int face, int64_t row, int64_t column, int64_t size) {
    const bool beyond_x = column < 0 || column >= size, beyond_y = row < 0 || row >= size;
    if (beyond_x || beyond_y) {
      // Texel centres in three dimensions, on a cube of side 2 size: over the edge, the face's depth and the coordinate
      // that left it change their roles.
      const Axes& a = kAxes[face];
      const int axis = face / 2, over = beyond_x ? a.x : a.y;
      int64_t p[3];
      p[a.x] = a.x_sign * (2 * column + 1 - size);
      p[a.y] = a.y_sign * (2 * row + 1 - size);
      p[axis] = (face % 2 ? -1 : 1) * (size - 1);
      p[over] = p[over] < 0 ? -size : size;
      face = face_of(over, p[over] < 0);
      const Axes& b = kAxes[face];
      column = (b.x_sign * p[b.x] + size - 1) / 2;
      row = (b.y_sign * p[b.y] + size - 1) / 2;
    }
    return (face * size + row) * size + column;
  }

  static Footprint footprint(const Place& p, int64_t size, int64_t) {
    Footprint f;
    const Between x(p.x, size), y(p.y, size);
    for (int j = 0; j < 2; ++j)
      for (int i = 0; i < 2; ++i) {
        const int64_t column = x.low + i, row = y.low + j;
        const double wx = i ? x.part : 1 - x.part, wy = j ? y.part : 1 - y.part, dx = i ? wy : -wy, dy = j ? wx : -wx;
        if ((column >= 0 && column < size) || (row >= 0 && row < size)) {
          f.add(texel(p.face, row, column, size), wx * wy, dx, dy);
          continue;
        }
        const int64_t last_column = column < 0 ? 0 : size - 1, last_row = row < 0 ? 0 : size - 1;
        for (const int64_t corner : {texel(p.face, last_row, last_column, size), texel(p.face, last_row, column, size),
                                     texel(p.face, row, last_column, size)})
          f.add(corner, wx * wy / 3, dx / 3, dy / 3);
      }
    return f;
  }
};

// A lat-long image: x goes once around the y axis, y from the top (+y) to the bottom (see `environment`).
struct LatLong {
  static Place place(const float* direction) {
    Place p;
    if (!usable(direction)) return p;
    const double x = direction[0], y = direction[1], z = direction[2];
    const double flat = x * x + z * z, radius = std::sqrt(flat);
    constexpr double pi = std::numbers::pi;
    p.known = true;
    p.x = 0.5;
    p.y = std::atan2(radius, y) / pi;
    if (flat == 0) return p;  // a pole: every column and every derivative would do as well as the opposite one
    p.x = std::atan2(z, x) / (2 * pi) + 0.5;
    p.dx[0] = -z / (2 * pi * flat);
    p.dx[2] = x / (2 * pi * flat);
    const double scale = 1 / (pi * (flat + y * y));
    p.dy[0] = y * x / radius * scale;
    p.dy[1] = -radius * scale;
    p.dy[2] = y * z / radius * scale;
    return p;
  }

  static Footprint footprint(const Place& p, int64_t height, int64_t width) {
    Footprint f;
    const Between y(p.y, height);
    for (int j = 0; j < 2; ++j) {
      int64_t row = y.low + j;
      const bool across = row < 0 || row >= height;  // over the pole: the same row, half around
      if (across) row = row < 0 ? 0 : height - 1;
      const Between x(across ? p.x + 0.5 : p.x, width);
      const double wy = j ? y.part : 1 - y.part;
      for (int i = 0; i < 2; ++i) {
        const double wx = i ? x.part : 1 - x.part;
        f.add(row * width + ((x.low + i) % width + width) % width, wx * wy, i ? wy : -wy, j ? wx : -wx);
      }
    }
    return f;
  }
};

}  // namespace rp::RP_ISA
