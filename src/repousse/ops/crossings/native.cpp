// Silhouette crossings: where a silhouette edge passes between two neighbouring pixel centres.
//
// Silhouette edges are walked line by line. The rows of ranges of edges are put together in order, so the result does
// not depend on threads.
#include <atomic>
#include <cstdlib>
#include <memory>

#include "silhouettes.h"

namespace rp::RP_ISA {
namespace {

struct Row {
  int64_t inner, outer;
  int32_t a, b;
  float offset;
  int8_t axis;
};

struct Result {
  std::vector<std::vector<Row>> rows;  // of each range of edges
};

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

}  // namespace

// Topology arrays as in struct Topology; positions (B, V, 4), or (V, 4) with ranges (B, 2); face_id, depth (B, H, W);
// facing (B, F), with ranges (1, F). Stores a handle for rp_crossings_take in *result. Returns the number of rows, or
// -1 if memory ran out.
RP_KERNEL(rp_crossings)
(const int32_t* faces, int64_t face_count, const int32_t* edges, const int32_t* edge_faces, const uint8_t* consistent,
 int64_t edge_count, const int32_t* extra, int64_t extra_count, const float* positions, int64_t vertices,
 const int64_t* ranges, int64_t batch, int32_t height, int32_t width, int32_t threads, const int32_t* face_id,
 const float* depth, const int8_t* facing, Result** result) try {
  const Topology t{faces, edges, edge_faces, consistent, extra, nullptr, edge_count, extra_count};
  const Frames frames{positions, vertices, face_count, ranges, batch, height, width, face_id, depth, facing};
  const std::vector<EdgeRange> jobs = edge_ranges(t, frames);
  auto found_by = std::make_unique<Result>();
  found_by->rows.resize(jobs.size());
  std::atomic<bool> failed{false};
  parallel_for(static_cast<int64_t>(jobs.size()), threads, [&](int64_t index, int) {
    try {
      const EdgeRange& job = jobs[static_cast<size_t>(index)];
      const Frame frame = frames[job.image];
      int32_t found[kRangeEdges];
      const int64_t count = find_silhouettes(t, frame.facing, job.begin, job.end, found);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t e = found[i];
        const int32_t from = edges[2 * e], to = edges[2 * e + 1];
        End ends[2];
        if (find_ends(frame, from, to, ends))
          walk(frame, from, to, ends, side_of(t, frame.facing, e), found_by->rows[static_cast<size_t>(index)]);
      }
    } catch (...) {
      failed = true;
    }
  });
  if (failed) return -1;
  size_t total = 0;
  for (const auto& rows : found_by->rows) total += rows.size();
  *result = found_by.release();
  return static_cast<int64_t>(total);
} catch (...) {
  return -1;
}

// Copies the rows of a result into tensors of that many rows and frees it.
RP_KERNEL(rp_crossings_take)
(Result* result, int64_t* inner, int64_t* outer, int32_t* vertices, float* offset, int8_t* axis) {
  int64_t i = 0;
  for (const auto& rows : result->rows) {
    for (const Row& row : rows) {
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
