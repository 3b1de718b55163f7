"""What the Makefile forgives, and what it does not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NO_TEST_LEFT, A_TEST_FAILED = 5, 1

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


@pytest.mark.parametrize(
    ("arguments", "status", "forgiven"),
    [
        ('-k "saddle and map"', NO_TEST_LEFT, True),
        ("-k 'saddle and not map'", NO_TEST_LEFT, True),
        ("-k saddle", NO_TEST_LEFT, True),
        ("-k saddle", A_TEST_FAILED, False),
        ("", NO_TEST_LEFT, False),
        (" ", NO_TEST_LEFT, False),
    ],
)
def test_a_call_without_a_test_left_is_forgiven_only_where_some_were_chosen(
    tmp_path: Path, arguments: str, status: int, forgiven: bool
) -> None:
    asking = tmp_path / "asking.mk"
    asking.write_text(
        f"include Makefile\n.PHONY: ask\nask:\n\tsh -c 'exit {status}' $(ARGS) || $(NONE_CHOSEN)\n", encoding="utf-8"
    )
    command = ["make", "--no-print-directory", "-f", str(asking), "ask", f"ARGS={arguments}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == forgiven, done.stderr
    assert "operator" not in done.stderr
