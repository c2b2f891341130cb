"""Formulas as SVG, drawn by matplotlib: they need no script, no font and no network."""

import html
import re

from docutils import nodes
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import text_to_path

_TAG = re.compile(r"\s*\\tag\{([^}]*)\}")
_FONT = FontProperties(math_fontfamily="cm")
_EM = text_to_path.FONT_SCALE  # what matplotlib draws at, whatever the font's size
_SIZE = 1.2  # Computer Modern is small beside the text's font
_LETTERS = {
    Path.MOVETO: "M",
    Path.LINETO: "L",
    Path.CURVE3: "Q",
    Path.CURVE4: "C",
    Path.CLOSEPOLY: "Z",
}


def setup(app):
    app.add_html_math_renderer("svg", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(translator, node):
    translator.body.append(_svg(node.astext()))
    raise nodes.SkipNode


def _block(translator, node):
    formula, tag = _TAG.sub("", node.astext()).strip(), _TAG.search(node.astext())
    number = f'<span class="eqno">({tag[1]})</span>' if tag else ""
    svg = _svg(formula.replace(r"\frac", r"\dfrac"))
    translator.body.append(f'<div class="formula">{svg}{number}</div>')
    raise nodes.SkipNode


def _svg(tex):
    # Not as a binary operator, which would have space on both sides.
    tex = " ".join(tex.split()).replace("_+", r"_{\text{+}}")
    vertices, codes = text_to_path.get_text_path(_FONT, f"${tex}$", ismath=True)
    path = Path(vertices, codes)
    outline = " ".join(
        _LETTERS[code] + " ".join(f"{x:.2f} {-y:.2f}" for x, y in points.reshape(-1, 2))
        if code != Path.CLOSEPOLY
        else "Z"
        for points, code in path.iter_segments(simplify=False, curves=True)
    )
    box = path.get_extents()
    margin, em = 2, _SIZE / _EM
    left, width = box.x0 - margin, box.width + 2 * margin
    top, bottom = -box.y1 - margin, -box.y0 + margin
    height = bottom - top
    return (
        f'<svg class="formula" role="img" aria-label="{html.escape(tex)}" '
        f'viewBox="{left:.2f} {top:.2f} {width:.2f} {height:.2f}" '
        f'style="width:{width * em:.2f}em;height:{height * em:.2f}em;'
        f'vertical-align:{-bottom * em:.2f}em">'
        f'<path fill="currentColor" d="{outline}"/></svg>'
    )
