"""Derivative images side by side: estimator, truth, difference."""

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from repousse.apps.audit.measure import Row, Truth
from repousse.io import linear_to_srgb

ZOOM, GAP, LINE = 3, 6, 16


def derivative_picture(known: Truth, rows: dict[str, Row]) -> Image.Image:
    """One row per estimator that has derivative images: the picture itself, then estimator, truth and difference for
    the motion of the vertices with the strongest derivative, colour (its channels added) and mask.

    Blue is negative, red positive; each row of one kind shares its scale, so what saturates is too strong.
    """
    moving = [i for i, motion in enumerate(known.motions) if motion.group == "vertices"]
    chosen = max(moving, key=lambda i: known.images[i].norm().item())
    exact = _planes(known.images[chosen])
    scales = [plane.abs().flatten().quantile(0.995).clamp(min=1e-9) for plane in exact]
    side = known.picture.shape[0] * ZOOM
    drawn = {name: _planes(row.images[chosen]) for name, row in rows.items() if row.images is not None}
    width, height = 7 * (side + GAP), max(1, len(drawn)) * (side + LINE)
    sheet = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (name, planes) in enumerate(drawn.items()):
        top = number * (side + LINE)
        tiles = [_zoomed(linear_to_srgb(known.picture[..., :3].clamp(0, 1)))]
        labels = [f"{name}: {known.motions[chosen].name}"]
        for what, estimated, true, scale in zip(("colour", "mask"), planes, exact, scales, strict=True):
            for label, plane in (("", estimated), (" truth", true), (" difference", estimated - true)):
                tiles.append(_zoomed(diverging(plane / scale)))
                labels.append(f"{what}{label}")
        for column, (tile, label) in enumerate(zip(tiles, labels, strict=True)):
            sheet.paste(tile, (column * (side + GAP), top + LINE))
            pen.text((column * (side + GAP) + 2, top + 2), label, fill="black")
    return sheet


def diverging(values: Tensor) -> Tensor:
    """[-1, 1] as blue, white, red: (..., 3)."""
    strength = values.clamp(-1, 1)
    blue, red = torch.tensor([0.13, 0.27, 0.65]), torch.tensor([0.75, 0.12, 0.15])
    end = torch.where(strength[..., None] < 0, blue, red)
    return 1 + strength.abs()[..., None] * (end - 1)


def _planes(image: Tensor) -> tuple[Tensor, Tensor]:
    return image[..., :3].sum(-1), image[..., 3]


def _zoomed(picture: Tensor) -> Image.Image:
    bytes_ = (picture * 255).round().to(torch.uint8).numpy()
    return Image.fromarray(np.ascontiguousarray(bytes_)).resize(
        (bytes_.shape[1] * ZOOM, bytes_.shape[0] * ZOOM), Image.Resampling.NEAREST
    )
