"""Sphinx: make docs."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from landmod_jax import __version__  # noqa: E402

project = "landmod_jax"
author = "The landmod_jax authors"
copyright = author
version = release = __version__

extensions = [
    "formulas",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
myst_update_mathjax = False
exclude_patterns = ["_build"]
# The sections Args and Returns say what types mean; JAX's and optax's are long.
autodoc_typehints = "none"
autodoc_mock_imports = ["dimod"]
add_module_names = False
autodoc_member_order = "bysource"
default_role = "code"
napoleon_attr_annotations = False
napoleon_use_ivar = True
html_theme = "furo"
html_title = "landmod_jax"
html_math_renderer = "svg"
html_static_path = ["_static"]
html_css_files = ["style.css"]
