"""When: pictures for one visitor, coarse while something changes and fine when it rests."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """How good a picture is.

    supersample  samples per pixel along each side
    rays         per sample, of shaders that cast some
    lossless     whether it is sent as PNG, otherwise as JPEG
    moving       whether it is drawn smaller, as small as it takes to follow the hand
    rest         seconds without a change before it is drawn
    """

    supersample: int
    rays: int
    lossless: bool = False
    moving: bool = False
    rest: float = 0.0


STAGES = (
    Stage(1, 2, moving=True),
    Stage(1, 16, rest=0.15),
    Stage(2, 16, lossless=True, rest=0.3),
)
_SECONDS = 1 / 15
_SMALLEST, _LARGEST = 1 / 8, 1 / 2
_MOST_SAMPLES = 2**24


class Pace:
    """The size of moving pictures, from how long the last ones took."""

    def __init__(self) -> None:
        self.scale = 1 / 3

    def measured(self, seconds: float) -> None:
        """A picture of the present scale took this long."""
        wanted = self.scale * math.sqrt(_SECONDS / max(seconds, 1e-3))
        self.scale = min(max(math.sqrt(self.scale * wanted), _SMALLEST), _LARGEST)

    def size(self, full: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of a moving picture instead of `full`."""
        height, width = full
        return max(1, round(height * self.scale)), max(1, round(width * self.scale))


def affordable(size: tuple[int, int], supersample: int) -> tuple[tuple[int, int], int]:
    """Size and supersampling, reduced to some 16 million samples: about 2 GB."""
    height, width = size
    while supersample > 1 and height * width * supersample**2 > _MOST_SAMPLES:
        supersample -= 1
    shrink = min(1.0, math.sqrt(_MOST_SAMPLES / (height * width)))
    return (max(1, math.floor(height * shrink)), max(1, math.floor(width * shrink))), supersample


class Painter:
    """Calls `paint` for one stage after the other, in a thread of its own, and starts again after every change.

    paint   draws and shows the state of this moment. What changes meanwhile is not queued: only the latest state is
            drawn, once the picture at work is done
    failed  is told what `paint` raised; the next change tries again
    """

    def __init__(self, paint: Callable[[Stage], None], failed: Callable[[Exception], None]) -> None:
        self._paint, self._failed = paint, failed
        self._changed = threading.Condition()
        self._changes = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="repousse-painter", daemon=True)
        self._thread.start()

    def change(self) -> None:
        """Something is different now."""
        with self._changed:
            self._changes += 1
            self._changed.notify()

    def close(self) -> None:
        """Draw nothing more; waits for the picture at work."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        seen = 0
        while not self._closed:
            self._changed_since(seen, None)
            seen = self._changes
            for stage in STAGES:
                if self._changed_since(seen, stage.rest):
                    break
                try:
                    self._paint(stage)
                except Exception as error:  # whatever a shader or a closed connection raises: the visitor is told
                    self._failed(error)
                    break

    def _changed_since(self, seen: int, seconds: float | None) -> bool:
        """Whether there was another change than `seen`, or the end; waits this long for it, with None forever."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or self._changes != seen, seconds)


class Stopwatch:
    """Measures what is in a `with` block, in seconds."""

    def __enter__(self) -> "Stopwatch":
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._start
