// Intersections: where the surfaces of two neighbouring pixels pass through one another between their centres.
//
// Nearly all pairs are told apart by what is cheap: they show the same face, the same colours, faces that have a vertex
// in common, or planes that do not meet. Jobs are strips of rows; what they find is put together in order, so the
// result does not depend on threads. The steps are those of reference.py.
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
constexpr double kFlattest = 1e-6;  // depth per pixel
constexpr double kSlack = 1;        // pixels
constexpr int kMaxSteps = 64;

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

struct Topology {
  const int32_t* faces;       // (F, 3)
  const int32_t* edge_faces;  // (E, 2)
  const int32_t* face_edges;  // (F, 3)
  const uint8_t* consistent;  // (E)
};

struct Frame {
  const float* positions;
  const int32_t* face_id;
  const float* image;
  int height, width, channels;
  int64_t first_pixel;  // index of the image's first pixel in the batch
  Topology mesh;
};

struct Vector {
  double x, y, z;
};

Vector cross(const Vector& a, const Vector& b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
double dot(const Vector& a, const Vector& b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

// A face seen from a pixel centre, along the line to its neighbour: weights of its corners, divided by w, and depth, as
// `at` + X * `along` + Y * `across` for the point X pixels towards the neighbour and Y aside of that.
struct Linear {
  double along, across, at;
};
struct Plane {
  int32_t face;
  bool front;
  Linear weights[3], depth;
};
struct Line {
  int column, row, axis;
};

bool plane_of(const Frame& frame, int32_t face, const Line& line, Plane& plane) {
  Vector points[3];
  double z[3];
  for (int k = 0; k < 3; ++k) {
    const float* clip =
        frame.positions + 4 * static_cast<int64_t>(frame.mesh.faces[3 * static_cast<int64_t>(face) + k]);
    const double x = clip[0], y = clip[1], w = clip[3];
    const double u = (x + w) * (frame.width / 2.0) - (line.column + 0.5) * w;
    const double v = (y + w) * (frame.height / 2.0) - (line.row + 0.5) * w;
    points[k] = {u, v, w};
    z[k] = clip[2];
  }
  const double det = dot(cross(points[1], points[2]), points[0]);
  if (!(det != 0)) return false;
  plane.face = face;
  plane.front = det < 0;
  plane.depth = {};
  for (int k = 0; k < 3; ++k) {
    const Vector n = cross(points[(k + 1) % 3], points[(k + 2) % 3]);
    Linear& weight = plane.weights[k];
    weight = {(line.axis == 0 ? n.x : n.y) / det, (line.axis == 0 ? n.y : n.x) / det, n.z / det};
    plane.depth = {plane.depth.along + weight.along * z[k], plane.depth.across + weight.across * z[k],
                   plane.depth.at + weight.at * z[k]};
  }
  return true;
}

double depth_at(const Plane& plane, double place) { return plane.depth.at + place * plane.depth.along; }

bool common_vertex(const Frame& frame, int32_t one, int32_t two) {
  const int32_t *a = frame.mesh.faces + 3 * static_cast<int64_t>(one),
                *b = frame.mesh.faces + 3 * static_cast<int64_t>(two);
  bool common = false;
  for (int i = 0; i < 3; ++i) common |= (a[i] == b[0]) | (a[i] == b[1]) | (a[i] == b[2]);
  return common;
}

// Follows the surface from `plane` along the line, in the direction +1 or -1, to the face at `place`. Returns where
// that led: to the place, or to where the surface ends or turns back before.
double follow(const Frame& frame, const Line& line, double direction, double place, Plane& plane) {
  int32_t entered = -1;
  for (int step = 0;; ++step) {
    const int32_t* edges = frame.mesh.face_edges + 3 * static_cast<int64_t>(plane.face);
    double first = HUGE_VAL;
    int32_t exit = -1;
    for (int k = 0; k < 3; ++k) {
      const Linear& weight = plane.weights[k];
      const int32_t edge = edges[(k + 1) % 3];  // across from corner k
      if (!(direction * weight.along < 0) || edge == entered) continue;
      const double reached = direction * (-weight.at / weight.along);
      if (reached < first) {
        first = reached;
        exit = edge;
      }
    }
    if (first >= direction * place) return place;
    if (exit < 0 || step == kMaxSteps) return direction * first;
    const int32_t* sides = frame.mesh.edge_faces + 2 * static_cast<int64_t>(exit);
    const int32_t next = sides[0] == plane.face ? sides[1] : sides[0];
    Plane other;
    if (next < 0 || !plane_of(frame, next, line, other)) return direction * first;
    if ((other.front == plane.front) != (frame.mesh.consistent[exit] != 0)) return direction * first;
    plane = other;
    entered = exit;
  }
}

// How far surface `one` is behind surface `two` at a place to which both go.
double behind(const Frame& frame, const Line& line, Plane one, Plane two, double place) {
  follow(frame, line, 1, place, one);
  follow(frame, line, -1, place, two);
  return depth_at(one, place) - depth_at(two, place);
}

// The planes' meeting, in pixels from the inner centre; false if they are nearly parallel or meet in the wrong order.
bool meeting(const Plane& one, const Plane& two, double& offset) {
  const double along = one.depth.along - two.depth.along;
  if (!(along > kFlattest)) return false;
  offset = (two.depth.at - one.depth.at) / along;
  return true;
}

void try_pair(const Frame& frame, int64_t inner, int64_t outer, const Line& line, std::vector<Row>& rows) {
  const int32_t a = frame.face_id[inner], b = frame.face_id[outer];
  const float* colors = frame.image + inner * frame.channels;
  const float* others = frame.image + outer * frame.channels;
  bool equal = true;
  for (int c = 0; c < frame.channels; ++c) equal &= colors[c] == others[c];
  if (equal || common_vertex(frame, a, b)) return;
  Plane one, two;
  double offset = 0;
  if (!plane_of(frame, a, line, one) || !plane_of(frame, b, line, two) || !meeting(one, two, offset)) return;
  if (!(offset >= -kSlack && offset <= 1 + kSlack)) return;
  Plane end_of_one = one, end_of_two = two;
  const double last = follow(frame, line, 1, 1, end_of_one), first = follow(frame, line, -1, 0, end_of_two);
  if (end_of_one.face == b || end_of_two.face == a || !(first < last)) return;  // the same surface, or none behind
  const double before = behind(frame, line, one, two, first), after = behind(frame, line, one, two, last);
  if (!(before <= 0 && after >= 0 && after - before > kFlattest * (last - first))) return;
  const double guess = first - before * (last - first) / (after - before);
  follow(frame, line, 1, guess, one);
  follow(frame, line, -1, guess, two);
  if (common_vertex(frame, one.face, two.face) || !meeting(one, two, offset)) return;
  const double along = one.depth.along - two.depth.along;
  const double across = std::abs(one.depth.across - two.depth.across);
  if (line.axis == 0 ? across > along : across >= along) return;
  rows.push_back({frame.first_pixel + inner,
                  frame.first_pixel + outer,
                  {one.face, two.face},
                  static_cast<float>(std::min(1.0, std::max(0.0, offset))),
                  static_cast<int8_t>(line.axis)});
}

// Which of the pairs from `inner` on show two faces, and two values if there is one channel: one bit each.
uint32_t differing(const Frame& frame, int64_t inner, int64_t outer, int count) {
  if (count == kLanes) {
    uint32_t values = ~uint32_t{0};
    if (frame.channels == 1) {  // masks hardly change: the faces need not be read
      values = bits(load<Floats>(frame.image + inner) != load<Floats>(frame.image + outer));
      if (values == 0) return 0;
    }
    const Ints a = load<Ints>(frame.face_id + inner), b = load<Ints>(frame.face_id + outer);
    return values & bits((a != b) & (a >= 0) & (b >= 0));
  }
  uint32_t found = 0;
  for (int i = 0; i < count; ++i) {
    const int32_t a = frame.face_id[inner + i], b = frame.face_id[outer + i];
    found |= (a != b && a >= 0 && b >= 0 ? 1u : 0u) << i;
  }
  return found;
}

void search(const Frame& frame, Job& job) {
  for (int64_t row = job.begin; row < job.end; ++row) {
    for (int first = 0; first < frame.width; first += kLanes) {
      const int64_t inner = row * frame.width + first;
      const int count = std::min(kLanes, frame.width - first);
      const uint32_t along = differing(frame, inner, inner + 1, std::min(kLanes, frame.width - 1 - first));
      const uint32_t below = row + 1 < frame.height ? differing(frame, inner, inner + frame.width, count) : 0;
      for (uint32_t left = along | below; left != 0; left &= left - 1) {
        const int i = __builtin_ctz(left);
        const Line line{first + i, static_cast<int>(row), 0};
        if (along >> i & 1) try_pair(frame, inner + i, inner + i + 1, line, job.rows);
        if (below >> i & 1) try_pair(frame, inner + i, inner + i + frame.width, {line.column, line.row, 1}, job.rows);
      }
    }
  }
}

}  // namespace

// Topology arrays as in struct Topology; positions (B, V, 4), or (V, 4) with vertices = 0; face_id (B, H, W), each -1
// or a face; image (B, H, W, C). Stores a handle for rp_intersections_take in *result. Returns the number of rows, or
// -1 if memory ran out.
RP_KERNEL(rp_intersections)
(const int32_t* faces, const int32_t* edge_faces, const int32_t* face_edges, const uint8_t* consistent,
 const float* positions, int64_t vertices, const int32_t* face_id, int64_t batch, int32_t height, int32_t width,
 int32_t channels, int32_t threads, const float* image, Result** result) try {
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
      search({positions + 4 * b * vertices,
              face_id + b * pixels,
              image + b * pixels * channels,
              height,
              width,
              channels,
              b * pixels,
              {faces, edge_faces, face_edges, consistent}},
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
