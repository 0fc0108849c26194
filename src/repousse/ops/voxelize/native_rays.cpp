// What six rays from the centre of each cell, along the axes, tell about its place inside or outside a surface.
//
// Exact: a centre that lies on a face, or whose ray meets an edge or a corner, is thought of as moved by (e, e^2, e^3)
// with an infinitesimal e > 0, the same for all rays (simulation of simplicity, Edelsbrunner and Muecke 1990). So a
// closed surface is met as often in one direction as in the other, and all six rays agree.
#include <array>
#include <atomic>
#include <cstring>
#include <new>
#include <vector>

#include "lattice.h"
#include "pool.h"

namespace rp::RP_ISA {
namespace {

constexpr int64_t kCentre = kCell / 2;

// The sign that the infinitesimal move gives to a linear function that is 0: that of its first coefficient which is
// not.
int moved_sign(const int64_t* coefficients) {
  for (int axis = 0; axis < 3; ++axis)
    if (coefficients[axis] != 0) return coefficients[axis] > 0 ? 1 : -1;
  return 0;
}

// A triangle as rays along one axis meet it. `row` and `column` are the other two axes.
struct Target {
  int axis, row, column;
  int64_t normal[3];
  int64_t at_row[3], at_column[3], offset[3];  // edge functions at the centre of the cell 0, made positive inside
  int64_t first_row, last_row, first_column, last_column;

  // False if no ray through the grid meets it.
  bool set(const Triangle& t, int along, const Grid& grid, int64_t begin, int64_t end) {
    axis = along, row = along == 0 ? 1 : 0, column = along == 2 ? 1 : 2;
    first_row = std::max(ceil_cell(t.low(row)), begin - t.cell[row]);
    last_row = std::min(floor_cell(t.high(row)), end - 1 - t.cell[row]);
    first_column = std::max(ceil_cell(t.low(column)), -t.cell[column]);
    last_column = std::min(floor_cell(t.high(column)), grid.size[column] - 1 - t.cell[column]);
    if (first_row > last_row || first_column > last_column) return false;
    for (int k = 0; k < 3; ++k) normal[k] = t.normal(k);
    if (normal[axis] == 0) return false;
    // normal[axis] is the area with u, v in cyclic order; along y, row and column are the other way round.
    const bool positive = (normal[axis] > 0) != (axis == 1);
    for (int k = 0; k < 3; ++k) {
      const int64_t *a = t.corner[k], *b = t.corner[(k + 1) % 3];
      if (!positive) std::swap(a, b);
      int64_t slope[3] = {0, 0, 0};
      slope[row] = a[column] - b[column];
      slope[column] = b[row] - a[row];
      at_row[k] = slope[row] * kCell, at_column[k] = slope[column] * kCell;
      offset[k] = slope[row] * (kCentre - a[row]) + slope[column] * (kCentre - a[column]);
      if (moved_sign(slope) < 0) --offset[k];  // then 0 is outside: test offset >= 0
    }
    return true;
  }
  static int64_t ceil_cell(int64_t at) { return (at - kCentre + kCell - 1) >> kCellBits; }
  static int64_t floor_cell(int64_t at) { return (at - kCentre) >> kCellBits; }
};

// The first cell of the ray, relative to t.cell, whose centre lies beyond the plane of the triangle.
template <class Wide>
struct Depth {
  Wide at_row, at_column, offset, step;

  // The plane is n . (p - corner) = 0 with n[axis] > 0; centre i lies beyond it if i * step + rest >= 0.
  Depth(const Triangle& t, const Target& target) {
    const int64_t sign = target.normal[target.axis] > 0 ? 1 : -1;
    Wide n[3];
    offset = 0;
    for (int k = 0; k < 3; ++k) {
      n[k] = static_cast<Wide>(sign * target.normal[k]);
      offset += n[k] * (kCentre - t.corner[0][k]);
    }
    if (sign * moved_sign(target.normal) < 0) offset -= 1;  // a centre on the plane is moved back before it
    at_row = n[target.row] * kCell;
    at_column = n[target.column] * kCell;
    step = n[target.axis] * kCell;
  }
  int64_t first(int64_t row, int64_t column) const {
    return ceil_div<Wide>(-(offset + at_row * row + at_column * column), step);
  }
};

// Adds the sign of each hit to entry (row, cell, column) of `hits`, whose cells run to one beyond the grid.
template <class Wide>
void shoot(const Triangle& t, const Target& target, const Grid& grid, int64_t begin, int32_t* hits) {
  const Depth<Wide> depth(t, target);
  const int64_t cells = grid.size[target.axis], columns = grid.size[target.column];
  const int32_t sign = target.normal[target.axis] > 0 ? 1 : -1;
  for (int64_t r = target.first_row; r <= target.last_row; ++r) {
    int64_t edge[3];
    for (int k = 0; k < 3; ++k)
      edge[k] = target.offset[k] + target.at_row[k] * r + target.at_column[k] * target.first_column;
    int32_t* layer = hits + (r + t.cell[target.row] - begin) * (cells + 1) * columns + t.cell[target.column];
    for (int64_t c = target.first_column; c <= target.last_column; ++c) {
      if ((edge[0] | edge[1] | edge[2]) >= 0) {
        const int64_t cell = std::clamp<int64_t>(depth.first(r, c) + t.cell[target.axis], 0, cells);
        layer[cell * columns + c] += sign;
      }
      for (int k = 0; k < 3; ++k) edge[k] += target.at_column[k];
    }
  }
}

// What the two rays along an axis say: in the low half how many count a winding number other than 0, in the high half
// how many meet an odd number of faces.
uint8_t votes(int32_t before, int32_t total) {
  const int32_t after = total - before;
  return static_cast<uint8_t>((before != 0) + (after != 0) + 16 * ((before & 1) + (after & 1)));
}

// The verdict of six rays; reference.py says why.
uint8_t is_inside(uint8_t votes) { return (votes & 15) >= (votes < 16 ? 6 : 4); }

// Turns the hits of one row of rays into votes; `before` and `total` hold a number per column.
void count(const int32_t* hits, int axis, int column, const Grid& grid, int32_t* before, int32_t* total, uint8_t* out) {
  const int64_t cells = grid.size[axis], columns = grid.size[column];
  std::fill_n(before, columns, 0);
  std::fill_n(total, columns, 0);
  for (int64_t i = 0; i <= cells; ++i)
    for (int64_t c = 0; c < columns; ++c) total[c] += hits[i * columns + c];
  for (int64_t i = 0; i < cells; ++i) {
    uint8_t* line = out + i * grid.stride[axis];
    for (int64_t c = 0; c < columns; ++c) {
      before[c] += hits[i * columns + c];
      line[c * grid.stride[column]] += votes(before[c], total[c]);
    }
  }
}

// Adds the votes of the rays along `axis`, for cells whose row lies in [begin, end).
void vote(const int32_t* points, const int32_t* faces, int64_t face_count, const Grid& grid, int axis, int64_t begin,
          int64_t end, uint8_t* out) {
  const int row = axis == 0 ? 1 : 0, column = axis == 2 ? 1 : 2;
  const int64_t columns = grid.size[column], plane = (grid.size[axis] + 1) * columns;
  auto* hits = static_cast<int32_t*>(scratch(0, ((end - begin) * plane + 2 * columns) * 4));
  std::memset(hits, 0, static_cast<size_t>((end - begin) * plane * 4));
  Triangle t;
  Target target;
  for (int64_t f = 0; f < face_count; ++f) {
    if (!t.load(points, faces + 3 * f) || !target.set(t, axis, grid, begin, end)) continue;
    if (t.small())
      shoot<int64_t>(t, target, grid, begin, hits);
    else
      shoot<Int128>(t, target, grid, begin, hits);
  }
  int32_t* before = hits + (end - begin) * plane;
  for (int64_t r = begin; r < end; ++r)
    count(hits + (r - begin) * plane, axis, column, grid, before, before + columns, out + r * grid.stride[row]);
}

// The faces without those that have the same three vertices as an earlier one.
std::vector<int32_t> distinct(const int32_t* faces, int64_t face_count) {
  struct Key {
    std::array<int32_t, 3> vertices;
    int64_t face;
    auto operator<=>(const Key&) const = default;
  };
  std::vector<Key> keys(static_cast<size_t>(face_count));
  for (int64_t f = 0; f < face_count; ++f) {
    Key& key = keys[static_cast<size_t>(f)];
    key = {{faces[3 * f], faces[3 * f + 1], faces[3 * f + 2]}, f};
    std::sort(key.vertices.begin(), key.vertices.end());
  }
  std::sort(keys.begin(), keys.end());
  std::vector<int32_t> kept;
  kept.reserve(static_cast<size_t>(3 * face_count));
  for (size_t i = 0; i < keys.size(); ++i)
    if (i == 0 || keys[i].vertices != keys[i - 1].vertices)
      kept.insert(kept.end(), faces + 3 * keys[i].face, faces + 3 * keys[i].face + 3);
  return kept;
}

// Adds the votes of all rays along `axis`.
void cast_rays(const int32_t* points, int64_t batch, int64_t vertices, const int32_t* faces, int64_t face_count,
               const Grid& grid, int axis, int threads, uint8_t* out) {
  const int64_t rows = grid.size[axis == 0 ? 1 : 0], plane = grid.cells() / rows;
  // Hits of a slab of rows stay in the cache; integers add up to the same whatever the slabs.
  const int64_t fitting = std::max<int64_t>(1, (int64_t{1} << 19) / plane);
  const int64_t slabs =
      std::min(rows, std::max<int64_t>((rows + fitting - 1) / fitting, threads > 1 ? 4 * threads : 1));
  std::atomic<bool> failed{false};  // an exception must not leave a worker's thread
  parallel_for(batch * slabs, threads, [&](int64_t job, int) {
    const int64_t b = job / slabs, slab = job % slabs;
    try {
      vote(points + 3 * b * vertices, faces, face_count, grid, axis, slab * rows / slabs, (slab + 1) * rows / slabs,
           out + b * grid.cells());
    } catch (...) {
      failed = true;
    }
  });
  if (failed) throw std::bad_alloc();
}

}  // namespace

// points int32 (B, V, 3) on the lattice, faces (F, 3) -> out bool (B, X, Y, Z): whether the centre of a cell is inside.
RP_KERNEL(rp_voxelize_inside)
(const int32_t* points, int64_t batch, int64_t vertices, const int32_t* faces, int64_t face_count, int32_t nx,
 int32_t ny, int32_t nz, int32_t threads, uint8_t* out) try {
  const Grid grid(nx, ny, nz);
  const int64_t cells = batch * grid.cells();
  std::memset(out, 0, static_cast<size_t>(cells));
  const std::vector<int32_t> kept = distinct(faces, face_count);
  const auto count = static_cast<int64_t>(kept.size() / 3);
  for (int axis = 0; axis < 3; ++axis) cast_rays(points, batch, vertices, kept.data(), count, grid, axis, threads, out);
  for (int64_t i = 0; i < cells; ++i) out[i] = is_inside(out[i]);
  return 0;
} catch (...) {
  return -1;
}

}  // namespace rp::RP_ISA
