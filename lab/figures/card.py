"""The card that a link to the book shows elsewhere: the finding in large letters, as a PNG file."""

import io
import textwrap

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lab.figures.style import BLUE, label

INCHES, DOTS = (12.0, 6.3), 100
"""1200 × 630 pixels, the size that others show whole."""
LETTERS, LINES = 34, 5


def card(title: str, finding: str) -> bytes:
    """Return an image with the book's title and its finding."""
    figure = Figure(figsize=INCHES, dpi=DOTS, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.06, 0.86, title, fontsize=24, color=BLUE)
    lines = textwrap.wrap(label(finding, len(finding)), LETTERS, max_lines=LINES, placeholder=" …")
    figure.text(0.06, 0.74, "\n".join(lines), fontsize=40, va="top", linespacing=1.25)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", metadata={"Software": None})
    return drawn.getvalue()
