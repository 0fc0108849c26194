"""The HTML of a fit's report."""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>repousse: {title}</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fafafa; max-width: 74rem;
         margin: 3rem auto; padding: 0 1rem; }}
  h1 {{ font-weight: 600; margin-bottom: 0; }}
  h2 {{ font-weight: 600; margin: 3rem 0 .5rem; }}
  p {{ margin: .25rem 0 1rem; max-width: 52rem; }}
  table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
  th, td {{ text-align: left; padding: .2rem 1.5rem .2rem 0; border-bottom: 1px solid #e4e4e0; vertical-align: top; }}
  th {{ font-weight: 600; }}
  td.number, th + th {{ text-align: right; }}
  .note {{ color: #776; font-size: .85rem; }}
  .row {{ display: flex; flex-wrap: wrap; gap: 1rem; }}
  .strips {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(30rem, 1fr)); gap: 1rem 1.5rem; }}
  figure {{ margin: 0; }}
  .strips img {{ width: 100%; }}
  img {{ display: block; border-radius: 6px; background: #000; }}
  .result {{ display: grid; grid-template-columns: repeat(6, 1fr); gap: 1rem; }}
  .result figure:first-child {{ grid-column: span 2; grid-row: span 2; }}
  .result img {{ width: 100%; background: none; }}
  figcaption {{ font-size: .85rem; color: #776; font-variant-numeric: tabular-nums; }}
  svg text {{ font: 11px system-ui, sans-serif; fill: #776; }}
</style>
<h1>{title}</h1>
<p>{summary}</p>
{sections}
</html>
"""

NAMES = {
    "silhouette_iou": ("Silhouettes: intersection over union", "{:.4f}"),
    "psnr": ("PSNR, whole picture on black, sRGB", "{:.2f} dB"),
    "psnr_object": ("PSNR, pixels of the object, sRGB", "{:.2f} dB"),
    "ssim": ("SSIM, whole picture", "{:.4f}"),
    "views": ("Pictures", "{}"),
    "chamfer": ("Chamfer distance to the truth", "{:.5f}"),
    "chamfer_percent": ("  of the box diagonal", "{:.3f} %"),
    "f_score": ("F-score at 1 % of the longest side", "{:.4f}"),
    "normal_consistency": ("Agreement of normals", "{:.4f}"),
    "vertices": ("Vertices", "{:,}"),
    "faces": ("Faces", "{:,}"),
    "components": ("Parts", "{:,}"),
    "watertight": ("Watertight", "{}"),
    "folded_edges": ("Folded edges (tangles)", "{:,}"),
    "seconds": ("Time", "{:.1f} s"),
}


def section(title: str, text: str, content: str) -> str:
    """A heading, a line of text and HTML."""
    words = f'<p class="note">{html.escape(text)}</p>' if text else ""
    return f"<h2>{html.escape(title)}</h2>\n{words}\n{content}"


def figures(paths: Sequence[tuple[str, str]], kind: str) -> str:
    """Pictures with captions: (address, caption) each.

    kind  "strips": wide ones, two in a row; "result": the first one is large, the others in rows of four beside it
    """
    found = "\n".join(
        f'<figure><img src="{html.escape(path)}" alt="{html.escape(caption)}" loading="lazy">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        for path, caption in paths
    )
    return f'<div class="{kind}">{found}</div>'


def measures(metrics: Mapping[str, Any]) -> str:
    """A table of numbers; those of parts that are mappings with the same names stand side by side."""
    parts = {name: part for name, part in metrics.items() if isinstance(part, Mapping) and "psnr" in part}
    single = flat({name: part for name, part in metrics.items() if name not in parts})
    for part in parts.values():
        single |= {name: value for name, value in flat(part).items() if name not in _OF_PICTURES}
    head = "".join(f"<th>{html.escape(name.replace('_', '-'))}</th>" for name in parts)
    rows = [f"<tr><th></th>{head}</tr>"] if parts else []
    for name in _OF_PICTURES:
        if any(name in part for part in parts.values()):
            cells = "".join(f'<td class="number">{_written(name, part.get(name))}</td>' for part in parts.values())
            rows.append(f"<tr><td>{_named(name)}</td>{cells}</tr>")
    span = f' colspan="{max(1, len(parts))}"'
    rows += [
        f'<tr><td>{_named(name)}</td><td class="number"{span}>{_written(name, value)}</td></tr>'
        for name, value in single.items()
    ]
    return f"<table>{''.join(rows)}</table>"


_OF_PICTURES = ("views", "silhouette_iou", "psnr", "psnr_object", "ssim")


def flat(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers and words alone, those in mappings under their last name."""
    found: dict[str, Any] = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            found |= flat(value)
        elif isinstance(value, list | tuple):
            if value and all(isinstance(one, str) for one in value):
                found[name] = "; ".join(value)
        else:
            found[name] = value
    return found


def choices(settings: Mapping[str, Any]) -> str:
    """A table of settings."""
    rows = "".join(
        f"<tr><td>{html.escape(str(name).replace('_', ' '))}</td><td>{html.escape(str(value))}</td></tr>"
        for name, value in settings.items()
    )
    return f"<table>{rows}</table>"


def curve(title: str, values: Sequence[float], width: int = 310, height: int = 150) -> str:
    """A chart as SVG; logarithmic if the numbers span more than a factor of ten."""
    points = [(i, float(v)) for i, v in enumerate(values) if math.isfinite(v)]
    if not points:
        return ""
    low, high = min(v for _, v in points), max(v for _, v in points)
    logarithmic = low > 0 and high > 10 * low
    scale = math.log if logarithmic else float
    bottom, top = scale(low), scale(high)
    left, right, above, below = 62, width - 8, 26, height - 20
    rise = (below - above) / ((top - bottom) or 1)
    step = (right - left) / max(1, len(values) - 1)
    places = [(left + i * step, below - (scale(v) - bottom) * rise) for i, v in _thinned(points, 2 * width)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    middle = math.sqrt(low * high) if logarithmic else (low + high) / 2
    ticks = "".join(
        f'<text x="{left - 5}" y="{y + 4:.0f}" text-anchor="end">{v:.3g}</text>'
        f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e4e0"/>'
        for v, y in ((high, above), (middle, (above + below) / 2), (low, below))
    )
    kind = " (logarithmic)" if logarithmic else ""
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">'
        f'<text x="{left}" y="14" style="fill:#222">{html.escape(title)}{kind}</text>{ticks}'
        f'<text x="{left}" y="{height - 5}">0</text>'
        f'<text x="{right}" y="{height - 5}" text-anchor="end">{len(values)} steps</text>'
        f'<polyline points="{line}" fill="none" stroke="#b5562b" stroke-width="1.5"/></svg>'
    )


def _thinned(points: list[tuple[int, float]], most: int) -> list[tuple[int, float]]:
    """At most about so many points, lowest and highest of each stretch, so that peaks stay."""
    if len(points) <= most:
        return points
    length = math.ceil(2 * len(points) / most)
    found: list[tuple[int, float]] = []
    for start in range(0, len(points), length):
        stretch = points[start : start + length]
        ends = {min(stretch, key=lambda p: p[1]), max(stretch, key=lambda p: p[1])}
        found += sorted(ends)
    return found


def _named(name: str) -> str:
    return html.escape(NAMES[name][0] if name in NAMES else name.replace("_", " ").capitalize())


def _written(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        form = NAMES[name][1] if name in NAMES else "{:,}" if isinstance(value, int) else "{:.4g}"
        return html.escape(form.format(value))
    return html.escape("-" if value is None else str(value))
