// Edges of a triangle mesh and the faces along them. Linear time, one thread, the same answer everywhere.
//
// A half-edge is the side of a face that runs from its corner k to corner k + 1; its number is 3 * face + k.
// Two half-edges belong to the same edge if they join the same two vertices. Faces that name a vertex twice
// have no sides: they cover nothing, and their neighbours meet directly.

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <new>

#define RP_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

constexpr int64_t out_of_memory = -1;

// Calls visit(half_edge, lower vertex, upper vertex, runs from lower to upper) for each side of a face.
template <typename Visit>
void for_each_side(const int32_t* faces, int64_t face, Visit visit) {
  const int32_t a = faces[3 * face], b = faces[3 * face + 1], c = faces[3 * face + 2];
  if (a == b || b == c || c == a) return;
  visit(3 * face, std::min(a, b), std::max(a, b), a < b);
  visit(3 * face + 1, std::min(b, c), std::max(b, c), b < c);
  visit(3 * face + 2, std::min(c, a), std::max(c, a), c < a);
}

struct Side {
  int32_t upper;
  int32_t half_edge;
};

// What is known, while the sides at one lower vertex are read, about the edge from there to an upper vertex.
struct Seen {
  int32_t lower = -1;
  int32_t half_edge = 0;
  int32_t count = 0;
};

}  // namespace

// Writes to face_edges (3 * face_count) the edge of each half-edge, -1 for faces without sides. Edges are
// numbered in the order of their lowest half-edge. counts[0] = number of edges; counts[1] = number of
// half-edges beyond the second of their edge. Indices must lie in [0, vertex_count); face_count at most
// (2^31 - 1) / 3. Returns 0 or out_of_memory.
RP_EXPORT int64_t rp_topology_number(const int32_t* faces, int64_t face_count, int64_t vertex_count,
                                     int32_t* face_edges, int64_t* counts) try {
  // Bucket the sides by their lower vertex, each bucket in the order of half-edges. `next` is the next free
  // place of a bucket, and when all sides are placed, its end.
  auto next = std::make_unique<int32_t[]>(vertex_count + 1);
  for (int64_t face = 0; face < face_count; ++face)
    for_each_side(faces, face, [&](int64_t, int32_t lower, int32_t, bool) { ++next[lower + 1]; });
  for (int64_t vertex = 0; vertex < vertex_count; ++vertex) next[vertex + 1] += next[vertex];
  auto sides = std::make_unique_for_overwrite<Side[]>(next[vertex_count]);
  for (int64_t face = 0; face < face_count; ++face)
    for_each_side(faces, face, [&](int64_t half_edge, int32_t lower, int32_t upper, bool) {
      sides[next[lower]++] = {upper, static_cast<int32_t>(half_edge)};
    });

  // Give each half-edge the lowest half-edge of its edge. A table over the upper vertices, valid for one
  // bucket at a time, keeps this linear where a vertex has a million neighbours.
  auto seen = std::make_unique<Seen[]>(vertex_count);
  std::fill_n(face_edges, 3 * face_count, -1);
  int64_t surplus = 0;
  int32_t place = 0;
  for (int32_t lower = 0; lower < vertex_count; ++lower)
    for (; place < next[lower]; ++place) {
      const auto [upper, half_edge] = sides[place];
      Seen& edge = seen[upper];
      if (edge.lower != lower) edge = {lower, half_edge, 0};
      face_edges[half_edge] = edge.half_edge;
      surplus += ++edge.count > 2;
    }

  int32_t edges = 0;
  for (int64_t i = 0; i < 3 * face_count; ++i)
    if (face_edges[i] >= 0) face_edges[i] = face_edges[i] == i ? edges++ : face_edges[face_edges[i]];
  counts[0] = edges;
  counts[1] = surplus;
  return 0;
} catch (const std::bad_alloc&) {
  return out_of_memory;
}

// Writes, from the numbers above, edges (E, 2), edge_faces (E, 2), consistent (E) and extra (N, 3) with
// E = counts[0], N = counts[1]; topology.py says what they mean. Returns 0 or out_of_memory.
RP_EXPORT int64_t rp_topology_fill(const int32_t* faces, int64_t face_count, const int32_t* face_edges,
                                   const int64_t* counts, int32_t* edges, int32_t* edge_faces, uint8_t* consistent,
                                   int32_t* extra) try {
  auto upwards = std::make_unique_for_overwrite<bool[]>(counts[0]);  // first face runs from lower to upper
  std::fill_n(edge_faces, 2 * counts[0], -1);
  std::fill_n(consistent, counts[0], uint8_t{1});
  auto* rows = reinterpret_cast<std::array<int32_t, 3>*>(extra);
  auto* row = rows;
  for (int64_t face = 0; face < face_count; ++face)
    for_each_side(faces, face, [&](int64_t half_edge, int32_t lower, int32_t upper, bool up) {
      const int32_t edge = face_edges[half_edge];
      int32_t* pair = edge_faces + 2 * int64_t{edge};
      if (pair[0] < 0) {
        edges[2 * int64_t{edge}] = lower;
        edges[2 * int64_t{edge} + 1] = upper;
        pair[0] = static_cast<int32_t>(face);
        upwards[edge] = up;
      } else if (pair[1] < 0) {
        pair[1] = static_cast<int32_t>(face);
        consistent[edge] = upwards[edge] != up;
      } else {
        *row++ = {edge, static_cast<int32_t>(face), upwards[edge] == up};
      }
    });
  std::sort(rows, row);  // by edge, then face: a face without repeated vertices has each edge once
  return 0;
} catch (const std::bad_alloc&) {
  return out_of_memory;
}
