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

// The order of faces in a pixel: by depth, then by id. An empty pixel (kFar, -1) comes last.
RP_INLINE bool comes_before(float z, int32_t id, const Block& block, int lane) {
  return z < block.z[lane] || (z == block.z[lane] && static_cast<uint32_t>(id) < static_cast<uint32_t>(block.id[lane]));
}

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

// A strip of the image that keeps the nearest face of each pixel. What draws triangles is a template over such a
// `Target`, because an image can also keep several faces (ops/layers): a target has kLanes pixels in one or more blocks
// that follow each other, `step` from those of the next pixels and `row_step` from those of the next rows.
struct Strip {
  Block* blocks;
  int row_begin, row_end;  // multiples of kBlockHeight but for the image's last row
  int blocks_per_row;

  static constexpr int step() { return 1; }
  RP_INLINE int64_t row_step() const { return blocks_per_row; }
  RP_INLINE Block* at(int column, int row) const {
    return blocks + (static_cast<int64_t>((row - row_begin) / kBlockHeight) * blocks_per_row + column / kBlockWidth);
  }

  // Writes without asking whether any pixel was hit: a branch on that is mispredicted too often to pay.
  RP_INLINE void draw(Block* block, Ints outside, Floats z, int32_t id) const {
    const Floats before = load<Floats>(block->z);
    const Mask hit = not_negative(outside) & less(z, before);
    store(block->z, blend(hit, z, before));
    store(block->id, blend(hit, splat(id), load<Ints>(block->id)));
  }

  // One pixel of a block, by a face that may come after faces of higher ids.
  RP_INLINE void draw_pixel(Block* block, int lane, float z, int32_t id) const {
    if (!comes_before(z, id, *block, lane)) return;
    block->z[lane] = z;
    block->id[lane] = id;
  }
};

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
