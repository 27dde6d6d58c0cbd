"""How Sphinx makes a site of the guide: `make docs`. It reads plain Markdown, which GitHub shows as well.

The source is the whole repository, since README.md and the pages of `docs/` link to each other: every link and anchor
among them is then held by one strict build.
"""

from pathlib import Path
from typing import Any

project = "redacoes"
language = "en"
extensions = ["myst_parser"]
include_patterns = ["*.md", "docs/*.md", "examples/*.md"]
exclude_patterns = [".*", "data", "metrics", "models", "plots", "exports", "dvc_plots", "report.md"]
root_doc = "docs/index"
html_theme = "furo"
html_title = "redacoes: grading Brazilian-Portuguese essays"
html_copy_source = False
html_show_copyright = False

myst_heading_anchors = 3  # as on GitHub: a heading can be linked to by its text
suppress_warnings = ["myst.header"]  # README.md need not begin with a heading of the first level

# what the sidebar lists, in this order; on GitHub the table of docs/index.md does
CHAPTERS = {
    "Grade essays": ["own-essays", "scoring", "page", "explaining"],
    "Train a model": ["real-essays", "parameters", "pretrained", "reproducibility", "files"],
    "Work as a team": ["remotes", "comparing", "publishing", "scale"],
    "Help": ["troubleshooting", "editors"],
}
OTHER_PAGES = ["README", "README.pt-BR", "CONTRIBUTING", "CHANGELOG", "SECURITY", "examples/README"]


def add_contents(app: Any, docname: str, source: list[str]) -> None:
    """Add to the first page what the sidebar lists: a block of Sphinx in the page itself would be seen on GitHub."""
    if docname == root_doc:
        there = [page for page in OTHER_PAGES if (Path(app.srcdir) / f"{page}.md").is_file()]
        for caption, pages in {**CHAPTERS, "The project": [f"/{page}" for page in there]}.items():
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(pages) + "\n```\n"


def add_start(app: Any, error: Exception | None) -> None:
    """Write the page that leads from the folder of the site to the guide's first page."""
    if error is None:
        start = '<!doctype html><meta http-equiv="refresh" content="0; url=docs/index.html"><title>redacoes</title>\n'
        (Path(app.outdir) / "index.html").write_text(start, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Register both with Sphinx, which calls this."""
    app.connect("source-read", add_contents)
    app.connect("build-finished", add_start)
    return {"parallel_read_safe": True}
