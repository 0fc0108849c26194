// The exact derivative of pixel-integrated images by silhouettes (reference.py states it in words): each silhouette
// edge is cut at the borders of pixels, and each piece carries the jump of the image across it.
//
// Ranges of edges find their contributions on all threads; these are added to vertices in order, so the result does not
// depend on threads.
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "silhouettes.h"

namespace rp::RP_ISA {
namespace {

constexpr int kMost = 256;  // pieces of a pixel that are looked at for one piece
constexpr int kMostCuts = 8;
constexpr int32_t kUnknown = -1, kNever = std::numeric_limits<int32_t>::min();
constexpr float kNothing = std::numeric_limits<float>::infinity();

// What an edge adds to the gradient of its ends.
struct Share {
  int32_t a, b;
  float to_a[3], to_b[3];  // x, y, w of clip space
};

struct Pictures {
  const float *image, *gradient;
  int64_t channels;

  // What moving a border out of pixel `pixel` by its area changes in the loss.
  double jump(int64_t pixel, int64_t surface, int64_t behind) const {
    const float *g = gradient + pixel * channels, *s = image + surface * channels, *b = image + behind * channels;
    double sum = 0;
    for (int64_t c = 0; c < channels; ++c) sum += static_cast<double>(g[c]) * (s[c] - b[c]);
    return sum;
  }
};

struct Spot {
  double x, y;
};

Spot centre(int64_t pixel, int width) {
  return {static_cast<double>(pixel % width) + 0.5, static_cast<double>(pixel / width) + 0.5};
}

// A silhouette edge on the screen, in pixels.
struct Line {
  double ax, ay, dx, dy, zeta, dzeta;
  int32_t side;  // the faces lie where side * E < 0
  int32_t a, b;  // vertices
  double share_a, share_b;

  Line(const End (&ends)[2], int side, int32_t a, int32_t b)
      : ax(ends[0].X / 256.0),
        ay(ends[0].Y / 256.0),
        dx((ends[1].X - ends[0].X) / 256.0),
        dy((ends[1].Y - ends[0].Y) / 256.0),
        zeta(ends[0].zeta),
        dzeta(ends[1].zeta - ends[0].zeta),
        side(side),
        a(a),
        b(b),
        share_a(ends[0].share),
        share_b(ends[1].share) {}
  bool steep() const { return std::abs(dy) >= std::abs(dx); }
  // Negative on the side of the faces.
  double beyond(Spot p) const { return side * (dx * (p.y - ay) - dy * (p.x - ax)); }
  Spot at(double t) const { return {ax + t * dx, ay + t * dy}; }
  double depth(double t) const { return zeta + t * dzeta; }
  bool touches(const Line& other) const { return a == other.a || a == other.b || b == other.a || b == other.b; }
};

// The part of an edge inside one pixel, from `begin` to `end` on the way from a to b.
struct Piece {
  double begin, end;
  int32_t line, pixel;
  int32_t next;     // in the same pixel
  int32_t surface;  // what its parts found
};

// A part of a piece between two places where other edges pass in front of it or behind it.
struct Part {
  double begin, end;
  int32_t piece;
  int32_t surface, behind;  // pixels that show the edge's surface and what lies behind it; -1: unknown
};

struct Outline {
  std::vector<Line> lines;
  std::vector<Piece> pieces;
};

float depth_at(const Frame& frame, int64_t pixel) { return frame.face_id[pixel] < 0 ? kNothing : frame.depth[pixel]; }

// Cuts an edge at the borders of pixels.
void cut_at_pixels(const Frame& frame, const Line& line, int32_t index, std::vector<Piece>& pieces) {
  double begin = 0, end = 1;
  const double start[2] = {line.ax, line.ay}, way[2] = {line.dx, line.dy};
  const int limit[2] = {frame.width, frame.height};
  for (int i = 0; i < 2; ++i) {
    if (way[i] == 0) {
      if (start[i] < 0 || start[i] >= limit[i]) return;
      continue;
    }
    const double to_zero = -start[i] / way[i], to_limit = (limit[i] - start[i]) / way[i];
    begin = std::max(begin, std::min(to_zero, to_limit));
    end = std::min(end, std::max(to_zero, to_limit));
  }
  if (!(begin < end)) return;
  int cell[2], step[2];
  double next[2];
  const auto border = [&](int i) { return way[i] == 0 ? 2.0 : (cell[i] + (step[i] > 0) - start[i]) / way[i]; };
  for (int i = 0; i < 2; ++i) {
    step[i] = way[i] > 0 ? 1 : -1;
    const double at = start[i] + way[i] * begin;
    cell[i] = static_cast<int>(way[i] < 0 ? std::ceil(at) - 1 : std::floor(at));
    next[i] = border(i);
  }
  while (begin < end) {
    const double stop = std::min({next[0], next[1], end});
    if (stop > begin && cell[0] >= 0 && cell[0] < limit[0] && cell[1] >= 0 && cell[1] < limit[1])
      pieces.push_back({begin, stop, index, cell[1] * frame.width + cell[0], -1, -1});
    begin = std::max(begin, stop);
    for (int i = 0; i < 2; ++i) {
      if (next[i] > stop) continue;
      cell[i] += step[i];
      next[i] = border(i);
    }
  }
}

// The pixel next to a piece's pixel on the other side of its edge, across the edge; -1 outside the image.
int32_t across(const Frame& frame, const Line& line, int32_t pixel) {
  const int column = pixel % frame.width, row = pixel / frame.width;
  const double e = line.dx * (row + 0.5 - line.ay) - line.dy * (column + 0.5 - line.ax);
  const bool steep = line.steep();
  const bool grows = steep ? line.dy < 0 : line.dx > 0;  // E with the column, or with the row
  const int step = (e > 0) == grows ? -1 : 1;
  const int other = (steep ? column : row) + step;
  if (other < 0 || other >= (steep ? frame.width : frame.height)) return -1;
  return steep ? pixel + step : pixel + step * frame.width;
}

// Does the way from `from` to `to` meet a piece? Then where on its edge.
bool meets(const Line& line, const Piece& piece, Spot from, Spot to, double& t) {
  if ((line.beyond(from) < 0) == (line.beyond(to) < 0)) return false;
  const double wx = to.x - from.x, wy = to.y - from.y;
  const double a = wx * (line.ay - from.y) - wy * (line.ax - from.x);
  const double b = wx * (line.ay + line.dy - from.y) - wy * (line.ax + line.dx - from.x);
  if ((a < 0) == (b < 0)) return false;
  t = a / (a - b);
  return t >= piece.begin && t < piece.end;
}

// What silhouettes lie between a piece and the centres of the two pixels beside it.
struct Between {
  bool hidden = false;    // something nearer begins before the edge is reached from outside
  bool released = false;  // something ends before the edge is reached
  bool released_front = false;
  bool lost = false;  // its own surface ends before the inner centre
  bool leaves = false;
  int32_t behind = -1;  // the piece of what begins behind the edge
  double behind_depth = 0;
};

struct Scene {
  const Frame& frame;
  Outline& outline;
  const int32_t* first;  // for each pixel the first of its pieces, or -1

  void look_between(const Piece& piece, int32_t cell, Spot middle, double zeta, int32_t inner, int32_t outer,
                    Between& found) const {
    const Line& own = outline.lines[static_cast<size_t>(piece.line)];
    int left = kMost;
    for (int32_t k = first[cell]; k >= 0 && left > 0; k = outline.pieces[static_cast<size_t>(k)].next, --left) {
      const Piece& other = outline.pieces[static_cast<size_t>(k)];
      if (other.line == piece.line) continue;
      const Line& line = outline.lines[static_cast<size_t>(other.line)];
      double t;
      if (outer >= 0 && meets(line, other, centre(outer, frame.width), middle, t)) {
        const double depth = line.depth(t);
        if (line.beyond(middle) < 0) {
          if (depth < zeta)
            found.hidden = true;
          else if (found.behind < 0 || depth < found.behind_depth)
            found.behind = k, found.behind_depth = depth;
        } else {
          found.released = true;
          found.released_front = found.released_front || depth < zeta;
        }
      }
      if (inner >= 0 && meets(line, other, centre(inner, frame.width), middle, t) && line.beyond(middle) < 0) {
        found.leaves = true;
        found.lost = found.lost || own.touches(line);
      }
    }
  }

  // Finds what a part shows; false if it is hidden.
  bool look(const Piece& piece, Part& part) const {
    const Line& line = outline.lines[static_cast<size_t>(piece.line)];
    const int32_t here = piece.pixel, there = across(frame, line, here);
    const bool inside = line.beyond(centre(here, frame.width)) < 0;
    const int32_t inner = inside ? here : there, outer = inside ? there : here;
    const double t = (part.begin + part.end) / 2, zeta = line.depth(t);
    Between found;
    look_between(piece, here, line.at(t), zeta, inner, outer, found);
    if (there >= 0) look_between(piece, there, line.at(t), zeta, inner, outer, found);
    if (found.hidden) return false;
    if (outer >= 0) {
      if (depth_at(frame, outer) <= zeta && !found.released_front) return false;
      if (!found.released) part.behind = outer;
      if (found.behind >= 0 && found.behind_depth < depth_at(frame, outer)) part.behind = kUnknown - 1 - found.behind;
    }
    if (inner >= 0) {
      const int32_t face = frame.face_id[inner];
      const bool bad = face < 0 || (outer >= 0 && face == frame.face_id[outer]) || found.lost ||
                       (found.leaves && depth_at(frame, inner) > zeta);
      if (!bad) part.surface = inner;
    }
    return true;
  }

  // Cuts a piece where other edges cross it, and adds its visible parts.
  void take_apart(int32_t index, std::vector<Part>& parts) const {
    Piece& piece = outline.pieces[static_cast<size_t>(index)];
    const Line& line = outline.lines[static_cast<size_t>(piece.line)];
    double cuts[kMostCuts + 1];
    int count = 0, left = kMost;
    const Spot from = line.at(piece.begin), to = line.at(piece.end);
    for (int32_t k = first[piece.pixel]; k >= 0 && left > 0 && count < kMostCuts; --left) {
      const Piece& other = outline.pieces[static_cast<size_t>(k)];
      const Line& crossing = outline.lines[static_cast<size_t>(other.line)];
      double t;
      if (other.line != piece.line && !line.touches(crossing) && meets(crossing, other, from, to, t)) {
        const double before = crossing.beyond(from), after = crossing.beyond(to);
        cuts[count++] = piece.begin + (piece.end - piece.begin) * before / (before - after);
      }
      k = other.next;
    }
    std::sort(cuts, cuts + count);
    cuts[count] = piece.end;
    double begin = piece.begin;
    for (int i = 0; i <= count; ++i) {
      Part part{begin, cuts[i], index, -1, -1};
      if (!(part.begin < part.end)) continue;
      begin = part.end;
      if (!look(piece, part)) continue;
      parts.push_back(part);
      if (part.surface >= 0) piece.surface = piece.surface < 0 ? part.surface : std::min(piece.surface, part.surface);
    }
  }
};

// Parts without a sample of one side get that of the nearest part of their edge that has one.
void fill_gaps(Part* parts, size_t count, int32_t Part::* sample) {
  const auto middle = [&](size_t i) { return (parts[i].begin + parts[i].end) / 2; };
  size_t known = count;
  const auto fill = [&](size_t begin, size_t end, size_t next) {
    for (size_t i = begin; i < end; ++i) {
      if (parts[i].*sample != kUnknown) continue;
      const double before = known < count ? middle(i) - middle(known) : 2;
      const double after = next < count ? middle(next) - middle(i) : 2;
      if (before == after)
        parts[i].*sample = before == 2 ? kUnknown : std::min(parts[known].*sample, parts[next].*sample);
      else
        parts[i].*sample = parts[before < after ? known : next].*sample;
    }
  };
  size_t begin = 0;
  for (size_t i = 0; i < count; ++i) {
    if (parts[i].*sample < 0) continue;
    fill(begin, i, i);
    known = i;
    begin = i + 1;
  }
  fill(begin, count, count);
}

// The pixel around that shows something at a depth next to that of the edge.
int32_t nearby(const Frame& frame, int32_t pixel, int32_t behind, double zeta) {
  const int column = pixel % frame.width, row = pixel / frame.width;
  int32_t best = -1;
  double least = kNothing;
  for (int r = std::max(0, row - 1); r <= std::min(frame.height - 1, row + 1); ++r)
    for (int c = std::max(0, column - 1); c <= std::min(frame.width - 1, column + 1); ++c) {
      const int32_t at = r * frame.width + c;
      if (frame.face_id[at] < 0 || (behind >= 0 && frame.face_id[at] == frame.face_id[behind])) continue;
      const double apart = std::abs(frame.depth[at] - zeta);
      if (apart < least) least = apart, best = at;
    }
  return best;
}

// Gradient by the position of an end on the screen to that by the ends of the edge in clip space.
void to_clip(const Frame& frame, double part, double gx, double gy, Share& share) {
  const float *a = frame.positions + 4 * static_cast<int64_t>(share.a),
              *b = frame.positions + 4 * static_cast<int64_t>(share.b);
  double at[4];
  for (int i = 0; i < 4; ++i) at[i] = a[i] + part * (static_cast<double>(b[i]) - a[i]);
  const double x = gx * frame.width / 2 / at[3], y = gy * frame.height / 2 / at[3];
  const double clip[3] = {x, y, -(x * at[0] + y * at[1]) / at[3]};
  for (int i = 0; i < 3; ++i) {
    share.to_a[i] += static_cast<float>((1 - part) * clip[i]);
    share.to_b[i] += static_cast<float>(part * clip[i]);
  }
}

void add(const Share& share, float* gradient) {
  float *a = gradient + 4 * static_cast<int64_t>(share.a), *b = gradient + 4 * static_cast<int64_t>(share.b);
  for (int i = 0; i < 3; ++i) {
    a[i + (i == 2)] += share.to_a[i];
    b[i + (i == 2)] += share.to_b[i];
  }
}

void settle(const Frame& frame, const Pictures& pictures, Outline& outline, int32_t* first, std::vector<Part>& parts,
            float* gradient) {
  std::vector<Piece>& pieces = outline.pieces;
  for (size_t i = 0; i < pieces.size(); ++i) {
    pieces[i].next = first[pieces[i].pixel];
    first[pieces[i].pixel] = static_cast<int32_t>(i);
  }
  const Scene scene{frame, outline, first};
  parts.clear();
  for (size_t i = 0; i < pieces.size(); ++i) scene.take_apart(static_cast<int32_t>(i), parts);
  for (Part& part : parts)
    if (part.behind < kUnknown) {
      const int32_t surface = pieces[static_cast<size_t>(kUnknown - 1 - part.behind)].surface;
      part.behind = surface < 0 ? kNever : surface;
    }
  const auto line_of = [&](const Part& part) { return pieces[static_cast<size_t>(part.piece)].line; };
  for (size_t i = 0, end; i < parts.size(); i = end) {
    for (end = i; end < parts.size() && line_of(parts[end]) == line_of(parts[i]);) ++end;
    fill_gaps(&parts[i], end - i, &Part::surface);
    fill_gaps(&parts[i], end - i, &Part::behind);
    const Line& line = outline.lines[static_cast<size_t>(line_of(parts[i]))];
    double at_a = 0, at_b = 0;
    for (size_t j = i; j < end; ++j) {
      Part& part = parts[j];
      if (part.behind < 0) continue;
      const int32_t pixel = pieces[static_cast<size_t>(part.piece)].pixel;
      const double middle = (part.begin + part.end) / 2;
      if (part.surface < 0) part.surface = nearby(frame, pixel, part.behind, line.depth(middle));
      if (part.surface < 0) continue;
      const double change =
          (part.end - part.begin) *
          pictures.jump(frame.first_pixel + pixel, frame.first_pixel + part.surface, frame.first_pixel + part.behind);
      at_a += change * (1 - middle);
      at_b += change * middle;
    }
    if (at_a == 0 && at_b == 0) continue;
    Share share{line.a, line.b, {}, {}};
    const double nx = -line.side * line.dy, ny = line.side * line.dx;  // outwards, as long as the edge
    to_clip(frame, line.share_a, at_a * nx, at_a * ny, share);
    to_clip(frame, line.share_b, at_b * nx, at_b * ny, share);
    add(share, gradient);
  }
}

}  // namespace

// Arguments as for rp_crossings; image and gradient (B, H, W, C). Adds to g_positions, shaped like positions. Returns
// 0, or -1 if memory ran out.
RP_KERNEL(rp_boundary)
(const int32_t* faces, int64_t face_count, const int32_t* edges, const int32_t* edge_faces, const uint8_t* consistent,
 int64_t edge_count, const int32_t* extra, int64_t extra_count, const float* positions, int64_t vertices,
 const int64_t* ranges, int64_t batch, int32_t height, int32_t width, int32_t threads, const int32_t* face_id,
 const float* depth, const int8_t* facing, int64_t channels, const float* image, const float* gradient,
 float* g_positions) try {
  const Topology t{faces, edges, edge_faces, consistent, extra, edge_count, extra_count};
  const Frames frames{positions, vertices, face_count, ranges, batch, height, width, face_id, depth, facing};
  const Pictures pictures{image, gradient, channels};
  const std::vector<EdgeRange> jobs = edge_ranges(t, frames);
  std::vector<Outline> outlines(jobs.size());
  std::atomic<bool> failed{false};
  parallel_for(static_cast<int64_t>(jobs.size()), threads, [&](int64_t index, int) {
    try {
      const EdgeRange& job = jobs[static_cast<size_t>(index)];
      const Frame frame = frames[job.image];
      Outline& outline = outlines[static_cast<size_t>(index)];
      int32_t found[kRangeEdges];
      const int64_t count = find_silhouettes(t, frame.facing, job.begin, job.end, found);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t e = found[i];
        End ends[2];
        if (!find_ends(frame, edges[2 * e], edges[2 * e + 1], ends)) continue;
        const Line line(ends, side_of(t, frame.facing, e), edges[2 * e], edges[2 * e + 1]);
        const size_t before = outline.pieces.size();
        cut_at_pixels(frame, line, static_cast<int32_t>(outline.lines.size()), outline.pieces);
        if (outline.pieces.size() > before) outline.lines.push_back(line);
      }
    } catch (...) {
      failed = true;
    }
  });
  if (failed) return -1;
  for (size_t i = 1, into = 0; i < jobs.size(); ++i) {
    if (jobs[i].image != jobs[into].image) {
      into = i;
      continue;
    }
    const auto offset = static_cast<int32_t>(outlines[into].lines.size());
    for (Piece& piece : outlines[i].pieces) piece.line += offset;
    outlines[into].lines.insert(outlines[into].lines.end(), outlines[i].lines.begin(), outlines[i].lines.end());
    outlines[into].pieces.insert(outlines[into].pieces.end(), outlines[i].pieces.begin(), outlines[i].pieces.end());
    outlines[i] = {};
  }
  std::vector<Part> parts;
  std::vector<int32_t> first(static_cast<size_t>(height) * static_cast<size_t>(width));
  for (size_t i = 0; i < jobs.size(); ++i) {
    if (outlines[i].pieces.empty()) continue;
    std::fill(first.begin(), first.end(), -1);
    settle(frames[jobs[i].image], pictures, outlines[i], first.data(), parts,
           g_positions + (ranges ? 0 : 4 * jobs[i].image * vertices));
  }
  return 0;
} catch (...) {
  return -1;
}

}  // namespace rp::RP_ISA
