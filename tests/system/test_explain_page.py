"""The page that `redacoes explain` writes, in a real browser."""

from typing import Any

import pytest

from redacoes.explain.page import page
from redacoes.languages import Language
from tests.support.explanations import ESSAY, explained


@pytest.mark.parametrize(("scheme", "language"), [("light", "pt"), ("dark", "en")])
def test_the_page_keeps_the_rules_for_accessibility(browser: Any, scheme: str, language: Language) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(color_scheme=scheme, bypass_csp=True)  # which lets no script in, nor axe
    opened = context.new_page()
    opened.set_content(page(explained(ESSAY), language))
    for summary in opened.locator("summary").all():
        summary.click()
    found = Axe().run(opened)
    context.close()
    assert found.violations_count == 0, found.generate_report()
    assert len(found.response["passes"]) > 10
