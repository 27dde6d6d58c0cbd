"""The guide: README.md, CONTRIBUTING.md and docs/*.md. Tests run its commands and check its claims.

The tests do not depend on the page, so that a section can move from one page to another.
"""

import re
from pathlib import Path

from tests.support import ROOT

PAGES: list[Path] = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
GUIDE: str = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def blocks(text: str, kind: str) -> list[str]:
    """Return the code blocks of one kind, such as `sh`, in the text of a page."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def block(name: str) -> str:
    """Return the shell block behind the comment `<!-- name -->`, which reads the same in each page that has it.

    Raises:
        AssertionError: No page has it, or two pages have it in different words.
    """
    found = set(re.findall(rf"^<!-- {re.escape(name)} -->\n```sh\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL))
    assert len(found) == 1, f"{len(found)} different blocks are named {name!r} in the guide"
    return found.pop()
