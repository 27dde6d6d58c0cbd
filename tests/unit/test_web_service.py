"""What the page says and does, without the page: a model is asked, and texts are read or refused."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from redacoes.explain.attribution import Attribution, occlusion
from redacoes.explain.neighbours import Neighbour
from redacoes.languages import Language
from redacoes.web import model_view, views
from redacoes.web.service import SENTENCES, Answer, RefusedError, Service, read_text
from redacoes.web.texts import TEXTS, say
from tests.support.tiny import tiny_model


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    return Service(str(tiny_model(tmp_path_factory.mktemp("modelo") / "onnx")), "onnx", reveals=False)


def test_every_text_is_in_both_languages() -> None:
    for key, (portuguese, english) in TEXTS.items():
        assert portuguese, key
        assert english, key
        assert set(re.findall(r"{(\w+)}", portuguese)) == set(re.findall(r"{(\w+)}", english)), key
    assert say("score", "pt") == "Corrigir"
    assert say("score", "en") == "Score"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_text_file_is_read_as_it_was_written(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text("A educação\né só isso.", encoding=encoding)
    assert read_text(str(path), "pt") == "A educação\né só isso."


@pytest.mark.parametrize("content", [b"%PDF\x00\xe2", b"\xff\xd8\x81", b"\xff\xfea"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(RefusedError, match="O arquivo não é um texto"):
        read_text(str(tmp_path / "a.txt"), "pt")


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "There is no text"), (" \0\n", "There is no text"), ("x" * 1_000_000, "1000000 characters")],
)
def test_a_text_that_cannot_be_scored_is_told(service: Service, text: str, says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        service.score(text, "en")


ESSAY = "A leitura é um direito de todos. Por fim, é preciso agir! A turma lê."


class Neighbours:
    """Stands in for the training essays: the text is unlike all of them, and most like one."""

    nearest = Neighbour(3, 8, 0.5, "A leitura.")

    def compare(self, essay: Any, count: int) -> tuple[list[Neighbour], bool]:
        return [self.nearest], True


def test_the_score_is_known_before_any_effect_is_computed(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer, batches = service.scorer("pt"), []

    def forward(inputs: Any) -> Any:
        batches.append(len(inputs["input_ids"]))
        return scorer._forward(inputs)

    monkeypatch.setattr(service, "_scorer", replace(scorer, _forward=forward))
    answers = service.answers(ESSAY, "pt")
    first = next(answers)
    assert batches == [1]
    assert first.score == scorer.score([ESSAY]).to_dict("records")[0]
    assert (first.effects, first.pending) == (None, True)
    assert "muito curto (15 palavras)" in first.warnings[0]
    [whole] = answers
    assert sum(batches) == 4
    assert whole.effects == occlusion(scorer, ESSAY)
    assert whole == replace(first, effects=whole.effects, pending=False) == service.score(ESSAY, "pt")


def test_what_the_training_essays_say_comes_before_the_effects(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.scorer("pt")
    monkeypatch.setattr(service, "_neighbours", Neighbours())
    monkeypatch.setattr(service, "_reveals", True)
    first, second, whole = service.answers(ESSAY, "pt")
    assert (first.neighbours, second.neighbours, whole.neighbours) == ([], *[[Neighbours.nearest]] * 2)
    assert [*first.warnings, say("far", "pt")] == second.warnings == whole.warnings
    assert (first.pending, second.pending, whole.pending) == (True, True, False)
    monkeypatch.setattr(service, "_reveals", False)
    assert service.score(ESSAY, "pt").neighbours == []


def test_an_essay_of_too_many_sentences_has_no_effect_to_wait_for(service: Service) -> None:
    [found] = service.answers("Não é. " * (SENTENCES + 1), "en")
    assert (found.effects, found.pending) == (None, False)
    assert "more than 200 sentences" in views.answer(found, 1.0, "en")


@pytest.mark.parametrize(
    ("language", "says"),
    [("pt", "O efeito de cada frase está sendo calculado."), ("en", "The effect of each sentence is being computed.")],
)
def test_the_score_is_shown_while_the_effects_are_computed(service: Service, language: Language, says: str) -> None:
    first, *_, whole = (views.answer(found, 1.0, language) for found in service.answers(ESSAY, language))
    until = first.index('<p role="status"')
    assert says in first[until:]
    assert whole.startswith(first[:until])
    assert 'role="status"' not in whole
    assert whole.count("<sup>") == 3


@pytest.fixture(scope="module")
def of_thousand(tmp_path_factory: pytest.TempPathFactory) -> Service:
    """A model that has learnt from scores of 0 to 1000."""
    folder = tiny_model(tmp_path_factory.mktemp("enem") / "onnx", scale=1000)
    return Service(str(folder), "onnx", reveals=False)


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("pt", ["Nota estimada: <strong>700</strong> (classe 7 de 0 a 10)", "entre 500 e 900; nota média esperada: 684.",
                "Em classes: entre 5 e 9; média: 6,8.", "−12</sup>", 'aria-label="Probabilidade de cada nota: 0: 0%, 100: 0%']),
        ("en", ["Estimated score: <strong>700</strong> (class 7 of 0 to 10)", "In classes: 5 to 9; mean: 6.8."]),
    ],
)  # fmt: skip
def test_a_score_is_in_the_points_of_the_data_with_the_class_beside(language: Language, shown: list[str]) -> None:
    chances = {f"p_{step}": float(step == 7) for step in range(11)}
    score = {"predicted": 7, "expected": 6.84, "low": 5, "high": 9, **chances}
    found = Answer("Não é.", score, [Attribution(0, 6, "Não é.", -0.1234)], [], [])
    for text in shown:
        assert text in views.answer(found, 100.0, language)
    once = views.answer(found, 1.0, language)
    assert "<strong>7</strong></h2>" in once
    assert "class" not in re.sub(r'class="?\w+', "", once)
    assert ("−0,12</sup>" if language == "pt" else "−0.12</sup>") in once
    assert "<strong>3,5</strong> (classe 7 " in views.answer(found, 0.5, "pt")


def test_points_are_those_of_the_model(service: Service, of_thousand: Service) -> None:
    service.scorer("pt"), of_thousand.scorer("pt")
    assert (service.points, of_thousand.points) == (1.0, 100.0)


def run_of(metrics: dict[str, Any]) -> dict[str, Any]:
    return {
        "commit": None,
        "parameters": {"evaluate": {"bootstrap": {"confidence": 0.9}}, "train": {"epochs": None}},
        "data": {"file": "a.csv", "from": "", "rows": {"kept": 3, "read": 4}, "splits": {"train": 2, "test": 1}},
        "metrics": metrics,
    }


def test_metrics_have_names_meanings_and_decimal_commas(of_thousand: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = {
        "qwk": {"value": 0.8765, "low": 0.8, "high": None},
        "mae": {"value": 0.75, "low": 0.7, "high": 0.8},
        "off_by_more_than_two": {"value": 0.1, "low": 0.0, "high": 0.2},
        "new<": {"value": 1.0, "low": None, "high": None},
    }
    of_thousand.scorer("pt")
    monkeypatch.setattr(of_thousand, "run", run_of(metrics))
    portuguese, english = (model_view.model(of_thousand, language) for language in ("pt", "en"))
    assert (
        '<th scope="row">Kappa quadrático (QWK)</th><td class="number" data-label="valor">0,876</td>' in portuguese
    )  # half to even
    assert 'data-label="intervalo de 90 %">0,800 – -</td>' in portuguese
    assert ">75,0</td>" in portuguese
    assert ">70,0 – 80,0</td>" in portuguese
    assert "fica a mais de 200 pontos da verdadeira" in portuguese
    assert "2 de treino, 1 de teste" in portuguese
    assert '<td class="number" data-label="value">0.876</td>' in english
    assert "more than 200 points from the true one" in english
    assert "new&lt;" in english
    assert "o erro médio foi de 75 pontos" in views.heading(of_thousand, "pt")


def test_every_metric_has_a_name_and_a_meaning() -> None:
    from redacoes.evaluation.comparison import SIGN

    for name in SIGN:
        assert f"metric_{name}" in TEXTS
        assert f"meaning_{name}" in TEXTS


def test_a_model_that_nobody_has_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    service = Service("models/scorer", "tensorflow", reveals=True)
    with pytest.raises(RefusedError, match="Ainda não há modelo"):
        service.score("Um texto.", "pt")
    assert service.state == "failed"
    assert "no models/scorer yet; `dvc repro` makes it, or `dvc pull` fetches it" in capsys.readouterr().err
    for shown in (views.status(service, "en"), model_view.model(service, "en")):
        assert "There is no model yet" in shown
        assert "<code>dvc repro</code>" in shown


def test_a_fault_in_telling_what_made_a_model_does_not_keep_it_from_scoring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(revision: Any) -> None:
        raise KeyError("outs")

    tiny_model(tmp_path / "models/scorer")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("redacoes.web.service.describe", fail)
    service = Service("models/scorer", "onnx", reveals=False)
    assert service.score(ESSAY, "pt").score["predicted"] >= 0
    assert (service.state, service.run, service.unknown) == ("ready", None, "KeyError: 'outs'")
    assert "Traceback" in capsys.readouterr().err  # it is a defect, and is to be found
    assert "KeyError" in model_view.model(service, "en")
    assert "No more is known of this model: KeyError" in views.heading(service, "en")  # nor that it is of real essays
