// Visibility on the CPU: which face covers each pixel centre. docs/design.md, "The numbers behind visibility", is the
// specification; the comments here and in the headers are about speed.
#include "draw_batch.h"

namespace rp::RP_ISA {

// positions (B, V, 4), or (V, 4) with ranges (B, 2) = (first face, number of faces); faces (F, 3); face_id (B, H, W);
// facing (B, F), with ranges (1, F). Returns the number of faces with a vertex that is not finite; -1 if memory ran
// out; -2 - face if that face holds an index out of range (it is the lowest such face).
RP_KERNEL(rp_visibility)
(const float* positions, int64_t vertices, const int32_t* faces, int64_t face_count, const int64_t* ranges,
 int64_t images, int32_t height, int32_t width, int32_t cull, int32_t threads, int32_t* face_id, int8_t* facing) try {
  const Batch batch{positions, vertices, faces, face_count, ranges, images, height, width, cull, threads, facing};
  const Strips strips(batch, 1, 16 << 20);
  return draw_batch(
      batch, 1, strips,
      [&](Block* memory, int row_begin, int row_end) {
        return Strip{memory, row_begin, row_end, strips.blocks_per_row};
      },
      [&](const Strip& strip, int64_t b) { write_ids(strip, 0, width, face_id + b * height * width); });
} catch (...) {
  return -1;
}

}  // namespace rp::RP_ISA
