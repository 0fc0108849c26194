"""The line from a mesh and a camera to a picture, assembled."""

from repousse.render.module import Renderer
from repousse.render.picture import Picture
from repousse.render.pipeline import render, silhouette

__all__ = ["render", "silhouette", "Renderer", "Picture"]
