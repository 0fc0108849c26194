"""A running fit in the browser."""

import time
import webbrowser
from collections.abc import Sequence

from repousse.apps.fit.stage import Stage
from repousse.apps.view.model import Model, Up
from repousse.apps.view.server import Page
from repousse.geometry import Mesh, vertex_normals
from repousse.shading import Light


class LiveView:
    """The page of `repousse view`, whose model changes as it is being fitted.

    host     name or address of the network interface
    port     0 for a free one
    up       the model's axis that points upwards
    seconds  between two looks at the fit. Pictures are drawn in a thread of their own, and none without a visitor
    open     open the browser

    The page opens with the first mesh, and its address is printed then. InputError without viser, and for a host or
    port that cannot be used.
    """

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, *, up: Up = "y", seconds: float = 1.0, open: bool = True
    ) -> None:
        self._host, self._port, self._seconds, self._open = host, port, seconds, open
        self._up: Up = up
        self._page: Page | None = None
        self._last = -float("inf")

    @property
    def url(self) -> str | None:
        """Address of the page, once it is open."""
        return None if self._page is None else self._page.url

    def watch(self, stage: Stage, step: int) -> None:
        """Look at a fit: to be called after each step, as `watch` of `driver.run`. Most calls do nothing."""
        now = time.monotonic()
        if now - self._last < self._seconds or (self._page is not None and not self._page.is_visited):
            return
        self.show(stage.mesh(), stage.lights(), f"{stage.title}, step {step} of {stage.steps}")
        self._last = time.monotonic()

    def show(self, mesh: Mesh, lights: Sequence[Light], words: str = "") -> None:
        """Show a mesh in place of the one before, in its lights; `words` stand beside it."""
        still = mesh.with_positions(mesh.positions.detach().clone())  # the fit goes on changing its own
        if "normal" not in still.attributes:
            still = still.with_attribute("normal", vertex_normals(still.positions, still.faces))
        model = Model(still, "the fit", up=self._up, lights=lights)
        words = f"{words}\n\n{len(mesh.positions):,} vertices, {len(mesh.faces):,} faces"
        if self._page is None:
            self._page = Page(model, self._host, self._port)
            print(f"the fit, live: {self._page.url}", flush=True)
            if self._open:
                webbrowser.open(self._page.url)
        self._page.replace(model, words)

    def close(self) -> None:
        """End the page."""
        if self._page is not None:
            self._page.close()
