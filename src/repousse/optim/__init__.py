"""Optimising meshes: large steps, remeshing on the way, and what holds them together."""

from repousse.optim.adam_uniform import AdamUniform
from repousse.optim.large_steps import LargeSteps
from repousse.optim.remesh import Remeshed, remesh

__all__ = ["AdamUniform", "LargeSteps", "Remeshed", "remesh"]
