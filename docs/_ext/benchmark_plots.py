"""Plots of the benchmarks, from the same results as their tables: one SVG for a light page, one for a dark one."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from benchmark_tables import number, words
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

__all__ = ["THEMES", "Plot", "Series", "draw", "plots_of"]

#: Ink and lines on a light and on a dark page.
THEMES = {"light": ("#222222", "#d8d8d8"), "dark": ("#e4e4e4", "#4a4a4a")}
# Told apart by the colour-blind (Okabe and Ito), and as dark as they are light; ours is the first.
_COLORS = ("#d55e00", "#0099dd", "#009e73", "#cc79a7", "#b8860b", "#888888")
_MARKERS = "osD^vP"
_BASELINES = ("gradient", "bare forward passes")  # what the others are measured in: grey
_PACKAGES = ("curvwidget", "PyHessian", "hessian-eigenthings", "curvlinops", "loss-landscapes")
_ROW, _HEAD, _WIDTH = 0.21, 1.0, 7.2  # inches

Row = dict[str, Any]


@dataclass(frozen=True)
class Series:
    """What is drawn alike.

    Attributes:
        name: In the legend.
        x: Positions; sizes or values.
        y: Values; or, in a plot of groups, the groups.
        low: Lower quartiles of the values.
        high: Upper quartiles.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[Any, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: Above it.
        x_label: With its unit.
        y_label: With its unit; empty for groups.
        series: What is drawn.
        groups: Names of rows from the top, or none for curves.
        mark: A value with a line of its own.
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    groups: tuple[str, ...] = ()
    mark: float | None = None


@dataclass(frozen=True)
class Plot:
    """A picture.

    Attributes:
        alt: What it shows, in words with the numbers.
        panels: Side by side.
    """

    alt: str
    panels: tuple[Panel, ...]


def plots_of(stem: str, results: dict[str, Any]) -> dict[str, Plot]:
    """Say what is drawn of a results file.

    Args:
        stem: The file's name without its ending.
        results: What it holds.

    Returns:
        Plots by name of their file; none for a part that has no plot.
    """
    makers = _MAKERS.get(stem.partition("-")[0], {})
    found = {f"{stem}-{table}".replace("_", "-"): make(results[table]) for table, make in makers.items() if results.get(table)}
    return {name: plot for name, plot in found.items() if plot.panels}


def draw(plot: Plot, theme: str) -> str:
    """Draw a plot.

    Args:
        plot: What.
        theme: ``"light"`` or ``"dark"``.

    Returns:
        The SVG, the same for the same plot.
    """
    ink, line = THEMES[theme]
    rows = sum(len(series.x) for panel in plot.panels for series in panel.series if panel.groups)
    height = _HEAD + _ROW * rows if rows else 3.2
    style = {"text.color": ink, "axes.labelcolor": ink, "xtick.color": ink, "ytick.color": ink, "axes.edgecolor": line}
    fixed = {"svg.hashsalt": "curvwidget", "font.size": 9, "axes.titlesize": 9, "path.simplify": False}
    with mpl.rc_context({**style, **fixed}):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots(1, len(plot.panels), squeeze=False)[0]
        names = list(dict.fromkeys(series.name for panel in plot.panels for series in panel.series))
        styles = {name: _style(name, index) for index, name in enumerate(names)}
        for ax, panel in zip(axes, plot.panels, strict=True):
            _draw_panel(ax, panel, styles, ink, line)
        handles = dict(pair[::-1] for ax in axes for pair in zip(*ax.get_legend_handles_labels(), strict=True))
        figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=3, frameon=False)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return file.getvalue()


def _draw_panel(ax: Axes, panel: Panel, styles: dict[str, dict[str, Any]], ink: str, line: str) -> None:
    ax.set_title(panel.title)
    ax.set_xlabel(panel.x_label)
    ax.set_ylabel(panel.y_label)
    ax.set_xscale("log")
    ax.grid(visible=True, axis="x" if panel.groups else "both", color=line, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    places = _places(panel)
    for series in panel.series:
        style = styles[series.name]
        if panel.groups:
            y = [places[group, series.name] for group in series.y]
            ax.hlines(y, series.low, series.high, colors=style["color"], linewidth=2)
            ax.plot(series.x, y, linestyle="none", label=series.name, **style)
        else:
            ax.fill_between(series.x, series.low, series.high, color=style["color"], alpha=0.2, linewidth=0)
            ax.plot(series.x, series.y, label=series.name, **style)
    if panel.groups:
        middles = [_mean(place for (group, _), place in places.items() if group == name) for name in panel.groups]
        ax.set_yticks(middles, panel.groups)
        ax.tick_params(axis="y", length=0)
        ax.invert_yaxis()
    else:
        ax.set_yscale("log")
        _number(ax.yaxis)
    _number(ax.xaxis)
    if panel.mark is not None:
        ax.axvline(panel.mark, color=ink, linewidth=1, linestyle=":")


def _number(axis: Axis) -> None:
    # A logarithmic axis in plain numbers: 1, 2, 5, 10 over a decade or two, powers of ten over more.
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 30 * low else (1,)))
    axis.set_major_formatter(_plain)
    axis.set_minor_formatter(NullFormatter())


def _plain(value: float, _: object = None) -> str:
    if 1e-3 <= value < 1e4:
        return f"{value:g}"
    power = math.log10(value)
    return f"$10^{{{power:.0f}}}$" if math.isclose(power, round(power)) else ""


def _places(panel: Panel) -> dict[tuple[str, str], float]:
    # One row a group and series, with half a row between groups.
    places, place = {}, 0.0
    for group in panel.groups:
        for series in panel.series:
            if group in series.y:
                places[group, series.name] = place
                place += 1
        place += 0.8
    return places


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


def _style(name: str, index: int) -> dict[str, Any]:
    if name in _BASELINES:
        return {"color": _COLORS[-1], "marker": "v", "markersize": 5}
    package = next((place for place, package in enumerate(_PACKAGES) if name.startswith(package)), None)
    color = _COLORS[index % (len(_COLORS) - 1) if package is None else package]
    return {"color": color, "marker": _MARKERS[index % len(_MARKERS)], "markersize": 5}


def _by_net(column: str, series: str, title: str, label: str, mark: float | None = None) -> Callable[[list[Row]], Plot]:
    # One row a net and package, its value on a logarithmic axis.
    def make(rows: list[Row]) -> Plot:
        rows = [row for row in rows if isinstance(row.get(column), (dict, float, int)) and _triple(row[column])[0] > 0]
        names = list(dict.fromkeys(row[series] for row in rows))
        groups = tuple(dict.fromkeys(row["net"] for row in rows))
        drawn = []
        for name in names:
            own = [row for row in rows if row[series] == name]
            middle, low, high = zip(*(_triple(row[column]) for row in own), strict=True)
            drawn.append(Series(words_of(name), middle, tuple(row["net"] for row in own), low, high))
        said = [
            f"{group}: " + ", ".join(f"{row[series]} {number(_triple(row[column])[0])}" for row in rows if row["net"] == group)
            for group in groups
        ]
        return Plot(f"{title}, {label}. {'; '.join(said)}.", (Panel("", label, "", tuple(drawn), groups, mark),) if rows else ())

    return make


def _triple(value: Any) -> tuple[float, float, float]:
    if isinstance(value, dict):
        return value["median"], value["lower_quartile"], value["upper_quartile"]
    return float(value), float(value), float(value)


def words_of(name: str) -> str:
    """Write a name for a legend.

    Args:
        name: Of a series.

    Returns:
        The name, without what matplotlib reads as mathematics.
    """
    return name.replace("$", "")


def _errors_over_time(rows: list[Row]) -> Plot:
    panels, said = [], []
    for net in dict.fromkeys(row["net"] for row in rows):
        drawn = []
        for method in dict.fromkeys(row["method"] for row in rows if row["net"] == net):
            own = [row for row in rows if row["net"] == net and row["method"] == method]
            times = tuple(row["time_ms"]["median"] for row in own)
            errors = tuple(row["relative_error"] for row in own)
            drawn.append(Series(method, times, errors, errors, errors))
            said.append(f"{net}, {method}: {number(errors[-1])} in {number(times[-1])} ms")
        panels.append(Panel(net, "time (ms)", "relative error of the trace", tuple(drawn)))
    return Plot(f"Error of the trace over the time of an estimate. {'; '.join(said)}.", tuple(panels))


def _growth(rows: list[Row]) -> Plot:
    panels, said = [], []
    for over in dict.fromkeys(row["over"] for row in rows):
        drawn = []
        for what in dict.fromkeys(row["what"] for row in rows if row["over"] == over):
            own = [row for row in rows if row["over"] == over and row["what"] == what]
            middle, low, high = zip(*(_triple(row["time_ms"]) for row in own), strict=True)
            drawn.append(Series(what.removesuffix("s"), tuple(row["size"] for row in own), middle, low, high))
            ends = [f"{number(time)} ms at {row['size']:,}" for time, row in ((middle[0], own[0]), (middle[-1], own[-1]))]
            said.append(f"{what} over {over}: {', '.join(ends)}")
        panels.append(Panel("", words(over), "time (ms)" if not panels else "", tuple(drawn)))
    return Plot(f"Times over sizes. {'; '.join(said)}.", tuple(panels))


_MAKERS: dict[str, dict[str, Callable[[list[Row]], Plot]]] = {
    "hvp": {
        "one_product": _by_net("gradients", "package", "One Hessian-vector product", "time in units of one gradient", 1.0),
        "block_of_eight": _by_net("over_eight_single", "package", "A block of eight", "time over eight single products", 1.0),
    },
    "slices": {"exact_grid": _by_net("forward_passes_a_point", "package", "A slice", "bare forward passes a point", 1.0)},
    "spectrum": {"both_ends": _by_net("time_s", "package", "Both ends of the spectrum", "time (s)")},
    "trace": {"runs": _errors_over_time},
    "growth": {"points": _growth},
    "memory": {
        "of_a_product": _by_net("peak_MiB", "package", "Peak memory of a product", "peak memory of a product (MiB)"),
        "of_a_slice": _by_net("peak_MiB", "package", "Peak memory of a slice", "peak memory of a slice (MiB)"),
    },
}
