"""The widgets of one visitor."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from repousse.apps.looks import LOOKS
from repousse.apps.view.model import Model
from repousse.apps.view.style import Style

if TYPE_CHECKING:
    import viser


class Panel:
    """Shader, light and the rest; `style` is what they are set to.

    gui      of one client
    changed  is called when a widget has another value; likewise
    fit      when the model is to be brought into view
    save     when a picture is to be sent
    """

    def __init__(
        self,
        gui: "viser.GuiApi",
        model: Model,
        *,
        changed: Callable[[], None],
        fit: Callable[[], None],
        save: Callable[[], None],
    ) -> None:
        start = Style()
        with gui.add_folder("Picture"):
            self._shader = gui.add_dropdown("Shader", tuple(LOOKS), initial_value=start.shader)
            self._normals = gui.add_dropdown("Normals", model.normals, initial_value=model.normals[0])
            self._wireframe = gui.add_checkbox("Wireframe", start.wireframe)
            self._background = gui.add_rgb("Background", start.background)
        with gui.add_folder("Light"):
            self._own_lights = gui.add_checkbox("As it was found", start.own_lights, visible=bool(model.lights))
            self._azimuth = gui.add_slider("Azimuth", -180, 180, 1, round(math.degrees(start.azimuth)))
            self._elevation = gui.add_slider("Elevation", -90, 90, 1, round(math.degrees(start.elevation)))
            self._strength = gui.add_slider("Strength", 0.0, 3.0, 0.05, start.strength)
            self._ambient = gui.add_slider("Ambient", 0.0, 2.0, 0.05, start.ambient)
            self._shadows = gui.add_checkbox("Shadows", start.shadows)
            self._follow = gui.add_checkbox("Follows camera", start.follow)
        with gui.add_folder("View"):
            self._up = gui.add_dropdown("Up axis", ("y", "z"), initial_value=model.up)
            fit_button = gui.add_button("Fit to window")
            save_button = gui.add_button("Save picture", hint="PNG of this view, twice as large")
        with gui.add_folder("Model"):
            self._info = gui.add_markdown("…")
        for widget in (
            *(self._shader, self._normals, self._wireframe, self._background),
            *(self._own_lights, self._azimuth, self._elevation, self._strength, self._ambient),
            *(self._shadows, self._follow),
        ):
            widget.on_update(_plain(changed))
        self._up.on_update(_plain(fit))
        fit_button.on_click(_plain(fit))
        save_button.on_click(_plain(save))

    def style(self) -> Style:
        """What the widgets say now."""
        red, green, blue = self._background.value
        return Style(
            shader=self._shader.value,
            normals=self._normals.value,
            wireframe=self._wireframe.value,
            own_lights=self._own_lights.value,
            azimuth=math.radians(self._azimuth.value),
            elevation=math.radians(self._elevation.value),
            strength=self._strength.value,
            ambient=self._ambient.value,
            shadows=self._shadows.value,
            follow=self._follow.value,
            background=(red, green, blue),
            up="z" if self._up.value == "z" else "y",
        )

    def tell(self, markdown: str) -> None:
        """Show this under "Model"."""
        self._info.content = markdown


def _plain(function: Callable[[], None]) -> Callable[[Any], None]:
    """A callback that does not ask what happened."""
    return lambda event: function()
