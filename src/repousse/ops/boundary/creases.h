// Edges between two faces that are both seen, in different colours: creases of flat shading, seams of textures.
#pragma once
#include "parts.h"

namespace rp::RP_ISA {

// The edge along which two faces are neighbours, or -1.
inline int32_t common_edge(const Topology& t, int32_t one, int32_t two) {
  for (int k = 0; k < 3; ++k) {
    const int64_t edge = t.face_edges[3 * static_cast<int64_t>(one) + k];
    if (edge < 0) continue;
    const int32_t *sides = t.edge_faces + 2 * edge, other = sides[0] == one ? sides[1] : sides[0];
    if (other == two) return static_cast<int32_t>(edge);
  }
  return -1;
}

// How colours change between neighbouring pixels on one face, and across edges.
struct Changes {
  double within = 0, across = 0;
  int64_t within_count = 0, across_count = 0;

  // Faces of one colour each: what changes between pixels is a jump, also on faces too small to show two.
  bool flat() const {
    constexpr double kLess = 0.1;
    return within_count > 0 && across_count > 0 && within * across_count < kLess * across * within_count;
  }
};

// A crease that may be; `known`: both its faces are also seen one pixel further on, and tell a jump from smooth
// shading.
struct Candidate {
  int32_t edge;
  bool known;
};

struct Creases {
  std::vector<Candidate> found;
  Changes changes;

  void look(const Frame& frame, const Topology& t, const Pictures& pictures, int32_t one, int32_t two, bool room) {
    const int32_t *ids = frame.face_id, step = two - one;
    const int32_t edge = common_edge(t, ids[one], ids[two]);
    if (edge < 0) return;
    const double change = pictures.change(one, two);
    if (change == 0 && pictures.channels == 1) return;  // whole vectors of these are passed over unseen
    changes.across += change;
    ++changes.across_count;
    if (change == 0) return;
    const bool known = room && ids[one - step] == ids[one] && ids[two + step] == ids[two];
    if (!known || pictures.apart({one, one - step, 0.5f}, {two, two + step, 0.5f})) found.push_back({edge, known});
  }
};

// Edges between the faces that two neighbouring pixels show in different colours.
inline std::vector<int32_t> find_creases(const Frame& frame, const Topology& t, const Pictures& pictures, bool& flat) {
  constexpr int32_t kProbe = 4;  // changes within faces are looked at in every fourth row
  const int32_t *ids = frame.face_id, width = frame.width;
  Creases creases;
  const auto differing = [&](int32_t one, int32_t two) {
    uint32_t found = ~uint32_t{0};
    if (pictures.channels == 1) {  // masks hardly change: the faces need not be read
      found = bits(load<Floats>(pictures.image + one) != load<Floats>(pictures.image + two));
      if (found == 0) return found;
    }
    return found & bits(load<Ints>(ids + one) != load<Ints>(ids + two));
  };
  const auto try_pair = [&](int32_t one, int32_t two, bool room) {
    if (ids[one] >= 0 && ids[two] >= 0 && ids[one] != ids[two]) creases.look(frame, t, pictures, one, two, room);
  };
  for (int32_t row = 0; row < frame.height; ++row) {
    const bool below_exists = row + 1 < frame.height, below_room = row >= 1 && row + 2 < frame.height;
    for (int32_t column = 0; column < width; column += kLanes) {
      const int32_t at = row * width + column, count = std::min(kLanes, width - column);
      const auto all = static_cast<uint32_t>((uint64_t{1} << count) - 1);
      const bool whole = column + kLanes < width;
      const uint32_t along = whole ? differing(at, at + 1) : all >> 1;
      const uint32_t below = !below_exists ? 0 : whole ? differing(at, at + width) : all;
      for (uint32_t left = along | below; left; left &= left - 1) {
        const int i = __builtin_ctz(left);
        const int32_t pixel = at + i, place = column + i;
        if (along >> i & 1) try_pair(pixel, pixel + 1, place >= 1 && place + 2 < width);
        if (below >> i & 1) try_pair(pixel, pixel + width, below_room);
      }
    }
  }
  if (creases.found.empty()) return {};
  for (int32_t row = 0; row < frame.height; row += kProbe)
    for (int32_t pixel = row * width; pixel + 1 < (row + 1) * width; ++pixel) {
      if (ids[pixel] < 0 || ids[pixel] != ids[pixel + 1]) continue;
      creases.changes.within += pictures.change(pixel, pixel + 1);
      ++creases.changes.within_count;
    }
  flat = creases.changes.flat();
  std::vector<int32_t> edges;
  for (const Candidate& candidate : creases.found)
    if (candidate.known || flat) edges.push_back(candidate.edge);
  std::sort(edges.begin(), edges.end());
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  return edges;
}

// The colour of `face` where a line passes, from `pixel` and its change since the one further away. `flat`: where that
// shows another face, there is no change.
inline Sample carried(const Frame& frame, const Line& line, int32_t face, int32_t pixel, int32_t away, bool flat) {
  if (pixel < 0 || frame.face_id[pixel] != face) return {};
  const int column = pixel % frame.width, row = pixel / frame.width;
  const bool steep = line.steep();
  const int further = (steep ? column : row) + (away > 0 ? 1 : -1);
  const bool exists = further >= 0 && further < (steep ? frame.width : frame.height);
  if (!exists || frame.face_id[pixel + away] != face) return flat ? Sample{pixel, pixel, 0} : Sample{};
  const double way = steep ? line.ax + line.dx * (row + 0.5 - line.ay) / line.dy - (column + 0.5)
                           : line.ay + line.dy * (column + 0.5 - line.ax) / line.dx - (row + 0.5);
  return {pixel, pixel + away, static_cast<float>(std::min(1.0, std::abs(way)))};
}

// Is something unrelated seen in front of a crease?
inline bool covered(const Frame& frame, const Topology& t, const Line& line, double zeta, int32_t pixel) {
  const int32_t face = frame.face_id[pixel];
  if (face < 0 || frame.depth[pixel] > zeta) return false;
  const int32_t* corners = t.faces + 3 * static_cast<int64_t>(face);
  return std::find_if(corners, corners + 3, [&](int32_t v) { return v == line.a || v == line.b; }) == corners + 3;
}

// The parts of creases: pieces beside which one of their faces is seen, or nothing nearer.
inline void find_crease_parts(const Frame& frame, const Topology& t, const Outline& creases, bool flat,
                              std::vector<Part>& parts) {
  for (size_t i = 0; i < creases.pieces.size(); ++i) {
    const Piece& piece = creases.pieces[i];
    const Line& line = creases.lines[static_cast<size_t>(piece.line)];
    const int32_t* faces = t.edge_faces + 2 * static_cast<int64_t>(line.edge);
    const Beside two = beside(frame, line, piece.pixel);
    Part part{piece.begin, piece.end, static_cast<int32_t>(i),
              carried(frame, line, faces[0], two.inner, -two.towards, flat),
              carried(frame, line, faces[1], two.outer, two.towards, flat)};
    const bool seen = (two.inner >= 0 && frame.face_id[two.inner] == faces[0]) ||
                      (two.outer >= 0 && frame.face_id[two.outer] == faces[1]);
    if (!seen && covered(frame, t, line, line.depth((piece.begin + piece.end) / 2), piece.pixel)) continue;
    // Colours of two places would make a jump out of smooth shading: both samples are taken from the same part.
    if (part.surface.pixel < 0 || part.behind.pixel < 0) part.surface = part.behind = {};
    parts.push_back(part);
  }
}

}  // namespace rp::RP_ISA
