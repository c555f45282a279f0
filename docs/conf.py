"""Sphinx, with the extra ``docs``: ``make -C docs html`` writes ``out/docs``.

Pictures of the gallery come from a folder of results, ``THEORY_SIM_OUT`` (default ``out``), where it has them.
"""

import os
import shutil
import sys
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent))

project = "theory-sim"
author = "The theory-sim developers"
version = release = metadata.version("theory-sim")
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "pages",
]
exclude_patterns = ["_build"]
autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
# In plain sentences, complete and in numpydoc's order of sections.
numpydoc_validation_checks = {"GL05", "GL06", "GL07", "GL10", "PR03", "PR05", "SS01"}
html_theme = "pydata_sphinx_theme"
html_title = "theory-sim"
html_theme_options = {
    "show_nav_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": [],
}
html_show_sourcelink = False
html_extra_path = []
suppress_warnings = ["config.cache"]

# The pictures that are there; a gallery without them shows the code and the command.
RESULTS = Path(os.environ.get("THEORY_SIM_OUT", HERE.parent / "out")) / "figures"
PICTURES = HERE / "_pictures"
shutil.rmtree(PICTURES, ignore_errors=True)
PICTURES.mkdir()
for png in sorted(RESULTS.glob("*.png")) if RESULTS.is_dir() else ():
    shutil.copy(png, PICTURES)
