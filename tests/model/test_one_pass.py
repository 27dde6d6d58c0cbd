"""What the page's answer costs: an essay is cleaned, tokenized, split, scored and embedded once."""

import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from redacoes.essays import cleaning
from redacoes.essays.cleaning import clean
from redacoes.explain import sentences
from redacoes.explain.attribution import occlusion
from redacoes.explain.neighbours import Neighbours
from redacoes.inference.scorer import Scorer
from redacoes.learning import tokens
from redacoes.web.service import NEIGHBOURS, Answer, Service
from tests.support.project import Clone

pytestmark = pytest.mark.usefixtures("tensorflow")

# the last sentences lie beyond what the model sees, so that to leave one out changes nothing of it
ESSAY = " A leitura é um direito de todos. " + "\nO dia passa, e a turma lê. Por fim, é preciso agir!" * 12


@pytest.fixture
def service(own_clone: Clone, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.chdir(own_clone.path)
    made = Service("models/scorer", "tensorflow", reveals=True)
    made.scorer("pt")
    assert made._neighbours
    return made


def count_all(service: Service, cleaned: str, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return a tally that grows with whatever is done to the essay itself from now on."""
    tally: Counter[str] = Counter()

    def normalize(form: str, text: str) -> str:
        tally["cleaned"] += unicodedata.normalize(form, text).split() == cleaned.split()
        tally["all cleanings"] += 1
        return unicodedata.normalize(form, text)

    monkeypatch.setattr(cleaning, "unicodedata", SimpleNamespace(normalize=normalize, category=unicodedata.category))
    split = sentences._of_line
    monkeypatch.setattr(sentences, "_of_line", lambda line: (tally.update({"lines split": 1}), split(line))[1])
    backend = tokens._backend

    class Counting:
        def __init__(self, tokenizer: Any) -> None:
            self._of = backend(tokenizer)

        def encode(self, text: str) -> Any:
            tally["tokenized"] += text == cleaned
            return self._of.encode(text)

        def encode_batch_fast(self, texts: list[str]) -> Any:
            tally["tokenized"] += texts.count(cleaned)
            return self._of.encode_batch_fast(texts)

    monkeypatch.setattr(tokens, "_backend", Counting)
    whole = service._scorer.encode([cleaned])[0][0]
    tally.clear()

    def counting(name: str, forward: Callable[..., Any]) -> Callable[..., Any]:
        def run(inputs: Any) -> Any:
            pairs = zip(inputs["input_ids"], inputs["attention_mask"], strict=True)
            tally[name] += sum(ids[mask == 1].tolist() == whole for ids, mask in pairs)
            tally[f"rows {name}"] += len(inputs["input_ids"])
            return forward(inputs)

        return run

    scorer, neighbours = service._scorer, service._neighbours
    assert neighbours
    service._scorer = replace(scorer, _forward=counting("scored", scorer._forward))
    service._neighbours = replace(
        neighbours, _scorer=service._scorer, _forward=counting("embedded", neighbours._forward)
    )
    return tally


def test_an_answer_takes_one_pass(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned = clean(ESSAY)
    spans = sentences.sentences(cleaned)
    apart = parts(service._scorer, service._neighbours)
    tally = count_all(service, cleaned, monkeypatch)
    answer = service.score(ESSAY, "pt")
    assert answer.score["truncated"]
    assert tally["rows embedded"] == 1
    assert tally["rows scored"] < len(spans)  # what the model sees alike, it is asked once
    for what in ("cleaned", "all cleanings", "tokenized", "scored", "embedded"):
        assert tally[what] == 1, (what, tally)
    assert tally["lines split"] == len(cleaned.splitlines())
    same(answer, *apart)


def parts(scorer: Scorer, neighbours: Neighbours | None) -> tuple[Any, ...]:
    """Return what is said of the essay by the functions of the guide, each called apart."""
    assert neighbours
    row = scorer.score([ESSAY]).to_dict("records")[0]
    return (
        row,
        occlusion(scorer, ESSAY),
        neighbours.nearest(ESSAY, NEIGHBOURS),
        neighbours.is_out_of_distribution(ESSAY),
    )


def same(answer: Answer, row: Any, effects: Any, nearest: Any, far: bool) -> None:
    """Hold an answer to these."""
    assert answer.score == row
    assert answer.effects == effects
    assert answer.neighbours == nearest
    assert any("muito diferente de tudo" in warning for warning in answer.warnings) == far


def test_a_sentence_is_taken_out_as_if_it_had_never_been_written(trained: Scorer) -> None:
    text = clean(ESSAY)
    effects = occlusion(trained, ESSAY)
    without = [text[: one.begin] + text[one.end :] for one in effects]
    scores = trained.score([text, *without])["expected"].to_numpy()
    np.testing.assert_allclose([one.effect for one in effects], scores[0] - scores[1:], atol=3e-6)
