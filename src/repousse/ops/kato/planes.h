// One image taken apart for sweeps along its rows and columns: a plane per channel, twice, so that both sweeps read
// neighbouring numbers.
#pragma once
#include "scatter.h"

namespace rp::RP_ISA {

constexpr float kEmpty = 2.0f;  // beyond every depth

// Lines of `count` pixels; each is padded, so that a vector that begins on a line may be read whole.
struct Planes {
  int64_t lines, count, stride, channels;
  float* image;      // [channel][line][pixel]
  float* gradient;   // the same
  float* depth;      // [line][pixel]: for sweeps from crossings; kEmpty where nothing is seen
  int32_t* face_id;  // [line][pixel]: for sweeps as released, in the same place

  RP_INLINE const float* image_line(int64_t channel, int64_t line) const {
    return image + (channel * lines + line) * stride;
  }
  RP_INLINE const float* gradient_line(int64_t channel, int64_t line) const {
    return gradient + (channel * lines + line) * stride;
  }
  RP_INLINE const float* depth_line(int64_t line) const { return depth + line * stride; }
  RP_INLINE const int32_t* face_line(int64_t line) const { return face_id + line * stride; }

  static int64_t stride_of(int64_t count) { return (count + kLanes + 15) / 16 * 16; }
  static int64_t bytes(int64_t lines, int64_t count, int64_t channels) {
    return lines * stride_of(count) * (2 * channels + 1) * 4;
  }

  Planes(int64_t lines, int64_t count, int64_t channels, void* memory)
      : lines(lines),
        count(count),
        stride(stride_of(count)),
        channels(channels),
        image(static_cast<float*>(memory)),
        gradient(image + channels * lines * stride),
        depth(gradient + channels * lines * stride),
        face_id(reinterpret_cast<int32_t*>(depth)) {}
};

// Where the pixel of line l, place p lies in the image: first + l * line + p * place.
struct Steps {
  int64_t first, line, place;
};

RP_INLINE void transpose_block(Float4 (&m)[4]) {
  const Float4 a = __builtin_shufflevector(m[0], m[1], 0, 4, 1, 5), b = __builtin_shufflevector(m[0], m[1], 2, 6, 3, 7);
  const Float4 c = __builtin_shufflevector(m[2], m[3], 0, 4, 1, 5), d = __builtin_shufflevector(m[2], m[3], 2, 6, 3, 7);
  m[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5);
  m[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);
  m[2] = __builtin_shufflevector(b, d, 0, 1, 4, 5);
  m[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);
}

// Copies one number of each pixel, of `channels`, to the lines of a plane; numbers are 32 bits of anything. Lines that
// are columns of the image are transposed in blocks.
inline void copy_plane(const Planes& planes, const Steps& s, const float* from, int64_t channels, float* to) {
  const int64_t whole_lines = channels == 1 && s.line == 1 ? planes.lines / 4 * 4 : 0;
  const int64_t whole_places = planes.count / 4 * 4;
  for (int64_t p = 0; p < whole_places && whole_lines > 0; p += 4) {
    for (int64_t l = 0; l < whole_lines; l += 4) {
      Float4 block[4];
      for (int i = 0; i < 4; ++i) block[i] = load<Float4>(from + s.first + l + (p + i) * s.place);
      transpose_block(block);
      for (int i = 0; i < 4; ++i) store(to + (l + i) * planes.stride + p, block[i]);
    }
  }
  for (int64_t l = 0; l < planes.lines; ++l) {
    const float* source = from + (s.first + l * s.line) * channels;
    const int64_t step = s.place * channels;
    float* line = to + l * planes.stride;
    if (step == 1)
      std::memcpy(line, source, static_cast<size_t>(planes.count) * sizeof(float));
    else
      for (int64_t p = l < whole_lines ? whole_places : 0; p < planes.count; ++p) line[p] = source[p * step];
    std::memset(line + planes.count, 0, static_cast<size_t>(planes.stride - planes.count) * sizeof(float));
  }
}

inline void fill_colors(const Planes& planes, const Steps& s, const float* image, const float* gradient) {
  for (int64_t c = 0; c < planes.channels; ++c) {
    copy_plane(planes, s, image + c, planes.channels, planes.image + c * planes.lines * planes.stride);
    copy_plane(planes, s, gradient + c, planes.channels, planes.gradient + c * planes.lines * planes.stride);
  }
}

inline void fill_faces(const Planes& planes, const Steps& s, const int32_t* face_id) {
  copy_plane(planes, s, reinterpret_cast<const float*>(face_id), 1, reinterpret_cast<float*>(planes.face_id));
}

// The pull of a range of pixels on an edge that crosses their line at `crossing`: sum over pixels with a gain of
// gain / distance, for the edge's two ends, whose lever arms (times NDC per pixel) are `arm`. An arm of 0 means that
// the end cannot move the edge here.
struct Pull {
  double sum[2];
};

// `taken(v)` says, as a vector, which pixels v, v + 1, ... count; `reference` is the colour they would get.
template <class Taken>
RP_INLINE Pull pull(const Planes& planes, int64_t line, int64_t low, int64_t high, int64_t reference, double crossing,
                    const double (&arm)[2], float eps, Taken&& taken) {
  Floats sum[2] = {};
  const Floats arms[2] = {splat(static_cast<float>(arm[0])), splat(static_cast<float>(arm[1]))};
  const Ints lanes = iota();
  for (int64_t v = low; v <= high; v += kLanes) {
    Floats gain{};
    for (int64_t c = 0; c < planes.channels; ++c) {
      const float* image = planes.image_line(c, line);
      gain += (load<Floats>(image + v) - image[reference]) * load<Floats>(planes.gradient_line(c, line) + v);
    }
    const Ints counted = (gain > 0.0f) & (lanes <= static_cast<int32_t>(high - v)) & taken(v);
    if (bits(counted) == 0) continue;
    gain = select(counted, gain, Floats{});
    const Floats away = to_float(lanes) + static_cast<float>(static_cast<double>(v) - crossing);
    for (int end = 0; end < 2; ++end) {
      const Floats distance = arms[end] * away;
      sum[end] += gain / (distance + select(distance > 0.0f, splat(eps), splat(-eps)));
    }
  }
  Pull result{};
  for (int end = 0; end < 2; ++end) {
    if (arm[end] == 0) continue;
    for (int lane = 0; lane < kLanes; ++lane) result.sum[end] += sum[end][lane];
  }
  return result;
}

}  // namespace rp::RP_ISA
