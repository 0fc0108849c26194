"""Optimising meshes and poses: large steps, remeshing on the way, rigid motions, and which gradient when."""

from repousse.optim.adam_uniform import AdamUniform
from repousse.optim.carry import carried_state, carry_state
from repousse.optim.large_steps import LargeSteps
from repousse.optim.pose import Pose, rotation_from_6d, rotation_to_6d
from repousse.optim.remesh import Remeshed, remesh
from repousse.optim.schedule import Schedule, Stage, far_to_near
from repousse.optim.tangles import tangles

__all__ = [
    "AdamUniform",
    "LargeSteps",
    "Pose",
    "Remeshed",
    "Schedule",
    "Stage",
    "carried_state",
    "carry_state",
    "far_to_near",
    "remesh",
    "rotation_from_6d",
    "rotation_to_6d",
    "tangles",
]
