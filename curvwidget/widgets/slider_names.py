"""Names of sliders for screen readers."""

from __future__ import annotations

from curvwidget.widgets.base import BaseWidget

__all__ = ["SliderNames"]

# The handle of an ipywidgets slider has the role; its description and value stand beside it as text that nothing ties to it.
_SCRIPT = """
function say(handle, attribute, text) {
  if (text && handle.getAttribute(attribute) !== text) handle.setAttribute(attribute, text);
}
function render({ el }) {
  el.style.cssText += "width:0;height:0;margin:0;padding:0;overflow:hidden";
  let observer, waiting;
  const begin = () => {
    const box = el.parentElement?.closest(".widget-box");
    if (!box) {
      waiting = setTimeout(begin, 100); // views are made before they stand in the page
      return;
    }
    const tell = () => {
      for (const slider of box.querySelectorAll(".widget-slider")) {
        for (const handle of slider.querySelectorAll("[role=slider]")) {
          say(handle, "aria-label", slider.querySelector(".widget-label")?.textContent.trim());
          say(handle, "aria-valuetext", slider.querySelector(".widget-readout")?.textContent.trim());
        }
      }
    };
    observer = new MutationObserver(tell);
    const attributes = { attributes: true, attributeFilter: ["aria-valuetext"] };
    observer.observe(box, { childList: true, characterData: true, subtree: true, ...attributes });
    tell();
  };
  begin();
  return () => {
    clearTimeout(waiting);
    observer?.disconnect();
  };
}
export default { render };
"""


class SliderNames(BaseWidget):
    """A widget without size that gives each slider of its box its description as name, and its read-out as value.

    Example:
        >>> from curvwidget.widgets.slider_names import SliderNames
        >>> SliderNames().theme
        'auto'
    """

    _esm = _SCRIPT
