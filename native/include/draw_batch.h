// Drawing a batch of images onto targets (strip.h), strip by strip on all threads.
//
// Faces are set up kLanes at a time (lanes are faces), then drawn in rising order, so a strict depth test gives ties to
// the lowest id.
#pragma once
#include "small_triangles.h"

namespace rp::RP_ISA {

// The rows that kLanes faces touch, so that a strip can pass over groups that lie elsewhere.
struct Rows {
  int16_t begin, end;  // inclusive
};

// The indices of a group, all of them in range. An incomplete group, or one with bad indices, is copied with its lanes
// that are not `valid` pointing to vertex 0, so that all lanes can be read.
RP_INLINE const int32_t* group_indices(const Image& image, int64_t group, int32_t (&copy)[3 * kLanes],
                                       uint32_t& valid) {
  const int64_t count = std::min<int64_t>(kLanes, image.face_end - group);
  const int32_t* indices = image.faces + 3 * group;
  valid = static_cast<uint32_t>((uint64_t{1} << count) - 1);
  if (count == kLanes) {
    const Ints limit = splat(static_cast<int32_t>(image.vertices));
    Ints good = Ints{} == 0;
    for (int i = 0; i < 3; ++i) {
      const Ints index = load<Ints>(indices + i * kLanes);
      good &= (index >= 0) & (index < limit);
    }
    if (bits(~good) == 0) return indices;
  }
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    bool good = lane < count;
    for (int64_t i = 3 * lane; good && i < 3 * lane + 3; ++i) good = indices[i] >= 0 && indices[i] < image.vertices;
    if (lane < count && !good) image.problems->report_bad_face(group + lane);
    if (!good) valid &= ~(1u << lane);
    for (int64_t i = 3 * lane; i < 3 * lane + 3; ++i) copy[i] = good ? indices[i] : 0;
  }
  return copy;
}

RP_INLINE void prefetch_group(const Image& image, int64_t group) {
  if (group + kLanes > image.face_end) return;
  for (int i = 0; i < 3 * kLanes; ++i)  // an address out of range does no harm here
    __builtin_prefetch(&image.projected[static_cast<uint32_t>(image.faces[3 * group + i])]);
}

// Prefetching pays where vertices do not fit into the cache, else it costs.
constexpr int64_t kPrefetchVertices = 32768;

template <class Target>
void draw_faces(const Image& image, const Target& target, const Rows* rows, bool prefetch) {
  int32_t copy[3 * kLanes];
  int64_t index = 0;
  for (int64_t group = image.face_begin; group < image.face_end; group += kLanes, ++index) {
    if (rows && (rows[index].begin >= target.row_end || rows[index].end < target.row_begin)) continue;
    if (prefetch) prefetch_group(image, group + 2 * kLanes);
    uint32_t valid;
    const int32_t* indices = group_indices(image, group, copy, valid);
    draw_group(image, target, indices, group, valid);
  }
}

// Fills the table for groups [begin, end) and writes `facing`, once for all strips. Special faces span every row.
inline void tabulate(const Image& image, int64_t begin, int64_t end, Rows* rows, bool prefetch) {
  int32_t copy[3 * kLanes];
  for (int64_t index = begin; index < end; ++index) {
    const int64_t group = image.face_begin + index * kLanes;
    if (prefetch) prefetch_group(image, group + 2 * kLanes);
    uint32_t valid;
    const int32_t* indices = group_indices(image, group, copy, valid);
    Faces f;
    load_faces(image, indices, f);
    const Ints special = set_box(f);
    write_facing(image.facing + group, f.area, valid);
    for (uint32_t left = bits(special) & valid; left; left &= left - 1) {
      const int64_t face = group + __builtin_ctz(left);
      image.facing[face] = draw_special(image, Strip{nullptr, 0, 0, 0}, face);  // no rows: nothing is drawn
    }
    const Ints first = select(special, Ints{}, max(min(f.row_begin, splat(32767)), Ints{}));
    const Ints last = select(special, splat(32767), max(min(f.row_end, splat(32767)), splat(-1)));
    int32_t low = 32767, high = -1;
    for (int lane = 0; lane < kLanes; ++lane) {
      low = std::min(low, first[lane]);
      high = std::max(high, last[lane]);
    }
    rows[index] = {static_cast<int16_t>(low), static_cast<int16_t>(high)};
  }
}

inline void clear(Block* blocks, int64_t count) {
  const Floats far = splat(kFar);
  const Ints none = splat(-1);
  for (int64_t i = 0; i < count; ++i) {
    store(blocks[i].z, far);
    store(blocks[i].id, none);
  }
}

// Copies the ids in block `slot` of each pixel to an image.
template <class Target>
void write_ids(const Target& target, int slot, int width, int32_t* face_id) {
  for (int row = target.row_begin; row < target.row_end; ++row) {
    const Block* block = target.at(0, row) + slot;
    const int offset = (row & (kBlockHeight - 1)) * kBlockWidth;
    int32_t* out = face_id + static_cast<int64_t>(row) * width;
    int column = 0;
    for (; column + kBlockWidth <= width; column += kBlockWidth, block += target.step())
      std::memcpy(out + column, block->id + offset, sizeof(int32_t) * kBlockWidth);
    if (column < width)
      std::memcpy(out + column, block->id + offset, sizeof(int32_t) * static_cast<size_t>(width - column));
  }
}

// positions (B, V, 4), or (V, 4) with ranges (B, 2) = (first face, number of faces); faces (F, 3); facing (B, F), with
// ranges (1, F).
struct Batch {
  const float* positions;
  int64_t vertices;
  const int32_t* faces;
  int64_t face_count;
  const int64_t* ranges;
  int64_t images;
  int height, width, cull, threads;
  int8_t* facing;

  int64_t all_vertices() const { return ranges ? vertices : images * vertices; }

  Image image(int64_t b, const Projected* projected, Problems* problems) const {
    const int64_t begin = ranges ? ranges[2 * b] : 0, end = ranges ? begin + ranges[2 * b + 1] : face_count;
    return Image{positions + (ranges ? 0 : 4 * b * vertices),
                 projected + (ranges ? 0 : b * vertices),
                 faces,
                 facing + (ranges ? 0 : b * face_count),
                 begin,
                 end,
                 width,
                 height,
                 cull,
                 vertices,
                 problems};
  }
};

// How images are cut into strips: as many jobs as keep all threads busy, and strips small enough to stay in the cache
// and in memory (`most_bytes`); each a whole number of block rows. `slots`: Blocks of memory per block of pixels.
struct Strips {
  int64_t per_image, blocks;  // blocks of pixels of one strip
  int rows, blocks_per_row;

  Strips(const Batch& batch, int slots, int64_t most_bytes) {
    const int64_t images = std::max<int64_t>(1, batch.images);
    const int64_t bytes = static_cast<int64_t>(batch.height) * batch.width * 8 * slots;
    const bool few = batch.threads > 1 && batch.images < 4 * batch.threads;
    const int64_t busy = few ? (4 * batch.threads + images - 1) / images : 1;
    const int64_t wanted = std::max(busy, (bytes + most_bytes - 1) / most_bytes);
    rows = static_cast<int>(((batch.height + wanted - 1) / wanted + 15) / 16 * 16);
    per_image = (batch.height + rows - 1) / rows;
    blocks_per_row = (batch.width + kBlockWidth - 1) / kBlockWidth;
    blocks = static_cast<int64_t>(blocks_per_row) * (rows / kBlockHeight);
  }
};

// For each strip, draws the faces of its image onto open(memory, first row, last row + 1), a target in the strip's
// memory, which is empty, and then calls close(target, image). Returns what the kernels return: the number of faces
// with a vertex that is not finite, or -2 - face if that face (the lowest such) holds an index out of range.
template <class Open, class Close>
int64_t draw_batch(const Batch& batch, int slots, const Strips& strips, Open&& open, Close&& close) {
  const int threads = batch.threads;
  auto* projected =
      static_cast<Projected*>(scratch(0, (batch.all_vertices() + kLanes) * static_cast<int64_t>(sizeof(Projected))));
  project(batch.positions, batch.all_vertices(), batch.width / 2.0f, batch.height / 2.0f, threads, projected);
  const bool prefetch = batch.vertices > kPrefetchVertices;
  const int64_t strip_blocks = strips.blocks * slots;
  auto* blocks =
      static_cast<Block*>(scratch(1, std::max(threads, 1) * strip_blocks * static_cast<int64_t>(sizeof(Block))));

  Problems problems;
  Rows* table = nullptr;
  const int64_t groups = (batch.face_count + kLanes - 1) / kLanes + 1;
  if (strips.per_image > 1) {
    table = static_cast<Rows*>(scratch(2, batch.images * groups * static_cast<int64_t>(sizeof(Rows))));
    constexpr int64_t kChunk = 256;
    const int64_t chunks = (groups + kChunk - 1) / kChunk;
    parallel_for(batch.images * chunks, threads, [&](int64_t job, int) {
      const Image image = batch.image(job / chunks, projected, &problems);
      const int64_t own = (image.face_end - image.face_begin + kLanes - 1) / kLanes, begin = job % chunks * kChunk;
      tabulate(image, begin, std::min(begin + kChunk, own), table + job / chunks * groups, prefetch);
    });
  }
  parallel_for(batch.images * strips.per_image, threads, [&](int64_t job, int worker) {
    const int64_t b = job / strips.per_image;
    Image image = batch.image(b, projected, &problems);
    if (table) image.facing = nullptr;
    const int row_begin = static_cast<int>(job % strips.per_image) * strips.rows;
    Block* memory = blocks + worker * strip_blocks;
    clear(memory, strip_blocks);
    const auto target = open(memory, row_begin, std::min(row_begin + strips.rows, batch.height));
    draw_faces(image, target, table ? table + b * groups : nullptr, prefetch);
    close(target, b);
  });
  const int64_t bad = problems.bad_face;
  return bad == std::numeric_limits<int64_t>::max() ? problems.not_finite.load() : -2 - bad;
}

}  // namespace rp::RP_ISA
