"""One sentence on what is seen, and the numbers behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import traitlets

from curvwidget._checks import check_choice
from curvwidget.widgets.base import BaseWidget, bundle

__all__ = ["Kind", "VerdictBar"]

Kind = Literal["saddle", "minimum", "maximum", "flat", "busy", "error", ""]
_KINDS = ("saddle", "minimum", "maximum", "flat", "busy", "error", "")


class VerdictBar(BaseWidget):
    """A sentence with a sign of what it says, a few numbers beside it, and notes on them to unfold.

    Example:
        >>> from curvwidget.widgets.verdict_bar import VerdictBar
        >>> bar = VerdictBar("A saddle.", kind="saddle", facts=[("L(θ)", "0.0312", "loss at the centre")])
        >>> bar.facts
        [['L(θ)', '0.0312', 'loss at the centre']]
    """

    _esm = bundle("verdict_bar.js")
    _css = bundle("verdict_bar.css")

    sentence = traitlets.Unicode("").tag(sync=True)
    """What is seen, in words; two lines are about 260 characters.

    - Type: str
    - Default: empty
    """

    facts = traitlets.List(traitlets.List(traitlets.Unicode(), minlen=3, maxlen=3)).tag(sync=True)
    """Name, value and explanation of each number shown on the right.

    - Type: list of lists of three strings
    - Default: empty
    """

    notes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """What a reader must know to trust the numbers, in sentences.

    - Type: list of str
    - Default: empty, nothing to unfold
    """

    kind = traitlets.Unicode("").tag(sync=True)
    """Which sign stands beside the sentence.

    - Type: ``"saddle"``, ``"minimum"``, ``"maximum"``, ``"flat"``, ``"busy"``, ``"error"`` or empty for none
    - Default: empty
    """

    def __init__(
        self,
        sentence: str = "",
        *,
        facts: Sequence[Sequence[str]] = (),
        notes: Sequence[str] = (),
        kind: Kind = "",
        **traits: Any,
    ) -> None:
        """Say something.

        Args:
            sentence: What is seen, in words.
            facts: Triples of name, value and explanation, all text.
            notes: What a reader must know to trust the numbers.
            kind: Which sign stands beside the sentence.
            traits: Further traits: ``theme``, ``layout``.
        """
        super().__init__(sentence=sentence, facts=facts, notes=notes, kind=kind, **traits)

    @traitlets.validate("kind")
    def _check_kind(self, proposal: dict[str, Any]) -> str:
        check_choice("kind", proposal["value"], _KINDS)
        return str(proposal["value"])
