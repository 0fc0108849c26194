// Step 7 of visibility: barycentrics of a pixel centre in its face, and their derivative.
#pragma once
#include "pixels.h"

namespace rp::RP_ISA {

struct Weights {
  Floats dx[3], dy[3];  // corners relative to the pixel centre
  Floats e[3];          // edge functions, not negative
  Floats sign;          // of the screen area
  Floats sum_e;         // sum e_i
  Floats sum_q;         // sum e_i r_i
};

RP_INLINE Floats copy_sign(Floats magnitude, Floats sign) {
  return reinterpret_cast<Floats>(reinterpret_cast<Ints>(magnitude) |
                                  (reinterpret_cast<Ints>(sign) & static_cast<int32_t>(0x80000000)));
}

RP_INLINE Weights weights(const Corners& c, Floats centre_x, Floats centre_y) {
  Weights w;
  for (int i = 0; i < 3; ++i) {
    w.dx[i] = c.px[i] - centre_x;
    w.dy[i] = c.py[i] - centre_y;
  }
  const Floats area = (c.px[1] - c.px[0]) * (c.py[2] - c.py[0]) - (c.px[2] - c.px[0]) * (c.py[1] - c.py[0]);
  w.sign = select(area < 0.0f, splat(-1.0f), splat(1.0f));
  for (int i = 0; i < 3; ++i) {
    const int j = (i + 1) % 3, k = (i + 2) % 3;
    w.e[i] = max(w.sign * (w.dx[j] * w.dy[k] - w.dy[j] * w.dx[k]), Floats{});
  }
  w.sum_e = (w.e[0] + w.e[1]) + w.e[2];
  const Ints nothing = w.sum_e == 0.0f;  // a triangle without area before snapping
  for (int i = 0; i < 3; ++i) w.e[i] = select(nothing, splat(1.0f), w.e[i]);
  w.sum_e = select(nothing, splat(3.0f), w.sum_e);
  w.sum_q = (w.e[0] * c.r[0] + w.e[1] * c.r[1]) + w.e[2] * c.r[2];
  return w;
}

// The derivative with respect to what a corner is made of: px, py, zeta, r.
struct CornerGradients {
  Columns corner[3];

  RP_INLINE CornerGradients() {
    for (Columns& c : corner) c.x = c.y = c.z = c.w = Floats{};
  }
};

// g_b[i]: derivative with respect to barycentric i, all three taken as independent; `mean_g` = sum b_i g_b[i].
RP_INLINE void add_barycentric_gradient(const Corners& c, const Weights& w, const Floats (&g_b)[3], Floats mean_g,
                                        Floats (&g_e)[3], CornerGradients& g) {
  const Floats scale = 1.0f / w.sum_q;
  for (int i = 0; i < 3; ++i) {
    const Floats k = (g_b[i] - mean_g) * scale;
    g_e[i] += k * c.r[i];
    g.corner[i].w += k * w.e[i];
  }
}

RP_INLINE void add_depth_gradient(const Corners& c, const Weights& w, Floats g_depth, Floats (&g_e)[3],
                                  CornerGradients& g) {
  const Floats scale = g_depth / w.sum_e;
  const Floats depth = ((w.e[0] * c.zeta[0] + w.e[1] * c.zeta[1]) + w.e[2] * c.zeta[2]) / w.sum_e;
  for (int i = 0; i < 3; ++i) {
    g_e[i] += scale * (c.zeta[i] - depth);
    g.corner[i].z += scale * w.e[i];
  }
}

RP_INLINE void add_edge_gradient(const Weights& w, const Floats (&g_e)[3], CornerGradients& g) {
  Floats h[3];
  for (int i = 0; i < 3; ++i) h[i] = g_e[i] * w.sign;
  for (int i = 0; i < 3; ++i) {
    const int j = (i + 1) % 3, k = (i + 2) % 3;
    g.corner[i].x += w.dy[j] * h[k] - w.dy[k] * h[j];
    g.corner[i].y += w.dx[k] * h[j] - w.dx[j] * h[k];
  }
}

// ---- faces with a vertex that cannot be projected: one pixel at a time, homogeneous, float64 ------------------------

struct Homogeneous {
  double a[3], b[3], f[3], sign, sum;
  double X, Y;  // the pixel in [-1, 1]

  Homogeneous(const float* const (&clip)[3], int column, int row, int width, int height)
      : X((column + 0.5) / (width * 0.5) - 1.0), Y((row + 0.5) / (height * 0.5) - 1.0) {
    for (int i = 0; i < 3; ++i) {
      a[i] = clip[i][0] - X * clip[i][3];
      b[i] = clip[i][1] - Y * clip[i][3];
    }
    double raw = 0;
    for (int i = 0; i < 3; ++i) {
      const int j = (i + 1) % 3, k = (i + 2) % 3;
      f[i] = a[j] * b[k] - a[k] * b[j];
      raw += f[i];
    }
    sign = raw < 0 ? -1 : 1;
    sum = 0;
    for (int i = 0; i < 3; ++i) sum += f[i] = f[i] * sign > 0 ? f[i] * sign : 0;
    if (sum == 0)
      for (int i = 0; i < 3; ++i) sum += f[i] = 1;
  }
  double bary(int i) const { return f[i] / sum; }

  // Derivative with respect to the clip coordinates, added to g[corner][x, y, z, w].
  void add_gradient(const float* const (&clip)[3], const double (&g_b)[3], double g_depth, double (&g)[3][4]) const {
    double z = 0, w = 0, g_all[3], mean = 0;
    for (int i = 0; i < 3; ++i) {
      z += bary(i) * clip[i][2];
      w += bary(i) * clip[i][3];
    }
    for (int i = 0; i < 3; ++i) {
      g_all[i] = g_b[i] + g_depth * (clip[i][2] - z / w * clip[i][3]) / w;
      mean += g_all[i] * bary(i);
      g[i][2] += g_depth * bary(i) / w;
      g[i][3] -= g_depth * bary(i) * z / (w * w);
    }
    double g_f[3];
    for (int i = 0; i < 3; ++i) g_f[i] = (g_all[i] - mean) / sum;
    add_edge_gradient(g_f, g);
  }

  // The same, given the derivative with respect to f.
  void add_edge_gradient(const double (&g_f)[3], double (&g)[3][4]) const {
    for (int i = 0; i < 3; ++i) {
      const int j = (i + 1) % 3, k = (i + 2) % 3;
      const double h_j = sign * g_f[j], h_k = sign * g_f[k];
      const double g_a = b[j] * h_k - b[k] * h_j, g_bb = a[k] * h_j - a[j] * h_k;
      g[i][0] += g_a;
      g[i][1] += g_bb;
      g[i][3] -= X * g_a + Y * g_bb;
    }
  }
};

}  // namespace rp::RP_ISA
