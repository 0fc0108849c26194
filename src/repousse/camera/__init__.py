"""Cameras: from points in the world to clip space, to pixels, and back."""

from .camera import Camera
from .matrices import look_at, orbit, orthographic, perspective

__all__ = ["Camera", "look_at", "orbit", "orthographic", "perspective"]
