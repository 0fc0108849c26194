"""What a fit leaves to be judged by: numbers, pictures, one page."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from repousse import io
from repousse.apps.common import InputError
from repousse.apps.fit import page
from repousse.apps.fit.measure import evaluate
from repousse.apps.fit.scenes import clay_and_wire, strip, turntable
from repousse.geometry import Mesh
from repousse.shading import Light

if TYPE_CHECKING:
    from repousse.data import Views

__all__ = ["evaluate", "write_report"]

_LEGEND = (
    "From left to right: the picture, the mesh seen from there, their difference in sRGB (black: none, yellow: a "
    "quarter of the range or more), and silhouettes (white: in both, red: the picture alone, blue: the mesh alone)."
)
_MOST = 48  # pictures of each kind that are shown
_FPS = 12


def write_report(
    folder: Path,
    mesh: Mesh,
    lights: Sequence[Light],
    train: "Views",
    held_out: "Views | None",
    curves: Mapping[str, list[float]],
    settings: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> list[Path]:
    """Write report.html, metrics.json, turntable.gif, with imageio-ffmpeg turntable.mp4, and the page's pictures.

    folder    exists; the pictures go into its folder "report"
    train     pictures the fit has learnt from
    held_out  pictures it has not seen; None or empty if there are none
    curves    losses of every step, by name
    settings  as the page should show them
    metrics   by name; what `evaluate` returns, or several of it by name, such as "held_out" and "train", and other
              numbers. Goes to metrics.json as it is, but for numbers that are not finite, which become null

    Returns the files, the page first. InputError if they cannot be written.
    """
    with _writing_to(folder), torch.no_grad():
        written: list[Path] = []

        def png(name: str, image: torch.Tensor) -> str:
            path = folder / "report" / f"{name}.png"
            io.save_png(path, image)
            written.append(path)
            return path.relative_to(folder).as_posix()

        frames = turntable(mesh, lights, train)
        written += _movies(folder, frames)
        sides = clay_and_wire(mesh, train)
        shape = [(png(f"shape_{i}", side), "the shape alone" if i < 4 else "its faces") for i, side in enumerate(sides)]
        result = [("turntable.gif", "in the light that was found"), *shape]
        parts = [
            page.section("Result", "", page.figures(result, "result")),
            page.section("Numbers", "", page.measures(metrics)),
        ]
        for name, title, views in (
            ("held_out", "Held-out pictures", held_out),
            ("train", "Pictures learnt from", train),
        ):
            if views is None or not len(views):
                continue
            rows = _rows(metrics, name)
            strips = [
                (png(f"{name}_{i:03d}", strip(mesh, lights, views, i)), _caption(views.names[i], rows))
                for i in range(min(len(views), _MOST))
            ]
            hidden = f" The first {_MOST} of {len(views)}." if len(views) > _MOST else ""
            parts.append(page.section(title, _LEGEND + hidden, page.figures(strips, "strips")))
        charts = "\n".join(page.curve(name, values) for name, values in curves.items())
        parts.append(page.section("Losses", "", f'<div class="row">{charts}</div>'))
        parts.append(page.section("Settings", "", page.choices(settings)))

        numbers = folder / "metrics.json"
        numbers.write_text(json.dumps(_finite(metrics), indent=2) + "\n", encoding="utf-8")
        document = folder / "report.html"
        title = f"Fit of {len(train)} pictures"
        text = page.PAGE.format(title=title, summary=_summary(mesh, metrics), sections="\n".join(parts))
        document.write_text(text, encoding="utf-8")
        return [document, numbers, *written]


@contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    try:
        (folder / "report").mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise InputError(f"cannot write the report to {folder}: {error.strerror}") from error


def _movies(folder: Path, frames: Sequence[torch.Tensor]) -> list[Path]:
    written = [folder / "turntable.gif"]
    io.save_gif(written[0], torch.stack(list(frames)), fps=_FPS)
    try:
        io.save_mp4(folder / "turntable.mp4", frames, fps=_FPS)
    except ImportError:  # the film is a convenience
        return written
    return [*written, folder / "turntable.mp4"]


def _rows(metrics: Mapping[str, Any], name: str) -> dict[str, Mapping[str, Any]]:
    """The figures of each picture by its name; of the only set there is, if sets are not named."""
    part = metrics.get(name)
    rows = part.get("per_view", []) if isinstance(part, Mapping) else metrics.get("per_view", [])
    return {row["name"]: row for row in rows}


def _caption(name: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
    if name not in rows:
        return name
    row = rows[name]
    return f"{name}: IoU {row['silhouette_iou']:.3f}, PSNR {row['psnr']:.1f} dB (object {row['psnr_object']:.1f} dB)"


def _summary(mesh: Mesh, metrics: Mapping[str, Any]) -> str:
    part = metrics.get("held_out", metrics)
    words = f"{len(mesh.positions):,} vertices, {len(mesh.faces):,} faces."
    if isinstance(part, Mapping) and "psnr" in part:
        which = "On held-out pictures" if "held_out" in metrics else "On the pictures"
        words += (
            f" {which}: silhouette IoU {part['silhouette_iou']:.4f}, PSNR {part['psnr']:.2f} dB "
            f"({part['psnr_object']:.2f} dB on the object), SSIM {part['ssim']:.3f}."
        )
    return words


def _finite(value: Any) -> Any:
    """The same for JSON."""
    if isinstance(value, Mapping):
        return {str(name): _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
