// Step 6 of visibility: cutting a triangle to the part of clip space that can be projected safely.
#pragma once
#include <cmath>
#include <cstdint>

namespace rp {

struct ClipVertex {
  double x, y, z, w;
  int corner;  // 0..2: the face's own corner; -1: made by a cut
};

constexpr int kClipPlanes = 6;
constexpr int kMaxClipped = 3 + kClipPlanes;

inline double plane_distance(int plane, const ClipVertex& v) {
  constexpr double guard = 64.0;
  switch (plane) {
    case 0:
      return v.z;
    case 1:
      return v.w - v.z;
    case 2:
      return v.x + guard * v.w;
    case 3:
      return guard * v.w - v.x;
    case 4:
      return v.y + guard * v.w;
    default:
      return guard * v.w - v.y;
  }
}

// Always from the inner to the outer vertex: two faces that share an edge cut it at the very same point.
inline ClipVertex cut(const ClipVertex& inner, const ClipVertex& outer, double d_inner, double d_outer) {
  const double t = d_inner / (d_inner - d_outer);
  return {inner.x + (outer.x - inner.x) * t, inner.y + (outer.y - inner.y) * t, inner.z + (outer.z - inner.z) * t,
          inner.w + (outer.w - inner.w) * t, -1};
}

// Sutherland-Hodgman in place; returns the number of corners left (0: nothing).
inline int clip_polygon(ClipVertex (&polygon)[kMaxClipped], int count) {
  ClipVertex next[kMaxClipped];
  for (int plane = 0; plane < kClipPlanes && count > 0; ++plane) {
    int kept = 0;
    for (int i = 0; i < count; ++i) {
      const ClipVertex &a = polygon[i], &b = polygon[i + 1 < count ? i + 1 : 0];
      const double da = plane_distance(plane, a), db = plane_distance(plane, b);
      if (da >= 0 && kept < kMaxClipped) next[kept++] = a;
      if (da >= 0 && db < 0 && kept < kMaxClipped) next[kept++] = cut(a, b, da, db);
      if (da < 0 && db >= 0 && kept < kMaxClipped) next[kept++] = cut(b, a, db, da);
    }
    count = kept;
    for (int i = 0; i < count; ++i) polygon[i] = next[i];
  }
  return count;
}

// The part of a segment inside all planes; false if there is none.
inline bool clip_segment(ClipVertex& a, ClipVertex& b) {
  for (int plane = 0; plane < kClipPlanes; ++plane) {
    const double da = plane_distance(plane, a), db = plane_distance(plane, b);
    if (da < 0 && db < 0) return false;
    if (da < 0)
      a = cut(b, a, db, da);
    else if (db < 0)
      b = cut(a, b, da, db);
  }
  return true;
}

// A new corner on the screen, in 1/256 pixel; false where the division is meaningless. A polygon reaches w = 0 only at
// the eye, which only a face seen edge-on contains. The factor 2 leaves room for rounding.
inline bool place(const ClipVertex& v, double half_width, double half_height, int64_t& X, int64_t& Y, double& zeta) {
  if (!(v.w > 0 && std::abs(v.x) <= 128.0 * v.w && std::abs(v.y) <= 128.0 * v.w)) return false;
  X = static_cast<int64_t>(std::rint(((v.x / v.w) * half_width + half_width) * 256.0));
  Y = static_cast<int64_t>(std::rint(((v.y / v.w) * half_height + half_height) * 256.0));
  zeta = v.z / v.w;
  return true;
}

inline bool is_finite(const float* clip) {
  return std::isfinite(clip[0]) && std::isfinite(clip[1]) && std::isfinite(clip[2]) && std::isfinite(clip[3]);
}

}  // namespace rp
