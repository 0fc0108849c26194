// Colours beside edges, and what their difference changes in the loss.
#pragma once
#include "outline.h"

namespace rp::RP_ISA {

constexpr int32_t kUnknown = -1;

// Where a colour beside an edge is taken from: that of `pixel`, and `way` of its change since `further`.
struct Sample {
  int32_t pixel = kUnknown, further = kUnknown;
  float way = 0;
};

struct Pictures {
  const float *image, *gradient;  // of one image
  int64_t channels;

  double value(const Sample& sample, int64_t c) const {
    const double at = image[sample.pixel * channels + c];
    return sample.way == 0 ? at : at + sample.way * (at - image[sample.further * channels + c]);
  }

  // Sum of the absolute changes from one pixel to another.
  double change(int32_t one, int32_t two) const {
    double sum = 0;
    for (int64_t c = 0; c < channels; ++c) sum += std::abs(image[one * channels + c] - image[two * channels + c]);
    return sum;
  }

  // What moving an edge out of `pixel` by its area changes in the loss.
  double jump(int32_t pixel, const Sample& surface, const Sample& behind) const {
    const float* g = gradient + pixel * channels;
    double sum = 0;
    for (int64_t c = 0; c < channels; ++c)
      if (g[c] != 0) sum += static_cast<double>(g[c]) * (value(surface, c) - value(behind, c));
    return sum;
  }

  // Is there a jump between two samples half a pixel from an edge? Not if their lines could meet between them.
  bool apart(const Sample& one, const Sample& two) const {
    constexpr double kCurved = 0.1;  // share of a change that smooth shading may leave over
    for (int64_t c = 0; c < channels; ++c) {
      const double a = image[one.pixel * channels + c], b = image[two.pixel * channels + c];
      const double slopes = 2 * (value(one, c) - a + value(two, c) - b);
      if (std::abs(value(one, c) - value(two, c)) > std::abs(slopes) / 2 + kCurved * std::abs(a - b)) return true;
    }
    return false;
  }
};

}  // namespace rp::RP_ISA
