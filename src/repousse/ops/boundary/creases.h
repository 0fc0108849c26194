// Edges between two faces that are both seen, in different colours: creases of flat shading, seams of textures.
#pragma once
#include "parts.h"

namespace rp::RP_ISA {

struct Pictures {
  const float *image, *gradient;  // of one image
  int64_t channels;

  bool differ(int32_t one, int32_t two) const {
    for (int64_t c = 0; c < channels; ++c)
      if (image[one * channels + c] != image[two * channels + c]) return true;
    return false;
  }

  // What moving an edge out of `pixel` by its area changes in the loss.
  double jump(int32_t pixel, const Sample& surface, const Sample& behind) const {
    const float* g = gradient + pixel * channels;
    double sum = 0;
    for (int64_t c = 0; c < channels; ++c) {
      if (g[c] == 0) continue;
      sum += static_cast<double>(g[c]) * (value(surface, c) - value(behind, c));
    }
    return sum;
  }

 private:
  double value(const Sample& sample, int64_t c) const {
    const double at = image[sample.pixel * channels + c];
    return sample.way == 0 ? at : at + sample.way * (at - image[sample.further * channels + c]);
  }
};

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

// Edges between the faces that two neighbouring pixels show in different colours. Both faces must also be seen one
// pixel further on, for smooth shading changes between neighbouring pixels, too: only its change on each side tells.
inline void find_creases(const Frame& frame, const Topology& t, const Pictures& pictures, std::vector<int32_t>& edges) {
  const int32_t* ids = frame.face_id;
  const auto look = [&](int32_t one, int32_t two, int32_t step) {
    if (ids[one] < 0 || ids[two] < 0 || ids[one - step] != ids[one] || ids[two + step] != ids[two]) return;
    const int32_t edge = common_edge(t, ids[one], ids[two]);
    if (edge >= 0 && pictures.differ(one, two)) edges.push_back(edge);
  };
  const auto differing = [&](int32_t one, int32_t two) {
    Ints found = load<Ints>(ids + one) != load<Ints>(ids + two);
    if (pictures.channels == 1) found &= load<Floats>(pictures.image + one) != load<Floats>(pictures.image + two);
    return bits(found);
  };
  const int32_t width = frame.width;
  for (int32_t row = 0; row < frame.height; ++row) {
    const bool inside = row >= 1 && row + 2 < frame.height;
    for (int32_t column = 0; column < width; column += kLanes) {
      const int32_t at = row * width + column;
      const bool whole = column + kLanes < width;
      const uint32_t all = (uint32_t{1} << (std::min(kLanes, width - column) - 1) << 1) - 1;
      const uint32_t along = whole ? differing(at, at + 1) : all;
      const uint32_t below = !inside ? 0 : whole ? differing(at, at + width) : all;
      for (uint32_t left = along | below; left; left &= left - 1) {
        const int i = __builtin_ctz(left);
        const int32_t pixel = at + i, place = column + i;
        if (along >> i & 1 && place >= 1 && place + 2 < width && ids[pixel] != ids[pixel + 1])
          look(pixel, pixel + 1, 1);
        if (below >> i & 1 && ids[pixel] != ids[pixel + width]) look(pixel, pixel + width, width);
      }
    }
  }
  std::sort(edges.begin(), edges.end());
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
}

// The colour of `face` where a line passes: from `pixel`, if it shows the face and so does the one further away.
inline Sample carried(const Frame& frame, const Line& line, int32_t face, int32_t pixel, int32_t away) {
  if (pixel < 0 || frame.face_id[pixel] != face) return {};
  const int column = pixel % frame.width, row = pixel / frame.width;
  const bool steep = line.steep();
  const int further = (steep ? column : row) + (away > 0 ? 1 : -1);
  if (further < 0 || further >= (steep ? frame.width : frame.height)) return {};
  if (frame.face_id[pixel + away] != face) return {};
  const double way = steep ? line.ax + line.dx * (row + 0.5 - line.ay) / line.dy - (column + 0.5)
                           : line.ay + line.dy * (column + 0.5 - line.ax) / line.dx - (row + 0.5);
  return {pixel, pixel + away, static_cast<float>(std::min(1.0, std::abs(way)))};
}

// The parts of creases: pieces beside which one of their faces is seen at least.
inline void find_crease_parts(const Frame& frame, const Topology& t, const Outline& creases, std::vector<Part>& parts) {
  for (size_t i = 0; i < creases.pieces.size(); ++i) {
    const Piece& piece = creases.pieces[i];
    const Line& line = creases.lines[static_cast<size_t>(piece.line)];
    const int32_t* faces = t.edge_faces + 2 * static_cast<int64_t>(line.edge);
    const Beside two = beside(frame, line, piece.pixel);
    const bool first = two.inner >= 0 && frame.face_id[two.inner] == faces[0];
    const bool second = two.outer >= 0 && frame.face_id[two.outer] == faces[1];
    if (!first && !second) continue;
    Part part{piece.begin, piece.end, static_cast<int32_t>(i), carried(frame, line, faces[0], two.inner, -two.towards),
              carried(frame, line, faces[1], two.outer, two.towards)};
    // Colours of two places would make a jump out of smooth shading: both samples are taken from the same part.
    if (part.surface.pixel < 0 || part.behind.pixel < 0) part.surface = part.behind = {};
    parts.push_back(part);
  }
}

}  // namespace rp::RP_ISA
