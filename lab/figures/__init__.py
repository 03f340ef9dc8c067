"""Figures: from frames to SVG text that stands inside a page; the only place that imports matplotlib."""
