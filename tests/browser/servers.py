"""Jupyter servers for the browser tests: JupyterLab, Notebook 7 and Voila, each in a process and a home of its own.

A server listens on 127.0.0.1, on a port that was free a moment ago and on no other (Jupyter would silently move on to the next
port, and the test would talk to a stranger), and asks for a random token. It reads and writes nothing of the user's: home,
settings, runtime files and the notebooks' folder are temporary. When it ends, its kernels end with it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Literal

import nbformat
import psutil

from curvwidget.cli import demo_settings

__all__ = ["Kind", "Server", "notebook_of"]

Kind = Literal["lab", "notebook", "voila"]

ROOT = Path(__file__).parents[2]
#: Cells that are scrolled out of sight stay in the page, so that a test finds what it looks for.
SETTINGS: dict[str, dict[str, object]] = {"@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}}
PATIENCE = 60.0  # seconds that a server may take to come up, on a machine that does other things as well


class Server:
    """A running server.

    Attributes:
        kind: ``"lab"``, ``"notebook"`` (Notebook 7) or ``"voila"``.
        folder: The folder that it serves: a copy of the lectures, and what `write` puts there.
        url: Where it is, without a slash at the end.
        token: What opens it.
        process: Its process.
    """

    def __init__(self, kind: Kind, home: Path) -> None:
        """Start the server and wait until it answers.

        Args:
            kind: Which one.
            home: An empty folder; everything that the server reads or writes is put there.
        """
        self.kind = kind
        self.folder = home / "notebooks"
        self.token = secrets.token_hex(16)
        self.log = home / "server.log"
        if (ROOT / "notebooks").is_dir():
            shutil.copytree(ROOT / "notebooks", self.folder)
        else:
            self.folder.mkdir()
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *_arguments(kind, self.folder, port, self.token)],
                cwd=self.folder,
                env=_environment(home),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def write(self, name: str, *cells: str) -> str:
        """Put a notebook of code cells into the server's folder.

        Args:
            name: The file's name, with or without ``.ipynb``.
            *cells: The cells' source.

        Returns:
            The file's name.
        """
        path = (self.folder / name).with_suffix(".ipynb")
        nbformat.write(notebook_of(*cells), path)
        return path.name

    def request(self, method: str, path: str) -> Any:
        """Ask the server's REST interface (Lab and Notebook 7; Voila has next to none).

        Args:
            method: ``"GET"``, ``"POST"``, ``"DELETE"``.
            path: What to ask for, such as ``"/api/kernels"``.

        Returns:
            The answer, read as JSON; ``None`` if it is empty.
        """
        request = urllib.request.Request(self.url + path, method=method, headers={"Authorization": f"token {self.token}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def kernels(self) -> list[psutil.Process]:
        """List the processes that the server has started, above all its kernels.

        Returns:
            The processes that are running now.
        """
        if self.process.poll() is not None:
            return []
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self) -> None:
        """End the server and its kernels, and wait until they are gone."""
        kernels = self.kernels()
        if self.process.poll() is None:
            # Not SIGINT, which a shell's background jobs ignore, and what they start: Voila would be waited for in vain.
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        _, left = psutil.wait_procs(kernels, timeout=5)
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=5)

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the {self.kind} server ended with status {self.process.returncode}:\n{self._tail()}")
            if self._answers():
                return
            time.sleep(0.1)
        raise RuntimeError(f"the {self.kind} server did not come up in {PATIENCE:.0f} s:\n{self._tail()}")

    def _answers(self) -> bool:
        if self.kind == "voila":  # it has no interface to ask; it says so once the port is its own
            return "is running at" in self._tail()
        try:
            return "started" in self.request("GET", "/api/status")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def _tail(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:]


def notebook_of(*cells: str) -> nbformat.NotebookNode:
    """Make a notebook of code cells.

    Args:
        *cells: The cells' source.

    Returns:
        The notebook, which names its kernel, so that nobody is asked for one.
    """
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return notebook


def _arguments(kind: Kind, folder: Path, port: int, token: str) -> list[str]:
    if kind == "voila":
        here = ["--Voila.ip=127.0.0.1", f"--Voila.port={port}", "--Voila.port_retries=0", "--no-browser"]
        return ["voila", str(folder), *here, f"--Voila.token={token}", "--show_tracebacks=True"]
    module, application = ("jupyterlab", "LabApp") if kind == "lab" else ("notebook", "JupyterNotebookApp")
    arguments = [
        module,
        "--no-browser",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder}",
        f"--IdentityProvider.token={token}",
        f"--{application}.expose_app_in_browser=True",
    ]
    if os.geteuid() == 0:
        arguments.append("--allow-root")
    return arguments


def _environment(home: Path) -> dict[str, str]:
    settings = home / "config" / "labconfig" / "default_setting_overrides.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({**demo_settings(), **SETTINGS}), encoding="utf-8")
    ours = {
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        # The browser draws on the processors that torch computes on: a second thread of torch's would spin most of the time.
        "OMP_NUM_THREADS": "1",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY_", "XDG_"))}
    return {**inherited, **ours}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
