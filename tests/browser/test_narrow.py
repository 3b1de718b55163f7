"""Where there is little room, what is beside a sentence or a title gives way to it: measured in the front end alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from curvwidget.widgets.base import bundle

pytestmark = pytest.mark.browser

# An anywidget needs no more of its model than this.
_SHOW = """
async ([source, traits, width]) => {
  const { default: widget } = await import(source);
  const model = { get: (name) => traits[name], set() {}, save_changes() {}, on() {}, off() {}, send() {} };
  const el = document.createElement("div");
  el.style.width = `${width}px`;
  document.body.replaceChildren(el);
  await widget.render({ model, el, signal: new AbortController().signal });
}
"""
_SENTENCE = (
    "This plane looks like a bowl (κ₋ = 16.1, κ₊ = 30.8), but the point is a saddle: λ_min = −0.0162, λ_max = 2.79. 200 of 200 "
    "random planes show no saddle. The mean curvature predicts 24.13 ± 0.77 along both directions."
)
_FACTS = [
    ["L(θ)", "0.129", "loss"],
    ["‖∇L‖", "0.0514", "gradient"],
    ["tr H", "24.15 ± 0.77", "trace"],
    ["tr H, slices", "23.31 ± 0.73", "trace"],
    ["N", "10,002", "parameters"],
]
Show = Callable[..., Callable[[str], dict[str, float]]]


@pytest.fixture
def show(browser: Browser) -> Iterator[Show]:
    """Return what renders a bundle at a width, and returns what measures parts of it."""
    context = browser.new_context(viewport={"width": 1300, "height": 600})
    page = context.new_page()

    def render(name: str, traits: dict[str, Any], width: int) -> Callable[[str], dict[str, float]]:
        source = base64.b64encode(bundle(f"{name}.js").read_bytes()).decode()
        page.set_content(f"<style>body {{ margin: 0 }} {bundle(f'{name}.css').read_text(encoding='utf-8')}</style>")
        page.evaluate(_SHOW, [f"data:text/javascript;base64,{source}", json.loads(json.dumps(traits)), width])
        return lambda part: page.locator(part).evaluate(
            "(part) => { const { left, top, width, height } = part.getBoundingClientRect(); "
            "return { left, top, width, height, cut: part.scrollWidth - part.clientWidth }; }"
        )

    yield render
    context.close()


@pytest.mark.parametrize(("width", "below"), [(1030, False), (730, True), (560, True), (300, True)])
def test_the_numbers_of_a_verdict_stand_below_its_sentence_where_there_is_little_room(
    show: Show, width: int, below: bool
) -> None:
    measure = show(
        "verdict_bar", {"sentence": _SENTENCE, "facts": _FACTS, "notes": ["a"], "kind": "saddle", "theme": "light"}, width
    )
    sentence, facts, bar = measure(".cw-verdict-sentence"), measure(".cw-verdict-facts"), measure(".cw-verdict")
    assert (facts["top"] >= sentence["top"] + sentence["height"]) == below
    assert sentence["width"] >= min(380, width - 70)
    assert measure(".cw-verdict-sign")["top"] < sentence["top"] + sentence["height"]
    notes = measure(".cw-verdict-notes")
    assert notes["left"] + notes["width"] <= bar["width"]
    assert bar["cut"] <= 0


def test_a_verdict_without_numbers_is_one_row(show: Show) -> None:
    traits = {"sentence": "Computing …", "facts": [], "notes": [], "kind": "busy", "theme": "light"}
    assert show("verdict_bar", traits, 400)(".cw-verdict")["height"] == 44


def test_a_maps_title_is_whole_where_its_caption_can_give_way(show: Show) -> None:
    traits = {"title": "training data", "caption": "", "status": "", "theme": "light", "show_model": False}
    traits |= {"packet": None, "probe": [0, 0], "note": "", "way": [], "spots": []}
    alone = show("loss_map", traits, 360)(".cw-map-title")["width"]
    measure = show("loss_map", traits | {"caption": "interpolated, ± 0.0018 at most (57 evaluations)"}, 360)
    assert measure(".cw-map-title")["width"] == alone  # a hundredth of a pixel less has an ellipsis
    assert measure(".cw-map-caption")["cut"] > 0
    measure = show("loss_map", traits | {"title": "a long title " * 9, "caption": "interpolated"}, 360)
    save = measure(".cw-map-save")
    assert save["left"] + save["width"] <= 360
