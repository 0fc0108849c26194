"""Cameras: from points in the world to clip space, to pixels, and back."""

from .camera import Camera
from .framing import frame
from .matrices import look_at, orbit, orthographic, perspective

__all__ = ["Camera", "frame", "look_at", "orbit", "orthographic", "perspective"]
