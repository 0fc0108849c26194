// Triangles on an integer lattice: cells are kCell units wide, so that every question has an exact answer.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>

#include "lanes.h"

namespace rp::RP_ISA {

constexpr int kCellBits = 12;
constexpr int64_t kCell = int64_t{1} << kCellBits;
constexpr int32_t kAbsent = std::numeric_limits<int32_t>::min();  // x of a corner that is not finite
// Up to this extent, in units, products of three lengths fit into int64.
constexpr int64_t kSmallExtent = int64_t{128} << kCellBits;
using Int128 = __int128;

struct Grid {
  int64_t size[3], stride[3];  // x, y, z; z is contiguous

  Grid(int64_t x, int64_t y, int64_t z) : size{x, y, z}, stride{y * z, z, 1} {}
  int64_t cells() const { return size[0] * stride[0]; }
};

// Corners relative to the lowest corner of `cell`, the cell of corner 0, which keeps numbers small.
struct Triangle {
  int64_t corner[3][3];
  int64_t cell[3];

  // False for a face with a corner that is not finite.
  bool load(const int32_t* points, const int32_t* face) {
    for (int k = 0; k < 3; ++k) {
      const int32_t* point = points + 3 * static_cast<int64_t>(face[k]);
      if (point[0] == kAbsent) return false;
      for (int axis = 0; axis < 3; ++axis) {
        if (k == 0) cell[axis] = point[axis] >> kCellBits;
        corner[k][axis] = point[axis] - (cell[axis] << kCellBits);
      }
    }
    return true;
  }
  int64_t low(int axis) const { return std::min({corner[0][axis], corner[1][axis], corner[2][axis]}); }
  int64_t high(int axis) const { return std::max({corner[0][axis], corner[1][axis], corner[2][axis]}); }

  // Twice the area of the projection along `axis`; positive if it is counter-clockwise seen against the axis.
  int64_t normal(int axis) const {
    const int u = (axis + 1) % 3, v = (axis + 2) % 3;
    return (corner[1][u] - corner[0][u]) * (corner[2][v] - corner[0][v]) -
           (corner[2][u] - corner[0][u]) * (corner[1][v] - corner[0][v]);
  }
  bool small() const {
    for (int axis = 0; axis < 3; ++axis)
      if (high(axis) - low(axis) > kSmallExtent) return false;
    return true;
  }
};

// Rounded down or up; the divisor is positive.
template <class Wide>
RP_INLINE int64_t floor_div(Wide a, Wide b) {
  return static_cast<int64_t>(a / b - (a % b < 0));
}
template <class Wide>
RP_INLINE int64_t ceil_div(Wide a, Wide b) {
  return static_cast<int64_t>(a / b + (a % b > 0));
}

}  // namespace rp::RP_ISA
