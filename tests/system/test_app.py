"""The page, as people use it: a real server, a real browser, and clients of its API."""

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

import pandas as pd
import psutil
import pytest
import requests

from redacoes.essays import arrow, synthetic
from redacoes.web import service
from tests.support import BIN, ROOT
from tests.support.documents import odt
from tests.support.processes import SECONDS, wait
from tests.support.project import Clone, Folder
from tests.support.workbooks import cells

LOOPBACK = re.compile(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:")
HTML = "<script>document.title = 'executado'</script><img src=x onerror=\"document.title = 'executado'\">"


@dataclass
class Page:
    """A server of the page.

    Attributes:
        url: Its address.
        process: Its process.
        folder: Where it keeps uploads and downloads.
        log: What it prints.
    """

    url: str
    process: subprocess.Popen[str]
    folder: Path
    log: Path

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def health(self) -> int:
        return self.get("/health")[0]

    def files(self) -> list[Path]:
        """Files of uploads and downloads; Gradio leaves an empty one beside them."""
        found = []
        for private in self.folder.glob("redacoes-*"):
            for folder, _, names in os.walk(private):
                for name in names:
                    with suppress(FileNotFoundError):  # deleted in the meantime
                        if Path(folder, name).stat().st_size:
                            found.append(Path(folder, name))
        return found


@contextmanager
def served(clone: Clone, folder: Path, *options: str) -> Iterator[Page]:
    """The command in a clone, with a folder for all that it writes beside; it must leave nothing there."""
    folder.mkdir()
    log = folder.with_suffix(".log")
    trap = socket.create_server(("127.0.0.1", 0))  # whatever goes to the network comes here instead
    trap.setblocking(False)
    proxy = f"http://127.0.0.1:{trap.getsockname()[1]}"
    left = folder.with_suffix(".left")  # what its Python code asks the network for, proxy or not
    environment = {**clone.environment, "TMPDIR": str(folder), "NO_PROXY": "127.0.0.1"}
    environment |= {"PYTHONPATH": str(ROOT / "tests" / "support" / "loopback"), "LEFT_LOOPBACK": str(left)}
    environment |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), proxy)
    with trap, log.open("w") as errors, subprocess.Popen(
        [str(BIN / "redacoes"), "app", "--port", "0", *options],
        cwd=clone.path, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout
            url = process.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:"), log.read_text()
            wait(lambda: answers(url))
            yield Page(url, process, folder, log)
            with pytest.raises(BlockingIOError):
                trap.accept()
            assert not left.exists(), left.read_text()
            assert "0000 " not in log.read_text()  # TensorFlow's notices
        finally:
            process.kill()


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/version", timeout=5).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def clone(computed: tuple[Folder, Clone], tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone of its own, since the page keeps the vectors of the training essays in it."""
    return computed[1].copy(tmp_path_factory.mktemp("clone") / "clone")


@pytest.fixture(scope="module")
def page(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with served(clone, tmp_path_factory.mktemp("pagina") / "tmp") as page:
        assert page.health() == 503
        assert page.get("/")[0] == 200  # before the model has loaded
        assert json.loads(page.get("/version")[1])["digest"] is None
        wait(lambda: page.health() == 200)
        yield page
        page.process.send_signal(signal.SIGTERM)
        assert page.process.wait(SECONDS) == 0
        assert "Traceback" not in page.log.read_text()
        assert not list(page.folder.iterdir())


@pytest.fixture(scope="module")
def known(origin: Folder) -> list[tuple[str, int, float]]:
    """The test essays, with the scores that `evaluate` gave them."""
    essays = arrow.load(origin.path / "data/splits")["test"]["essay"]
    scores = pd.read_csv(origin.path / "metrics/predictions.csv")
    return list(zip(essays, scores["predicted"], scores["expected"], strict=True))


@pytest.fixture
def client(page: Page) -> Any:
    return api(page)


def api(page: Page) -> Any:
    from gradio_client import Client

    return Client(page.url, verbose=False, analytics_enabled=False)


@contextmanager
def tab(browser: Any, page: Page, locale: str = "pt-BR", width: int = 900, scheme: str = "light") -> Iterator[Any]:
    """The page in a tab that reaches nothing but this machine, and in which no script of an essay may run."""
    viewport = {"width": width, "height": 900}
    context = browser.new_context(locale=locale, viewport=viewport, color_scheme=scheme, accept_downloads=True)
    foreign: list[str] = []

    def route(request: Any) -> None:
        if LOOPBACK.match(request.request.url):
            request.continue_()
        else:
            foreign.append(request.request.url)
            request.abort()

    context.route("**/*", route)
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    dialogs: list[str] = []
    opened.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    opened.goto(page.url)
    ready = "O modelo está pronto." if locale == "pt-BR" else "The model is ready."
    opened.get_by_text(ready).wait_for()
    opened.wait_for_function(
        "document.title === 'Redações'"
    )  # which Gradio sets by script, now and then after all else
    yield opened
    assert foreign == []
    assert dialogs == []
    assert "executado" not in opened.title()
    context.close()


def drawn(opened: Any) -> None:
    """Wait until the browser has drawn what has happened so far."""
    opened.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def answered(opened: Any, ask: Callable[[], object]) -> None:
    """Do what asks the server for something, and wait until its stream of answers has ended."""
    over: list[Any] = []
    for end in ("requestfailed", "requestfinished"):  # whichever of Gradio's two sides hangs up first
        opened.on(end, lambda request: over.append(request))
    with opened.expect_request("**/queue/data*") as answer:
        ask()
    while answer.value not in over:
        opened.wait_for_timeout(50)
    drawn(opened)


def held(opened: Any, ask: Callable[[], object]) -> Any:
    """Do what asks the server for something, and return the route of that request, which `continue_` lets go."""
    routes: list[Any] = []
    opened.route("**/queue/join*", lambda route: routes.append(route), times=1)
    ask()
    while not routes:
        opened.wait_for_timeout(50)
    return routes[0]


def settled(opened: Any) -> None:
    """Wait until no colour fades and nothing moves any more, but for what moves for ever."""
    drawn(opened)
    opened.wait_for_function("""() => document.getAnimations().every(
        one => one.playState !== 'running' || one.effect.getComputedTiming().endTime === Infinity)""")


def test_what_leaves_this_machine_is_noticed(tmp_path: Path) -> None:
    """That `served` holds a server to this machine can be relied on."""
    log = tmp_path / "left"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests" / "support" / "loopback"), "LEFT_LOOPBACK": str(log)}
    for code in ("socket.create_connection(('192.0.2.1', 9), 1)", "socket.getaddrinfo('example.org', 80)"):
        done = subprocess.run([sys.executable, "-c", f"import socket; {code}"], env=environment, capture_output=True)
        assert b"is not this machine" in done.stderr
    assert log.read_text().splitlines() == ["socket.getaddrinfo '192.0.2.1'", "socket.getaddrinfo 'example.org'"]


def test_a_pasted_essay_is_scored_and_explained(browser: Any, page: Page, known: list[tuple[str, int, float]]) -> None:
    text, predicted, expected = known[0]
    with tab(browser, page) as opened:
        assert opened.evaluate("document.documentElement.lang") == "pt-BR"
        assert "uma estimativa da nota que um corretor daria: nas 12 redações de teste" in opened.inner_text("body")
        opened.fill("#essay textarea", text)
        opened.click("#score")
        opened.wait_for_selector("#result .essay")
        shown = opened.inner_text("#result")
        assert f"Nota estimada: {predicted}" in shown
        assert f"nota média esperada: {expected:.1f}".replace(".", ",") in shown
        assert len(opened.query_selector_all("#result .bars > div")) == 11
        opened.get_by_label("English").click()
        opened.get_by_text(f"Estimated score: {predicted}").wait_for()
        assert opened.evaluate("document.documentElement.lang") == "en"
        opened.get_by_role("tab", name="Model").click()
        about = opened.inner_text("#about")
        assert "Quadratic weighted kappa (QWK)" in about
        assert "Confusion matrix" in about
        assert "train.epochs" in opened.inner_html("#about")
    assert text[:40] not in page.log.read_text()


# notes what #result shows: a score whose effects are being computed, or the whole answer
WATCH = """() => {
  window.shown = [];
  new MutationObserver(() => {
    const has = inside => Boolean(document.querySelector(`#result ${inside}`)?.offsetParent);
    const now = has(".essay") ? "whole" : has(".bars") && has("[role=status]") ? "score" : null;
    if (now && window.shown.at(-1) !== now) window.shown.push(now);
  }).observe(document.querySelector("#result"), {childList: true, subtree: true, characterData: true});
}"""


def test_the_score_is_there_before_the_effects(browser: Any, page: Page, known: list[tuple[str, int, float]]) -> None:
    text, predicted, _ = known[0]
    long = " ".join(f"Uma frase comprida, a de número {number}, não termina." for number in range(service.SENTENCES))
    with tab(browser, page) as opened:
        opened.evaluate(WATCH)
        opened.fill("#essay textarea", long)
        opened.click("#score")
        opened.wait_for_selector("#result .essay")
        assert opened.evaluate("window.shown") == ["score", "whole"]
        opened.get_by_label("English").click()
        opened.locator("#result").get_by_text("Estimated score").wait_for()
        opened.wait_for_selector("#result .essay")
        assert opened.evaluate("window.shown") == ["score", "whole"] * 2

        opened.fill("#essay textarea", long.replace("Uma", "Outra", 1))
        opened.click("#score")
        opened.locator("#result [role=status]").get_by_text("is being computed").wait_for()
        opened.fill("#essay textarea", text)  # while the effects of the other are computed
        opened.wait_for_function("document.querySelector('#result').innerText.trim() === ''")
        opened.click("#score")
        opened.get_by_text(f"Estimated score: {predicted}").wait_for()
        opened.wait_for_selector("#result .essay")
        assert text[:40] in opened.inner_text("#result .essay")
        assert opened.evaluate("window.shown").count("whole") == 3


def test_an_answer_is_dropped_under_another_text(browser: Any, page: Page) -> None:
    """Though the text was changed before the server had confirmed the click."""
    with tab(browser, page) as opened:
        opened.fill("#essay textarea", "A educação é um direito.")
        click = held(opened, lambda: opened.click("#score"))
        opened.fill("#essay textarea", "O trânsito cresce.")
        opened.wait_for_function("window.turns.result === 2")
        answered(opened, click.continue_)
        opened.wait_for_function("document.querySelector('#result').innerText.trim() === ''")
        opened.click("#score")
        opened.wait_for_selector("#result .essay")
        assert "O trânsito cresce." in opened.inner_text("#result .essay")


AT_ONCE = """text => {
  const field = document.querySelector("#essay textarea");
  field.value = text;
  field.dispatchEvent(new Event("input", {bubbles: true}));
  document.querySelector("#score").click();
}"""


def test_a_click_is_answered_though_the_page_has_yet_to_take_in_the_text(browser: Any, page: Page) -> None:
    with tab(browser, page) as opened:
        for text in ("A educação é um direito.", "O trânsito cresce."):
            opened.evaluate(AT_ONCE, text)
            opened.locator("#result .essay").get_by_text(text).wait_for()


def test_html_in_an_essay_is_text(browser: Any, page: Page) -> None:
    with tab(browser, page, "en-US") as opened:
        opened.fill("#essay textarea", f"{HTML} The rest of the text is in English, and there is not much of it.")
        opened.click("#score")
        opened.wait_for_selector("#result .essay")
        shown = opened.inner_text("#result")
        assert "<script>document.title" in shown
        assert "onerror=" in shown
        assert "does not seem to be in Portuguese" in shown
        assert "very short" in shown
        opened.fill("#essay textarea", " \n ")
        opened.click("#score")
        opened.get_by_text("There is no text to score.").wait_for()


def test_an_answer_outlasts_a_language_that_was_chosen_before(browser: Any, page: Page) -> None:
    with tab(browser, page, "en-US") as opened:
        # of the two tabs that are asked, one answers: Gradio loses a click at the moment at which a stream ends
        other = held(opened, lambda: answered(opened, opened.get_by_label("Português").click))
        opened.get_by_role("button", name="Corrigir").wait_for()
        opened.fill("#essay textarea", "A educação é um direito.")
        opened.click("#score")
        opened.wait_for_selector("#result .essay")
        answered(opened, other.continue_)
        assert opened.query_selector("#result .essay")


def test_no_result_stays_beneath_what_it_is_not_of(
    browser: Any, page: Page, known: list[tuple[str, int, float]], tmp_path: Path
) -> None:
    (text, predicted, _), (other, *_) = known[:2]
    (tmp_path / "foto.txt").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    for name, column in (("a.csv", "essay"), ("b.csv", "texto")):
        pd.DataFrame({column: [text, other]}).to_csv(tmp_path / name, index=False)
    with tab(browser, page) as opened:

        def gone(element: str) -> None:
            opened.wait_for_function("name => document.querySelector(name).innerText.trim() === ''", arg=element)

        opened.fill("#essay textarea", text)
        answered(opened, lambda: opened.click("#score"))
        opened.get_by_text(f"Nota estimada: {predicted}").wait_for()
        opened.fill("#essay textarea", other)
        gone("#result")

        # the text changes while it is being scored
        click = held(opened, lambda: opened.click("#score"))
        opened.fill("#essay textarea", f"{other} E mais.")
        answered(opened, click.continue_)
        gone("#result")
        opened.fill("#essay textarea", text)
        opened.click("#score")
        opened.wait_for_selector("#result .essay")
        assert f"Nota estimada: {predicted}" in opened.inner_text("#result")

        opened.fill("#essay textarea", "a" * (service.CHARACTERS + 1))
        gone("#result")
        opened.click("#score")
        opened.get_by_text("o limite é").wait_for()
        assert opened.query_selector("#result .essay") is None
        assert opened.locator("#result [role=alert]").count() == 1
        opened.set_input_files("#upload input[type=file]", tmp_path / "foto.txt")
        opened.get_by_text("O arquivo não é um texto").wait_for()

        opened.get_by_role("tab", name="Turma").click()
        opened.click("#score-many")
        opened.get_by_text("Escolha um arquivo primeiro.").wait_for()
        opened.set_input_files("#table-file input[type=file]", tmp_path / "a.csv")
        gone("#summary")
        opened.click("#score-many")
        opened.wait_for_selector("#summary .bars")
        opened.wait_for_selector("#download a")
        # the column changes while the file is being scored by another one
        click = held(opened, lambda: opened.click("#score-many"))
        opened.get_by_label("Coluna do texto").fill("texto")
        opened.keyboard.press("Enter")
        opened.locator("#summary .bars").wait_for(state="detached")
        opened.click("#score-many")
        opened.locator("#summary").get_by_text("Não há coluna 'texto'").wait_for()
        answered(opened, click.continue_)  # the later of the two on the server, and yet not the later click
        opened.locator("#summary .bars").wait_for(state="detached")
        assert not opened.locator("#download a").first.is_visible()


def test_a_document_is_scored_and_printed_whole(browser: Any, page: Page, tmp_path: Path) -> None:
    paragraphs = [f"O parágrafo {number} defende que ler é um direito de todos." for number in range(60)]
    body = "".join(f"<text:p>{paragraph}</text:p>" for paragraph in paragraphs)
    (tmp_path / "redação.odt").write_bytes(odt(body))
    with tab(browser, page, scheme="dark") as opened:
        opened.set_input_files("#upload input[type=file]", tmp_path / "redação.odt")
        opened.wait_for_function("document.querySelector('#essay textarea').value")
        assert opened.input_value("#essay textarea").split("\n") == paragraphs

        # on paper, before and after it is scored, the whole text stands once, dark on white
        opened.emulate_media(media="print")
        for whole in (".printed", "#result .essay"):
            opened.evaluate("dispatchEvent(new Event('beforeprint'))")
            shown = opened.locator(whole).evaluate("element => [element.innerText, getComputedStyle(element).color]")
            assert all(paragraph in shown[0] for paragraph in paragraphs)
            assert shown[1] == "rgb(0, 0, 0)"
            hidden = ("#essay", "#upload", "#score", "#language", *((".printed",) if whole != ".printed" else ()))
            assert not any(opened.locator(element).is_visible() for element in hidden)
            opened.evaluate("dispatchEvent(new Event('afterprint'))")
            assert not opened.locator(".printed").count()
            if whole == ".printed":
                opened.evaluate("document.querySelector('#score').click()")
                opened.wait_for_selector("#result .essay")
        bar = opened.locator("#result .bars .chosen")
        assert bar.evaluate("element => getComputedStyle(element).printColorAdjust") == "exact"


def test_the_keyboard_is_enough(browser: Any, page: Page, known: list[tuple[str, int, float]]) -> None:
    text, predicted, _ = known[1]
    with tab(browser, page) as opened:

        def tab_to(element: str) -> None:
            for _ in range(30):
                opened.keyboard.press("Tab")
                if opened.evaluate("selector => document.activeElement.closest(selector) !== null", element):
                    return
            raise AssertionError(f"{element} cannot be reached")

        tab_to("#language")
        tab_to("[role=tab]")
        tab_to("#essay")
        opened.keyboard.insert_text(text)
        tab_to("#score")
        assert opened.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        opened.keyboard.press("Enter")
        opened.get_by_text(f"Nota estimada: {predicted}").wait_for()


def test_a_narrow_screen_scrolls_in_one_direction(
    browser: Any, page: Page, known: list[tuple[str, int, float]]
) -> None:
    with tab(browser, page, width=360) as opened:
        opened.fill("#essay textarea", known[0][0])
        opened.click("#score")
        opened.wait_for_selector("#result .essay")
        for name in ("Turma", "Modelo", "Corrigir"):
            opened.get_by_role("tab", name=name).click()
            opened.get_by_role("tab", name=name, selected=True).wait_for()
            settled(opened)
            assert opened.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize(("scheme", "width"), [("light", 900), ("dark", 360)])
def test_the_page_keeps_the_rules_for_accessibility(
    browser: Any, page: Page, known: list[tuple[str, int, float]], tmp_path: Path, scheme: str, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    table = tmp_path / "turma.csv"
    pd.DataFrame({"essay": [text for text, *_ in known] + [""], "turma": "3ª B"}).to_csv(table, index=False)
    with tab(browser, page, width=width, scheme=scheme) as opened:

        def look() -> None:
            opened.mouse.move(0, 0)
            settled(opened)
            found = Axe().run(opened)
            assert found.violations_count == 0, found.generate_report()
            assert len(found.response["passes"]) > 20

        look()
        opened.fill("#essay textarea", known[0][0])
        opened.click("#score")
        opened.wait_for_selector("#result .essay")
        look()
        opened.get_by_role("tab", name="Turma").click()
        opened.set_input_files("#table-file input[type=file]", table)
        chosen(opened, "essay")
        look()
        opened.click("#score-many")
        opened.wait_for_selector("#summary table")
        look()
        opened.click("#summary tbody button")
        opened.wait_for_selector("#student .essay")
        opened.click("#report")
        opened.wait_for_selector("#report-file a")
        look()
        opened.get_by_role("tab", name="Modelo").click()
        opened.click("#about summary")
        look()


def chosen(opened: Any, column: str) -> None:
    """Wait until a file's columns are known, and that of the essay is chosen."""
    opened.wait_for_function("name => document.querySelector('#essay-column input').value === name", arg=column)


def saved(opened: Any, link: Any, folder: Path) -> Path:
    """What a link downloads."""
    with opened.expect_download() as downloading:
        link.click()
    target = folder / downloading.value.suggested_filename
    downloading.value.save_as(target)
    return target


def test_files_are_scored_downloaded_and_forgotten(
    browser: Any, page: Page, known: list[tuple[str, int, float]], tmp_path: Path
) -> None:
    essay, table = tmp_path / "redação.txt", tmp_path / "turma.csv"
    essay.write_text(known[2][0], encoding="utf-8")
    rows = [[f"=cmd|'/C calc'!A{place}", text, f"-{place}.5"] for place, (text, *_) in enumerate(known)]
    rows.insert(1, ["vazia", "", "0"])
    pd.DataFrame(rows, columns=["nome", "redação", "=n"]).to_csv(table, index=False, sep=";", encoding="cp1252")
    with tab(browser, page) as opened:
        opened.set_input_files("#upload input[type=file]", essay)
        opened.wait_for_function("document.querySelector('#essay textarea').value.length > 50")
        assert opened.input_value("#essay textarea") == known[2][0]
        opened.get_by_role("tab", name="Turma").click()
        opened.set_input_files("#table-file input[type=file]", table)
        chosen(opened, "redação")
        assert opened.input_value("#student-column input") == "nome"
        opened.click("#score-many")
        opened.wait_for_selector("#summary .bars")
        shown = opened.inner_text("#summary")
        mean = sum(predicted for _, predicted, _ in known) / len(known)
        assert f"Redações corrigidas: {len(known)}. Média da turma: {mean:.1f}; desvio" in shown.replace(",", ".")
        assert re.search(r"não puderam ser corrigidas: 1. A primeira: linha \d+, com uma redação vazia\.", shown)
        names = [saved(opened, link, tmp_path).name for link in opened.locator("#download a").all()]
        assert names == ["notas.xlsx", "notas.csv"]
        assert len(page.files()) >= 4
        opened.get_by_label("English").click()
        opened.get_by_text(f"Essays scored: {len(known)}.").wait_for()
        assert "1. The first: line" in opened.inner_text("#summary")
        header = opened.locator("#summary th[scope=col]").all_inner_texts()
        assert header == ["student", "score", "mean", "from", "to", "cut", "redação", "=n"]
        assert opened.locator("#summary tbody tr").count() == len(known)
        opened.locator("#download a[download='scores.csv']").wait_for()
        [workbook, table] = [saved(opened, link, tmp_path) for link in opened.locator("#download a").all()]
        assert (workbook.name, table.name) == ("scores.xlsx", "scores.csv")
        assert "nome;redação;'=n;estimated score" in table.read_text(encoding="utf-8-sig")
        assert "estimated score" in cells(workbook)[0].values()
    content = (tmp_path / "notas.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    found = pd.read_csv(io.BytesIO(content), encoding="utf-8-sig", sep=";", decimal=",")
    assert list(found["redação"].fillna("")) == [text for _, text, _ in rows]
    assert list(found["nota estimada"].dropna()) == [predicted for _, predicted, _ in known]
    assert list(found["nome"].drop(1)) == [f"'=cmd|'/C calc'!A{place}" for place in range(len(known))]
    assert list(found["'=n"]) == [float(number) for *_, number in rows]
    assert list(found["por que não foi corrigida"].dropna()) == ["com uma redação vazia"]
    header, first, *_ = cells(tmp_path / "notas.xlsx")
    assert dict(zip(header.values(), first.values(), strict=False))["nota estimada"] == known[0][1]
    wait(lambda: not page.files())  # once the tab is closed


def test_a_teacher_goes_through_a_class_and_prints_it(
    browser: Any, page: Page, known: list[tuple[str, int, float]], tmp_path: Path
) -> None:
    table = tmp_path / "turma.jsonl"
    students = [{"Aluno": f"Aluno {place}", "texto": text} for place, (text, *_) in enumerate(known[:4])]
    students.append({"Aluno": "Zé <b>", "texto": HTML})
    table.write_text("\n".join(json.dumps(student) for student in students), encoding="utf-8")
    with tab(browser, page) as opened:
        opened.get_by_role("tab", name="Turma").click()
        opened.set_input_files("#table-file input[type=file]", table)
        chosen(opened, "texto")
        opened.click("#score-many")
        opened.wait_for_selector("#summary .bars")
        for place, order in enumerate(("ascending", "descending")):
            opened.locator("#summary thead").get_by_role("button", name="média").press("Enter")
            assert opened.locator(f"#summary th[aria-sort={order}]").count() == 1
            means = [
                float(cell.replace(",", "."))
                for cell in opened.locator("#summary tbody td:nth-child(3)").all_inner_texts()
            ]
            assert means == sorted(means, reverse=bool(place))

        opened.get_by_role("button", name="Aluno 1").press("Enter")
        opened.get_by_role("heading", name="Aluno 1").wait_for()
        opened.wait_for_function("document.activeElement.innerText === 'Aluno 1'")
        assert f"Nota estimada: {known[1][1]}" in opened.inner_text("#student")
        assert known[1][0][:40] in opened.inner_text("#student .essay")
        opened.get_by_label("Nota do professor").fill("7,5")
        opened.get_by_label("Comentário do professor").fill("Releia <u>tudo</u>.")
        opened.get_by_role("button", name="Zé <b>").click()
        opened.get_by_role("heading", name="Zé <b>").wait_for()
        assert opened.get_by_label("Comentário do professor").input_value() == ""
        assert "<script>document.title" in opened.inner_text("#student .essay")
        opened.click("#report")
        opened.wait_for_selector("#report-file a")
        report = saved(opened, opened.locator("#report-file a"), tmp_path)
        opened.click("#reports")
        opened.wait_for_selector("#reports-file a")
        everyone = saved(opened, opened.locator("#reports-file a"), tmp_path)
        opened.get_by_role("button", name="Aluno 1").click()
        opened.get_by_role("heading", name="Aluno 1").wait_for()
        assert opened.get_by_label("Nota do professor").input_value() == "7,5"
        opened.get_by_label("English").click()
        opened.locator("#student").get_by_text(f"Estimated score: {known[1][1]}").wait_for()
        assert opened.query_selector("#report-file a, #reports-file a") is None  # they are in the other language

        printed = browser.new_page()  # the tab reaches nothing but the server
        printed.goto(report.as_uri())
        assert "Relatório da redação: Zé <b>" in printed.inner_text("h1")
        assert printed.locator(".line:not(.short)").count() > 3
        assert printed.title() != "executado"
        printed.close()
    with zipfile.ZipFile(everyone) as file:
        assert file.namelist() == [
            "todos.html",
            *(f"{place} Aluno {place - 1}.html" for place in range(1, 5)),
            "5 Zé b.html",
        ]
        assert "Releia &lt;u&gt;tudo&lt;/u&gt;." in file.read("2 Aluno 1.html").decode()
    wait(lambda: not page.files())


TURNS = 12  # of each client
TEXTS_TO_SCORE = {
    "one word": "palavra",
    "emoji": "🙂🇧🇷👩‍🏫 " * 20,
    "Arabic": "مرحبا بالعالم " * 10,
    "punctuation": "?!… — ;",
    "NUL": "um\0 texto",
    "a list": "[" * 5000,
    "HTML": HTML,
    "formula": "=cmd|' /C calc'!A0",
}


def test_any_text_has_a_score_by_the_api(client: Any, known: list[tuple[str, int, float]]) -> None:
    for name, text in TEXTS_TO_SCORE.items():
        found = client.predict(text, "en", api_name="/score")
        assert 0 <= found["predicted"] <= 10, name
        assert found["warnings"], name
    for text, predicted, expected in known:
        found = client.predict(text, api_name="/score")
        assert found["predicted"] == predicted
        assert found["expected"] == pytest.approx(expected, abs=1e-6)
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert set(named) == {"/score", "/score_file"}


def test_a_closed_client_leaves_nothing_in_memory(page: Page) -> None:
    client = api(page)
    client.predict("um texto", api_name="/score")
    remembered = f"/gradio_api/deep_link?session_hash={client.session_hash}"  # tells what Gradio keeps of a session
    assert json.loads(page.get(remembered)[1])
    client.close()
    wait(lambda: json.loads(page.get(remembered)[1]) == "")


def test_a_client_that_leaves_frees_its_place(page: Page) -> None:
    call = f"{page.url}/gradio_api/call/score"
    text = " ".join(f"Uma frase comprida, a de número {number}, não termina." for number in range(service.SENTENCES))

    def ask(text: str) -> requests.Response:
        return requests.post(call, json={"data": [text, "pt"]}, timeout=60)

    def answer(asked: requests.Response) -> requests.Response:
        return requests.get(f"{call}/{asked.json()['event_id']}", stream=True, timeout=60)

    def waiting() -> int:
        return json.loads(page.get("/gradio_api/queue/status")[1])["queue_size"]

    begun = time.monotonic()
    assert "event: complete" in answer(ask(text)).text
    alone = time.monotonic() - begun
    clients = []
    while (asked := ask(text)).ok:
        clients.append(answer(asked))
    assert asked.status_code == 503
    assert "Queue is full" in asked.text
    assert len(clients) >= 100  # redacoes.web.server.WAITING
    assert waiting() > 80
    begun = time.monotonic()
    for client in clients:
        client.close()
    wait(lambda: waiting() == 0)
    assert "event: complete" in answer(ask("um texto")).text
    assert time.monotonic() - begun < alone * len(clients) / 2  # else they would have been scored


def test_a_file_is_scored_by_the_api_or_refused_in_the_users_language(
    client: Any, known: list[tuple[str, int, float]], tmp_path: Path
) -> None:
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    lines = ["aluno;redação", *(f"João;{json.dumps(text, ensure_ascii=False)}" for text, *_ in known[:3])]
    path = tmp_path / "turma.csv"  # as Excel writes it in Brazil
    path.write_text("\r\n".join(lines).replace("\\n", " "), encoding="cp1252")
    _, scores = client.predict(handle_file(path), "redação", api_name="/score_file")
    found = pd.read_csv(scores)
    assert list(found["aluno"]) == ["João"] * 3
    assert list(found["predicted"]) == [predicted for _, predicted, _ in known[:3]]
    with pytest.raises(AppError, match="no column 'texto'; those of the file are 'aluno', 'redação'") as told:
        client.predict(handle_file(path), "texto", "en", api_name="/score_file")
    assert str(tmp_path) not in str(told.value)
    with pytest.raises(AppError, match="Escolha um arquivo"):
        client.predict(None, "essay", "pt", api_name="/score_file")
    with pytest.raises(AppError, match="There is no text"):
        client.predict(" \0\n", "en", api_name="/score")


def test_no_file_of_the_server_can_be_read_or_written(page: Page, clone: Clone) -> None:
    for path in ("/etc/passwd", str(clone.path / "params.yaml"), "params.yaml", "../../etc/passwd", "%2Fetc%2Fpasswd"):
        assert page.get(f"/gradio_api/file={urllib.request.quote(path, safe='%')}")[0] in (403, 404), path
    boundary = "fronteira"
    for name in ("../../fora.csv", "/tmp/fora.csv", "..\\fora.csv"):
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
            f"Content-Type: text/csv\r\n\r\nessay\r\na\r\n--{boundary}--\r\n"
        ).encode()
        request = urllib.request.Request(
            f"{page.url}/gradio_api/upload", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        )
        with urllib.request.urlopen(request) as answer:
            [written] = json.loads(answer.read())
        assert Path(written).resolve().is_relative_to(page.folder)
        Path(written).unlink()
    large = b"x" * (service.MEGABYTES * 1024 * 1024 + 1024)
    body = b"\r\n".join(
        [b"--f", b'Content-Disposition: form-data; name="files"; filename="a.csv"', b"", large, b"--f--", b""]
    )
    request = urllib.request.Request(
        f"{page.url}/gradio_api/upload", body, {"Content-Type": "multipart/form-data; boundary=f"}
    )
    with pytest.raises(urllib.error.HTTPError, match="413"):
        urllib.request.urlopen(request)


def test_another_port_is_asked_for_where_one_is_taken(page: Page, clone: Clone) -> None:
    port = page.url.rsplit(":", 1)[1]
    done = clone.run("redacoes", "app", "--port", port, check=False)
    assert done.returncode == 1
    assert f"error: 127.0.0.1:{port} cannot be used: " in done.stderr
    assert "Traceback" not in done.stderr


def asked_by_twenty(page: Page, known: list[tuple[str, int, float]]) -> tuple[list[float], list[int]]:
    """Have twenty clients ask at once: seconds until each answer, and the server's memory after it."""
    from gradio_client.exceptions import AppError

    server = psutil.Process(page.process.pid)
    seconds: list[float] = []
    memory: list[int] = []

    def ask(place: int) -> None:
        client = api(page)
        for turn in range(place, place + TURNS):
            text, predicted, expected = known[turn % len(known)]
            begun = time.monotonic()
            if place == 0:  # this one always fails, and must harm no other
                with pytest.raises(AppError, match="There is no text"):
                    client.predict("", "en", api_name="/score")
                continue
            found = client.predict(text, api_name="/score")
            seconds.append(time.monotonic() - begun)
            memory.append(server.memory_info().rss)
            assert found["predicted"] == predicted
            assert found["expected"] == pytest.approx(expected, abs=1e-5)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(ask, range(20)))  # raises what a client met with
    return seconds, memory


@pytest.mark.slow
def test_twenty_clients_get_each_its_own_and_a_server_that_is_ended_at_work_leaves_nothing(
    clone: Clone, tmp_path: Path, known: list[tuple[str, int, float]], capsys: pytest.CaptureFixture[str]
) -> None:
    from gradio_client import handle_file
    from gradio_client.utils import Status

    table = tmp_path / "turma.csv"
    essays = [row["essay"] for row in synthetic.essays(1000, 8)]
    pd.DataFrame({"essay": essays * 4}).to_csv(table, index=False)
    with served(clone, tmp_path / "tmp") as page:
        wait(lambda: page.health() == 200)
        seconds, memory = asked_by_twenty(page, known)
        p95 = quantiles(seconds, n=20)[-1]
        with capsys.disabled():
            print(f"\n20 clients: p95 {p95:.2f} s, memory {memory[0] >> 20} to {memory[-1] >> 20} MB")
        assert len(seconds) == 19 * TURNS
        assert memory[-1] < 1.1 * memory[len(memory) // 4]

        client = api(page)
        summary, path = client.predict(handle_file(table), "essay", "pt", api_name="/score_file")
        assert "Redações corrigidas: 4000." in summary
        assert len(pd.read_csv(path)) == 4000

        job = client.submit(handle_file(table), "essay", "pt", api_name="/score_file")
        wait(lambda: job.status().code in (Status.PROCESSING, Status.PROGRESS, Status.ITERATING))
        page.process.send_signal(signal.SIGTERM)
        assert page.process.wait(SECONDS) == 0
        assert "Traceback" not in page.log.read_text()
        assert not list(page.folder.iterdir())


@pytest.mark.slow
def test_a_model_that_nobody_has_made_is_told(make_clone: Callable[[str], Clone], tmp_path: Path, browser: Any) -> None:
    with served(make_clone("novo"), tmp_path / "tmp") as page:
        wait(lambda: page.health() == 500)
        opened = browser.new_page(locale="pt-BR")
        opened.goto(page.url)
        opened.locator("[role=status]").get_by_text("Ainda não há modelo").wait_for()
        assert opened.locator("[role=status] code").all_inner_texts() == ["dvc repro", "dvc pull"]
        opened.close()
        assert "there is no models/scorer yet; `dvc repro` makes it" in page.log.read_text()


@pytest.mark.slow
def test_a_model_that_does_not_load_is_told(clone: Clone, tmp_path: Path, browser: Any) -> None:
    with served(clone, tmp_path / "tmp", "--model", "models/nada") as page:
        wait(lambda: page.health() == 500)
        assert "not a folder here" in page.get("/health")[1]
        opened = browser.new_page(locale="pt-BR")
        opened.goto(page.url)
        opened.get_by_text("O modelo não pôde ser carregado").wait_for()
        opened.close()
        page.process.send_signal(signal.SIGINT)
        assert page.process.wait(SECONDS) == 130
        assert "Traceback" not in page.log.read_text()
