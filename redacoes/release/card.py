"""The model card: what a published model is, how good it is, and how it is used, in Portuguese and in English.

The templates in `cards/` hold the text; every figure comes from the run. `bundle` says what is published, and when
publishing is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from io import StringIO
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from jinja2 import StrictUndefined, Template
from ruamel.yaml import YAML

from redacoes.evaluation.comparison import falls_short, figures
from redacoes.evaluation.decision import Decision
from redacoes.formatting import table
from redacoes.learning.tokens import truncate
from redacoes.params import Tokenize

METRICS = {  # Portuguese and English, in the order of the card
    "qwk": ("kappa quadrático ponderado (QWK)", "quadratic weighted kappa (QWK)"),
    "accuracy": ("acurácia: a nota exata", "accuracy: the very score"),
    "adjacent_accuracy": ("erro de no máximo 1 ponto", "at most 1 point off"),
    "off_by_more_than_two": ("erro de mais de 2 pontos", "more than 2 points off"),
    "mae": ("erro absoluto médio, em pontos (MAE)", "mean absolute error, in points (MAE)"),
    "rmse": ("raiz do erro quadrático médio, em pontos (RMSE)", "root mean squared error, in points (RMSE)"),
    "macro_f1": ("F1, média das notas (macro)", "F1, mean over the scores (macro)"),
    "weighted_f1": ("F1, ponderada pela frequência das notas", "F1, weighted by how frequent a score is"),
    "loss": ("perda: entropia cruzada, em nats", "loss: cross-entropy, in nats"),
    "ece": ("erro de calibração esperado (ECE)", "expected calibration error (ECE)"),
}
HUB_TYPES = {"macro_f1": "f1", "weighted_f1": "f1"}  # the Hub's names, where they differ


@dataclass(frozen=True)
class Run:
    """The data of a card.

    Attributes:
        repository: ``owner/name`` on the Hub.
        branch: The branch to publish to.
        found: What `provenance.describe` returned: commit, parameters, data, environment, and metrics with intervals.
        scores: Number of essays with each score, by split.
        baselines: Test metrics of the baselines, by name: prior, tfidf, surface, hybrid, text where the
            encoder had weights, and zero_shot where it ran.
        decision: The rule that the metrics were measured with.
        made_by: What `metadata.of_revision` returned.
    """

    repository: str
    branch: str
    found: Mapping[str, Any]
    scores: Mapping[str, Mapping[str, int]]
    baselines: Mapping[str, Mapping[str, Any]]
    decision: Decision
    made_by: Mapping[str, Any]

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters, by section."""
        sections: Mapping[str, Any] = self.found["parameters"]
        return sections

    @property
    def metrics(self) -> Mapping[str, Mapping[str, float | None]]:
        """The test metrics, each with ``value``, ``low`` and ``high``."""
        metrics: Mapping[str, Mapping[str, float | None]] = self.found["metrics"]
        return metrics

    @property
    def synthetic(self) -> bool:
        """Whether the essays are synthetic, from the stage `sample`."""
        return bool(self.found["data"]["from"] == "stage sample")

    @property
    def top(self) -> int:
        """The highest score."""
        return int(self.parameters["data"]["max_score"])


def write(run: Run) -> str:
    """Return the card as Markdown, with the Hub's metadata in front: the same bytes for the same run."""
    title = run.repository.split("/")[-1]
    filled = ModelCard.from_template(
        _metadata(run, title),
        template_str=_template("card"),
        title=title,
        portuguese=_in_language(run, "pt"),
        english=_in_language(run, "en"),
        parameters=_yaml(run.parameters),
    )
    return f"{filled}\n"


def _template(name: str) -> str:
    return (files("redacoes.release") / "cards" / f"{name}.md.jinja").read_text(encoding="utf-8")


def _fill(name: str, values: Mapping[str, Any]) -> str:
    template = Template(_template(name), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return template.render(values)


def _in_language(run: Run, language: str) -> str:
    """Return the part of the card that is in one language."""
    language_of = _Language(run, language)
    checkpoint, tokenize = run.parameters["checkpoint"], Tokenize(**run.parameters["tokenize"])
    places = list(range(2 * tokenize.max_length))  # of a long essay; every family has a special token at each end
    kept = truncate(places, [1, *[0] * (len(places) - 2), 1], tokenize)
    best = run.found.get("best_baseline")
    values = {
        "run": run,
        "data": run.found["data"],
        "made_by": run.made_by,
        "commit": run.found["commit"]["hash"],
        "packages": run.found["environment"],
        "decision": run.decision,
        "test": run.metrics,
        "checkpoint": checkpoint,
        "source": f"{checkpoint['repository']}@{checkpoint['revision']}"
        if checkpoint["source"] == "hub"
        else checkpoint.get("path"),
        "split": run.parameters["split"],
        "tokenize": tokenize,
        "front": sum(place == index for index, place in enumerate(kept)),
        "where": f'"{run.repository}", revision="{run.branch}"',
        "best": best,
        "falls_short": best and falls_short(best),
        "validation": [language_of.decimal(figure) for figure in figures(best)] if best else [],
        "confidence": language_of.number(100 * run.parameters["evaluate"]["bootstrap"]["confidence"], "g"),
        "number": language_of.number,
        "results": language_of.results,
        "counts": language_of.counts,
        "formula": language_of.formula(),
        "odds": language_of.odds(),
    }
    return _fill(language, {**values, "code": lambda word: _fill("code", {**values, "word": word})})


def _yaml(values: Mapping[str, Any]) -> str:
    yaml, text = YAML(), StringIO()
    yaml.dump(dict(values), text)
    return text.getvalue()


def _metadata(run: Run, title: str) -> ModelCardData:
    """Return the Hub's metadata, which includes the test metrics in `model-index` format."""
    checkpoint, bootstrap = run.parameters["checkpoint"], run.parameters["evaluate"]["bootstrap"]
    file = run.found["data"]["file"].split("/")[-1]
    results = [
        EvalResult(
            task_type="text-classification",
            task_name="Essay scoring",
            dataset_type=file,
            dataset_name=f"{file} (synthetic essays)" if run.synthetic else file,
            dataset_split="test",
            dataset_revision=f"md5:{run.found['data']['md5']}",
            metric_type=HUB_TYPES.get(name, name),
            metric_name=METRICS[name][1],
            metric_value=of["value"],
            metric_args={
                "interval": "percentile bootstrap over the test essays",
                "confidence": bootstrap["confidence"],
                "low": of["low"],
                "high": of["high"],
            },
        )
        for name in METRICS
        if (of := run.metrics.get(name)) and of["value"] is not None
    ]
    return ModelCardData(
        language="pt",
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=["essay-scoring", "automated-essay-scoring", "redacao", *(["synthetic-data"] if run.synthetic else [])],
        base_model=checkpoint.get("repository") if checkpoint["source"] == "hub" else None,
        model_name=title,
        eval_results=results,
    )


class _Language:
    """Numbers and tables in Portuguese or English notation."""

    def __init__(self, run: Run, language: str) -> None:
        self.run, self.language = run, language

    def number(self, value: Any, form: str = ".3f") -> str:
        """Return a number in the language's notation: Portuguese has a decimal comma and a point for thousands."""
        if value is None:
            return "-"
        return self.decimal(format(value, form))

    def decimal(self, text: str) -> str:
        return text if self.language == "en" else text.translate(str.maketrans(".,", ",."))

    def results(self, mine: str, interval: str, to: str, baselines: Mapping[str, str]) -> str:
        """Return the table of test metrics: the model with its intervals, and each baseline."""
        others = self.run.baselines
        rows = []
        for name, (portuguese, english) in METRICS.items():
            if name in self.run.metrics:
                of = self.run.metrics[name]
                span = f"{self.number(of['low'])} {to} {self.number(of['high'])}"
                values = [self.number(metrics.get(name)) for metrics in others.values()]
                label = english if self.language == "en" else portuguese
                rows.append([label, self.number(of["value"]), span, *values])
        return table(["", mine, interval, *(baselines.get(name, name) for name in others)], rows, markdown=True)

    def counts(self, parts: Mapping[str, str], essays: str, score: str) -> str:
        """Return the table of essays by split and score."""
        scores = [str(k) for k in range(self.run.top + 1)]
        rows = [
            [
                label,
                self.number(self.run.found["data"]["splits"].get(part, 0), ",d"),
                *(self.number(self.run.scores.get(part, {}).get(k, 0), ",d") for k in scores),
            ]
            for part, label in parts.items()
        ]
        return table(["", essays, *(f"{score} {k}" for k in scores)], rows, markdown=True)

    def formula(self) -> str:
        """Return the decision rule with its numbers; E is the mean score."""
        decision = self.run.decision
        sign = "+" if decision.intercept >= 0 else "−"
        intercept = self.number(abs(decision.intercept), ".4f")
        return f"⌊{self.number(decision.slope, '.4f')} · E {sign} {intercept} + {self.number(0.5, '.1f')}⌋"

    def odds(self) -> str:
        """Return how the rule ordinal weighs its two numbers."""
        odds = self.run.decision.odds
        of_model, of_text = odds.weights if odds else (1.0, 0.0)
        return f"{self.number(of_model, '.4f')} · M + {self.number(of_text, '.4f')} · T"
