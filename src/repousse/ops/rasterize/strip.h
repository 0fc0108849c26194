// What is drawn, and onto what. A strip of the image is kept as blocks of kLanes pixels (4 wide), depth and id side by
// side, so that one vector operation tests one block.
#pragma once
#include <atomic>
#include <limits>

#include "pixels.h"

namespace rp::RP_ISA {

constexpr int32_t kSmallExtent = 64 << kSnapBits;  // int32 edge functions are exact up to here
constexpr float kFar = 2.0f;                       // beyond every depth

struct Block {
  float z[kLanes];
  int32_t id[kLanes];
};

// What went wrong with the faces of a batch. Written rarely.
struct Problems {
  std::atomic<int64_t> not_finite{0};                                  // faces with a vertex that is not finite
  std::atomic<int64_t> bad_face{std::numeric_limits<int64_t>::max()};  // lowest face with an index out of range

  void report_bad_face(int64_t face) {
    for (int64_t lowest = bad_face.load(); face < lowest && !bad_face.compare_exchange_weak(lowest, face);) {
    }
  }
};

struct Image {
  const float* positions;  // clip space, 4 per vertex
  const Projected* projected;
  const int32_t* faces;
  int8_t* facing;  // per face, or null if this strip does not write it
  int64_t face_begin, face_end;
  int width, height;
  int cull;  // 0 none, 1 back, 2 front
  int64_t vertices;
  Problems* problems;
};

struct Strip {
  Block* blocks;
  int row_begin, row_end;  // multiples of kBlockHeight but for the image's last row
  int blocks_per_row;

  Block& at(int column, int row) const {
    return blocks[static_cast<int64_t>((row - row_begin) / kBlockHeight) * blocks_per_row + column / kBlockWidth];
  }
};

// Writes without asking whether any pixel was hit: a branch on that is mispredicted too often to pay.
RP_INLINE void draw_block(Block& block, Ints outside, Floats z, int32_t id) {
  const Floats before = load<Floats>(block.z);
  const Mask hit = not_negative(outside) & less(z, before);
  store(block.z, blend(hit, z, before));
  store(block.id, blend(hit, splat(id), load<Ints>(block.id)));
}

// The depth plane of one face, as evaluated at every pixel.
struct Plane {
  float zb, zx, zy, z_min, z_max;
  int32_t column, row;  // the anchor

  RP_INLINE Floats at_row(Floats row_offset) const { return zy * row_offset; }
  RP_INLINE Floats at(Floats column_offset, Floats at_row) const {
    return min(max((zb + zx * column_offset) + at_row, splat(z_min)), splat(z_max));
  }
};

}  // namespace rp::RP_ISA
