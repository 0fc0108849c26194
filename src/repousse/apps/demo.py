"""Make pictures of the bundled pot, find the pot in them, run the four examples; write one page of it all."""

import html
from dataclasses import dataclass
from pathlib import Path

import tyro

from repousse.apps.common import Result
from repousse.apps.draw import Draw, draw
from repousse.apps.find_camera import FindCamera, find_camera
from repousse.apps.fit import Fit, fit
from repousse.apps.fit_texture import FitTexture, fit_texture
from repousse.apps.fit_vertices import FitVertices, fit_vertices
from repousse.apps.render_views import RenderViews, render_views

CAPTIONS = {
    "views": (
        "Pictures of a shape",
        "24 pictures of the bundled coffee pot with their cameras, and 6 from other sides that the fit does not see.",
    ),
    "fit": (
        "A shape from pictures",
        "The pot, found in those 24 pictures alone: its surface, its paint and the light. The numbers are those of the "
        "pictures that were kept back.",
    ),
    "draw": ("A picture from a shape", "The turntable of the bundled teapot: 90 views of one mesh."),
    "fit-vertices": (
        "Vertices from a silhouette",
        "Every vertex moves until the silhouette is a square. The gradient of Kato et al. (2018) says how: "
        "pixels that are wrong pull on the edges that could reach them.",
    ),
    "fit-texture": (
        "Colours from a picture",
        "The colours of the vertices are recovered from one picture; the far side, which it does not show, "
        "stays black.",
    ),
    "find-camera": (
        "The camera from a silhouette",
        "Red: the silhouette seen from the sought place. Blue: from the place tried. White: both.",
    ),
}

# What figures are called on the page, if not by the names of their files.
FIGURES = {"views": "the last six are kept back", "shape_0": "the shape alone", "shape_4": "its faces"}

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>repousse: gallery</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fafafa; max-width: 60rem;
         margin: 3rem auto; padding: 0 1rem; }}
  h1 {{ font-weight: 600; margin-bottom: 0; }}
  h2 {{ font-weight: 600; margin: 3rem 0 .25rem; }}
  p {{ margin: .25rem 0 1rem; }}
  .outcome {{ color: #665; font-variant-numeric: tabular-nums; }}
  .row {{ display: flex; flex-wrap: wrap; gap: 1rem; }}
  figure {{ margin: 0; }}
  img {{ display: block; width: 256px; height: 256px; border-radius: 6px; background: #000; object-fit: contain; }}
  img.wide {{ width: 512px; }}
  figcaption {{ font-size: .85rem; color: #777; }}
</style>
<h1>repousse</h1>
<p>Turns pictures back into shapes. Everything below was computed on this machine just now.</p>
{sections}
</html>
"""


@dataclass(frozen=True)
class Demo:
    """Find the bundled pot in pictures of it, run the four examples, and write one page that shows it all."""

    out: Path = Path("out")
    """Folder of the page; each part has a folder in it."""


def demo(settings: Demo | None = None) -> list[Result]:
    """Run `repousse views`, `repousse fit` and the four examples, print each outcome, write `out`/index.html."""
    out = (settings or Demo()).out
    pictures, truth = out / "views", out / "views" / "model.glb"
    runs = (
        lambda: render_views(RenderViews(out=pictures)),
        lambda: fit(Fit(images=pictures, out=out / "fit", truth=truth)),
        lambda: draw(Draw(out=out / "draw", smooth=True)),
        lambda: fit_vertices(FitVertices(out=out / "fit-vertices")),
        lambda: fit_texture(FitTexture(out=out / "fit-texture")),
        lambda: find_camera(FindCamera(out=out / "find-camera")),
    )
    results = []
    for run in runs:
        results.append(run())
        print(results[-1], flush=True)
    page = out / "index.html"
    page.write_text(gallery(results, out), encoding="utf-8")
    print(f"Gallery: {page}")
    return results


def gallery(results: list[Result], root: Path) -> str:
    """The page's HTML; pictures are linked relative to `root`."""
    return PAGE.format(sections="\n".join(_section(result, root) for result in results))


def _section(result: Result, root: Path) -> str:
    title, text = CAPTIONS[result.title]
    figures = "\n".join(_figure(path, root) for path in result.written if path.suffix in (".png", ".gif"))
    outcome = html.escape(f"{result.outcome}; {result.seconds:.1f} s.")
    for path in result.written:
        if path.suffix == ".html":
            outcome += f' <a href="{html.escape(path.relative_to(root).as_posix())}">{html.escape(path.stem)}</a>'
    words = f'<h2>{title}</h2>\n<p>{text}<br><span class="outcome">{outcome}</span></p>'
    return f'{words}\n<div class="row">{figures}</div>'


def _figure(path: Path, root: Path) -> str:
    name, source = FIGURES.get(path.stem, path.stem), path.relative_to(root).as_posix()
    wide = ' class="wide"' if path.stem == "views" else ""
    picture = f'<img{wide} src="{html.escape(source)}" alt="{html.escape(name)}">'
    return f"<figure>{picture}<figcaption>{html.escape(name)}</figcaption></figure>"


if __name__ == "__main__":
    demo(tyro.cli(Demo))
