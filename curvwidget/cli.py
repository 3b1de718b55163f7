"""The command ``curvwidget``: the lectures in JupyterLab (``demo``), and what a bug report needs to say (``info``)."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

__all__ = ["demo_settings", "lab_command", "main"]

#: The lecture that the demo opens, in the folder that it serves.
FIRST_LECTURE = "01-quickstart.ipynb"
#: Where a wheel carries the lectures, and the folder that they are copied to, to be worked in.
PACKAGED, WORKING_COPY = Path(__file__).parent / "lectures", "curvwidget-lectures"
#: Whose versions decide how the widgets work.
REPORTED = (
    *("curvwidget", "torch", "numpy", "scipy", "ipywidgets", "anywidget", "bqplot", "ipyvolume"),
    *("ipykernel", "jupyterlab", "notebook", "voila"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the command's name; ``None`` takes it from the process.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(prog="curvwidget", description="Look at the loss landscape of a PyTorch model.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="open the lectures in JupyterLab")
    demo.add_argument("--no-browser", action="store_true", help="serve, and only say where; open nothing")
    demo.add_argument("--port", type=int, default=8888, help="the port asked for; the next free one is taken (default: 8888)")
    demo.add_argument("--folder", type=Path, help="a folder of notebooks (default: the lectures)")
    commands.add_parser("info", help="print versions, devices, threads, memory, and how products are computed")
    options = parser.parse_args(arguments)

    if options.command == "info":
        print("\n".join(describe_installation()))
        return 0
    if find_spec("jupyterlab") is None:
        print("curvwidget demo: JupyterLab is not installed; run pip install 'curvwidget[lab]'", file=sys.stderr)
        return 2
    try:
        return demonstrate(_lectures(options.folder), port=options.port, browser=not options.no_browser)
    except FileNotFoundError as missing:
        print(f"curvwidget demo: {missing}", file=sys.stderr)
        return 2


def demonstrate(folder: Path, *, port: int = 8888, browser: bool = True) -> int:
    """Serve a folder of notebooks in JupyterLab, on this machine alone, until the user ends it.

    Args:
        folder: The notebooks.
        port: The port to ask for.
        browser: Whether to open the user's browser on the first lecture.

    Returns:
        JupyterLab's exit status.
    """
    configuration = Path(tempfile.mkdtemp(prefix="curvwidget-demo-"))
    try:
        settings = configuration / "labconfig" / "default_setting_overrides.json"
        settings.parent.mkdir()
        settings.write_text(json.dumps(demo_settings()), encoding="utf-8")
        search = [str(configuration), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
        environment = {**os.environ, "JUPYTER_CONFIG_PATH": os.pathsep.join(search)}
        with subprocess.Popen(lab_command(folder, port=port, browser=browser), env=environment) as server:
            while True:
                try:
                    return server.wait()
                except KeyboardInterrupt:  # the terminal has told the server as well, which ends by itself
                    continue
    finally:
        shutil.rmtree(configuration, ignore_errors=True)


def lab_command(folder: Path, *, port: int, browser: bool) -> list[str]:
    """Say how JupyterLab is started for the demo.

    Args:
        folder: The folder of notebooks that it serves.
        port: The port to ask for; Jupyter takes the next free one.
        browser: Whether to open the user's browser.

    Returns:
        The command and its arguments.
    """
    command = [sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", f"--port={port}", "-y"]
    command += [f"--ServerApp.root_dir={folder}", f"--LabApp.default_url=/doc/tree/{FIRST_LECTURE}"]
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # a container's only user; the server listens to this machine alone
    return command


def demo_settings() -> dict[str, dict[str, object]]:
    """Return JupyterLab's settings for the demo, which hold where the user has chosen nothing else.

    Returns:
        Settings by plugin. They keep the question about Jupyter's news off the lecturer's screen.
    """
    return {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}


def describe_installation() -> list[str]:
    """Describe the installation, for a bug report.

    Returns:
        Lines of text: versions, devices, threads, the memory budget, and how Hessian-vector products of a small network are
        computed here.
    """
    import torch

    from curvwidget.objective.settings import memory_budget

    lines = [f"{name:<12}{_version(name)}" for name in REPORTED]
    lines.append(f"{'python':<12}{platform.python_version()} on {platform.platform()}")
    places = [torch.device("cpu"), *(torch.device("cuda", index) for index in range(torch.cuda.device_count()))]
    devices = [torch.cuda.get_device_name(place) for place in places[1:]]
    if torch.backends.mps.is_available():
        devices.append("mps")
    lines.append(f"{'devices':<12}{', '.join(['cpu', *devices])}")
    lines.append(f"{'threads':<12}{torch.get_num_threads()} of {os.cpu_count()} processors")
    try:
        budgets = [f"{memory_budget(device) / 2**20:.0f} MiB ({device})" for device in places]
        lines.append(f"{'memory':<12}{', '.join(budgets)} for a Hessian-vector product")
        lines.append(f"{'products':<12}{_ways_of_a_small_network()}")
    except ValueError as refused:  # what an environment variable says
        lines.append(f"{'settings':<12}{refused}")
    return lines


def _ways_of_a_small_network() -> str:
    import torch

    from curvwidget.objective import Objective

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 4))
        data = torch.randn(100, 8), torch.arange(100) % 4
    objective = Objective(model, torch.nn.functional.cross_entropy, data)
    objective.hvp(torch.randn(16, objective.n_parameters, generator=torch.Generator().manual_seed(0)))
    return f"{objective.ways}, of a network with N = {objective.n_parameters}"


def _lectures(folder: Path | None) -> Path:
    """Return the folder of lectures, or say what is missing.

    Args:
        folder: What the user named; ``None`` takes those of a clone, or a copy in the current folder of those that a wheel
            carries. What is in the copy already stays as the user left it.

    Returns:
        The folder, which holds the first lecture.

    Raises:
        FileNotFoundError: If it does not.
    """
    clone = Path(__file__).parents[1] / "notebooks"
    if folder is None and not (clone / FIRST_LECTURE).is_file() and PACKAGED.is_dir():
        folder = Path.cwd() / WORKING_COPY
        folder.mkdir(exist_ok=True)
        for lecture in sorted(PACKAGED.glob("*.ipynb")):
            if not (folder / lecture.name).exists():
                shutil.copyfile(lecture, folder / lecture.name)
    found = (folder or clone).resolve()
    if not (found / FIRST_LECTURE).is_file():
        raise FileNotFoundError(f"{found} holds no {FIRST_LECTURE}; run this in a clone, or name the lectures by --folder")
    return found


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
