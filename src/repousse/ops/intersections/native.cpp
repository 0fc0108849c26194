// Intersections: where the planes of the faces of two neighbouring pixels meet between their centres.
//
// Nearly all pairs are told apart by what is cheap: they show the same face, the same colours, or faces that have a
// vertex in common or do not reach one another. Jobs are strips of rows; what they find is put together in order, so the
// result does not depend on threads.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <vector>

#include "lanes.h"
#include "pool.h"

namespace rp::RP_ISA {
namespace {

constexpr int64_t kJobPixels = 16384;
constexpr double kTolerance = 1.0 / 16;  // pixels; as in reference.py
constexpr double kFlattest = 1e-6;       // depth per pixel

struct Row {
  int64_t inner, outer;
  int32_t faces[2];
  float offset;
  int8_t axis;
};

struct Job {
  int64_t image, begin, end;  // rows
  std::vector<Row> rows;
};

struct Result {
  std::vector<Job> jobs;
};

struct Frame {
  const float* positions;
  const int32_t* faces;
  const int32_t* face_id;
  const float* image;
  int height, width, channels;
  int64_t first_pixel;  // index of the image's first pixel in the batch
};

struct Vector {
  double x, y, z;
};

Vector cross(const Vector& a, const Vector& b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
double dot(const Vector& a, const Vector& b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

// A face seen from a pixel centre: weights of its corners and depth, as coefficients of (X, Y, 1).
struct Plane {
  Vector weights[3], depth;
};

bool plane_of(const Frame& frame, const int32_t* corners, int column, int row, Plane& plane) {
  Vector points[3];
  double z[3];
  for (int k = 0; k < 3; ++k) {
    const float* clip = frame.positions + 4 * static_cast<int64_t>(corners[k]);
    const double x = clip[0], y = clip[1], w = clip[3];
    points[k] = {(x + w) * (frame.width / 2.0) - (column + 0.5) * w, (y + w) * (frame.height / 2.0) - (row + 0.5) * w,
                 w};
    z[k] = clip[2];
  }
  const double det = dot(cross(points[1], points[2]), points[0]);
  if (!(det != 0)) return false;
  plane.depth = {};
  for (int k = 0; k < 3; ++k) {
    const Vector n = cross(points[(k + 1) % 3], points[(k + 2) % 3]);
    plane.weights[k] = {n.x / det, n.y / det, n.z / det};
    plane.depth = {plane.depth.x + plane.weights[k].x * z[k], plane.depth.y + plane.weights[k].y * z[k],
                   plane.depth.z + plane.weights[k].z * z[k]};
  }
  return true;
}

// Is the point `offset` along the axis on the face, or almost?
bool holds(const Plane& plane, double offset, int axis) {
  for (const Vector& n : plane.weights) {
    const double beta = n.z + offset * (axis == 0 ? n.x : n.y);
    if (!(-beta <= kTolerance * std::hypot(n.x, n.y))) return false;
  }
  return true;
}

bool common_vertex(const int32_t* a, const int32_t* b) {
  bool common = false;
  for (int i = 0; i < 3; ++i) common |= (a[i] == b[0]) | (a[i] == b[1]) | (a[i] == b[2]);
  return common;
}

// From where to where a face reaches along an axis, in pixels from a centre; anywhere if a corner is behind the camera.
struct Extent {
  double low = HUGE_VAL, high = -HUGE_VAL;
};

Extent extent_of(const Frame& frame, const int32_t* corners, double centre, int axis) {
  const double half = (axis == 0 ? frame.width : frame.height) / 2.0;
  Extent extent;
  for (int k = 0; k < 3; ++k) {
    const float* clip = frame.positions + 4 * static_cast<int64_t>(corners[k]);
    const double w = clip[3], place = ((clip[axis] + w) * half - centre * w) / w;
    if (!(w > 0)) return {-HUGE_VAL, HUGE_VAL};
    extent = {std::min(extent.low, place), std::max(extent.high, place)};
  }
  return extent;
}

void try_pair(const Frame& frame, int64_t inner, int column, int row, int axis, std::vector<Row>& rows) {
  const int64_t outer = inner + (axis == 0 ? 1 : frame.width);
  const int32_t a = frame.face_id[inner], b = frame.face_id[outer];
  if (a == b || a < 0 || b < 0) return;
  const float* colors = frame.image + inner * frame.channels;
  const float* others = frame.image + outer * frame.channels;
  bool equal = true;
  for (int c = 0; c < frame.channels; ++c) equal &= colors[c] == others[c];
  if (equal) return;
  const int32_t *first = frame.faces + 3 * static_cast<int64_t>(a), *second = frame.faces + 3 * static_cast<int64_t>(b);
  if (common_vertex(first, second)) return;
  const double centre = (axis == 0 ? column : row) + 0.5;
  const Extent from = extent_of(frame, first, centre, axis), to = extent_of(frame, second, centre, axis);
  const double low = std::max(from.low, to.low) - kTolerance, high = std::min(from.high, to.high) + kTolerance;
  if (!(low <= high)) return;
  Plane one, two;
  if (!plane_of(frame, first, column, row, one) || !plane_of(frame, second, column, row, two)) return;
  const double at_inner = one.depth.z - two.depth.z;
  const double dx = one.depth.x - two.depth.x, dy = one.depth.y - two.depth.y;
  const double along = axis == 0 ? dx : dy;
  const bool steep = axis == 0 ? std::abs(dx) >= std::abs(dy) : std::abs(dy) > std::abs(dx);
  if (!(steep && along > kFlattest && at_inner <= 0 && at_inner + along >= 0)) return;
  const double offset = -at_inner / along;
  if (!(low <= offset && offset <= high) || !holds(one, offset, axis) || !holds(two, offset, axis)) return;
  rows.push_back({frame.first_pixel + inner, frame.first_pixel + outer, {a, b}, static_cast<float>(offset),
                  static_cast<int8_t>(axis)});
}

void search(const Frame& frame, Job& job) {
  for (int64_t row = job.begin; row < job.end; ++row) {
    const bool below = row + 1 < frame.height;
    for (int column = 0; column < frame.width; ++column) {
      const int64_t inner = row * frame.width + column;
      if (column + 1 < frame.width) try_pair(frame, inner, column, static_cast<int>(row), 0, job.rows);
      if (below) try_pair(frame, inner, column, static_cast<int>(row), 1, job.rows);
    }
  }
}

}  // namespace

// positions (B, V, 4), or (V, 4) with vertices = 0; faces (F, 3); face_id (B, H, W), each -1 or a face; image
// (B, H, W, C). Stores a handle for rp_intersections_take in *result. Returns the number of rows, or -1 if memory ran
// out.
RP_KERNEL(rp_intersections)
(const float* positions, int64_t vertices, const int32_t* faces, const int32_t* face_id, int64_t batch, int32_t height,
 int32_t width, int32_t channels, int32_t threads, const float* image, Result** result) try {
  auto found_by = std::make_unique<Result>();
  std::vector<Job>& jobs = found_by->jobs;
  const int64_t strip = std::max<int64_t>(1, kJobPixels / std::max(1, width));
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t row = 0; row < height; row += strip)
      jobs.push_back({b, row, std::min<int64_t>(row + strip, height), {}});
  const int64_t pixels = static_cast<int64_t>(height) * width;
  std::atomic<bool> failed{false};
  parallel_for(static_cast<int64_t>(jobs.size()), threads, [&](int64_t index, int) {
    try {
      Job& job = jobs[static_cast<size_t>(index)];
      const int64_t b = job.image;
      search({positions + 4 * b * vertices, faces, face_id + b * pixels, image + b * pixels * channels, height, width,
              channels, b * pixels},
             job);
    } catch (...) {
      failed = true;
    }
  });
  if (failed) return -1;
  size_t total = 0;
  for (const Job& job : jobs) total += job.rows.size();
  *result = found_by.release();
  return static_cast<int64_t>(total);
} catch (...) {
  return -1;
}

// Copies the rows of a result into tensors of that many rows and frees it.
RP_KERNEL(rp_intersections_take)
(Result* result, int64_t* inner, int64_t* outer, int32_t* faces, float* offset, int8_t* axis) {
  int64_t i = 0;
  for (const Job& job : result->jobs) {
    for (const Row& row : job.rows) {
      inner[i] = row.inner;
      outer[i] = row.outer;
      faces[2 * i] = row.faces[0];
      faces[2 * i + 1] = row.faces[1];
      offset[i] = row.offset;
      axis[i++] = row.axis;
    }
  }
  delete result;
  return 0;
}

}  // namespace rp::RP_ISA
