// Edges on the screen, cut at the borders of pixels.
#pragma once
#include "silhouettes.h"

namespace rp::RP_ISA {

struct Spot {
  double x, y;
};

inline Spot centre(int32_t pixel, int width) { return {pixel % width + 0.5, pixel / width + 0.5}; }

// An edge on the screen, in pixels.
struct Line {
  double ax, ay, dx, dy, zeta, dzeta;
  int32_t edge, a, b;       // b: the vertex at the end
  int32_t side;             // its (first) face lies where side * E < 0
  double share_a, share_b;  // see End

  Line(const End (&ends)[2], int32_t edge, int32_t a, int32_t b, int side)
      : ax(static_cast<double>(ends[0].X) / 256),
        ay(static_cast<double>(ends[0].Y) / 256),
        dx(static_cast<double>(ends[1].X - ends[0].X) / 256),
        dy(static_cast<double>(ends[1].Y - ends[0].Y) / 256),
        zeta(ends[0].zeta),
        dzeta(ends[1].zeta - ends[0].zeta),
        edge(edge),
        a(a),
        b(b),
        side(side),
        share_a(ends[0].share),
        share_b(ends[1].share) {}

  bool steep() const { return std::abs(dy) >= std::abs(dx); }
  // Negative on the side of the face.
  double beyond(Spot p) const { return side * (dx * (p.y - ay) - dy * (p.x - ax)); }
  // What lies on the line belongs to what is right of it, or below it, as in the fill rule.
  bool inside(Spot p) const {
    const double e = beyond(p);
    return e != 0 ? e < 0 : side * (dy != 0 ? -dy : dx) < 0;
  }
  Spot at(double t) const { return {ax + t * dx, ay + t * dy}; }
  double depth(double t) const { return zeta + t * dzeta; }
  bool touches(const Line& other) const { return a == other.a || a == other.b || b == other.a || b == other.b; }
};

// The part of a line inside one pixel, from `begin` to `end` on the way from a to b.
struct Piece {
  double begin, end;
  int32_t line, pixel;
  int32_t next;     // of the same pixel; -1: none
  int32_t surface;  // a pixel that shows its surface, once it has been looked for; -1: none
  float weight;     // 1, or 1/2 twice for a line along the border of two pixels
};

struct Outline {
  std::vector<Line> lines;
  std::vector<Piece> pieces;

  // Appends another outline and empties it.
  void take(Outline& other) {
    if (lines.empty()) {
      std::swap(*this, other);
      return;
    }
    const auto offset = static_cast<int32_t>(lines.size());
    for (Piece& piece : other.pieces) piece.line += offset;
    lines.insert(lines.end(), other.lines.begin(), other.lines.end());
    pieces.insert(pieces.end(), other.pieces.begin(), other.pieces.end());
    other = {};
  }
};

// Walks from pixel to pixel along the part [begin, end] of a line; `cell` is the first pixel's column and row.
inline void walk_pixels(const Frame& frame, const Line& line, int32_t index, double begin, double end, int (&cell)[2],
                        float weight, std::vector<Piece>& pieces) {
  const double start[2] = {line.ax, line.ay}, way[2] = {line.dx, line.dy};
  const int step[2] = {way[0] > 0 ? 1 : -1, way[1] > 0 ? 1 : -1}, limit[2] = {frame.width, frame.height};
  const auto border = [&](int i) { return way[i] == 0 ? HUGE_VAL : (cell[i] + (step[i] > 0) - start[i]) / way[i]; };
  double next[2] = {border(0), border(1)};
  while (begin < end) {
    const double stop = std::min(std::min(next[0], next[1]), end);
    if (stop > begin && cell[0] >= 0 && cell[0] < limit[0] && cell[1] >= 0 && cell[1] < limit[1])
      pieces.push_back({begin, stop, index, cell[1] * frame.width + cell[0], -1, -1, weight});
    begin = std::max(begin, stop);
    for (int i = 0; i < 2; ++i) {
      if (next[i] > stop) continue;
      cell[i] += step[i];
      next[i] = border(i);
    }
  }
}

// Cuts a line at the borders of pixels.
inline void cut_at_pixels(const Frame& frame, const Line& line, int32_t index, std::vector<Piece>& pieces) {
  double begin = 0, end = 1;
  const double start[2] = {line.ax, line.ay}, way[2] = {line.dx, line.dy};
  const int limit[2] = {frame.width, frame.height};
  for (int i = 0; i < 2; ++i) {
    if (way[i] == 0) {
      if (start[i] < 0 || start[i] > limit[i]) return;
      continue;
    }
    const double to_zero = -start[i] / way[i], to_limit = (limit[i] - start[i]) / way[i];
    begin = std::max(begin, std::min(to_zero, to_limit));
    end = std::min(end, std::max(to_zero, to_limit));
  }
  if (!(begin < end)) return;
  int cell[2];
  int along = -1;  // the axis of whose borders the line follows one
  for (int i = 0; i < 2; ++i) {
    const double at = start[i] + way[i] * begin;
    cell[i] = static_cast<int>(way[i] < 0 ? std::ceil(at) - 1 : std::floor(at));
    if (way[i] == 0 && start[i] == std::floor(start[i])) along = i;
  }
  if (along >= 0) {
    int before[2] = {cell[0] - (along == 0), cell[1] - (along == 1)};
    walk_pixels(frame, line, index, begin, end, before, 0.5f, pieces);
  }
  walk_pixels(frame, line, index, begin, end, cell, along >= 0 ? 0.5f : 1.0f, pieces);
}

// Adds the line and its pieces; nothing if it does not reach the image.
inline void add_line(const Frame& frame, const Line& line, Outline& outline) {
  const size_t before = outline.pieces.size();
  cut_at_pixels(frame, line, static_cast<int32_t>(outline.lines.size()), outline.pieces);
  if (outline.pieces.size() > before) outline.lines.push_back(line);
}

// Adds an edge of the mesh.
inline void add_edge(const Frame& frame, const Topology& t, int64_t edge, Outline& outline) {
  const int32_t a = t.edges[2 * edge], b = t.edges[2 * edge + 1];
  End ends[2];
  if (!find_ends(frame, a, b, ends)) return;
  add_line(frame, Line(ends, static_cast<int32_t>(edge), a, b, side_of(t, frame.facing, edge)), outline);
}

// The pixels beside a line next to one pixel, along the axis across it: on its face's side and on the other side; -1
// outside the image. `towards` is the step from the former to the latter.
struct Beside {
  int32_t inner, outer, towards;
};

inline Beside beside(const Frame& frame, const Line& line, int32_t pixel) {
  const int column = pixel % frame.width, row = pixel / frame.width;
  const bool inside = line.inside(centre(pixel, frame.width)), steep = line.steep();
  const bool grows = steep ? line.dy < 0 : line.dx > 0;  // E with the column, or with the row
  const int step = (inside == (line.side < 0)) == grows ? -1 : 1, offset = steep ? step : step * frame.width;
  const int other = (steep ? column : row) + step;
  const int32_t across = other < 0 || other >= (steep ? frame.width : frame.height) ? -1 : pixel + offset;
  return inside ? Beside{pixel, across, offset} : Beside{across, pixel, -offset};
}

// Does the way from `from` to `to` meet a piece? Then where on its line.
inline bool meets(const Line& line, const Piece& piece, Spot from, Spot to, double& t) {
  if (line.inside(from) == line.inside(to)) return false;
  const double wx = to.x - from.x, wy = to.y - from.y;
  const double a = wx * (line.ay - from.y) - wy * (line.ax - from.x);
  const double b = wx * (line.ay + line.dy - from.y) - wy * (line.ax + line.dx - from.x);
  if ((a < 0) == (b < 0)) return false;
  t = a / (a - b);
  return t >= piece.begin && t < piece.end;
}

}  // namespace rp::RP_ISA
