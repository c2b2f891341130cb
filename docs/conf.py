"""Sphinx: make docs."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from landmod_jax import __version__

project = "landmod_jax"
author = "The landmod_jax authors"
copyright = author
version = release = __version__

extensions = [
    "mathml",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
myst_enable_extensions = ["dollarmath"]
exclude_patterns = ["_build"]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
html_theme = "furo"
html_title = "landmod_jax"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["style.css"]
