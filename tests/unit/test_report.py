"""What is shown of an explanation: on a page and in a terminal. The effects are made up."""

import re
from html import escape
from html.parser import HTMLParser

import pytest

from redacoes.explain.page import page
from redacoes.explain.report import points
from redacoes.explain.texts import TEXTS
from redacoes.languages import of_locale, typeset
from tests.support import explanations
from tests.support.explanations import ESSAY, explained

NASTY = "<script>alert(1)</script> bela & \"feio\" 'é' </div><img src=x onerror=alert(2)>.\n&lt;b&gt; {{7*7}} <!-- fim"


class Reader(HTMLParser):
    """Collects tags, attributes, and the text of the essays on a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.essays: list[str] = []
        self.inside = self.skipped = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if ("class", "essay") in attrs:
            self.inside = True
            self.essays.append("")
        self.skipped = tag == "sup"

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "div"
        self.skipped = False

    def handle_data(self, data: str) -> None:
        if self.inside and not self.skipped:
            self.essays[-1] += data


def test_a_page_shows_the_essay_and_runs_nothing_of_it() -> None:
    found = explained(NASTY)
    shown = page(found)
    reader = Reader()
    reader.feed(shown)
    assert [essay.replace("\u2060", "") for essay in reader.essays] == [NASTY, NASTY]
    assert reader.tags <= {"html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "div", "span", "sup", "br", "details", "summary", "table", "thead", "tbody", "tr", "th", "td"}  # fmt: skip
    assert reader.attributes <= {"lang", "charset", "name", "content", "http-equiv", "class", "style", "title", "role", "aria-label"}  # fmt: skip
    assert "default-src 'none'" in shown
    assert "http://" not in shown
    assert "https://" not in shown
    assert "<td>bela</td>" in shown  # the numbers stand in a table, too
    for effect in found.sentences or []:
        assert f"<sup>{typeset(points(effect.effect), 'en')}</sup>" in shown


def test_colour_is_never_all_that_tells() -> None:
    found = explained(ESSAY)
    plain, coloured = found.to_terminal(colour=False), found.to_terminal(colour=True)
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    without = coloured
    for code in ("\x1b[38;5;33m", "\x1b[38;5;208m", "\x1b[1m", "\x1b[0m"):
        without = without.replace(code, "")
    assert without == plain
    assert "+0.80  A escola bela ensina alunos." in plain
    assert "-0.60  Um livro feio cansa." in plain
    assert "feio(-0.600)" in plain


def test_a_number_of_the_essay_is_coloured_as_any_other_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(explanations.EFFECTS, "0,5%", 0.9)
    assert "0,5%(+0.900)\x1b[0m" in explained("Só 0,5% lê livros.").to_terminal(colour=True)


def test_effects_that_do_not_add_up_are_said_to() -> None:
    whole, rough = explained(ESSAY), explained(ESSAY, gap=0.02)
    assert whole.to_dict()["words"]["complete"] is True
    assert rough.to_dict()["words"]["complete"] is False
    for shown in (rough.to_terminal(colour=False), page(rough)):
        assert "take them with caution" in shown
    assert "misses the difference by 0.0200, with 16 gradients, which is more than 0.01" in page(rough)
    for shown in (whole.to_terminal(colour=False), page(whole)):
        assert "take them with caution" not in shown


def test_what_the_model_did_not_see_is_marked() -> None:
    assert "[not seen: passa o dia.]" in explained(ESSAY, seen=14).to_terminal(colour=False)
    assert "not seen" not in explained(ESSAY).to_terminal(colour=False)
    assert 'class="unseen"' in page(explained(ESSAY, seen=14))


def test_a_page_is_in_the_language_that_is_asked_for() -> None:
    found = explained(ESSAY, gap=0.02, seen=14)
    portuguese, english = page(found, "pt"), page(found, "en")
    assert '<html lang="pt-BR">' in portuguese
    assert "<title>Por que 5? redação.txt</title>" in portuguese
    assert "nota esperada 5,25" in portuguese
    assert "<sup>−0,60</sup>" in portuguese
    assert '<html lang="en">' in english
    assert "expected score 5.25" in english
    for key, both in TEXTS.items():
        for text in both:
            assert text, key
            assert set(re.findall(r"{(\w+)}", text)) == set(re.findall(r"{(\w+)}", both[0])), key
        parts = [[escape(part) for part in re.split(r"{\w+}", text) if len(part) > 5] for text in both]
        for mine, others, shown in ((parts[0], parts[1], portuguese), (parts[1], parts[0], english)):
            told = re.sub(r"<style>.*</style>|<[^>]*>", "", shown, flags=re.DOTALL).replace(found.name, "")
            assert not any(part in told for part in others if part not in mine), key


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "pt_BR.UTF-8"}, "pt"),
        ({"LANG": "pt_BR.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "pt_PT"}, "pt"),
        ({"LANG": "C.UTF-8"}, "pt"),
        ({"LANG": "ca_ES.UTF-8"}, "en"),
        ({}, "pt"),
    ],
)
def test_the_language_is_that_of_the_locale(environment: dict[str, str], language: str) -> None:
    assert of_locale(environment) == language
