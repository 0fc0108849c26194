"""One visitor of the page."""

import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from repousse.apps.common import first_line
from repousse.apps.view.eye import FOV, WINDOW, Eye, standpoint
from repousse.apps.view.model import Model
from repousse.apps.view.painter import STAGES, Pace, Painter, Stage, Stopwatch, affordable
from repousse.apps.view.panel import Panel
from repousse.apps.view.style import draw
from repousse.io.images import eight_bits, encode_png

if TYPE_CHECKING:
    import viser


class Session:
    """A client's panel and camera, and the painter that fills its background.

    easel  held while a picture is drawn: each picture uses all cores, so two at once would both be late
    """

    def __init__(self, client: "viser.ClientHandle", model: Model, easel: threading.Lock) -> None:
        self._client, self._model, self._easel = client, model, easel
        self._pace = Pace()
        self._left = False
        self._complaint = ""
        self._fitted: tuple[int, int] | None = None  # the window's size, if the visitor has not moved since
        self._placing = threading.Lock()  # the browser's words come in several threads
        self._settled = False  # whether the browser has put the camera where it was told to
        # Where the camera may be without the visitor having moved it: what the browser says may be a little late.
        self._placed = [standpoint(model, model.up, WINDOW)[0]]
        self._painter = Painter(self._paint, self._failed)
        self._panel = Panel(
            client.gui,
            model,
            changed=self._painter.change,
            fit=self._safely(self._fit),
            save=self._safely(self._save),
        )
        client.camera.on_update(lambda camera: self._safely(self._moved)())

    def begin(self) -> None:
        """Show the model, then what is known about it: that takes seconds for a million faces."""
        self._safely(self._fit)()
        self._safely(lambda: self._panel.tell(self._model.summary()))()

    def replace(self, model: Model, words: str) -> None:
        """Show another model from the same place, and `words` (Markdown) about it."""
        self._model = model
        self._safely(lambda: self._panel.tell(words))()
        self._painter.change()

    def close(self) -> None:
        """Send nothing more; waits for the picture at work."""
        self._left = True
        self._painter.close()

    def _eye(self) -> Eye:
        camera = self._client.camera
        size = (max(1, camera.image_height), max(1, camera.image_width))
        return Eye(camera.wxyz.tolist(), camera.position.tolist(), camera.fov, size)

    def _paint(self, stage: Stage) -> None:
        model, eye, style = self._model, self._eye(), self._panel.style()
        size, supersample = affordable(eye.size, stage.supersample)
        with self._easel, Stopwatch() as watch:
            if stage.moving:
                size = self._pace.size(size)
            picture = draw(model, style, eye.camera(model, style.up), size, supersample=supersample, rays=stage.rays)
        if stage.moving:
            self._pace.measured(watch.seconds)
        if self._left:
            return
        kind = "png" if stage.lossless else "jpeg"
        self._client.scene.set_background_image(eight_bits(picture.numpy()), format=kind, jpeg_quality=90)
        self._complaint = ""

    def _moved(self) -> None:
        """The camera or the window has changed. As long as only the window does, the model stays fitted to it."""
        with self._placing:
            eye = self._eye()
            if self._fitted is not None:
                placed = any(math.dist(eye.position, place) < 1e-4 for place in self._placed)
                if self._settled and not placed:
                    self._fitted = None
                elif self._fitted != eye.size:
                    self._place(eye.size)
                self._settled |= placed
        self._painter.change()

    def _fit(self) -> None:
        """Look at the model from where it is all seen."""
        with self._placing:
            eye = self._eye()
            x, y, z = eye.position
            self._placed.append((x, y, z))
            self._settled = False
            self._place(eye.size)
        self._painter.change()

    def _place(self, size: tuple[int, int]) -> None:
        position, target = standpoint(self._model, self._panel.style().up, size)
        self._fitted = size
        self._placed.append(position)
        camera = self._client.camera
        with self._client.atomic():
            camera.fov = FOV
            camera.position = position
            camera.look_at = target

    def _save(self) -> None:
        """Send the picture, in the best quality and twice as large."""
        model, eye, style, best = self._model, self._eye(), self._panel.style(), STAGES[-1]
        height, width = eye.size
        size, supersample = affordable((2 * height, 2 * width), best.supersample)
        with self._easel:
            picture = draw(model, style, eye.camera(model, style.up), size, supersample=supersample, rays=best.rays)
        name = f"{Path(model.name.removesuffix('.gz')).stem}.png"
        self._client.send_file_download(name, encode_png(picture, srgb=False), save_immediately=True)

    def _safely(self, action: Callable[[], None]) -> Callable[[], None]:
        """`action`, but what it raises is told to the visitor."""

        def attempt() -> None:
            try:
                action()
            except Exception as error:  # the server goes on, whatever happens to one of its visitors
                self._failed(error)

        return attempt

    def _failed(self, error: Exception) -> None:
        """Tell the visitor; once, if it is the same in picture after picture."""
        complaint = first_line(error)
        if complaint != self._complaint and not self._left:
            self._complaint = complaint
            self._client.add_notification("This did not work", complaint, color="red")
