// The exact derivative of pixel-integrated images by the edges that are seen in them (reference.py states it in words):
// each edge is cut at the borders of pixels, and each piece carries the jump of the image across it.
//
// Two steps: silhouettes are found in ranges of edges, then images are settled one by one, each by one thread, so the
// result does not depend on threads.
#include <atomic>

#include "creases.h"

namespace rp::RP_ISA {
namespace {

// Adds to the gradient of the ends of a line in clip space, given that by its end on the screen at `share`.
void add_end(const Frame& frame, const Line& line, double share, double gx, double gy, float* gradient) {
  const int64_t a = 4 * static_cast<int64_t>(line.a), b = 4 * static_cast<int64_t>(line.b);
  double at[4];
  for (int i = 0; i < 4; ++i)
    at[i] = frame.positions[a + i] + share * (static_cast<double>(frame.positions[b + i]) - frame.positions[a + i]);
  const double x = gx * frame.width / 2 / at[3], y = gy * frame.height / 2 / at[3];
  const double clip[4] = {x, y, 0, -(x * at[0] + y * at[1]) / at[3]};
  for (int i = 0; i < 4; ++i) {
    gradient[a + i] += static_cast<float>((1 - share) * clip[i]);
    gradient[b + i] += static_cast<float>(share * clip[i]);
  }
}

// Beside a narrow face the inner pixel may show its neighbour: where other parts of the edge show one of its own faces,
// that colour is taken.
void prefer_own_faces(const Frame& frame, const Topology& t, const Line& line, Part* parts, size_t count) {
  const int32_t* faces = t.edge_faces + 2 * static_cast<int64_t>(line.edge);
  const auto own = [&](const Part& part) {
    const int32_t face = part.surface.pixel < 0 ? -1 : frame.face_id[part.surface.pixel];
    return face >= 0 && (face == faces[0] || face == faces[1]);
  };
  if (std::none_of(parts, parts + count, own)) return;
  for (size_t i = 0; i < count; ++i)
    if (!own(parts[i])) parts[i].surface = {};
}

// Adds what the parts of lines change in the loss.
void add_parts(const Scene& scene, const Topology& t, const Pictures& pictures, std::vector<Part>& parts,
               float* gradient) {
  const auto index_of = [&](const Part& part) { return scene.piece(part.piece).line; };
  for (size_t i = 0, end; i < parts.size(); i = end) {
    for (end = i; end < parts.size() && index_of(parts[end]) == index_of(parts[i]);) ++end;
    const Line& line = scene.line_of(scene.piece(parts[i].piece));
    prefer_own_faces(scene.frame, t, line, &parts[i], end - i);
    fill_gaps(&parts[i], end - i, &Part::surface);
    fill_gaps(&parts[i], end - i, &Part::behind);
    double at_a = 0, at_b = 0;
    for (size_t j = i; j < end; ++j) {
      Part& part = parts[j];
      const Piece& piece = scene.piece(part.piece);
      const double middle = (part.begin + part.end) / 2;
      if (part.behind.pixel < 0) continue;
      if (part.surface.pixel < 0) part.surface.pixel = scene.nearby(piece.pixel, part.behind.pixel, line.depth(middle));
      if (part.surface.pixel < 0) continue;
      const double change =
          piece.weight * (part.end - part.begin) * pictures.jump(piece.pixel, part.surface, part.behind);
      at_a += change * (1 - middle);
      at_b += change * middle;
    }
    if (at_a == 0 && at_b == 0) continue;
    const double nx = -line.side * line.dy, ny = line.side * line.dx;  // away from the face, as long as the edge
    add_end(scene.frame, line, line.share_a, at_a * nx, at_a * ny, gradient);
    add_end(scene.frame, line, line.share_b, at_b * nx, at_b * ny, gradient);
  }
}

// One image, given its silhouettes.
void settle(const Frame& frame, const Topology& t, const Pictures& pictures, Outline& outline, float* gradient) {
  bool flat = false;
  const std::vector<int32_t> edges = find_creases(frame, t, pictures, flat);
  std::vector<Part> parts;
  if (!outline.pieces.empty()) {
    auto* first = static_cast<int32_t*>(
        scratch(0, static_cast<int64_t>(frame.height) * frame.width * static_cast<int64_t>(sizeof(int32_t))));
    std::fill_n(first, static_cast<int64_t>(frame.height) * frame.width, -1);
    for (size_t i = 0; i < outline.pieces.size(); ++i) {
      Piece& piece = outline.pieces[i];
      piece.next = first[piece.pixel];
      first[piece.pixel] = static_cast<int32_t>(i);
    }
    const Scene scene{frame, pictures, outline, first, flat};
    scene.find_parts(parts);
    add_parts(scene, t, pictures, parts, gradient);
  }
  if (edges.empty()) return;
  Outline creases;
  for (const int32_t edge : edges) add_edge(frame, t, edge, creases);
  parts.clear();
  find_crease_parts(frame, t, creases, flat, parts);
  add_parts({frame, pictures, creases, nullptr, flat}, t, pictures, parts, gradient);
}

}  // namespace

// Topology arrays as in struct Topology; positions (B, V, 4), or (V, 4) with ranges (B, 2); face_id, depth (B, H, W);
// facing (B, F), with ranges (1, F); image and gradient (B, H, W, C). Adds to g_positions, shaped like positions.
// Returns 0, or -1 if memory ran out.
RP_KERNEL(rp_boundary)
(const int32_t* faces, int64_t face_count, const int32_t* edges, const int32_t* edge_faces, const uint8_t* consistent,
 int64_t edge_count, const int32_t* extra, int64_t extra_count, const int32_t* face_edges, const float* positions,
 int64_t vertices, const int64_t* ranges, int64_t batch, int32_t height, int32_t width, int32_t threads,
 const int32_t* face_id, const float* depth, const int8_t* facing, int64_t channels, const float* image,
 const float* gradient, float* g_positions) try {
  const Topology t{faces, edges, edge_faces, consistent, extra, face_edges, edge_count, extra_count};
  const Frames frames{positions, vertices, face_count, ranges, batch, height, width, face_id, depth, facing};
  const std::vector<EdgeRange> jobs = edge_ranges(t, frames);
  std::vector<Outline> found(jobs.size());
  std::atomic<bool> failed{false};
  parallel_for(static_cast<int64_t>(jobs.size()), threads, [&](int64_t index, int) {
    try {
      const EdgeRange& job = jobs[static_cast<size_t>(index)];
      const Frame frame = frames[job.image];
      int32_t silhouettes[kRangeEdges];
      const int64_t count = find_silhouettes(t, frame.facing, job.begin, job.end, silhouettes);
      for (int64_t i = 0; i < count; ++i) add_edge(frame, t, silhouettes[i], found[static_cast<size_t>(index)]);
    } catch (...) {
      failed = true;
    }
  });
  if (failed) return -1;
  std::vector<Outline> outlines(static_cast<size_t>(batch));
  for (size_t i = 0; i < jobs.size(); ++i) outlines[static_cast<size_t>(jobs[i].image)].take(found[i]);
  // Packed images may share vertices.
  parallel_for(batch, ranges ? 1 : threads, [&](int64_t b, int) {
    try {
      const int64_t values = b * height * width * channels;
      settle(frames[b], t, {image + values, gradient + values, channels}, outlines[static_cast<size_t>(b)],
             g_positions + (ranges ? 0 : 4 * b * vertices));
    } catch (...) {
      failed = true;
    }
  });
  return failed ? -1 : 0;
} catch (...) {
  return -1;
}

}  // namespace rp::RP_ISA
