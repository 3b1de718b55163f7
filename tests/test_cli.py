"""The command line says what is missing, and what is there."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import torch

from curvwidget import cli


def test_info_names_versions_devices_and_threads(capsys) -> None:
    assert cli.main(["info"]) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert lines["torch"] == torch.__version__
    assert lines["devices"].startswith("cpu")
    assert lines["threads"].startswith(f"{torch.get_num_threads()} of ")


def test_info_names_the_memory_budget_and_how_products_are_computed(capsys, monkeypatch) -> None:
    monkeypatch.setenv("CURVWIDGET_MEMORY", "1 GiB")
    before = torch.get_rng_state()
    lines = dict(line.split(None, 1) for line in cli.describe_installation())
    assert torch.equal(torch.get_rng_state(), before)
    assert lines["memory"].startswith("1024 MiB (cpu)")
    assert lines["memory"].endswith(" for a Hessian-vector product")
    kept, walked = lines["products"].split("; ")
    assert kept == "graphs of the gradient kept until their walks are recorded"
    assert re.fullmatch(r"(vectors one by one|(4|16) vectors at once) \(.+\), of a network with N = 212", walked)
    monkeypatch.setenv("CURVWIDGET_PLAIN", "1")
    assert "vectors one by one (CURVWIDGET_PLAIN is set)" in cli.describe_installation()[-1]
    monkeypatch.setenv("CURVWIDGET_MEMORY", "plenty")
    assert "CURVWIDGET_MEMORY must be a number of bytes" in cli.describe_installation()[-1]


def test_a_folder_without_lectures_is_refused_by_name(tmp_path, capsys) -> None:
    assert cli.main(["demo", "--no-browser", "--folder", str(tmp_path)]) == 2
    assert f"{tmp_path} holds no 01-quickstart.ipynb" in capsys.readouterr().err


def test_where_jupyterlab_is_missing_the_demo_says_what_to_install(monkeypatch, capsys) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda name: None if name == "jupyterlab" else importlib.util.find_spec(name))
    assert cli.main(["demo"]) == 2
    assert "pip install 'curvwidget[lab]'" in capsys.readouterr().err


def test_the_demo_serves_the_first_lecture_until_it_is_told_to_end(tmp_path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "HOME": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path / "jupyter")}
    command = [sys.executable, "-m", "curvwidget", "demo", "--no-browser", "--port", str(port)]
    log = tmp_path / "log"
    with log.open("wb") as out:
        demo = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        deadline = time.monotonic() + 90
        while not (found := re.search(rf"http://127\.0\.0\.1:{port}/\S*token=\w+", log.read_text())):
            assert demo.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        assert "01-quickstart.ipynb" in found.group()
        with urllib.request.urlopen(found.group(), timeout=30) as answer:
            assert answer.status == 200
    finally:
        os.killpg(demo.pid, signal.SIGTERM)
        demo.wait(timeout=30)


def test_the_demo_is_served_to_this_machine_alone(tmp_path) -> None:
    command = cli.lab_command(tmp_path, port=8890, browser=False)
    assert "--ip=127.0.0.1" in command
    assert "--port=8890" in command
    assert "--no-browser" in command
    assert "--no-browser" not in cli.lab_command(tmp_path, port=8890, browser=True)
