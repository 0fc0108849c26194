"""Optimising meshes: large steps, remeshing on the way, and what holds them together."""

from repousse.optim.adam_uniform import AdamUniform
from repousse.optim.carry import carried_state, carry_state
from repousse.optim.large_steps import LargeSteps
from repousse.optim.remesh import Remeshed, remesh
from repousse.optim.tangles import tangles

__all__ = ["AdamUniform", "LargeSteps", "Remeshed", "carried_state", "carry_state", "remesh", "tangles"]
