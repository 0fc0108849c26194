// Surface voxels: every closed cell that a triangle touches, by the separating axes of triangle and box in integers
// (Akenine-Moller 2001), walked column by column along the triangle's steepest axis (Schwarz and Seidel 2010).
#include <cstring>

#include "lattice.h"
#include "pool.h"

namespace rp::RP_ISA {
namespace {

// Triangle and cells seen along one axis. A cell with lowest corner o touches the projection if, for each edge's normal
// m, low <= m . o <= high, and their bounding boxes touch.
struct Projection {
  int u, v;
  int64_t mu[3], mv[3], low[3], high[3];

  Projection(const Triangle& t, int axis) : u((axis + 1) % 3), v((axis + 2) % 3) {
    for (int k = 0; k < 3; ++k) {
      const int64_t *a = t.corner[k], *b = t.corner[(k + 1) % 3], *c = t.corner[(k + 2) % 3];
      mu[k] = a[v] - b[v];
      mv[k] = b[u] - a[u];
      const int64_t edge = mu[k] * a[u] + mv[k] * a[v], opposite = mu[k] * c[u] + mv[k] * c[v];
      low[k] = std::min(edge, opposite) - kCell * (std::max<int64_t>(mu[k], 0) + std::max<int64_t>(mv[k], 0));
      high[k] = std::max(edge, opposite) - kCell * (std::min<int64_t>(mu[k], 0) + std::min<int64_t>(mv[k], 0));
    }
  }
  bool touches(const int64_t* cell) const {
    bool all = true;
    for (int k = 0; k < 3; ++k) {
      const int64_t at = kCell * (mu[k] * cell[u] + mv[k] * cell[v]);
      all &= low[k] <= at && at <= high[k];
    }
    return all;
  }
};

// Which cells of a column touch the plane of the triangle: low <= n . o <= high, where n[axis] > 0.
template <class Wide>
struct Plane {
  Wide n[3], low, high;

  Plane(const Triangle& t, int axis) {
    const int64_t sign = t.normal(axis) < 0 ? -1 : 1;
    low = high = 0;
    for (int k = 0; k < 3; ++k) {
      n[k] = static_cast<Wide>(sign * t.normal(k));
      low += n[k] * t.corner[0][k] - std::max<Wide>(n[k], 0) * kCell;
      high += n[k] * t.corner[0][k] - std::min<Wide>(n[k], 0) * kCell;
    }
  }
  // Narrows [first, last] along `axis`; the other coordinates are those of `cell`.
  void narrow(int axis, const int64_t* cell, int64_t& first, int64_t& last) const {
    const int u = (axis + 1) % 3, v = (axis + 2) % 3;
    const Wide at = (n[u] * cell[u] + n[v] * cell[v]) * kCell, step = n[axis] * kCell;
    first = std::max(first, ceil_div<Wide>(low - at, step));
    last = std::min(last, floor_div<Wide>(high - at, step));
  }
};

// The axis whose columns have few cells in common with the triangle.
int steepest_axis(const Triangle& t) {
  int best = 0;
  const bool flat = !t.normal(0) && !t.normal(1) && !t.normal(2);  // a segment or a point
  int64_t most = -1;
  for (int axis = 0; axis < 3; ++axis) {
    const int64_t n = t.normal(axis), size = flat ? t.high(axis) - t.low(axis) : n < 0 ? -n : n;
    if (size > most) best = axis, most = size;
  }
  return best;
}

// Marks cells with x in [begin, end).
template <class Wide>
void mark(const Triangle& t, const Grid& grid, int64_t begin, int64_t end, uint8_t* out) {
  int64_t first[3], last[3];
  for (int axis = 0; axis < 3; ++axis) {
    const int64_t low = axis == 0 ? begin : 0, high = axis == 0 ? end : grid.size[axis];
    first[axis] = std::max((t.low(axis) - 1) >> kCellBits, low - t.cell[axis]);
    last[axis] = std::min(t.high(axis) >> kCellBits, high - 1 - t.cell[axis]);
    if (first[axis] > last[axis]) return;
  }
  const int axis = steepest_axis(t), u = (axis + 1) % 3, v = (axis + 2) % 3;
  const bool flat = t.normal(axis) == 0;
  const Projection along(t, axis), across_u(t, u), across_v(t, v);
  const Plane<Wide> plane(t, axis);
  int64_t cell[3];
  for (cell[u] = first[u]; cell[u] <= last[u]; ++cell[u]) {
    for (cell[v] = first[v]; cell[v] <= last[v]; ++cell[v]) {
      if (!along.touches(cell)) continue;
      int64_t top = first[axis], bottom = last[axis];
      if (!flat) plane.narrow(axis, cell, top, bottom);
      for (cell[axis] = top; cell[axis] <= bottom; ++cell[axis]) {
        if (!across_u.touches(cell) || !across_v.touches(cell)) continue;
        int64_t place = 0;
        for (int k = 0; k < 3; ++k) place += (cell[k] + t.cell[k]) * grid.stride[k];
        out[place] = 1;
      }
    }
  }
}

}  // namespace

// points int32 (B, V, 3) on the lattice, faces (F, 3) -> out bool (B, X, Y, Z).
RP_KERNEL(rp_voxelize_surface)
(const int32_t* points, int64_t batch, int64_t vertices, const int32_t* faces, int64_t face_count, int32_t nx,
 int32_t ny, int32_t nz, int32_t threads, uint8_t* out) try {
  const Grid grid(nx, ny, nz);
  const int64_t slabs = threads > 1 ? std::min<int64_t>(nx, 4 * threads) : 1;
  parallel_for(batch * slabs, threads, [&](int64_t job, int) {
    const int64_t b = job / slabs, slab = job % slabs;
    const int64_t begin = slab * nx / slabs, end = (slab + 1) * nx / slabs;
    uint8_t* image = out + b * grid.cells();
    std::memset(image + begin * grid.stride[0], 0, static_cast<size_t>((end - begin) * grid.stride[0]));
    Triangle t;
    for (int64_t f = 0; f < face_count; ++f) {
      if (!t.load(points + 3 * b * vertices, faces + 3 * f)) continue;
      if (t.small())
        mark<int64_t>(t, grid, begin, end, image);
      else
        mark<Int128>(t, grid, begin, end, image);
    }
  });
  return 0;
} catch (...) {
  return -1;
}

}  // namespace rp::RP_ISA
