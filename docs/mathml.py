"""Formulas as MathML: browsers draw it by themselves, offline and without scripts."""

import re

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

_TAG = re.compile(r"\s*\\tag\{([^}]*)\}")


def setup(app):
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(translator, node):
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _block(translator, node):
    formula, tag = _TAG.sub("", node.astext()).strip(), _TAG.search(node.astext())
    number = f'<span class="eqno">({tag[1]})</span>' if tag else ""
    mathml = tex2mathml(formula, as_block=True)
    translator.body.append(f'<div class="math">{number}{mathml}</div>')
    raise nodes.SkipNode
