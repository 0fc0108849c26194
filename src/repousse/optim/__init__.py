"""Optimising meshes: large steps, remeshing on the way, and what holds them together."""

from repousse.optim.adam_uniform import AdamUniform
from repousse.optim.large_steps import LargeSteps

__all__ = ["AdamUniform", "LargeSteps"]
