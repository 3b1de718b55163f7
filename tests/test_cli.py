"""The command line says what is missing, and what is there."""

from __future__ import annotations

import importlib.util

import torch

from curvwidget import cli


def test_info_names_versions_devices_and_threads(capsys) -> None:
    assert cli.main(["info"]) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert lines["torch"] == torch.__version__
    assert lines["devices"].startswith("cpu")
    assert lines["threads"].startswith(f"{torch.get_num_threads()} of ")


def test_a_folder_without_lectures_is_refused_by_name(tmp_path, capsys) -> None:
    assert cli.main(["demo", "--no-browser", "--folder", str(tmp_path)]) == 2
    assert f"{tmp_path} holds no 01-quickstart.ipynb" in capsys.readouterr().err


def test_where_jupyterlab_is_missing_the_demo_says_what_to_install(monkeypatch, capsys) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda name: None if name == "jupyterlab" else importlib.util.find_spec(name))
    assert cli.main(["demo"]) == 2
    assert "pip install 'curvwidget[lab]'" in capsys.readouterr().err


def test_the_demo_is_served_to_this_machine_alone(tmp_path) -> None:
    command = cli.lab_command(tmp_path, port=8890, browser=False)
    assert "--ip=127.0.0.1" in command
    assert "--port=8890" in command
    assert "--no-browser" in command
    assert "--no-browser" not in cli.lab_command(tmp_path, port=8890, browser=True)
