"""The settings of `render` as a module."""

from collections.abc import Sequence

from torch import Tensor, nn

from repousse.camera import Camera
from repousse.geometry import Mesh
from repousse.gradients import Estimator
from repousse.render.appearance import Backend
from repousse.render.picture import Picture
from repousse.render.pipeline import check_settings, render
from repousse.render.visible import Cull
from repousse.shading import DEFAULT_LIGHTS, Lights, Shader, as_lights, lambert


class Renderer(nn.Module):
    """`render` with its settings kept, for use inside models.

    >>> renderer = Renderer((64, 48), supersample=2)
    >>> picture = renderer(mesh, camera)  # doctest: +SKIP

    The settings are those of `render` and may be changed on the object. Has no parameters of its own; a
    `shader` that is a module is registered, so its parameters are found.
    """

    def __init__(
        self,
        size: tuple[int, int],
        *,
        lights: Lights = DEFAULT_LIGHTS,
        shader: Shader = lambert,
        gradient: str | Estimator | None = "boundary",
        supersample: int = 1,
        background: float | Sequence[float] | Tensor = 0.0,
        smooth: bool = False,
        cull: Cull = None,
        backend: Backend = "native",
    ) -> None:
        super().__init__()
        check_settings("Renderer", size, shader, supersample)
        self.size = size
        self.lights = as_lights(lights)
        self.shader = shader
        self.gradient = gradient
        self.supersample = supersample
        self.background = background
        self.smooth = smooth
        self.cull: Cull = cull
        self.backend: Backend = backend

    def forward(self, mesh: Mesh, camera: Camera) -> Picture:
        """See `render`."""
        return render(
            mesh,
            camera,
            self.size,
            lights=self.lights,
            shader=self.shader,
            gradient=self.gradient,
            supersample=self.supersample,
            background=self.background,
            smooth=self.smooth,
            cull=self.cull,
            backend=self.backend,
        )

    def extra_repr(self) -> str:
        return f"size={self.size}, gradient={self.gradient!r}, supersample={self.supersample}"
