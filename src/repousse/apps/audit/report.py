"""What the audit leaves behind: tables, audit.json, and a page."""

import html
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table
from rich.text import Text

from repousse.apps.audit.comparison import CHANNELS, Score
from repousse.apps.audit.directions import GROUPS
from repousse.apps.audit.measure import Precision, Row, SceneResult, Scores
from repousse.apps.audit.probing import ADDITIVE
from repousse.apps.audit.usefulness import Outcome
from repousse.io.files import write_bytes

COSINE, ERROR = 0.99, 0.1  # what the default estimator has to reach

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>repousse: audit</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fafafa; max-width: 72rem;
         margin: 3rem auto; padding: 0 1rem; }}
  h1, h2 {{ font-weight: 600; }}
  table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }}
  th, td {{ padding: .15rem .7rem; text-align: right; }}
  th:first-child, td:first-child {{ text-align: left; }}
  thead th {{ border-bottom: 1px solid #999; }}
  .good {{ color: #17683a; }} .floor td {{ color: #888; }}
  img {{ max-width: 100%; image-rendering: pixelated; }}
</style>
<h1>Estimators against the truth</h1>
<p>{settings} Cells are cosine / relative error of the derivative images; green reaches {cosine} and {error}.
The row "truth again" compares the truth with itself, found with another step and fewer samples: no estimator
can be measured more finely. "not linear": the derivative images are answers to single pixels and do not add up.</p>
{sections}
</html>
"""


def tables(results: Sequence[SceneResult]) -> list[Table]:
    """Derivative images, then gradients of a loss."""
    images = Table(title="Derivative images: cosine / relative error")
    losses = Table(title="Gradients of 0.5 |picture - target|²: cosine / relative error over directions")
    for table in (images, losses):
        table.add_column("scene", no_wrap=True)
        table.add_column("estimator", no_wrap=True)
    for column in _columns():
        images.add_column(column, justify="right", no_wrap=True)
    images.add_column("CPU ms", justify="right", no_wrap=True)
    for group in GROUPS:
        losses.add_column(group, justify="right", no_wrap=True)
    for result in results:
        if result.skipped:
            images.add_row(result.name, f"skipped: {result.skipped}")
            continue
        images.add_row(result.name, "(truth again)", *(_styled(s) for s in _cells(result.floor)), style="dim")
        for name, row in result.rows.items():
            images.add_row("", name, *_image_cells(row), end_section=name == list(result.rows)[-1])
            shown = [_styled(row.loss.get(group)) for group in GROUPS]
            losses.add_row(result.name if name == next(iter(result.rows)) else "", name, *shown)
        losses.add_section()
    return [images, losses]


def search_table(found: dict[str, dict[str, Outcome]]) -> Table:
    """How many searches arrive."""
    table = Table(title="Searches that arrive, median overlap (intersection over union)")
    table.add_column("estimator", no_wrap=True)
    for name in found:
        table.add_column(name, justify="right", no_wrap=True)
    for schedule in next(iter(found.values())):
        outcomes = [by_schedule[schedule] for by_schedule in found.values()]
        table.add_row(schedule, *(f"{one.arrived} of {one.starts}, {one.overlap:.2f}" for one in outcomes))
    return table


def write(
    folder: Path,
    results: Sequence[SceneResult],
    precision: Precision,
    pictures: dict[str, Path],
    searches: dict[str, dict[str, Outcome]] | None = None,
) -> list[Path]:
    """audit.json, audit.md and index.html; `pictures` by scene, within the folder."""
    found = {name: {s: asdict(one) for s, one in by.items()} for name, by in (searches or {}).items()}
    data = {"precision": vars(precision), "scenes": [result.plain() for result in results], "searches": found}
    written = {
        "audit.json": json.dumps(data, indent=1, default=str),
        "audit.md": markdown(results),
        "index.html": _page(results, precision, pictures),
    }
    for name, text in written.items():
        write_bytes("audit", folder / name, text.encode())
    return [folder / name for name in written]


def markdown(results: Sequence[SceneResult]) -> str:
    """Both tables for docs/gradients.md."""
    lines = [_line("scene", "estimator", *_columns(), "CPU ms"), "|---" * (len(_columns()) + 3) + "|"]
    losses = [_line("scene", "estimator", *GROUPS), "|---" * (len(GROUPS) + 2) + "|"]
    for result in results:
        if result.skipped:
            continue
        lines.append(_line(result.name, "truth again", *map(shown, _cells(result.floor)), ""))
        for name, row in result.rows.items():
            mark = "" if row.additivity < ADDITIVE else "*"
            cells = ["-"] * len(_columns()) if row.scores is None else [shown(one) + mark for one in _cells(row.scores)]
            lines.append(_line("", name, *cells, f"{row.cost:.1f}"))
            losses.append(_line(result.name, name, *(shown(row.loss.get(group)) for group in GROUPS)))
    return "\n".join([*lines, "", *losses, ""])


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def passes(one: Score) -> bool:
    """Whether a score reaches what is asked of the default estimator."""
    return one.cosine >= COSINE and one.error <= ERROR


def shown(one: Score | None) -> str:
    """ "0.998 / 0.05"."""
    return "-" if one is None else f"{one.cosine:.3f} / {one.error:{'.3f' if one.error < 10 else '.0f'}}"


def _columns() -> list[str]:
    return [f"{group} {channel}" for group in GROUPS for channel in CHANNELS]


def _cells(scores: Scores) -> list[Score | None]:
    return [scores.get(group, {}).get(channel) for group in GROUPS for channel in CHANNELS]


def _image_cells(row: Row) -> list[Text | str]:
    if row.failure:
        return [f"failed: {row.failure}"]
    cost = f"{row.cost:.1f}"
    if row.scores is None:
        return [*["-"] * len(_columns()), cost]
    return [*(_styled(one, "" if row.additivity < ADDITIVE else "*") for one in _cells(row.scores)), cost]


def _styled(one: Score | None, mark: str = "") -> Text:
    return Text(shown(one) + mark, style="green" if one is not None and passes(one) else "")


def _page(results: Sequence[SceneResult], precision: Precision, pictures: dict[str, Path]) -> str:
    settings = (
        f"Pictures of {precision.size}² pixels; the truth has {precision.samples}² samples per pixel and steps of "
        f"{precision.step:g} pixels."
    )
    sections = "\n".join(_section(result, pictures.get(result.name)) for result in results)
    return PAGE.format(settings=settings, cosine=COSINE, error=ERROR, sections=sections)


def _section(result: SceneResult, picture: Path | None) -> str:
    if result.skipped:
        return f"<h2>{result.name}</h2><p>Skipped: {html.escape(result.skipped)}</p>"
    heads = "".join(f"<th>{name}</th>" for name in [*_columns(), "CPU ms", *(f"loss {g}" for g in GROUPS)])
    floor = "".join(_cell(one) for one in _cells(result.floor))
    rows = [f'<tr class="floor"><td>truth again</td>{floor}</tr>']
    for name, row in result.rows.items():
        if row.failure:
            rows.append(f"<tr><td>{name}</td><td colspan=6>failed: {html.escape(row.failure)}</td></tr>")
            continue
        scores = [None] * len(_columns()) if row.scores is None else _cells(row.scores)
        losses = "".join(_cell(row.loss.get(group)) for group in GROUPS)
        note = "" if row.scores is None or row.additivity < ADDITIVE else " (not linear)"
        cells = "".join(map(_cell, scores))
        rows.append(f"<tr><td>{name}{note}</td>{cells}<td>{row.cost:.1f}</td>{losses}</tr>")
    image = "" if picture is None else f'<p><img src="{html.escape(picture.name)}" alt="derivative images"></p>'
    return (
        f"<h2>{result.name}</h2><p>{html.escape(result.what)}. {result.faces:,} faces, {result.seconds:.0f} s.</p>"
        f"<table><thead><tr><th></th>{heads}</tr></thead>{''.join(rows)}</table>{image}"
    )


def _cell(one: Score | None) -> str:
    return f"<td{' class=good' if one is not None and passes(one) else ''}>{shown(one)}</td>"
