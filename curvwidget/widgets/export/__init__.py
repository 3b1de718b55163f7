"""Views as pictures and pages that need neither a kernel nor a browser to be made."""

from curvwidget.widgets.export.picture import Picture

__all__ = ["Picture"]
