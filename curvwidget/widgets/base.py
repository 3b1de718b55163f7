"""What all widgets with a front end of their own share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

__all__ = ["BaseWidget", "bundle"]

_STATIC = Path(__file__).parents[1] / "static"


def bundle(name: str) -> Path:
    """Return a file of the built front end.

    Args:
        name: The file's name, such as ``"loss_map.js"``.

    Returns:
        Its path.

    Raises:
        FileNotFoundError: If the front end has not been built.
    """
    path = _STATIC / name
    if not path.is_file():
        raise FileNotFoundError(
            f"the front end is not built: {path} is missing; run `pip install -e .` in the project's root, or install a wheel"
        )
    return path


class BaseWidget(anywidget.AnyWidget):
    """A widget that refuses keyword arguments it does not know, and that knows its themes."""

    theme = traitlets.Enum(("auto", "light", "dark"), default_value="auto").tag(sync=True)
    """Colours of text and background: ``"auto"`` follows the page.

    - Type: ``"auto"``, ``"light"`` or ``"dark"``
    - Default: ``"auto"``
    """

    def __init__(self, **traits: Any) -> None:
        """Build the widget.

        Args:
            traits: Values of the widget's traits, by name.

        Raises:
            TypeError: If a name is none of the widget's traits: ipywidgets would drop it without a word.
        """
        unknown = [name for name in traits if not self.has_trait(name)]
        if unknown:
            own = sorted(name for name in self.trait_names() if not name.startswith("_"))
            raise TypeError(f"{type(self).__name__} got an unknown argument {unknown[0]!r}; it has {', '.join(own)}")
        super().__init__(**traits)
