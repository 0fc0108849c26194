"""Look at a mesh in the browser: `repousse view MODEL`.

command.py is the command, server.py and session.py are the thin layer around viser (the page and one of its visitors),
panel.py holds the widgets. All else knows neither browser nor server: model.py (what is looked at), eye.py (from
where), style.py (how), painter.py (when).
"""

from repousse.apps.view.command import View, view

__all__ = ["View", "view"]
