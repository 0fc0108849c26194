// The silhouette edges of a frame: all edges are asked whether they are (cheap, and nearly all say no); the few that
// are get their ends on the screen.
#pragma once
#include <algorithm>
#include <vector>

#include "clip.h"
#include "project.h"

namespace rp::RP_ISA {

struct Topology {
  const int32_t* faces;
  const int32_t* edges;       // (E, 2)
  const int32_t* edge_faces;  // (E, 2)
  const uint8_t* consistent;  // (E)
  const int32_t* extra;       // (N, 3): edge, face, same direction as the edge's first face?
  const int32_t* face_edges;  // (F, 3), or null
  int64_t edge_count, extra_count;
};

// One image of a batch.
struct Frame {
  const float* positions;
  const int32_t* face_id;
  const float* depth;
  const int8_t* facing;
  int height, width;
  int64_t first_pixel;  // index of the image's first pixel in the batch
};

// The images of a batch; positions (B, V, 4), or (V, 4) with ranges (B, 2); face_id, depth (B, H, W); facing (B, F),
// with ranges (1, F).
struct Frames {
  const float* positions;
  int64_t vertices, face_count;
  const int64_t* ranges;
  int64_t batch;
  int height, width;
  const int32_t* face_id;
  const float* depth;
  const int8_t* facing;

  Frame operator[](int64_t b) const {
    const int64_t pixels = static_cast<int64_t>(height) * width;
    return {positions + (ranges ? 0 : 4 * b * vertices),
            face_id + b * pixels,
            depth + b * pixels,
            facing + (ranges ? 0 : b * face_count),
            height,
            width,
            b * pixels};
  }
};

// A range of the edges of one image: what one thread looks at in one go. Does not depend on threads.
struct EdgeRange {
  int64_t image, begin, end;
};
constexpr int64_t kRangeEdges = 16384;

// An end of an edge on the screen: snapped, in 1/256 pixel, and its z / w. It lies at (1 - share) a + share b in clip
// space: 0 or 1 unless the edge was clipped.
struct End {
  int64_t X, Y;
  double zeta, share;
};

// The first of `count` rows, ordered by their first column, whose first column is not less than `value`.
inline int64_t first_row(const int32_t* rows, int64_t columns, int64_t count, int64_t value) {
  int64_t low = 0, high = count;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (rows[columns * middle] < value)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// Edges are ordered by their lowest face, so those of a range of faces are a range of edges.
inline int64_t first_edge_of(const Topology& t, int64_t face) { return first_row(t.edge_faces, 2, t.edge_count, face); }

inline std::vector<EdgeRange> edge_ranges(const Topology& t, const Frames& frames) {
  std::vector<EdgeRange> found;
  const int64_t* ranges = frames.ranges;
  for (int64_t b = 0; b < frames.batch; ++b) {
    const int64_t begin = ranges ? first_edge_of(t, ranges[2 * b]) : 0;
    const int64_t end = ranges ? first_edge_of(t, ranges[2 * b] + ranges[2 * b + 1]) : t.edge_count;
    for (int64_t e = begin; e < end; e += kRangeEdges) found.push_back({b, e, std::min(e + kRangeEdges, end)});
  }
  return found;
}

// Do the further faces of a non-manifold edge lie on the side of its first face too?
inline bool extra_agree(const Topology& t, const int8_t* facing, int32_t edge, bool front) {
  for (int64_t i = first_row(t.extra, 3, t.extra_count, edge); i < t.extra_count && t.extra[3 * i] == edge; ++i) {
    const bool other = facing[t.extra[3 * i + 1]] > 0;
    if ((other == front) != (t.extra[3 * i + 2] != 0)) return false;
  }
  return true;
}

// Writes the silhouettes among edges [begin, end) to `found`; returns how many. Without branches: few edges qualify.
inline int64_t find_silhouettes(const Topology& t, const int8_t* facing, int64_t begin, int64_t end, int32_t* found) {
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

// How far a point of the line a b lies from a, as a share of the way.
inline double share_of(const ClipVertex& point, const float* a, const float* b) {
  double along = 0, whole = 0;
  const double at[4] = {point.x, point.y, point.z, point.w};
  for (int i = 0; i < 4; ++i) {
    const double way = static_cast<double>(b[i]) - a[i];
    along += (at[i] - a[i]) * way;
    whole += way * way;
  }
  return along / whole;
}

// The part of the edge a b that can be projected; false if there is none.
inline bool find_ends(const Frame& frame, int32_t a, int32_t b, End (&ends)[2]) {
  const float half_width = frame.width / 2.0f, half_height = frame.height / 2.0f;
  const float* clip[2] = {frame.positions + 4 * static_cast<int64_t>(a), frame.positions + 4 * static_cast<int64_t>(b)};
  Projected screen[2];
  ClipVertex points[2];
  for (int i = 0; i < 2; ++i) {
    if (!is_finite(clip[i])) return false;
    screen[i] = project_one(clip[i], half_width, half_height);
    points[i] = {clip[i][0], clip[i][1], clip[i][2], clip[i][3], i};
  }
  const bool safe = !std::isnan(screen[0].px) && !std::isnan(screen[1].px);
  if (!safe && !clip_segment(points[0], points[1])) return false;
  for (int i = 0; i < 2; ++i) {
    const int corner = points[i].corner;
    if (corner >= 0 && !std::isnan(screen[corner].px)) {
      ends[i] = {snap(screen[corner].px), snap(screen[corner].py), screen[corner].zeta, static_cast<double>(corner)};
      continue;
    }
    if (!place(points[i], half_width, half_height, ends[i].X, ends[i].Y, ends[i].zeta)) return false;
    ends[i].share = corner >= 0 ? corner : share_of(points[i], clip[0], clip[1]);
  }
  return true;
}

// +1 if the edge's faces lie where E(p) < 0 for E from a to b, else -1.
inline int side_of(const Topology& t, const int8_t* facing, int64_t edge) {
  const int32_t face = t.edge_faces[2 * edge], a = t.edges[2 * edge], b = t.edges[2 * edge + 1];
  const int32_t* corners = t.faces + 3 * static_cast<int64_t>(face);
  bool forward = false;
  for (int i = 0; i < 3; ++i) forward = forward || (corners[i] == a && corners[(i + 1) % 3] == b);
  return (facing[face] > 0) == forward ? 1 : -1;
}

}  // namespace rp::RP_ISA
