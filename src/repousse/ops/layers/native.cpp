// The nearest faces of each pixel, on the CPU: visibility (ops/rasterize) that keeps several faces in order.
//
// One pass over the faces. A pass per layer, each looking for what lies just behind the last, needs less memory but
// sets up and tests every face again.
#include "draw_batch.h"

namespace rp::RP_ISA {
namespace {

constexpr int64_t kStripBytes = 1 << 20;  // stays in the second-level cache while it is cleared, drawn and written

// A strip of the image that keeps `count` faces of each pixel, the nearest in block 0.
struct LayeredStrip {
  Block* blocks;
  int row_begin, row_end;
  int blocks_per_row;
  int count;
  Strip pieces;  // empty but while a clipped face is drawn

  RP_INLINE int step() const { return count; }
  RP_INLINE int64_t row_step() const { return static_cast<int64_t>(blocks_per_row) * count; }
  RP_INLINE Block* at(int column, int row) const {
    return blocks +
           (static_cast<int64_t>((row - row_begin) / kBlockHeight) * blocks_per_row + column / kBlockWidth) * count;
  }

  // Puts the face before those that lie behind it, each of which moves on by one. Faces of the same depth are here
  // already and have lower ids.
  RP_INLINE void draw(Block* block, Ints outside, Floats z, int32_t id) const {
    const Mask hit = not_negative(outside) & less(z, load<Floats>(block[count - 1].z));
    if (bits(hit) == 0) return;
    Floats moving = z;
    Ints moving_id = splat(id);
    for (Block* end = block + count; block != end; ++block) {
      const Floats before = load<Floats>(block->z);
      const Ints before_id = load<Ints>(block->id);
      const Mask behind = hit & less(z, before);
      store(block->z, blend(behind, moving, before));
      store(block->id, blend(behind, moving_id, before_id));
      moving = blend(behind, before, moving);
      moving_id = blend(behind, before_id, moving_id);
      if (bits(hit & less(moving, splat(kFar))) == 0) return;  // only empty slots move
    }
  }

  RP_INLINE void draw_pixel(Block* block, int lane, float z, int32_t id) const {
    int slot = count;
    for (; slot > 0 && comes_before(z, id, block[slot - 1], lane); --slot) {
      if (slot == count) continue;
      block[slot].z[lane] = block[slot - 1].z[lane];
      block[slot].id[lane] = block[slot - 1].id[lane];
    }
    if (slot == count) return;
    block[slot].z[lane] = z;
    block[slot].id[lane] = id;
  }
};

// A face counts once per pixel, where its pieces overlap at the nearest of them: they are drawn apart first.
void draw_polygon(const Image& image, const LayeredStrip& strip, const Corner (&corners)[kMaxClipped], int count,
                  int32_t id) {
  if (count == 3) return draw_wide(image, strip, {corners[0], corners[1], corners[2]}, id);
  draw_polygon(image, strip.pieces, corners, count, id);
  const auto [left, right] = std::minmax_element(corners, corners + count, [](auto& a, auto& b) { return a.X < b.X; });
  const auto [top, bottom] = std::minmax_element(corners, corners + count, [](auto& a, auto& b) { return a.Y < b.Y; });
  const auto clamped = [](int64_t value, int least, int most) {
    return static_cast<int>(std::clamp<int64_t>(value >> kSnapBits, least, most));
  };
  const int column_begin = clamped(left->X, 0, image.width - 1), column_end = clamped(right->X, 0, image.width - 1);
  const int row_begin = clamped(top->Y, strip.row_begin, strip.row_end - 1);
  const int row_end = clamped(bottom->Y, strip.row_begin, strip.row_end - 1);
  for (int row = row_begin & ~(kBlockHeight - 1); row <= row_end; row += kBlockHeight) {
    for (int column = column_begin & ~(kBlockWidth - 1); column <= column_end; column += kBlockWidth) {
      Block* piece = strip.pieces.at(column, row);
      strip.draw(strip.at(column, row), load<Ints>(piece->id), load<Floats>(piece->z), id);
      clear(piece, 1);
    }
  }
}

}  // namespace

// As rp_visibility, but face_id is (count, B, H, W): the nearest face of each pixel, the next one behind, ...
RP_KERNEL(rp_layers)
(const float* positions, int64_t vertices, const int32_t* faces, int64_t face_count, const int64_t* ranges,
 int64_t images, int32_t height, int32_t width, int32_t cull, int32_t count, int32_t threads, int32_t* face_id,
 int8_t* facing) try {
  const Batch batch{positions, vertices, faces, face_count, ranges, images, height, width, cull, threads, facing};
  const int slots = count + 1;  // one for the pieces
  const Strips strips(batch, slots, kStripBytes);
  return draw_batch(
      batch, slots, strips,
      [&](Block* memory, int row_begin, int row_end) {
        const Strip pieces{memory + strips.blocks * count, row_begin, row_end, strips.blocks_per_row};
        return LayeredStrip{memory, row_begin, row_end, strips.blocks_per_row, count, pieces};
      },
      [&](const LayeredStrip& strip, int64_t b) {
        for (int64_t k = 0; k < count; ++k)
          write_ids(strip, static_cast<int>(k), width, face_id + (k * images + b) * height * width);
      });
} catch (...) {
  return -1;
}

}  // namespace rp::RP_ISA
