// What each pixel shows, as the released code of Kato et al. (2018) decides it. reference.py states the rules in words.
#include <algorithm>
#include <cmath>

#include "lanes.h"
#include "pool.h"

namespace rp::RP_ISA {
namespace {

// The rows [top, bottom) of one image of `height` x `width` pixels.
struct Band {
  int64_t height, width, top, bottom;
  float near;
  float* depth;
  int32_t* face_id;
  float* bary;

  void clear(float far) const {
    const int64_t begin = top * width, area = (bottom - top) * width;
    std::fill_n(depth + begin, area, far);
    std::fill_n(face_id + begin, area, -1);
    std::fill_n(bary + 2 * begin, 2 * area, 0.0f);
  }
};

struct Face {
  double x[3], y[3], z[3];

  explicit Face(const float* corners) {
    for (int k = 0; k < 3; ++k) x[k] = corners[3 * k], y[k] = corners[3 * k + 1], z[k] = corners[3 * k + 2];
  }
  // False for corners that are not finite, too.
  bool front() const {
    const double area = (y[2] - y[0]) * (x[1] - x[0]) - (y[1] - y[0]) * (x[2] - x[0]);
    return area * z[0] * z[1] * z[2] > 0 && std::isfinite(area) && std::isfinite(z[0] + z[1] + z[2]);
  }
  bool before_the_camera() const { return z[0] > 0 && z[1] > 0 && z[2] > 0; }

  // The share of corner k in the point seen at (px, py), up to a common factor; negative outside the opposite edge.
  double share(int k, double px, double py) const {
    const int a = (k + 1) % 3, b = (k + 2) % 3;
    return z[a] * z[b] * ((py - y[a]) * (x[b] - x[a]) - (px - x[a]) * (y[b] - y[a]));
  }
};

double centre(int64_t index, int64_t count) { return static_cast<double>(2 * index + 1 - count) / count; }

// The rows (from below) or columns, of `count`, whose centres may lie between three coordinates.
struct Span {
  int64_t first, end;
  Span(const double* at, int64_t count) {
    const auto [low, high] = std::minmax({at[0], at[1], at[2]});
    const double n = static_cast<double>(count);
    first = static_cast<int64_t>(std::clamp(std::floor((low * n + n - 1) / 2), 0.0, n));
    end = static_cast<int64_t>(std::clamp(std::ceil((high * n + n - 1) / 2) + 1, 0.0, n));
  }
};

void draw_pixel(const Face& face, int32_t id, const Band& band, int64_t pixel, double x, double y) {
  const double first = std::max(face.share(0, x, y), 0.0), second = std::max(face.share(1, x, y), 0.0),
               third = std::max(face.share(2, x, y), 0.0), sum = first + second + third;
  // As float32 the depths of two faces are equal where they meet.
  const auto depth = static_cast<float>((first * face.z[0] + second * face.z[1] + third * face.z[2]) / sum);
  if (!(band.near < depth && depth < band.depth[pixel])) return;
  band.depth[pixel] = depth;
  band.face_id[pixel] = id;
  band.bary[2 * pixel] = static_cast<float>(first / sum);
  band.bary[2 * pixel + 1] = static_cast<float>(second / sum);
}

void draw(const Face& face, int32_t id, const Band& band) {
  int64_t left = 0, right = band.width, top = band.top, bottom = band.bottom;
  if (face.before_the_camera()) {
    const Span columns(face.x, band.width), rows(face.y, band.height);
    left = columns.first, right = columns.end;
    top = std::max(top, band.height - rows.end), bottom = std::min(bottom, band.height - rows.first);
  }
  for (int64_t row = top; row < bottom; ++row) {
    const double y = centre(band.height - 1 - row, band.height);
    const auto rounded_y = static_cast<float>(y);
    for (int64_t column = left; column < right; ++column) {
      const double x = centre(column, band.width);
      const auto rounded_x = static_cast<float>(x);
      if (face.share(0, rounded_x, rounded_y) >= 0 && face.share(1, rounded_x, rounded_y) >= 0 &&
          face.share(2, rounded_x, rounded_y) >= 0)
        draw_pixel(face, id, band, row * band.width + column, x, y);
    }
  }
}

}  // namespace

// corners (B, F, 3, 3) -> face_id (B, H, W), bary (B, H, W, 2).
RP_KERNEL(rp_kato_visible)
(const float* corners, int64_t batch, int64_t faces, int32_t height, int32_t width, float near, float far,
 int32_t threads, int32_t* face_id, float* bary) try {
  const int64_t pixels = static_cast<int64_t>(height) * width;
  const int64_t wanted = threads > 1 ? 4 * threads / std::max<int64_t>(batch, 1) : 1;
  const int64_t bands = std::clamp<int64_t>(wanted, 1, std::max(height / 16, 1));
  auto* depth = static_cast<float*>(scratch(0, batch * pixels * 4));
  parallel_for(batch * bands, threads, [&](int64_t job, int) {
    const int64_t b = job / bands, part = job % bands;
    const Band band{height,
                    width,
                    part * height / bands,
                    (part + 1) * height / bands,
                    near,
                    depth + b * pixels,
                    face_id + b * pixels,
                    bary + 2 * b * pixels};
    band.clear(far);
    for (int64_t f = 0; f < faces; ++f) {
      const Face face(corners + 9 * (b * faces + f));
      if (face.front()) draw(face, static_cast<int32_t>(f), band);
    }
  });
  return 0;
} catch (...) {
  return -1;
}

}  // namespace rp::RP_ISA
