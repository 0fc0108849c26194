// Silhouette crossings: where a silhouette edge passes between two neighbouring pixel centres.
//
// Two steps: all edges are asked whether they are silhouettes (cheap, and nearly all say no), then the few that are get
// walked line by line. Jobs are ranges of edges of one image; their rows are put together in order, so the result does
// not depend on threads.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <vector>

#include "clip.h"
#include "project.h"

namespace rp::RP_ISA {
namespace {

constexpr int64_t kJobEdges = 16384;

struct Topology {
  const int32_t* faces;
  const int32_t* edges;       // (E, 2)
  const int32_t* edge_faces;  // (E, 2)
  const uint8_t* consistent;  // (E)
  const int32_t* extra;       // (N, 3): edge, face, same direction as the edge's first face?
  int64_t edge_count, extra_count;
};

struct Row {
  int64_t inner, outer;
  int32_t a, b;
  float offset;
  int8_t axis;
};

// One job's part of the work and what it found.
struct Job {
  int64_t image, begin, end;  // edges
  std::vector<Row> rows;
};

struct Result {
  std::vector<Job> jobs;
};

struct Frame {
  const float* positions;
  const int32_t* face_id;
  const float* depth;
  const int8_t* facing;
  int height, width;
  int64_t first_pixel;  // index of the image's first pixel in the batch
};

struct End {
  int64_t X, Y;
  double zeta;
};

// Do the further faces of a non-manifold edge lie on the side of its first face too?
bool extra_agree(const Topology& t, const int8_t* facing, int32_t edge, bool front) {
  int64_t low = 0, high = t.extra_count;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (t.extra[3 * middle] < edge)
      low = middle + 1;
    else
      high = middle;
  }
  for (; low < t.extra_count && t.extra[3 * low] == edge; ++low) {
    const bool other = facing[t.extra[3 * low + 1]] > 0;
    if ((other == front) != (t.extra[3 * low + 2] != 0)) return false;
  }
  return true;
}

// Writes the silhouettes among edges [begin, end) to `found`; returns how many. Without branches: few edges qualify.
int64_t find_silhouettes(const Topology& t, const int8_t* facing, int64_t begin, int64_t end, int32_t* found) {
  int64_t count = 0;
  for (int64_t e = begin; e < end; ++e) {
    const int32_t one = t.edge_faces[2 * e], two = t.edge_faces[2 * e + 1];
    const bool boundary = two < 0;
    const bool differ = (facing[one] > 0) != (facing[boundary ? one : two] > 0);
    found[count] = static_cast<int32_t>(e);
    count += boundary | (differ == (t.consistent[e] != 0));
  }
  if (t.extra_count == 0) return count;
  const auto last = std::remove_if(found, found + count, [&](int32_t e) {
    return !extra_agree(t, facing, e, facing[t.edge_faces[2 * static_cast<int64_t>(e)]] > 0);
  });
  return last - found;
}

bool find_ends(const Frame& frame, int32_t a, int32_t b, End (&ends)[2]) {
  const float half_width = frame.width / 2.0f, half_height = frame.height / 2.0f;
  const int32_t vertex[2] = {a, b};
  Projected screen[2];
  ClipVertex points[2];
  for (int i = 0; i < 2; ++i) {
    const float* clip = frame.positions + 4 * static_cast<int64_t>(vertex[i]);
    if (!is_finite(clip)) return false;
    screen[i] = project_one(clip, half_width, half_height);
    points[i] = {clip[0], clip[1], clip[2], clip[3], i};
  }
  const bool safe = !std::isnan(screen[0].px) && !std::isnan(screen[1].px);
  if (!safe && !clip_segment(points[0], points[1])) return false;
  for (int i = 0; i < 2; ++i) {
    if (points[i].corner >= 0 && !std::isnan(screen[i].px))
      ends[i] = {snap(screen[i].px), snap(screen[i].py), screen[i].zeta};
    else if (!place(points[i], half_width, half_height, ends[i].X, ends[i].Y, ends[i].zeta))
      return false;
  }
  return true;
}

// +1 if the edge's faces lie where E(p) < 0 for E from a to b, else -1.
int side_of(const Topology& t, const int8_t* facing, int64_t edge) {
  const int32_t face = t.edge_faces[2 * edge], a = t.edges[2 * edge], b = t.edges[2 * edge + 1];
  const int32_t* corners = t.faces + 3 * static_cast<int64_t>(face);
  bool forward = false;
  for (int i = 0; i < 3; ++i) forward = forward || (corners[i] == a && corners[(i + 1) % 3] == b);
  return (facing[face] > 0) == forward ? 1 : -1;
}

// ceil((value - 128) / 256): the first line whose centre is not before `value`.
int64_t first_line(int64_t value) { return (value + 127) >> 8; }

void walk(const Frame& frame, int32_t a, int32_t b, const End (&ends)[2], int side, std::vector<Row>& rows) {
  const int64_t dX = ends[1].X - ends[0].X, dY = ends[1].Y - ends[0].Y;
  const bool steep = std::abs(dY) >= std::abs(dX);  // a steep edge meets each row (line) at one column (place)
  const int64_t along_a = steep ? ends[0].Y : ends[0].X, along_b = steep ? ends[1].Y : ends[1].X;
  const int64_t lines = steep ? frame.height : frame.width, places = steep ? frame.width : frame.height;
  const int64_t line_step = steep ? frame.width : 1, place_step = steep ? 1 : frame.width;
  const double start = along_a / 256.0, end = along_b / 256.0;
  const double across = (steep ? ends[0].X : ends[0].Y) / 256.0;
  const double run = (steep ? ends[1].X : ends[1].Y) / 256.0 - across, dzeta = ends[1].zeta - ends[0].zeta;
  // A centre on the edge belongs to what lies right of it, or below it: to the farther pixel of the pair, but for an
  // edge that is flat and falls to the right.
  const bool tie_is_far = steep || (dX > 0) != (dY > 0);
  const bool near_is_inner = side * (steep ? dY : -dX) < 0;
  const int64_t last = std::min(lines, first_line(std::max(along_a, along_b)));
  for (int64_t line = std::max<int64_t>(0, first_line(std::min(along_a, along_b))); line < last; ++line) {
    const double centre = static_cast<double>(line) + 0.5;
    const double x = across + run * (centre - start) / (end - start);
    const double place = tie_is_far ? std::ceil(x - 0.5) - 1 : std::floor(x - 0.5);
    if (!(place >= 0 && place + 1 < static_cast<double>(places))) continue;
    const int64_t near = line * line_step + static_cast<int64_t>(place) * place_step, far = near + place_step;
    const int64_t inner = near_is_inner ? near : far, outer = near_is_inner ? far : near;
    const int32_t inner_face = frame.face_id[inner], outer_face = frame.face_id[outer];
    if (inner_face < 0 || inner_face == outer_face) continue;
    const double zeta = ends[0].zeta + dzeta * (centre - start) / (end - start);
    if (outer_face >= 0 && !(frame.depth[outer] > zeta)) continue;  // something nearer hides the edge
    const double t = x - 0.5 - place;
    rows.push_back({frame.first_pixel + inner, frame.first_pixel + outer, a, b,
                    static_cast<float>(near_is_inner ? t : 1 - t), static_cast<int8_t>(steep ? 0 : 1)});
  }
}

// Edges are ordered by their lowest face, so those of a range of faces are a range of edges.
int64_t first_edge_of(const Topology& t, int64_t face) {
  int64_t low = 0, high = t.edge_count;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (t.edge_faces[2 * middle] < face)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

}  // namespace

// Topology arrays as in struct Topology; positions (B, V, 4), or (V, 4) with ranges (B, 2); face_id, depth (B, H, W);
// facing (B, F), with ranges (1, F). Stores a handle for rp_crossings_take in *result. Returns the number of rows, or
// -1 if memory ran out.
RP_KERNEL(rp_crossings)
(const int32_t* faces, int64_t face_count, const int32_t* edges, const int32_t* edge_faces, const uint8_t* consistent,
 int64_t edge_count, const int32_t* extra, int64_t extra_count, const float* positions, int64_t vertices,
 const int64_t* ranges, int64_t batch, int32_t height, int32_t width, int32_t threads, const int32_t* face_id,
 const float* depth, const int8_t* facing, Result** result) try {
  const Topology t{faces, edges, edge_faces, consistent, extra, edge_count, extra_count};
  auto found_by = std::make_unique<Result>();
  std::vector<Job>& jobs = found_by->jobs;
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t begin = ranges ? first_edge_of(t, ranges[2 * b]) : 0;
    const int64_t end = ranges ? first_edge_of(t, ranges[2 * b] + ranges[2 * b + 1]) : edge_count;
    for (int64_t e = begin; e < end; e += kJobEdges) jobs.push_back({b, e, std::min(e + kJobEdges, end), {}});
  }
  const int64_t pixels = static_cast<int64_t>(height) * width;
  std::atomic<bool> failed{false};
  parallel_for(static_cast<int64_t>(jobs.size()), threads, [&](int64_t index, int) {
    try {
      Job& job = jobs[static_cast<size_t>(index)];
      const int64_t b = job.image;
      const Frame frame{positions + (ranges ? 0 : 4 * b * vertices),
                        face_id + b * pixels,
                        depth + b * pixels,
                        facing + (ranges ? 0 : b * face_count),
                        height,
                        width,
                        b * pixels};
      int32_t found[kJobEdges];
      const int64_t count = find_silhouettes(t, frame.facing, job.begin, job.end, found);
      for (int64_t i = 0; i < count; ++i) {
        const int32_t e = found[i], from = edges[2 * static_cast<int64_t>(e)],
                      to = edges[2 * static_cast<int64_t>(e) + 1];
        End ends[2];
        if (find_ends(frame, from, to, ends)) walk(frame, from, to, ends, side_of(t, frame.facing, e), job.rows);
      }
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
RP_KERNEL(rp_crossings_take)
(Result* result, int64_t* inner, int64_t* outer, int32_t* vertices, float* offset, int8_t* axis) {
  int64_t i = 0;
  for (const Job& job : result->jobs) {
    for (const Row& row : job.rows) {
      inner[i] = row.inner;
      outer[i] = row.outer;
      vertices[2 * i] = row.a;
      vertices[2 * i + 1] = row.b;
      offset[i] = row.offset;
      axis[i++] = row.axis;
    }
  }
  delete result;
  return 0;
}

}  // namespace rp::RP_ISA
