"""The command `repousse view`."""

import time
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from repousse.apps.view.model import Model, Up
from repousse.apps.view.server import Page


@dataclass(frozen=True)
class View:
    """Look at a mesh in the browser: turn it, choose shader and light, save pictures."""

    model: Annotated[Path, tyro.conf.Positional]
    """Mesh file: OBJ, PLY, STL, OFF, GLB or glTF, perhaps with .gz behind it."""
    up: Up | None = None
    """Axis that points upwards; without it, z for STL files and y for others."""
    port: int = 0
    """Port of the page; 0 takes a free one."""
    host: str = "127.0.0.1"
    """Address the page is served on; 0.0.0.0 lets other machines in."""
    open: bool = True
    """Open the browser."""


def view(settings: View) -> None:
    """Serve the page of `settings.model` until Ctrl-C."""
    model = Model.load(settings.model, settings.up)
    for note in model.notes:
        print(f"! {note}")
    model.dressed(model.normals[0])  # the first visitor should not wait for it
    page = Page(model, settings.host, settings.port)
    try:
        print(f"{model.name}: {page.url}   (Ctrl-C ends it)", flush=True)
        if settings.open:
            webbrowser.open(page.url)
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print()
    finally:
        page.close()
