"""What each step may cost: milliseconds of one thread on a Zen 5 core with AVX-512 (from a prototype)."""

from benchmarks import soft, voxels
from benchmarks.steps import (
    BACKWARD,
    BOUNDARY,
    CROSSINGS,
    INTERPOLATE,
    KATO,
    KATO_RELEASED,
    RASTERIZE,
    TEXTURE,
    TEXTURE_BACKWARD,
    TOPOLOGY,
)

ALLOWANCE = 1.25  # a cost within this factor of its goal counts as reached

COST: dict[str, dict[str, float]] = {
    RASTERIZE: {"A": 3.0, "B": 3.0, "C": 20.0, "D": 4.5},
    INTERPOLATE: {"A": 2.0, "B": 2.0, "C": 6.0, "D": 4.0},
    BACKWARD: {"A": 6.0, "B": 6.0, "C": 20.0, "D": 9.0},
    CROSSINGS: {"A": 0.4, "B": 0.3, "C": 3.5, "D": 0.2},
    BOUNDARY: {"A": 4.0, "B": 3.5, "C": 8.0, "D": 5.5},
    KATO: {"A": 10.0},
    KATO_RELEASED: {"A": 80.0},
    TEXTURE: {"D": 25.0},
    TEXTURE_BACKWARD: {"D": 50.0},
    TOPOLOGY: {"C": 300.0},
    voxels.SOLID: {voxels.WORKLOAD: 50.0},
    soft.COLOR: {soft.WORKLOAD: 1500.0},
}

# RASTERIZE, as a multiple of clearing and writing an empty frame.
RATIO = {"A": 6.0, "B": 6.0, "C": 35.0, "D": 4.0}

# Two threads, as a multiple of one. No allowance: within 1.25x of 1.8 would be hardly any gain.
SPEEDUP = {step: dict.fromkeys("ABD", 1.8) for step in (RASTERIZE, INTERPOLATE, BACKWARD)}

# Microseconds that a call adds to its kernels.
OVERHEAD_FORWARD = 30.0
OVERHEAD_BOTH_WAYS = 80.0
