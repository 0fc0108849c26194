"""The page: a viser server on which every visitor has a session."""

import logging
import socket
import threading
import warnings
from contextlib import redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING

from repousse.apps.common import InputError
from repousse.apps.view.eye import FOV, WINDOW, standpoint
from repousse.apps.view.model import Model
from repousse.apps.view.session import Session

if TYPE_CHECKING:
    import viser


class Page:
    """A page that shows a model until it is closed.

    host  name or address of the network interface; "127.0.0.1" can be reached from this machine only
    port  0 for a free one

    InputError without viser, and for a host or port that cannot be used.
    """

    def __init__(self, model: Model, host: str = "127.0.0.1", port: int = 0) -> None:
        try:
            import viser
        except ImportError as error:
            raise InputError("the page in the browser needs viser: pip install repousse[view]") from error
        _check_address(host, port)
        # Visitors may leave while a picture is on its way, and browsers connect to be quicker later, perhaps.
        logging.getLogger("websockets.server").setLevel(logging.CRITICAL)
        warnings.filterwarnings("ignore", message=r"Queued a \w+ on a closed connection")
        self._model = model
        self._sessions: dict[int, Session] = {}
        self._lock, self._easel = threading.Lock(), threading.Lock()
        with redirect_stdout(StringIO()):  # it would print a table
            self._server = viser.ViserServer(host, port, label=model.name, verbose=False)
        self.port = self._server.get_port()
        if port not in (0, self.port):  # taken between the check and now; viser went on to the next
            self.close()
            raise InputError(f"port {port} of {host} is in use; choose another --port, or none for a free one")
        self.url = f"http://{'localhost' if host == '0.0.0.0' else host}:{self.port}"
        self._prepare()
        self._server.on_client_connect(self._enter)
        self._server.on_client_disconnect(self._leave)

    @property
    def is_visited(self) -> bool:
        """Whether anybody is there to see it."""
        return bool(self._sessions)

    def replace(self, model: Model, words: str) -> None:
        """Show another model in place of the one before to everybody, from where they are, and `words` about it."""
        with self._lock:
            self._model = model
            sessions = list(self._sessions.values())
        for session in sessions:
            session.replace(model, words)

    def close(self) -> None:
        """End the server; waits for pictures at work."""
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            session.close()
        with redirect_stdout(StringIO()):
            self._server.stop()

    def _prepare(self) -> None:
        eye, target = standpoint(self._model, self._model.up, WINDOW)
        self._server.scene.set_up_direction("+y")
        self._server.initial_camera.position = eye
        self._server.initial_camera.look_at = target
        self._server.initial_camera.fov = FOV
        self._server.scene.configure_environment_map(None)
        self._server.gui.configure_theme(show_logo=False, show_share_button=False)
        self._server.gui.main_panel.dock_right()

    def _enter(self, client: "viser.ClientHandle") -> None:
        session = Session(client, self._model, self._easel)
        with self._lock:
            self._sessions[client.client_id] = session
        session.begin()

    def _leave(self, client: "viser.ClientHandle") -> None:
        with self._lock:
            session = self._sessions.pop(client.client_id, None)
        if session is not None:
            session.close()


def _check_address(host: str, port: int) -> None:
    """InputError if nothing can listen there: viser would try other ports without end."""
    if not 0 <= port <= 65535:
        raise InputError(f"port must lie within 0..65535, not {port}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            trial.listen()
    except OSError as error:
        advice = "choose another --port, or none for a free one" if port else "choose another --host"
        raise InputError(f"cannot listen on {host}, port {port} ({error.strerror}); {advice}") from error
