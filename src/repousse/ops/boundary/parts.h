// What is seen on both sides of an edge, part by part.
#pragma once
#include <limits>

#include "outline.h"
#include "samples.h"

namespace rp::RP_ISA {

constexpr int kMostPieces = 256;  // of a pixel that are looked at for one part: bounds the cost of tangled meshes
constexpr int kMostCuts = 8;
constexpr int32_t kNothing = std::numeric_limits<int32_t>::min();

// A part of a piece between two places where other edges cross it.
struct Part {
  double begin, end;
  int32_t piece;
  Sample surface, behind;
};

// What silhouettes lie between a part and the centres of the two pixels beside it.
struct Between {
  bool hidden = false;        // something nearer begins before the edge is reached from outside
  bool ended = false;         // something ends before the edge is reached from outside
  bool nearer_ended = false;  // and it was nearer than the edge
  bool leaves = false;        // something ends before the inner centre
  bool lost = false;          // and it is the edge's own surface
  int32_t behind = kUnknown;  // the piece with which a surface behind the edge begins
  double behind_depth = HUGE_VAL;
};

// The silhouettes of one image.
struct Scene {
  const Frame& frame;
  const Pictures& pictures;
  Outline& outline;
  const int32_t* first;  // for each pixel the first of its pieces, or -1
  bool flat;             // each face has one colour

  const Piece& piece(int32_t index) const { return outline.pieces[static_cast<size_t>(index)]; }
  const Line& line_of(const Piece& piece) const { return outline.lines[static_cast<size_t>(piece.line)]; }
  double depth_at(int32_t pixel) const { return frame.face_id[pixel] < 0 ? HUGE_VAL : frame.depth[pixel]; }

  void look_between(const Piece& own, int32_t cell, Spot middle, double zeta, const Beside& two, Between& found) const {
    int left = kMostPieces;
    for (int32_t k = first[cell]; k >= 0 && left > 0; k = piece(k).next, --left) {
      const Piece& other = piece(k);
      if (other.line == own.line) continue;
      const Line& line = line_of(other);
      double t;
      if (two.outer >= 0 && meets(line, other, centre(two.outer, frame.width), middle, t)) {
        const double depth = line.depth(t);
        if (line.beyond(middle) >= 0) {
          found.ended = true;
          found.nearer_ended |= depth < zeta;
        } else if (depth < zeta) {
          found.hidden = true;
        } else if (depth < found.behind_depth) {
          found.behind = k;
          found.behind_depth = depth;
        }
      }
      if (two.inner >= 0 && line.beyond(middle) < 0 && meets(line, other, centre(two.inner, frame.width), middle, t)) {
        found.leaves = true;
        found.lost |= line_of(own).touches(line);
      }
    }
  }

  // Is there a silhouette between the centres of two neighbouring pixels?
  bool parted(int32_t one, int32_t two) const {
    const Spot from = centre(one, frame.width), to = centre(two, frame.width);
    for (const int32_t cell : {one, two}) {
      int left = kMostPieces;
      for (int32_t k = first[cell]; k >= 0 && left > 0; k = piece(k).next, --left) {
        double t;
        if (meets(line_of(piece(k)), piece(k), from, to, t)) return true;
      }
    }
    return false;
  }

  // Carries the colour of a part's own surface to where its jump counts, by its change since the next pixel inwards if
  // that shows the same surface: see `reference`.
  void carry(const Line& line, int32_t inwards, Sample& sample) const {
    constexpr double kLevel = 1e-5;  // change of depth between pixels below which a surface is parallel to the screen
    constexpr double kLeast = 0.03;  // distance from an edge: the share of the change grows without bound towards it
    const int32_t pixel = sample.pixel, further = pixel + inwards;
    const int column = pixel % frame.width, row = pixel / frame.width;
    const bool steep = line.steep();
    const int place = (steep ? column : row) + (inwards > 0 ? 1 : -1);
    if (place < 0 || place >= (steep ? frame.width : frame.height) || (line.dx == 0 && line.dy == 0)) return;
    if (frame.face_id[further] < 0 || pictures.change(pixel, further) == 0) return;
    if ((flat && frame.face_id[further] != frame.face_id[pixel]) || parted(pixel, further)) return;
    const double across = steep ? (row + 0.5 - line.ay) / line.dy : (column + 0.5 - line.ax) / line.dx;
    const double t = std::clamp(across, 0.0, 1.0);
    const Spot spot = line.at(t);
    const double apart = std::abs(steep ? spot.x - column - 0.5 : spot.y - row - 0.5);
    const double d = std::clamp(apart, kLeast, 1.0), root = std::sqrt(d), change = std::sqrt(d + 1) - root;
    const double rise = static_cast<double>(frame.depth[pixel]) - frame.depth[further];
    double round = 0;
    if (rise > kLevel)
      round = std::clamp(((line.depth(t) - frame.depth[pixel]) / rise - d) / (root / change - d), 0.0, 1.0);
    const double limb = d < 0.5 ? root + 0.5 / root - std::sqrt(d + 0.5) : root - std::sqrt(d - 0.5);
    sample.further = further;
    sample.way = static_cast<float>(0.5 + round * (limb / change - 0.5));
  }

  // Finds what is on both sides of a part; false if something hides it.
  bool look(const Piece& own, Part& part) const {
    const Line& line = line_of(own);
    const Beside two = beside(frame, line, own.pixel);
    const double t = (part.begin + part.end) / 2, zeta = line.depth(t);
    Between found;
    look_between(own, own.pixel, line.at(t), zeta, two, found);
    const int32_t across = own.pixel == two.inner ? two.outer : two.inner;
    if (across >= 0) look_between(own, across, line.at(t), zeta, two, found);
    if (found.hidden) return false;
    if (two.outer >= 0) {
      const double depth = depth_at(two.outer);
      if (depth <= zeta && !found.nearer_ended) return false;
      if (!found.ended) part.behind.pixel = two.outer;
      if (found.behind_depth < depth) part.behind.pixel = kUnknown - 1 - found.behind;
    }
    if (two.inner >= 0) {
      const int32_t face = frame.face_id[two.inner];
      const bool other = face < 0 || (two.outer >= 0 && face == frame.face_id[two.outer]) || found.lost ||
                         (found.leaves && depth_at(two.inner) > zeta);
      if (!other) {
        part.surface.pixel = two.inner;
        carry(line, -two.towards, part.surface);
      }
    }
    return true;
  }

  // Cuts a piece where other edges cross it, and adds its visible parts.
  void take_apart(int32_t index, std::vector<Part>& parts) const {
    Piece& own = outline.pieces[static_cast<size_t>(index)];
    const Line& line = line_of(own);
    const Spot from = line.at(own.begin), to = line.at(own.end);
    double cuts[kMostCuts + 1];
    int count = 0, left = kMostPieces;
    for (int32_t k = first[own.pixel]; k >= 0 && left > 0 && count < kMostCuts; k = piece(k).next, --left) {
      const Line& crossing = line_of(piece(k));
      double t;
      if (piece(k).line == own.line || line.touches(crossing) || !meets(crossing, piece(k), from, to, t)) continue;
      const double before = crossing.beyond(from), after = crossing.beyond(to);
      cuts[count++] = own.begin + (own.end - own.begin) * before / (before - after);
    }
    std::sort(cuts, cuts + count);
    cuts[count] = own.end;
    double begin = own.begin;
    for (int i = 0; i <= count; ++i) {
      Part part{begin, cuts[i], index, {}, {}};
      if (!(part.begin < part.end)) continue;
      begin = part.end;
      if (!look(own, part)) continue;
      const int32_t seen = part.surface.pixel;
      if (seen >= 0) own.surface = own.surface < 0 ? seen : std::min(own.surface, seen);
      parts.push_back(part);
    }
  }

  // All visible parts, those of a line one after the other.
  void find_parts(std::vector<Part>& parts) const {
    for (size_t i = 0; i < outline.pieces.size(); ++i) take_apart(static_cast<int32_t>(i), parts);
    for (Part& part : parts) {
      if (part.behind.pixel >= kUnknown) continue;
      const int32_t surface = piece(kUnknown - 1 - part.behind.pixel).surface;
      part.behind.pixel = surface < 0 ? kNothing : surface;
    }
  }

  // The pixel around that shows something at about the depth of an edge, but not the face `behind` it.
  int32_t nearby(int32_t pixel, int32_t behind, double zeta) const {
    const int column = pixel % frame.width, row = pixel / frame.width;
    int32_t best = kUnknown;
    double least = HUGE_VAL;
    for (int r = std::max(0, row - 1); r <= std::min(frame.height - 1, row + 1); ++r) {
      for (int c = std::max(0, column - 1); c <= std::min(frame.width - 1, column + 1); ++c) {
        const int32_t at = r * frame.width + c, face = frame.face_id[at];
        const double apart = std::abs(frame.depth[at] - zeta);
        if (face < 0 || face == frame.face_id[behind] || !(apart < least)) continue;
        least = apart;
        best = at;
      }
    }
    return best;
  }
};

// Parts of one line without a sample of one side get that of the nearest part that has one.
inline void fill_gaps(Part* parts, size_t count, Sample Part::* sample) {
  const auto middle = [&](size_t i) { return (parts[i].begin + parts[i].end) / 2; };
  const auto fill = [&](size_t begin, size_t end, size_t known, size_t next) {
    for (size_t i = begin; i < end; ++i) {
      Sample& own = parts[i].*sample;
      if (own.pixel != kUnknown || (known == count && next == count)) continue;
      const double before = known < count ? middle(i) - middle(known) : HUGE_VAL;
      const double after = next < count ? middle(next) - middle(i) : HUGE_VAL;
      const bool first = before == after ? (parts[known].*sample).pixel <= (parts[next].*sample).pixel : before < after;
      own = parts[first ? known : next].*sample;
    }
  };
  size_t begin = 0, known = count;
  for (size_t i = 0; i < count; ++i) {
    if ((parts[i].*sample).pixel < 0) continue;
    fill(begin, i, known, i);
    known = i;
    begin = i + 1;
  }
  fill(begin, count, known, count);
}

}  // namespace rp::RP_ISA
