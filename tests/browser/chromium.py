"""Where Chromium is, and with which flags it is started."""

from __future__ import annotations

import os
import shutil

import pytest

__all__ = ["WITHOUT_WEBGL", "WITH_WEBGL", "find_chromium"]

#: No name but this machine's own address is ever resolved, so nothing can be fetched from elsewhere, nor reported to anybody.
OFFLINE = ["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"]
QUIET = [
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: WebGL drawn by the processor: slow, and the same on every machine.
WITH_WEBGL = [*OFFLINE, *QUIET, "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
#: A browser that has no WebGL, as on some remote desktops.
WITHOUT_WEBGL = [*OFFLINE, *QUIET, "--disable-gpu", "--disable-3d-apis"]


def find_chromium() -> str:
    """Return the browser's path; skip the test where there is none, except under ``CI=true``, where that is a failure.

    Returns:
        The path of Chromium or Chrome.
    """
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    message = "no chromium on PATH"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{message}, and under CI=true no browser test may be skipped")
    pytest.skip(message)
