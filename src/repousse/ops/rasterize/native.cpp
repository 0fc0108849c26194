// Visibility on the CPU: which face covers each pixel centre. docs/design.md, "The numbers behind visibility", is the
// specification; the comments here are about speed.
//
// Faces are set up kLanes at a time (lanes are faces), then drawn in rising order, so a strict depth test gives ties to
// the lowest id.
#include "small_triangles.h"

namespace rp::RP_ISA {
namespace {

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

void draw_strip(const Image& image, const Strip& strip, const Rows* rows, bool prefetch) {
  int32_t copy[3 * kLanes];
  int64_t index = 0;
  for (int64_t group = image.face_begin; group < image.face_end; group += kLanes, ++index) {
    if (rows && (rows[index].begin >= strip.row_end || rows[index].end < strip.row_begin)) continue;
    if (prefetch) prefetch_group(image, group + 2 * kLanes);
    uint32_t valid;
    const int32_t* indices = group_indices(image, group, copy, valid);
    draw_group(image, strip, indices, group, valid);
  }
}

// Fills the table for groups [begin, end) and writes `facing`, once for all strips. Special faces span every row.
void tabulate(const Image& image, int64_t begin, int64_t end, Rows* rows, bool prefetch) {
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

void clear(const Strip& strip, int64_t blocks) {
  const Floats far = splat(kFar);
  const Ints none = splat(-1);
  for (int64_t i = 0; i < blocks; ++i) {
    store(strip.blocks[i].z, far);
    store(strip.blocks[i].id, none);
  }
}

void write_ids(const Strip& strip, int width, int32_t* face_id) {
  for (int row = strip.row_begin; row < strip.row_end; ++row) {
    const Block* blocks = &strip.at(0, row);
    const int offset = (row & (kBlockHeight - 1)) * kBlockWidth;
    int32_t* out = face_id + static_cast<int64_t>(row) * width;
    int column = 0;
    for (; column + kBlockWidth <= width; column += kBlockWidth, ++blocks)
      std::memcpy(out + column, blocks->id + offset, sizeof(int32_t) * kBlockWidth);
    if (column < width)
      std::memcpy(out + column, blocks->id + offset, sizeof(int32_t) * static_cast<size_t>(width - column));
  }
}

}  // namespace

// positions (B, V, 4), or (V, 4) with ranges (B, 2) = (first face, number of faces); faces (F, 3); face_id (B, H, W);
// facing (B, F), with ranges (1, F). Returns the number of faces with a vertex that is not finite; -1 if memory ran
// out; -2 - face if that face holds an index out of range (it is the lowest such face).
RP_KERNEL(rp_visibility)
(const float* positions, int64_t vertices, const int32_t* faces, int64_t face_count, const int64_t* ranges,
 int64_t batch, int32_t height, int32_t width, int32_t cull, int32_t threads, int32_t* face_id, int8_t* facing) try {
  const int64_t all_vertices = ranges ? vertices : batch * vertices;
  auto* projected =
      static_cast<Projected*>(scratch(0, (all_vertices + kLanes) * static_cast<int64_t>(sizeof(Projected))));
  project(positions, all_vertices, width / 2.0f, height / 2.0f, threads, projected);
  const bool prefetch = vertices > kPrefetchVertices;

  // Strips: as many jobs as keep all threads busy, and small enough to stay in the cache and in memory (kStripBytes);
  // each a whole number of block rows.
  constexpr int64_t kStripBytes = 16 << 20;
  const int64_t images = std::max<int64_t>(1, batch), bytes = static_cast<int64_t>(height) * width * 8;
  const int64_t busy = threads <= 1 || batch >= 4 * threads ? 1 : (4 * threads + images - 1) / images;
  const int64_t wanted = std::max(busy, (bytes + kStripBytes - 1) / kStripBytes);
  const int strip_rows = static_cast<int>(((height + wanted - 1) / wanted + 15) / 16 * 16);
  const int64_t strips = (height + strip_rows - 1) / strip_rows;
  const int blocks_per_row = (width + kBlockWidth - 1) / kBlockWidth;
  const int64_t strip_blocks = static_cast<int64_t>(blocks_per_row) * (strip_rows / kBlockHeight);
  auto* blocks =
      static_cast<Block*>(scratch(1, std::max(threads, 1) * strip_blocks * static_cast<int64_t>(sizeof(Block))));

  Problems problems;
  const auto image_of = [&](int64_t b) {
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
                 &problems};
  };
  Rows* table = nullptr;
  const int64_t groups = (face_count + kLanes - 1) / kLanes + 1;
  if (strips > 1) {
    table = static_cast<Rows*>(scratch(2, batch * groups * static_cast<int64_t>(sizeof(Rows))));
    constexpr int64_t kChunk = 256;
    const int64_t chunks = (groups + kChunk - 1) / kChunk;
    parallel_for(batch * chunks, threads, [&](int64_t job, int) {
      const Image image = image_of(job / chunks);
      const int64_t own = (image.face_end - image.face_begin + kLanes - 1) / kLanes, begin = job % chunks * kChunk;
      tabulate(image, begin, std::min(begin + kChunk, own), table + job / chunks * groups, prefetch);
    });
  }
  parallel_for(batch * strips, threads, [&](int64_t job, int worker) {
    const int64_t b = job / strips;
    Image image = image_of(b);
    if (table) image.facing = nullptr;
    const int row_begin = static_cast<int>(job % strips) * strip_rows;
    const Strip strip{blocks + worker * strip_blocks, row_begin, std::min(row_begin + strip_rows, height),
                      blocks_per_row};
    clear(strip, strip_blocks);
    draw_strip(image, strip, table ? table + b * groups : nullptr, prefetch);
    write_ids(strip, width, face_id + b * height * width);
  });
  const int64_t bad = problems.bad_face;
  return bad == std::numeric_limits<int64_t>::max() ? problems.not_finite.load() : -2 - bad;
} catch (...) {
  return -1;
}

}  // namespace rp::RP_ISA
