"""Makes fit.png of the README from what `make demo` has written: `python docs/images/fit.py out`."""

import sys
from pathlib import Path

from PIL import Image

HEIGHT = 280


def main(demo: Path) -> None:
    """The pictures, then the result in its light, its shape and its faces, side by side."""
    names = ("views/views.png", "fit/turntable.gif", "fit/report/shape_0.png", "fit/report/shape_4.png")
    pictures = [Image.open(demo / name).convert("RGB") for name in names]
    pictures = [
        one.resize((round(HEIGHT * one.width / one.height), HEIGHT), Image.Resampling.LANCZOS) for one in pictures
    ]
    row = Image.new("RGB", (sum(one.width for one in pictures), HEIGHT))
    left = 0
    for one in pictures:
        row.paste(one, (left, 0))
        left += one.width
    row.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(Path(__file__).with_name("fit.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
