"""`repousse view` in a real browser: what a visitor sees and does."""

import dataclasses
import io
import shutil
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from PIL import Image

from repousse.apps.looks import LOOKS
from repousse.apps.view.model import Model
from repousse.apps.view.server import Page
from repousse.apps.view.session import Session
from repousse.apps.view.style import Style, draw
from repousse.geometry import icosphere

pytest.importorskip("viser", reason="needs viser")
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"),
    "--disable-quic",
)
PATIENCE = 60.0  # seconds: machines may be slow and busy
CLOSE_NOTIFICATIONS = "document.querySelectorAll('.mantine-Notification-closeButton').forEach(button => button.click())"
WINDOW = {"width": 740, "height": 420}


def ball() -> Model:
    """Red above, blue below, and green on its right side (+x)."""
    mesh = icosphere(5)
    x, y, _ = mesh.positions.unbind(-1)
    color = torch.where(y[:, None] > 0, torch.tensor([0.8, 0.05, 0.05]), torch.tensor([0.05, 0.05, 0.8]))
    color = torch.where(x[:, None] > 0.6, torch.tensor([0.05, 0.6, 0.05]), color)
    return Model(mesh.with_attribute("color", color, mesh.faces), "ball.obj")


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright.Browser"]:
    with playwright.sync_playwright() as runner:
        browser = runner.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Page]:
    page = Page(ball())
    yield page
    page.close()


class Visitor:
    """A tab of the browser, and the server's session for it."""

    def __init__(self, browser: "playwright.Browser", server: Page) -> None:
        known = set(server._sessions)
        self.tab = browser.new_page(viewport=WINDOW)
        self.tab.set_default_timeout(1000 * PATIENCE)
        self.tab.goto(f"{server.url}/?fixedDpr=1")  # a picture's pixels are the screen's, however slow the browser
        self.until(lambda: set(server._sessions) - known)
        self.session: Session = server._sessions[(set(server._sessions) - known).pop()]
        self._drawn: tuple[object, np.ndarray] | None = None
        self.until(lambda: self.session._fitted == self.session._eye().size)

    def until(self, done: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < end, "waited in vain"
            self.tab.evaluate(CLOSE_NOTIFICATIONS)
            self.tab.wait_for_timeout(200)

    def sees(self) -> np.ndarray:
        """int (H, W, 3): the canvas without what lies over it."""
        height, width = self.session._eye().size
        shot = self.tab.screenshot(clip={"x": 0, "y": 0, "width": width, "height": height})
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)

    def drawn(self) -> np.ndarray:
        """The picture that belongs to the present camera and panel, in its best quality."""
        session = self.session
        eye, style = session._eye(), session._panel.style()
        if self._drawn is None or self._drawn[0] != (eye, style):
            picture = draw(session._model, style, eye.camera(session._model, style.up), eye.size, supersample=2)
            self._drawn = (eye, style), (picture * 255).round().int().numpy()
        return self._drawn[1]

    def sees_what_is_drawn(self) -> bool:
        seen, wanted = self.sees(), self.drawn()
        if seen.shape != wanted.shape:
            return False
        different = (np.abs(seen - wanted) > 3).any(-1)
        different[:, -30:] = False  # the panel's shadow
        return different.mean() < 1e-3

    def choose(self, label: str, option: str) -> None:
        self.tab.get_by_label(label, exact=True).first.click()
        self.tab.get_by_role("option", name=option, exact=True).click()


@pytest.fixture
def visitor(browser, server) -> Iterator[Visitor]:
    visitor = Visitor(browser, server)
    yield visitor
    visitor.tab.close()


def test_the_first_picture_is_upright_large_and_sharp(visitor) -> None:
    """Breaks if the picture does not come, is mirrored, upside down, too dark, or stays coarse."""
    visitor.until(visitor.sees_what_is_drawn)
    seen = visitor.sees()
    height, width, _ = seen.shape
    assert np.abs(seen[-5, 5] - Style().background).max() <= 3
    red, green, blue = seen[height // 2 - 50, width // 2 - 40].tolist()
    assert red > 150 and red > 2 * max(green, blue)
    red, green, blue = seen[height // 2 + 80, width // 2 - 40].tolist()
    assert blue > 1.5 * max(red, green) and blue > 100
    red, green, blue = seen[height // 2, width // 2 + 130].tolist()
    assert green > 1.5 * max(red, blue)
    covered = (np.abs(seen - Style().background) > 12).any(-1)
    assert covered.any(1).sum() > 0.7 * height


def test_dragging_turns_the_model(visitor) -> None:
    """Breaks if the camera is not followed, or turns the wrong way."""
    visitor.until(visitor.sees_what_is_drawn)
    before, height, width = visitor.session._eye().position, *visitor.session._eye().size
    mouse = visitor.tab.mouse
    mouse.move(width // 2, height // 2)
    mouse.down()
    mouse.move(width // 2 - 50, height // 2, steps=6)  # the front goes left, so what was on the right comes to it
    mouse.up()
    visitor.until(lambda: np.abs(np.subtract(visitor.session._eye().position, before)).max() > 0.5)
    visitor.until(visitor.sees_what_is_drawn)
    red, green, blue = visitor.sees()[height // 2, width // 2].tolist()
    assert green > 1.5 * max(red, blue)


def test_the_menu_changes_what_is_drawn(visitor) -> None:
    """Breaks if a widget is not connected, for this visitor or for this one only."""
    visitor.until(visitor.sees_what_is_drawn)
    height, width = visitor.session._eye().size
    plain = visitor.sees()
    visitor.choose("Shader", "normals")
    visitor.until(visitor.sees_what_is_drawn)
    normals = visitor.sees()
    assert normals[height // 2 - 120, width // 2, 1] > 200 and np.abs(normals - plain).mean() > 10
    visitor.tab.get_by_label("Wireframe", exact=True).click()
    visitor.until(lambda: visitor.session._panel.style().wireframe and visitor.sees_what_is_drawn())
    lines = visitor.sees()
    assert (lines.sum(-1) < normals.sum(-1) - 60).mean() > 0.02
    visitor.choose("Up axis", "z")
    visitor.until(lambda: visitor.session._panel.style().up == "z" and visitor.sees_what_is_drawn())
    above = visitor.sees()[height // 2 - 120, width // 2]
    assert above[2] > above[1] + 40  # up is z now, which is blue


def test_saving_sends_a_picture_twice_as_large(visitor) -> None:
    """Breaks if the file is not sent, or shows something else."""
    visitor.until(visitor.sees_what_is_drawn)
    with visitor.tab.expect_download() as download:
        visitor.tab.get_by_role("button", name="Save picture").click()
    assert download.value.suggested_filename == "ball.png"
    saved = Image.open(download.value.path())
    wanted = visitor.drawn()
    assert saved.mode == "RGB" and saved.size == (2 * wanted.shape[1], 2 * wanted.shape[0])
    smaller = np.asarray(saved.resize((wanted.shape[1], wanted.shape[0]), Image.Resampling.BOX)).astype(int)
    assert np.abs(smaller - wanted).mean() < 1.5


def test_visitors_do_not_disturb_each_other(visitor, browser, server) -> None:
    """Breaks if state is shared between tabs, or one that leaves is kept."""
    other = Visitor(browser, server)
    other.choose("Shader", "albedo")
    other.until(lambda: other.session._panel.style().shader == "albedo" and other.sees_what_is_drawn())
    assert visitor.session._panel.style().shader == "material"
    visitor.until(visitor.sees_what_is_drawn)
    other.tab.close()
    visitor.until(lambda: other.session not in server._sessions.values())
    assert visitor.session in server._sessions.values()


def test_an_error_is_shown_and_the_page_goes_on(visitor, monkeypatch) -> None:
    """Breaks if a failing shader ends the page, or fails in silence."""

    def fails(points: object, lights: object) -> torch.Tensor:
        raise RuntimeError("the paint has dried out")

    monkeypatch.setitem(LOOKS, "toon", dataclasses.replace(LOOKS["toon"], shader=fails))
    visitor.until(visitor.sees_what_is_drawn)
    visitor.choose("Shader", "toon")
    visitor.tab.get_by_text("the paint has dried out").wait_for()
    visitor.choose("Shader", "albedo")
    visitor.until(lambda: visitor.session._panel.style().shader == "albedo" and visitor.sees_what_is_drawn())
