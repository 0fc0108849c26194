// The exponential function of vectors: the same bits on every instruction set.
#pragma once
#include "lanes.h"

namespace rp::RP_ISA {

// exp(x) for x <= 0 to two units in the last place; 0 below -87.7, and for NaN.
RP_INLINE Floats exp_of_negative(Floats x) {
  x = max(x, splat(-88.0f));
  const Ints power = round_to_int(x * 0x1.715476p+0f);
  const Floats n = to_float(power);
  const Floats r = (x - n * 0x1.62e4p-1f) - n * 0x1.7f7d1cp-20f;  // ln 2 in two parts: n times the first is exact
  Floats sum = splat(1.0f / 5040);
  sum = sum * r + 1.0f / 720;
  sum = sum * r + 1.0f / 120;
  sum = sum * r + 1.0f / 24;
  sum = sum * r + 1.0f / 6;
  sum = sum * r + 0.5f;
  sum = (sum * r) * r + (r + 1.0f);
  return sum * reinterpret_cast<Floats>((power + 127) << 23);
}

}  // namespace rp::RP_ISA
