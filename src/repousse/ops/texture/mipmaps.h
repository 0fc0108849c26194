// Mipmaps and their transpose. Each texel of a level is the mean of the area it covers on the finer level: two texels
// along a side of even length, and of odd length two and two halves of which the shares move from one end to the other.
#pragma once
#include "images.h"

namespace rp::RP_ISA {

// Where texel `index` of a side of max(1, size / 2) gets its value from: texels `first`, + 1, + 2 of a side of `size`.
struct Mean {
  int first, count;
  float share[3];

  Mean(int index, int size) : first(2 * index), count(2), share{0.5f, 0.5f, 0} {
    if (size == 1) {
      first = 0;
      count = 1;
      share[0] = 1;
    } else if (size % 2) {
      const int half = size / 2;
      const float whole = static_cast<float>(size);
      count = 3;
      share[0] = static_cast<float>(half - index) / whole;
      share[1] = static_cast<float>(half) / whole;
      share[2] = static_cast<float>(index + 1) / whole;
    }
  }
};

// The transpose: where the gradient of texel `index` of a side of `size` comes from: texels `first`, + 1 of the half.
struct Spread {
  int first, count;
  float share[2];

  Spread(int index, int size) : first(index / 2), count(1), share{0.5f, 0} {
    const int half = std::max(1, size / 2);
    if (size % 2 && index % 2 == 0) {  // seen by the texel before as its third, by the one after as its first
      first = std::max(0, index / 2 - 1);
      count = std::min(half - 1, index / 2) - first + 1;
    }
    for (int i = 0; i < count; ++i) {
      const Mean mean(first + i, size);
      share[i] = mean.share[index - mean.first];
    }
  }
};

template <class Weights>
std::vector<Weights> along(int count, int size) {
  std::vector<Weights> weights;
  weights.reserve(static_cast<size_t>(count));
  for (int index = 0; index < count; ++index) weights.emplace_back(index, size);
  return weights;
}

// Four numbers, or `count` where four would reach beyond `end`.
RP_INLINE Float4 read_quad(const float* from, int64_t count, const float* end) {
  if (from + 4 <= end) return load<Float4>(from);
  Float4 value{};
  std::memcpy(&value, from, static_cast<size_t>(std::min<int64_t>(4, count)) * sizeof(float));
  return value;
}
RP_INLINE void write_quad(float* to, Float4 value, int64_t count, const float* end) {
  if (to + 4 <= end)
    store(to, value);
  else
    std::memcpy(to, &value, static_cast<size_t>(std::min<int64_t>(4, count)) * sizeof(float));
}

// A level as numbers: `stride` per texel, of which `count` from `first` on are wanted.
struct Level {
  const float *first, *end;
  int64_t width, stride, count;

  template <class Weights>
  RP_INLINE Float4 weighted(const Weights& rows, const Weights& columns) const {
    Float4 sum{};
    for (int r = 0; r < rows.count; ++r) {
      const float* from = first + ((rows.first + r) * width + columns.first) * stride;
      Float4 row{};
      for (int c = 0; c < columns.count; ++c) row += read_quad(from + c * stride, count, end) * columns.share[c];
      sum += row * rows.share[r];
    }
    return sum;
  }
};

// Fills the levels from 1 on. A row is written from left to right, so that what is written beyond a texel is written
// again; beyond the row, nothing is.
inline void build_mipmaps(const Image& image, int64_t channels, int threads) {
  float* to = image.mipmaps;
  for (int level = 1; level <= image.last; ++level) {
    const int height = image.height_at(level - 1), width = image.width_at(level - 1), half = image.width_at(level);
    const std::vector<Mean> columns = along<Mean>(half, width);
    const float* from = image.texels[level - 1];
    const float* end = from + (level == 1 ? image.readable : image.texels_at(level - 1) * channels + kSlack);
    for_each_row(image.height_at(level), threads, [&](int row) {
      const Mean rows(row, height);
      float* texel = to + row * half * channels;
      const float* row_end = texel + half * channels;
      int column = 0;
      if (height % 2 == 0 && width % 2 == 0 && channels <= 4)  // the same, faster
        for (const float* four = from + rows.first * width * channels; column + 3 < half; ++column) {
          const float* below = four + width * channels;
          store(texel, ((load<Float4>(four) + load<Float4>(four + channels)) +
                        (load<Float4>(below) + load<Float4>(below + channels))) *
                           0.25f);
          texel += channels;
          four += 2 * channels;
        }
      for (; column < half; ++column, texel += channels)
        for (int64_t channel = 0; channel < channels; channel += 4) {
          const Level finer{from + channel, end, width, channels, channels - channel};
          const Float4 value = finer.weighted(rows, columns[static_cast<size_t>(column)]);
          write_quad(texel + channel, value, channels - channel, row_end);
        }
    });
    to += image.texels_at(level) * channels;
  }
}

// The transpose: adds the gradient of each level to the finer one, down to level 0, which is written to `out`
// without padding.
inline void gather_gradients(const Image& image, int64_t channels, int threads, float* out) {
  const int64_t stride = padded(channels);
  for (int level = image.last; level >= 0; --level) {
    const int height = image.height_at(level), width = image.width_at(level);
    const bool coarser = level < image.last;
    const std::vector<Spread> columns = along<Spread>(coarser ? width : 0, width);
    const int64_t half = image.width_at(level + 1);
    for_each_row(height, threads, [&](int row) {
      const Spread rows(row, height);
      float* texel = image.gradient[level] + row * width * stride;
      float* to = out + static_cast<int64_t>(row) * width * channels;
      const float* row_end = to + width * channels;
      int column = 0;
      if (level == 0 && coarser && height % 2 == 0 && width % 2 == 0 && channels <= 4)  // the same, faster
        for (const float* above = image.gradient[1] + rows.first * half * 4; column + 5 < width; column += 2) {
          const Float4 part = load<Float4>(above) * 0.25f;
          store(to, load<Float4>(texel) + part);
          store(to + channels, load<Float4>(texel + 4) + part);
          texel += 8;
          to += 2 * channels;
          above += 4;
        }
      for (; column < width; ++column, texel += stride, to += channels)
        for (int64_t channel = 0; channel < channels; channel += 4) {
          Float4 value = load<Float4>(texel + channel);
          if (coarser) {
            const float* from = image.gradient[level + 1];
            const Level above{from + channel, from + image.texels_at(level + 1) * stride, half, stride, 4};
            value += above.weighted(rows, columns[static_cast<size_t>(column)]);
          }
          if (level > 0)
            store(texel + channel, value);
          else
            write_quad(to + channel, value, channels - channel, row_end);
        }
    });
  }
}

}  // namespace rp::RP_ISA
