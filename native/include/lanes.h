// Vectors of RP_LANES numbers. The compiler's vector types carry the arithmetic; the few operations they lack are
// here. A vector wider than the instruction set is a trap (it is split into scalars), hence one object per set.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define RP_JOIN2(a, b) a##_##b
#define RP_JOIN(a, b) RP_JOIN2(a, b)
// An exported kernel: its name ends in the instruction set.
#define RP_KERNEL(name) extern "C" __attribute__((visibility("default"))) int64_t RP_JOIN(name, RP_ISA)
#define RP_ALWAYS_INLINE __attribute__((always_inline))
#define RP_INLINE inline RP_ALWAYS_INLINE

namespace rp::RP_ISA {

constexpr int kLanes = RP_LANES;
using Floats = float __attribute__((vector_size(4 * RP_LANES)));
using Ints = int32_t __attribute__((vector_size(4 * RP_LANES)));
using Float4 = float __attribute__((vector_size(16)));
using Int4 = int32_t __attribute__((vector_size(16)));

template <class Vector, class Scalar>
RP_INLINE Vector load(const Scalar* from) {
  Vector value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
template <class Vector, class Scalar>
RP_INLINE void store(Scalar* to, Vector value) {
  std::memcpy(to, &value, sizeof(value));
}
RP_INLINE Floats splat(float value) { return value - Floats{}; }
RP_INLINE Ints splat(int32_t value) { return value - Ints{}; }
RP_INLINE Floats to_float(Ints value) { return __builtin_convertvector(value, Floats); }

RP_INLINE Ints iota() {
  Ints value;
  for (int lane = 0; lane < kLanes; ++lane) value[lane] = lane;
  return value;
}

// One bit per lane, set where a lane of `condition` (a comparison's result) is true.
RP_INLINE uint32_t bits(Ints condition) {
#if RP_LANES == 16
  return static_cast<uint32_t>(_mm512_movepi32_mask(reinterpret_cast<__m512i>(condition)));
#elif RP_LANES == 8
  return static_cast<uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(condition)));
#elif defined(__x86_64__)
  return static_cast<uint32_t>(_mm_movemask_ps(reinterpret_cast<__m128>(condition)));
#else
  uint32_t result = 0;
  for (int lane = 0; lane < kLanes; ++lane) result |= (condition[lane] < 0 ? 1u : 0u) << lane;
  return result;
#endif
}

// The result of a comparison in its cheapest form: a mask register where there are such, else a vector.
#if RP_LANES == 16
using Mask = __mmask16;
RP_INLINE Mask equal(Ints a, Ints b) {
  return _mm512_cmpeq_epi32_mask(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b));
}
RP_INLINE Mask less(Floats a, Floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
RP_INLINE Mask not_negative(Ints a) { return _mm512_cmpge_epi32_mask(reinterpret_cast<__m512i>(a), __m512i{}); }
RP_INLINE uint32_t bits(Mask mask) { return mask; }
RP_INLINE Floats blend(Mask mask, Floats yes, Floats no) {
  return reinterpret_cast<Floats>(_mm512_mask_mov_ps(no, mask, yes));
}
RP_INLINE Ints blend(Mask mask, Ints yes, Ints no) {
  return reinterpret_cast<Ints>(
      _mm512_mask_mov_epi32(reinterpret_cast<__m512i>(no), mask, reinterpret_cast<__m512i>(yes)));
}
#else
using Mask = Ints;
RP_INLINE Mask equal(Ints a, Ints b) { return a == b; }
RP_INLINE Mask less(Floats a, Floats b) { return a < b; }
RP_INLINE Mask not_negative(Ints a) { return a >= 0; }
RP_INLINE Floats blend(Mask mask, Floats yes, Floats no) { return mask ? yes : no; }
RP_INLINE Ints blend(Mask mask, Ints yes, Ints no) { return mask ? yes : no; }
#endif

RP_INLINE Floats select(Ints condition, Floats yes, Floats no) { return condition ? yes : no; }
RP_INLINE Ints select(Ints condition, Ints yes, Ints no) { return condition ? yes : no; }
RP_INLINE Ints min(Ints a, Ints b) { return a < b ? a : b; }
RP_INLINE Ints max(Ints a, Ints b) { return a > b ? a : b; }

// min and max of floats are a < b ? a : b and a > b ? a : b: the second operand where one is NaN.
RP_INLINE Floats min(Floats a, Floats b) {
#if RP_LANES == 16
  return reinterpret_cast<Floats>(_mm512_min_ps(a, b));
#elif RP_LANES == 8
  return reinterpret_cast<Floats>(_mm256_min_ps(a, b));
#else
  return a < b ? a : b;
#endif
}
RP_INLINE Floats max(Floats a, Floats b) {
#if RP_LANES == 16
  return reinterpret_cast<Floats>(_mm512_max_ps(a, b));
#elif RP_LANES == 8
  return reinterpret_cast<Floats>(_mm256_max_ps(a, b));
#else
  return a > b ? a : b;
#endif
}

// Nearest integer, halves to even. The value must fit into int32 (else the result is arbitrary).
RP_INLINE Ints round_to_int(Floats value) {
#if RP_LANES == 16
  return reinterpret_cast<Ints>(_mm512_cvtps_epi32(value));
#elif RP_LANES == 8
  return reinterpret_cast<Ints>(_mm256_cvtps_epi32(value));
#elif defined(__x86_64__)
  return reinterpret_cast<Ints>(_mm_cvtps_epi32(value));
#else
  Ints result;
  for (int lane = 0; lane < kLanes; ++lane) result[lane] = static_cast<int32_t>(std::lrintf(value[lane]));
  return result;
#endif
}

// Vectors made of, or taken apart into, kLanes / 4 quads of neighbouring numbers. Through registers: a wide load of
// what narrow stores have just written has to wait for them.
// `address(i)` is where quad i begins.
template <class Vector, class Address>
RP_INLINE Vector load_quads_at(Address&& address) {
#if RP_LANES == 16
  const auto quad = [&](int i) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(address(i))); };
  const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(quad(0)), quad(1), 1);
  const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(quad(2)), quad(3), 1);
  return reinterpret_cast<Vector>(_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1));
#elif RP_LANES == 8
  const auto quad = [&](int i) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(address(i))); };
  return reinterpret_cast<Vector>(_mm256_inserti128_si256(_mm256_castsi128_si256(quad(0)), quad(1), 1));
#else
  return load<Vector>(address(0));
#endif
}
template <class Vector, class Scalar>
RP_INLINE Vector load_quads(const Scalar* const* quads) {
  return load_quads_at<Vector>([&](int i) { return quads[i]; });
}
template <class Vector, class Address>
RP_INLINE void store_quads_at(Address&& address, Vector value) {
#if RP_LANES == 16
  const __m512i all = reinterpret_cast<__m512i>(value);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(address(0)), _mm512_castsi512_si128(all));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(address(1)), _mm512_extracti32x4_epi32(all, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(address(2)), _mm512_extracti32x4_epi32(all, 2));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(address(3)), _mm512_extracti32x4_epi32(all, 3));
#elif RP_LANES == 8
  const __m256i all = reinterpret_cast<__m256i>(value);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(address(0)), _mm256_castsi256_si128(all));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(address(1)), _mm256_extracti128_si256(all, 1));
#else
  store(address(0), value);
#endif
}
template <class Vector, class Scalar>
RP_INLINE void store_quads(Scalar* const* quads, Vector value) {
  store_quads_at([&](int i) { return quads[i]; }, value);
}

// Four vectors as 4x4 blocks (one per quad), each transposed.
RP_INLINE void transpose(Floats (&m)[4]) {
#if RP_LANES == 16
  const __m512 ab_low = _mm512_unpacklo_ps(m[0], m[1]), ab_high = _mm512_unpackhi_ps(m[0], m[1]);
  const __m512 cd_low = _mm512_unpacklo_ps(m[2], m[3]), cd_high = _mm512_unpackhi_ps(m[2], m[3]);
  m[0] = reinterpret_cast<Floats>(_mm512_unpacklo_pd(_mm512_castps_pd(ab_low), _mm512_castps_pd(cd_low)));
  m[1] = reinterpret_cast<Floats>(_mm512_unpackhi_pd(_mm512_castps_pd(ab_low), _mm512_castps_pd(cd_low)));
  m[2] = reinterpret_cast<Floats>(_mm512_unpacklo_pd(_mm512_castps_pd(ab_high), _mm512_castps_pd(cd_high)));
  m[3] = reinterpret_cast<Floats>(_mm512_unpackhi_pd(_mm512_castps_pd(ab_high), _mm512_castps_pd(cd_high)));
#elif RP_LANES == 8
  const __m256d ab_low = _mm256_castps_pd(_mm256_unpacklo_ps(m[0], m[1]));
  const __m256d ab_high = _mm256_castps_pd(_mm256_unpackhi_ps(m[0], m[1]));
  const __m256d cd_low = _mm256_castps_pd(_mm256_unpacklo_ps(m[2], m[3]));
  const __m256d cd_high = _mm256_castps_pd(_mm256_unpackhi_ps(m[2], m[3]));
  m[0] = reinterpret_cast<Floats>(_mm256_unpacklo_pd(ab_low, cd_low));
  m[1] = reinterpret_cast<Floats>(_mm256_unpackhi_pd(ab_low, cd_low));
  m[2] = reinterpret_cast<Floats>(_mm256_unpacklo_pd(ab_high, cd_high));
  m[3] = reinterpret_cast<Floats>(_mm256_unpackhi_pd(ab_high, cd_high));
#else
  const Floats a = __builtin_shufflevector(m[0], m[1], 0, 4, 1, 5), b = __builtin_shufflevector(m[0], m[1], 2, 6, 3, 7);
  const Floats c = __builtin_shufflevector(m[2], m[3], 0, 4, 1, 5), d = __builtin_shufflevector(m[2], m[3], 2, 6, 3, 7);
  m[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5);
  m[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);
  m[2] = __builtin_shufflevector(b, d, 0, 1, 4, 5);
  m[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);
#endif
}

// Number `index` of each quad, in all four places of the quad.
template <int index, class Vector>
RP_INLINE Vector spread(Vector value) {
#if RP_LANES == 16
  return reinterpret_cast<Vector>(_mm512_permute_ps(reinterpret_cast<__m512>(value), index * 0x55));
#elif RP_LANES == 8
  return reinterpret_cast<Vector>(_mm256_permute_ps(reinterpret_cast<__m256>(value), index * 0x55));
#else
  return __builtin_shufflevector(value, value, index, index, index, index);
#endif
}

// (a2 b0 b1 b2) of each quad.
RP_INLINE Floats last_then_three(Floats a, Floats b) {
#if RP_LANES == 16
  return reinterpret_cast<Floats>(_mm512_shuffle_ps(_mm512_shuffle_ps(a, b, 0x0a), b, 0x98));
#elif RP_LANES == 8
  return reinterpret_cast<Floats>(_mm256_shuffle_ps(_mm256_shuffle_ps(a, b, 0x0a), b, 0x98));
#else
  return __builtin_shufflevector(a, b, 2, 4, 5, 6);
#endif
}

// (a0 b0 a1 b1) and (a2 b2 a3 b3) of each quad, and back.
RP_INLINE void interleave(Floats a, Floats b, Floats& low, Floats& high) {
#if RP_LANES == 16
  low = reinterpret_cast<Floats>(_mm512_unpacklo_ps(a, b));
  high = reinterpret_cast<Floats>(_mm512_unpackhi_ps(a, b));
#elif RP_LANES == 8
  low = reinterpret_cast<Floats>(_mm256_unpacklo_ps(a, b));
  high = reinterpret_cast<Floats>(_mm256_unpackhi_ps(a, b));
#else
  low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
#endif
}
RP_INLINE void deinterleave(Floats low, Floats high, Floats& a, Floats& b) {
#if RP_LANES == 16
  a = reinterpret_cast<Floats>(_mm512_shuffle_ps(low, high, 0x88));
  b = reinterpret_cast<Floats>(_mm512_shuffle_ps(low, high, 0xdd));
#elif RP_LANES == 8
  a = reinterpret_cast<Floats>(_mm256_shuffle_ps(low, high, 0x88));
  b = reinterpret_cast<Floats>(_mm256_shuffle_ps(low, high, 0xdd));
#else
  a = __builtin_shufflevector(low, high, 0, 2, 4, 6);
  b = __builtin_shufflevector(low, high, 1, 3, 5, 7);
#endif
}

// Four numbers from each of kLanes rows (row i at rows[i]), as four columns of kLanes, and back.
struct Columns {
  Floats x, y, z, w;
};

// With `address(i)` the addresses need not be an array, which the compiler would fill with vectors and take apart
// again.
template <class Address>
RP_INLINE Columns gather_rows_at(Address&& address) {
  Floats m[4];
  for (int j = 0; j < 4; ++j) m[j] = load_quads_at<Floats>([&](int q) { return address(4 * q + j); });
  transpose(m);
  return {m[0], m[1], m[2], m[3]};
}
RP_INLINE Columns gather_rows(const float* const* rows) {
  return gather_rows_at([&](int i) { return rows[i]; });
}

// Row i goes to to[4 * i]: `m[j]` holds rows j, 4 + j and so on.
RP_INLINE void store_row_quads(float* to, const Floats (&m)[4]) {
  for (int j = 0; j < 4; ++j) store_quads_at([&](int q) { return to + 4 * (4 * q + j); }, m[j]);
}
RP_INLINE void store_rows(float* to, const Columns& columns) {
  Floats m[4] = {columns.x, columns.y, columns.z, columns.w};
  transpose(m);
  store_row_quads(to, m);
}

}  // namespace rp::RP_ISA
