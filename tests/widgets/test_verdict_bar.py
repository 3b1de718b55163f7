"""The verdict bar, without a browser."""

from __future__ import annotations

import pytest
import traitlets

from curvwidget.widgets.verdict_bar import VerdictBar


def test_it_sends_sentence_facts_and_kind() -> None:
    bar = VerdictBar("A saddle.", kind="saddle", facts=[("N", "123", "parameters")])
    state = bar.get_state(["sentence", "facts", "kind"])
    assert state == {"sentence": "A saddle.", "facts": [["N", "123", "parameters"]], "kind": "saddle"}


def test_it_is_empty_at_first() -> None:
    bar = VerdictBar()
    assert (bar.sentence, bar.facts, bar.kind) == ("", [], "")


def test_a_kind_without_a_sign_is_refused() -> None:
    with pytest.raises(ValueError, match=r"kind must be one of 'saddle', .* got 'ridge'"):
        VerdictBar(kind="ridge")  # type: ignore[arg-type]


@pytest.mark.parametrize("facts", [[("N", "123")], [("N", 123, "parameters")], ["abc", 3]])
def test_facts_that_are_no_triples_of_text_are_refused(facts: list[object]) -> None:
    with pytest.raises(traitlets.TraitError, match="facts"):
        VerdictBar(facts=facts)  # type: ignore[arg-type]


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="VerdictBar got an unknown argument 'text'"):
        VerdictBar(text="A saddle.")


def test_notes_are_sent_as_they_are() -> None:
    bar = VerdictBar("A saddle.", notes=["<b>Few</b> samples."])
    assert bar.get_state(["notes"]) == {"notes": ["<b>Few</b> samples."]}
    with pytest.raises(traitlets.TraitError, match="notes"):
        bar.notes = [3]
