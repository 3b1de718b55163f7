"""How long the explorer lets one wait: from a control's release to the picture, from the probe to the cross-sections.

    python -m benchmarks.latencies

The quickstart's classifier in JupyterLab, in headless Chromium, whose WebGL is drawn by the processor. Times are the browser's
own: from the event of the pointer to the end of the frame in which what is looked at has changed. Writes
``benchmarks/results/latencies.json``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Locator, sync_playwright

from benchmarks.recording import RESULTS, describe_machine, describe_versions, write_results
from benchmarks.timing import spread_of
from tests.browser.chromium import WITH_WEBGL, find_chromium
from tests.browser.pages import NotebookPage
from tests.browser.servers import ROOT, Server
from tests.browser.watch import Watch

__all__ = ["main"]

QUICKSTART = ROOT / "notebooks" / "01-quickstart.ipynb"
REPEATS, FEW = 12, 2
PATIENCE = 240_000  # milliseconds
SETTLED = 300  # milliseconds in which nothing may be drawn any more
PAUSE = 400  # milliseconds between two moves of the probe, and before work is cancelled
LARGE = 101  # points on each axis of the map that is redrawn

# Before the page's own scripts: how long each callback of an animation frame takes.
COUNT_FRAMES = """
const request = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (callback) => request((time) => {
  const began = performance.now();
  callback(time);
  window.cwCallback = performance.now() - began;
});
"""
# Notes when the map has drawn a new slice and a cross-section has moved, at the end of its frame, and what the progress says.
WATCH = """
() => {
  const root = document.querySelector(".cw-explorer");
  const figure = root.querySelector(".cw-map-figure");
  const layer = figure.querySelector("svg > g");
  const doing = [...root.querySelectorAll(".widget-label")].find((label) => label.textContent === "done");
  const watch = { frames: [], redraws: [], moves: [], work: [], released: 0, fresh: false };
  const painted = (list, what) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => list.push([performance.now(), what]);
    channel.port2.postMessage(0);
  };
  new MutationObserver(() => { watch.fresh = true; }).observe(figure, { attributes: true, attributeFilter: ["aria-label"] });
  new MutationObserver(() => {
    watch.redraws.push(window.cwCallback);
    if (watch.fresh) painted(watch.frames, figure.getAttribute("aria-label"));
    watch.fresh = false;
  }).observe(layer, { childList: true });
  new MutationObserver(() => watch.work.push([performance.now(), doing.textContent]))
    .observe(doing, { childList: true, characterData: true, subtree: true });
  const curves = new MutationObserver(() => requestAnimationFrame(() => painted(watch.moves, "")));
  for (const plot of [...root.querySelectorAll(".bqplot")].slice(0, 2))
    curves.observe(plot, { attributes: true, subtree: true, attributeFilter: ["d", "transform"] });
  for (const event of ["pointerup", "pointermove", "change"])
    document.addEventListener(event, (raised) => { watch.released = raised.timeStamp; }, { capture: true });
  window.cwWatch = watch;
}
"""
CLEAR = "() => Object.assign(window.cwWatch, { frames: [], redraws: [], moves: [], work: [], fresh: false })"
READ = "() => window.cwWatch"
DONE = """
(settled) => {
  const { frames, work } = window.cwWatch;
  const last = work.at(-1);
  return last?.[1] === "done" && frames.length && performance.now() - Math.max(last[0], frames.at(-1)[0]) > settled;
}
"""
Act = Callable[[], None]
Row = dict[str, Any]


class Bench:
    """The explorer in a browser, its controls, and what is measured of it."""

    def __init__(self, lab: NotebookPage) -> None:
        """Begin to watch.

        Args:
            lab: The notebook; its explorer is at rest.
        """
        self.lab, self.page = lab, lab.page
        self.explorer = lab.find(".cw-explorer")
        self.page.evaluate(WATCH)

    def picture(self, act: Act) -> Row:
        """Ask for a picture.

        Args:
            act: Asks for it; its last event is the release.

        Returns:
            Milliseconds to the first frame, to the complete picture and to all numbers, and how many frames there were.
        """
        self.page.evaluate(CLEAR)
        act()
        self.page.wait_for_function(DONE, arg=SETTLED, timeout=PATIENCE)
        seen = self.page.evaluate(READ)
        since = seen["released"]
        return {
            "first": seen["frames"][0][0] - since,
            "complete": seen["frames"][-1][0] - since,
            "all": seen["work"][-1][0] - since,
            "frames": len(seen["frames"]),
        }

    def follow(self, to: tuple[float, float]) -> float:
        """Move the pointer, with the probe, and wait until a cross-section has moved.

        Args:
            to: Where to, in pixels of the page.

        Returns:
            Milliseconds.
        """
        self.page.evaluate(CLEAR)
        self.page.mouse.move(*to)
        self.page.wait_for_function("() => window.cwWatch.moves.length", timeout=PATIENCE)
        seen = self.page.evaluate(READ)
        return float(seen["moves"][0][0] - seen["released"])

    def cancel(self, act: Act) -> float:
        """Begin something long and cancel it.

        Args:
            act: Begins it.

        Returns:
            Milliseconds until the work is said to have ended.
        """
        act()
        self.page.wait_for_timeout(PAUSE)
        self.page.evaluate(CLEAR)
        self.explorer.get_by_role("button", name="Cancel").click()
        self.page.wait_for_function("() => window.cwWatch.work.some(([, text]) => text === 'cancelled')", timeout=PATIENCE)
        seen = self.page.evaluate(READ)
        return float(next(time for time, text in seen["work"] if text == "cancelled") - seen["released"])

    def redraw(self) -> float:
        """Let the map draw itself again, with or without the contours of its model.

        Returns:
            Milliseconds of script.
        """
        self.page.evaluate(CLEAR)
        self.explorer.locator(".widget-checkbox", has_text="quadratic model").locator("input").click()
        self.page.wait_for_function("() => window.cwWatch.redraws.length", timeout=PATIENCE)
        return float(self.page.evaluate(READ)["redraws"][0])

    def press(self, name: str) -> None:
        """Press a button.

        Args:
            name: What is written on it.
        """
        self.explorer.get_by_role("button", name=name).click()

    def choose(self, name: str, option: str) -> None:
        """Choose from a list.

        Args:
            name: What stands beside it.
            option: How the option begins.
        """
        box = self.explorer.locator(".widget-dropdown", has_text=name).locator("select").first
        label = box.locator("option").filter(has_text=option).first.inner_text()
        box.select_option(label=label)

    def drag(self, name: str, pixels: float) -> None:
        """Drag the handle of a slider, and let it go.

        Args:
            name: What stands beside it.
            pixels: How far, to the right.
        """
        x, y = _middle(self.explorer.locator(".widget-slider, .widget-inline-hbox", has_text=name).locator(".noUi-handle").first)
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + pixels, y, steps=3)
        self.page.mouse.up()


@contextmanager
def _opened(home: Path) -> Iterator[NotebookPage]:
    # The quickstart's first two cells: its classifier, and the explorer.
    cells = [cell for cell in json.loads(QUICKSTART.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    with sync_playwright() as playwright:
        server = Server("lab", home)
        try:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=WITH_WEBGL)
            context = browser.new_context(viewport={"width": 1200, "height": 800})
            context.set_default_timeout(PATIENCE)
            context.add_init_script(COUNT_FRAMES)
            lab = NotebookPage(context.new_page(), server, Watch(context))
            lab.open(server.write("latencies", *("".join(cell["source"]) for cell in cells[:2])), single=True)
            lab.run_all(timeout=PATIENCE / 1000)
            lab.find(".cw-explorer").scroll_into_view_if_needed()
            lab.page.locator(".cw-explorer").get_by_text("done", exact=True).wait_for(timeout=PATIENCE)
            lab.page.wait_for_timeout(5 * SETTLED)
            yield lab
            lab.close()
            browser.close()
        finally:
            server.stop()


def measure(lab: NotebookPage, repeats: int) -> dict[str, Any]:
    """Measure all of it.

    Args:
        lab: The notebook with the explorer, at rest.
        repeats: How often each.

    Returns:
        Tables.
    """
    bench = Bench(lab)
    controls: dict[str, Callable[[int], None]] = {
        "new random plane": lambda _: bench.press("New random plane"),
        "span": lambda turn: bench.drag("span", (4 * turn + 3) * (-1) ** turn),  # to and fro, and nowhere twice
        "a plane seen before": lambda turn: bench.choose("axis 1", "random" if turn % 2 else "gradient"),
    }
    pictures = {name: [bench.picture(partial(act, turn)) for turn in range(2 + repeats)] for name, act in controls.items()}
    del pictures["a plane seen before"][:2]  # these two were new
    x, y = _middle(bench.explorer.locator(".cw-map-plot"))
    bench.page.mouse.move(x, y)
    bench.page.mouse.down()
    follows = []
    for turn in range(repeats + 1):
        follows.append(bench.follow((x + 9 * (1 + turn % 5), y - 5 * (1 + turn % 4))))
        bench.page.wait_for_timeout(PAUSE)
    bench.page.mouse.up()
    bench.picture(lambda: bench.choose("grid", str(LARGE)))
    redraws = [bench.redraw() for _ in range(2 * repeats)]
    levels = bench.explorer.locator(".cw-contours path").count()
    bench.explorer.locator(".widget-checkbox", has_text="exact").locator("input").click()
    cancels = [bench.cancel(lambda: bench.press("New random plane")) for _ in range(repeats)]
    fresh = [*pictures["new random plane"], *pictures["span"]]
    rows = {
        "first frame": [row["first"] for row in fresh],
        "complete picture": [row["complete"] for row in fresh],
        "profiles follow": follows[1:],
        "idle after cancel": cancels,
        f"script of a redraw, {LARGE} × {LARGE} points, {levels} contours": redraws,
    }
    return {
        "latencies": [{"what": what, "time_ms": _spread(times), "repeats": len(times)} for what, times in rows.items()],
        "by_control": [
            {
                "control": name,
                "first_frame_ms": _spread([row["first"] for row in found]),
                "complete_picture_ms": _spread([row["complete"] for row in found]),
                "all_numbers_ms": _spread([row["all"] for row in found]),
                "frames": float(np.median([row["frames"] for row in found])),
            }
            for name, found in pictures.items()
        ],
    }


def main(arguments: list[str] | None = None) -> None:
    """Run it.

    Args:
        arguments: Of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(description="How long the explorer lets one wait")
    parser.add_argument("--quick", action="store_true", help="see whether it runs, write nothing")
    parser.add_argument("--output", type=Path, default=RESULTS, help="a folder for the results")
    options = parser.parse_args(arguments)
    described = {"machine": describe_machine(), "versions": describe_versions("ipywidgets", "bqplot", "ipyvolume", "jupyterlab")}
    with tempfile.TemporaryDirectory() as home, _opened(Path(home)) as lab:
        found = measure(lab, FEW if options.quick else REPEATS)
    results = {
        "title": "The explorer's latencies",
        "description": (
            "The quickstart's classifier in JupyterLab, in headless Chromium beside it, whose WebGL the processor draws: "
            "from the release of a control to the end of the frame that shows the first and the complete picture of a plane not "
            "seen before, from a move of the probe to the cross-sections, from Cancel to the end of the work."
        ),
        **described,
        **found,
    }
    for row in found["latencies"]:
        print(f"{row['what']}: {row['time_ms']['median']:.0f} ms", flush=True)
    for row in found["by_control"]:
        print({name: value["median"] if isinstance(value, dict) else value for name, value in row.items()}, flush=True)
    if not options.quick:
        print(f"wrote {write_results('latencies', results, options.output)}")


def _middle(found: Locator) -> tuple[float, float]:
    box = found.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def _spread(times: list[float]) -> Any:
    return spread_of(np.array(times))


if __name__ == "__main__":
    main()
