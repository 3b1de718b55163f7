"""Whether the page is dark, for views that no style sheet can reach."""

from __future__ import annotations

import traitlets

from curvwidget.widgets.base import BaseWidget

__all__ = ["PageTheme"]

# The background is the first one that is not transparent, from the widget outwards.
_SCRIPT = """
function isDark(element) {
  for (let at = element; at; at = at.parentElement) {
    const [r, g, b, alpha = 1] = (getComputedStyle(at).backgroundColor.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
    if (alpha > 0) return 0.2126 * r + 0.7152 * g + 0.0722 * b < 128;
  }
  return false;
}
function render({ model, el }) {
  el.style.cssText += "width:0;height:0;margin:0;padding:0;overflow:hidden";
  const tell = () => {
    if (!el.isConnected) return;
    model.set("dark", isDark(el));
    model.save_changes();
  };
  const later = setTimeout(tell, 0);
  // The style sheet of a new theme comes some time after the attribute.
  const observer = new MutationObserver(() => [50, 500, 2000].forEach((delay) => setTimeout(tell, delay)));
  observer.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "class"] });
  return () => {
    clearTimeout(later);
    observer.disconnect();
  };
}
export default { render };
"""


class PageTheme(BaseWidget):
    """A widget without size that tells whether it stands on a dark page.

    Example:
        >>> from curvwidget.widgets.page_theme import PageTheme
        >>> PageTheme().dark
        False
    """

    _esm = _SCRIPT

    dark = traitlets.Bool(False).tag(sync=True)
    """Whether the background is dark.

    - Type: bool
    - Default: False, also as long as no browser has answered
    """
