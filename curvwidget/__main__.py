"""``python -m curvwidget``: the same as the command ``curvwidget``."""

from __future__ import annotations

from curvwidget.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
