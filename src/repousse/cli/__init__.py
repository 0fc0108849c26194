"""The command line: one command per application, its flags are the application's settings."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from io import StringIO

import tyro

from repousse.apps.audit import Audit, audit
from repousse.apps.common import InputError
from repousse.apps.demo import Demo, demo
from repousse.apps.draw import Draw, draw
from repousse.apps.find_camera import FindCamera, find_camera
from repousse.apps.fit import Fit, fit
from repousse.apps.fit_texture import FitTexture, fit_texture
from repousse.apps.fit_vertices import FitVertices, fit_vertices
from repousse.apps.info import Info, info
from repousse.apps.render_model import RenderModel, render_model
from repousse.apps.render_views import RenderViews, render_views
from repousse.apps.view import View, view

Command = RenderModel | View | Info | Draw | Fit | FitVertices | FitTexture | FindCamera | RenderViews | Audit | Demo
COMMANDS = {
    "render": RenderModel,
    "view": View,
    "info": Info,
    "draw": Draw,
    "fit": Fit,
    "fit-vertices": FitVertices,
    "fit-texture": FitTexture,
    "find-camera": FindCamera,
    "views": RenderViews,
    "audit": Audit,
    "demo": Demo,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, or 2 after one line on stderr if the input cannot be used."""
    try:
        _run(_parse(arguments))
    except InputError as error:
        print(f"repousse: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("repousse: stopped", file=sys.stderr)
        return 130
    return 0


def _parse(arguments: Sequence[str] | None) -> Command:
    complaint = StringIO()
    try:
        with redirect_stderr(complaint):
            return tyro.extras.subcommand_cli_from_dict(COMMANDS, prog="repousse", args=arguments)
    except SystemExit as stop:
        if stop.code == 2:
            raise InputError(_unboxed(complaint.getvalue())) from None
        raise


def _run(command: Command) -> None:
    match command:
        case RenderModel():
            print(render_model(command))
        case View():
            view(command)
        case Info():
            info(command)
        case Draw():
            print(draw(command))
        case Fit():
            print(fit(command))
        case FitVertices():
            print(fit_vertices(command))
        case FitTexture():
            print(fit_texture(command))
        case FindCamera():
            print(find_camera(command))
        case Audit():
            print(audit(command))
        case RenderViews():
            print(render_views(command))
        case Demo():
            demo(command)


def _unboxed(text: str) -> str:
    """The first paragraph of a message that the parser has drawn a box around; without Unicode it draws dashes."""
    paragraphs: list[list[str]] = [[]]
    for line in text.splitlines():
        words = line.strip("│| ")
        if not words or set(words) <= set("─-╰╯+"):
            paragraphs.append([])
        elif not line.startswith("╭"):
            paragraphs[-1].append(words)
    said = [" ".join(words) for words in paragraphs if words]
    if "╭" not in text:
        said = said[1:]  # without a box, the first line is its title
    return said[0] if said else "these arguments cannot be used; see --help"
