"""The model card: what a published model is, how good it is, and how it is used, in Portuguese and in English.

Every figure is of the run. What is published, and when that is refused, is in `publish`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import StringIO
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from ruamel.yaml import YAML

from redacoes.compare import falls_short, figures
from redacoes.params import Tokenize
from redacoes.scoring import Decision
from redacoes.tokens import truncate

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
HUB_TYPES = {"macro_f1": "f1", "weighted_f1": "f1"}  # where the Hub has another name for a metric
SPLITS = {
    "sequential": (
        "as últimas linhas do arquivo são o teste, sem embaralhar",
        "the file's last rows are the test part, unshuffled",
    ),
    "shuffled": (
        "as partes são sorteadas, e redações do mesmo tema podem estar nos dois lados",
        "the parts are drawn at random, and essays on the same theme may stand on both sides",
    ),
    "stratified": (
        "as partes são sorteadas por nota, e redações do mesmo tema podem estar nos dois lados",
        "the parts are drawn at random by score, and essays on the same theme may stand on both sides",
    ),
    "grouped": (
        "nenhum grupo (por exemplo, o tema) está em dois lados",
        "no group (such as the theme) stands on two sides",
    ),
}
CUTS = {
    "head": ("fica o começo", "the beginning is kept"),
    "tail": ("fica o fim", "the end is kept"),
    "head_tail": (
        "ficam o primeiro quarto desse tamanho e, do fim da redação, o resto",
        "a quarter of that length is kept from the beginning, and the rest from the end",
    ),
}


@dataclass(frozen=True)
class Run:
    """What a card is written from.

    Attributes:
        repository: Its name on the Hub, with the owner's.
        branch: The branch that it is published to.
        found: What `provenance.describe` returned: commit, parameters, data, environment, and metrics with intervals.
        scores: How many essays have each score, by part.
        baselines: Test metrics of what the model must beat, by name: prior, tfidf, surface, hybrid, text where the
            encoder had weights, and zero_shot where it ran.
        decision: The rule that the metrics were measured with.
        made_by: What `portable.provenance` returned.
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
        """Whether the essays are those that the stage `sample` makes."""
        return bool(self.found["data"]["from"] == "stage sample")

    @property
    def top(self) -> int:
        """The highest score."""
        return int(self.parameters["data"]["max_score"])


def write(run: Run) -> str:
    """Return the card as Markdown, with the Hub's metadata in front: the same bytes for the same run."""
    title = run.repository.split("/")[-1]
    parts = [f"# {title}", "[Português](#português) · [English](#english)"]
    for language in (_Portuguese(run), _English(run)):
        parts += language.sections()
    parts += ["## Parâmetros · Parameters", f"```yaml\n{_yaml(run.parameters)}```"]
    return f"---\n{_metadata(run, title).to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n"


def _yaml(values: Mapping[str, Any]) -> str:
    yaml, text = YAML(), StringIO()
    yaml.dump(dict(values), text)
    return text.getvalue()


def _metadata(run: Run, title: str) -> ModelCardData:
    """Return the Hub's metadata, the test metrics in its `model-index` format among them."""
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


def _source(checkpoint: Mapping[str, Any]) -> str:
    """Return what training started from."""
    if checkpoint["source"] == "hub":
        return f"{checkpoint['repository']}@{checkpoint['revision']}"
    return str(checkpoint["path"])


class _Language:
    """The parts that both languages share: numbers, tables and code. `which` picks the language of a pair."""

    which: int

    def __init__(self, run: Run) -> None:
        self.run = run
        self.data, self.parameters = run.found["data"], run.parameters
        self.commit = run.found["commit"]["hash"]

    def say(self, pair: tuple[str, str]) -> str:
        return pair[self.which]

    def number(self, value: Any, form: str = ".3f") -> str:
        """Return a number as the language writes it: Portuguese has a comma for decimals and a point for thousands."""
        if value is None:
            return "-"
        return self.decimal(format(value, form))

    def decimal(self, text: str) -> str:
        return text if self.which else text.translate(str.maketrans(".,", ",."))

    def table(self, header: list[str], rows: list[list[str]]) -> str:
        lines = [header, ["---"] * len(header), *rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def results(self, mine: str, interval: str, baselines: Mapping[str, str]) -> str:
        """Return the table of test metrics: the model with its intervals, and each baseline."""
        others = self.run.baselines
        rows = []
        for name, names in METRICS.items():
            if name in self.run.metrics:
                of = self.run.metrics[name]
                span = f"{self.number(of['low'])} {self.say(('a', 'to'))} {self.number(of['high'])}"
                values = [self.number(metrics.get(name)) for metrics in others.values()]
                rows.append([self.say(names), self.number(of["value"]), span, *values])
        return self.table(["", mine, interval, *(baselines.get(name, name) for name in others)], rows)

    def hybrid(self) -> str:
        """Return what the hybrid baseline is made of."""
        if self.parameters["checkpoint"]["source"] == "scratch":
            return self.say(("superfície e TF-IDF", "surface and TF-IDF"))
        return self.say(("superfície e codificador congelado", "surface and the frozen encoder"))

    def against(self) -> list[str]:
        """Return the difference to the best baseline, and a warning where the model is not better."""
        best = self.run.found.get("best_baseline")
        if not best:
            return []
        names = {
            "prior": ("a frequência das notas", "the class prior"),
            "tfidf": ("TF-IDF", "TF-IDF"),
            "surface": ("a superfície do texto", "the text's surface"),
            "text": ("superfície e TF-IDF", "surface and TF-IDF"),
            "hybrid": (f"a referência híbrida ({self.hybrid()})", f"the hybrid baseline ({self.hybrid()})"),
        }
        name, test = self.say(names[best["name"]]), best["test"]
        ends = [self.number(test[end], "+.3f") for end in ("difference", "low", "high")]
        told = self.say((
            "Diferença de QWK, redação por redação, para a melhor referência na validação, {name}: {0} ({1} a {2}).",
            "Difference of QWK, essay by essay, to the baseline that is best on validation, {name}: {0} ({1} to {2}).",
        ))  # fmt: skip
        parts = [told.format(*ends, name=name)]
        if falls_short(best):
            warning = self.say((
                "**Na validação, o modelo não é melhor que {name} ({0} contra {1})**: não se apoie nele.",
                "**On validation the model is not better than {name} ({0} against {1})**: do not rely on it.",
            ))  # fmt: skip
            parts.insert(0, warning.format(*map(self.decimal, figures(best)), name=name))
        return parts

    def counts(self, parts: Mapping[str, str], essays: str, score: str) -> str:
        """Return the table of how many essays each part has, and of each score."""
        scores = [str(k) for k in range(self.run.top + 1)]
        rows = [
            [
                label,
                self.number(self.data["splits"].get(part, 0), ",d"),
                *(self.number(self.run.scores.get(part, {}).get(k, 0), ",d") for k in scores),
            ]
            for part, label in parts.items()
        ]
        return self.table(["", essays, *(f"{score} {k}" for k in scores)], rows)

    def code(self, heading: Callable[[str], str]) -> list[str]:
        """Return how the model is loaded in TensorFlow, PyTorch and ONNX Runtime, and how a score is decided."""
        return [f"{heading(name)}\n\n```{kind}\n{text}```" for name, kind, text in _snippets(self.run)]

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


def _snippets(run: Run) -> list[tuple[str, str, str]]:
    """Return title, language and text of each block of code."""
    tokenize, packages = Tokenize(**run.parameters["tokenize"]), run.found["environment"]
    where = f'"{run.repository}", revision="{run.branch}"'
    longest = tokenize.max_length
    places = list(range(2 * longest))  # of a long essay; every family has one special token at each end
    kept = truncate(places, [1, *[0] * (len(places) - 2), 1], tokenize)
    front = sum(place == index for index, place in enumerate(kept))

    def inputs(tensors: str) -> str:
        return f"""\
tokenizer = AutoTokenizer.from_pretrained({where})


def encode(essay):  # as in training: of a long essay, its two ends
    ids = tokenizer(essay)["input_ids"]
    return ids if len(ids) <= {longest} else ids[:{front}] + ids[-{longest - front}:]


essays = ["A leitura transforma a vida de quem lê."]
batch = tokenizer.pad({{"input_ids": [encode(essay) for essay in essays]}}, return_tensors="{tensors}")
"""

    tensorflow = f"""\
# pip install transformers=={packages["transformers"]} tensorflow=={packages["tensorflow"]} \
tf-keras=={packages["tf-keras"]}
from transformers import AutoTokenizer, TFAutoModelForSequenceClassification

{inputs("tf")}
model = TFAutoModelForSequenceClassification.from_pretrained({where})
logits = model(**batch).logits.numpy()
"""
    torch = f"""\
# pip install transformers torch
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

{inputs("pt")}
model = AutoModelForSequenceClassification.from_pretrained({where})
with torch.inference_mode():
    logits = model(**batch).logits.numpy()
"""
    onnx = f"""\
# redacoes export --format onnx --out onnx   (in a clone of the project, at commit {run.made_by["commit"][:12]})
# pip install transformers onnxruntime
import onnxruntime
from transformers import AutoTokenizer

{inputs("np")}
session = onnxruntime.InferenceSession("onnx/model.onnx")
names = [each.name for each in session.get_inputs()]
[logits] = session.run(["logits"], {{name: batch[name] for name in names}})
"""
    if run.decision.rule == "argmax":
        rule = "score = logits.argmax(axis=1)\n"
    elif run.decision.rule == "ordinal":
        rule = f"""\
# the rule also reads the text: in a clone of the project, at commit {run.made_by["commit"][:12]}
from redacoes import Scorer

score = Scorer.load("{run.repository}@HASH").score(essays)["predicted"]
"""
    else:
        rule = f"""\
import numpy as np
from transformers import AutoConfig

rule = AutoConfig.from_pretrained({where}).redacoes["decision"]
probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
probabilities /= probabilities.sum(axis=1, keepdims=True)
expected = probabilities @ np.arange(probabilities.shape[1])
score = np.floor(rule["slope"] * expected + rule["intercept"] + 0.5 + 1e-9).clip(0, {run.top}).astype(int)
"""
    return [
        ("TensorFlow", "python", tensorflow),
        ("PyTorch", "python", torch),
        ("ONNX Runtime", "python", onnx),
        ("logits → score", "python", rule),
    ]


class _Portuguese(_Language):
    which = 0

    def sections(self) -> list[str]:
        run, number = self.run, self.number
        data, rows, test = self.data, self.data["rows"], run.metrics
        tokenize, split = self.parameters["tokenize"], self.parameters["split"]
        essays = "redações **sintéticas**" if run.synthetic else "redações"
        synthetic = (
            "**As redações são sintéticas**, feitas por programa para que a nota se leia no texto: mostram que o fluxo "
            "de trabalho funciona e nada dizem sobre redações reais. Este modelo não serve para avaliar ninguém."
        )
        confidence = number(100 * self.parameters["evaluate"]["bootstrap"]["confidence"], "g")
        shared = (
            "A validação foi a própria parte de teste, como no caderno do curso: os resultados não são de redações "
            "inéditas."
        )
        return [
            "## Português",
            f"Estima a nota, de 0 a {run.top}, que um avaliador daria a uma redação em português do Brasil. É um "
            f"classificador ({self._made_from()}) com uma classe para cada nota, treinado com {essays}.",
            *([synthetic] if run.synthetic else []),
            "### Uso pretendido e limites",
            "- Para apoiar quem corrige: ordenar uma pilha de redações, achar as que pedem uma segunda leitura, "
            "estudar critérios de correção.\n"
            "- **Não é uma nota.** É uma estimativa da nota de um avaliador, com erro típico: nas redações de teste, "
            f"{number(test['mae']['value'], '.2f')} ponto(s) em média (raiz do erro quadrático médio "
            f"{number(test['rmse']['value'], '.2f')}), e "
            f"{number(100 * (test['off_by_more_than_two']['value'] or 0), '.1f')} % com erro de mais de 2 pontos. "
            "Não decida nada sobre uma pessoa só com ela.\n"
            "- Aprendeu a dar as notas dos avaliadores destes dados, com seus critérios e seus vieses, e nada sabe de "
            "outros temas, séries, gêneros ou escalas. Não verifica fatos, plágio nem autoria, e pode ser enganado por "
            "quem escreve para ele.\n"
            f"- Lê no máximo {tokenize['max_length']} tokens; de uma redação mais longa, "
            f"{self.say(CUTS[tokenize['truncation']])}.",
            "### Dados",
            f"`{data['file']}` (md5 `{data['md5']}`): {number(rows['read'], ',d')} linhas lidas, "
            f"{number(rows['kept'], ',d')} usadas. Partes em `data/splits`, md5 `{run.made_by['splits_md5']}`: "
            f"{self.say(SPLITS[split['strategy']])}. As redações não são publicadas com o modelo.",
            self.counts({"train": "treino", "validation": "validação", "test": "teste"}, "redações", "nota"),
            "### Resultados",
            f"Nas {number(data['splits']['test'], ',d')} {essays} de teste, com intervalos de {confidence} % "
            "(bootstrap das redações de teste: quanto a medida variaria com outras redações, não com outro treino). "
            "As referências usam o mesmo código e as mesmas partes."
            + (f" {shared}" if split["validation"] == "test" else ""),
            self.results(
                "este modelo",
                f"intervalo de {confidence} %",
                {
                    "prior": "frequência das notas",
                    "tfidf": "TF-IDF com regressão logística",
                    "surface": "superfície do texto",
                    "text": "superfície e TF-IDF",
                    "hybrid": self.hybrid(),
                    "zero_shot": "zero-shot",
                },
            ),
            *self.against(),
            "### Como a nota é decidida",
            self._rule(),
            "### Como usar",
            "Fixe em `revision` o commit do Hub que você testou. O texto deve estar limpo como no treino (Unicode NFC, "
            "um só espaço entre palavras, sem linhas em branco).",
            *self.code(lambda name: f"**{name.replace('score', 'nota')}**"),
            "### Como reproduzir",
            f"No repositório do projeto, no commit `{self.commit}`; `params.yaml` tem o sha256 "
            f"`{run.made_by['params_sha256']}`:",
            f"```sh\ngit checkout {self.commit}\nmake repro     # ou: make pull, se os dados estão no remote\n"
            "make verify    # os bytes são os de dvc.lock?\n```",
        ]

    def _made_from(self) -> str:
        checkpoint = self.parameters["checkpoint"]
        if checkpoint["source"] == "scratch":
            return f"{checkpoint['architecture']}, {checkpoint['num_layers']} camada(s), pesos treinados do zero"
        return f"ajuste fino de `{_source(checkpoint)}`"

    def _rule(self) -> str:
        top = self.run.top
        mean = f"E é a nota média segundo as probabilidades das classes (Σ k · p(k), k de 0 a {top})"
        rules = {
            "argmax": "Regra `argmax`: a nota é a da classe mais provável.",
            "expected": f"Regra `expected`: nota = {self.formula()}, limitada a 0–{top}: a média arredondada. {mean}.",
            "linear": f"Regra `linear`: nota = {self.formula()}, limitada a 0–{top}. {mean}. A inclinação e o "
            "intercepto foram ajustados só na validação, para que as notas decididas tenham a média e o desvio das "
            "verdadeiras: um modelo inseguro puxa toda média para o centro. **A classe mais provável, que "
            "`pipeline('text-classification')` devolve, não é esta nota**, e os resultados acima não valem para ela.",
            "ordinal": f"Regra `ordinal`: nota = {self.formula()}, limitada a 0–{top}. {mean}. "
            "Essas probabilidades vêm de chances proporcionais (McCullagh, 1980), "
            f"P(nota ≤ k) = 1 / (1 + exp({self.odds()} − θ(k))), "
            "em que M é a nota média segundo as probabilidades do classificador e T a de uma regressão sobre o texto "
            "(`surface.json`, `surface.safetensors`), ajustada no treino. Pesos, limiares, inclinação e intercepto "
            "foram ajustados só na validação. **A classe mais provável, que `pipeline('text-classification')` devolve, "
            "não é esta nota**, e os resultados acima não valem para ela.",
        }
        exact = "Os números exatos estão em `decision.json` e em `config.json`, na chave `redacoes`."
        return f"{rules[self.run.decision.rule]} {exact}"


class _English(_Language):
    which = 1

    def sections(self) -> list[str]:
        run, number = self.run, self.number
        data, rows, test = self.data, self.data["rows"], run.metrics
        tokenize, split = self.parameters["tokenize"], self.parameters["split"]
        essays = "**synthetic** essays" if run.synthetic else "essays"
        synthetic = (
            "**The essays are synthetic**, made by a program so that their score can be read off the text: they show "
            "that the workflow works, and say nothing about real essays. This model is not fit to assess anybody."
        )
        confidence = number(100 * self.parameters["evaluate"]["bootstrap"]["confidence"], "g")
        shared = (
            "The test part was also the validation part, as in the course's notebook: the results are not of unseen "
            "essays."
        )
        return [
            "## English",
            f"Estimates the score, from 0 to {run.top}, that a grader would give to an essay in Brazilian Portuguese. "
            f"It is a classifier ({self._made_from()}) with one class for each score, trained on {essays}.",
            *([synthetic] if run.synthetic else []),
            "### Intended use and limits",
            "- To support whoever grades: sort a pile of essays, find those that ask for a second reading, study "
            "grading criteria.\n"
            "- **It is not a grade.** It is an estimate of a grader's score, with a typical error: on the test essays, "
            f"{number(test['mae']['value'], '.2f')} points on average (root mean squared error "
            f"{number(test['rmse']['value'], '.2f')}), and "
            f"{number(100 * (test['off_by_more_than_two']['value'] or 0), '.1f')} % more than 2 points off. "
            "Decide nothing about a person by it alone.\n"
            "- It has learnt to give the scores of the graders of these data, with their criteria and their biases, "
            "and knows nothing of other themes, school years, genres or scales. It checks no facts, plagiarism or "
            "authorship, and whoever writes for it can fool it.\n"
            f"- It reads {tokenize['max_length']} tokens at most; of a longer essay, "
            f"{self.say(CUTS[tokenize['truncation']])}.",
            "### Data",
            f"`{data['file']}` (md5 `{data['md5']}`): {number(rows['read'], ',d')} rows read, "
            f"{number(rows['kept'], ',d')} used. Parts in `data/splits`, md5 `{run.made_by['splits_md5']}`: "
            f"{self.say(SPLITS[split['strategy']])}. The essays are not published with the model.",
            self.counts({"train": "train", "validation": "validation", "test": "test"}, "essays", "score"),
            "### Results",
            f"On the {number(data['splits']['test'], ',d')} {essays} of the test part, with {confidence} % intervals "
            "(bootstrap of the test essays: how much the figure would vary with other essays, not with another "
            "training). The baselines use the same code and the same parts."
            + (f" {shared}" if split["validation"] == "test" else ""),
            self.results(
                "this model",
                f"{confidence} % interval",
                {
                    "prior": "class prior",
                    "tfidf": "TF-IDF with logistic regression",
                    "surface": "the text's surface",
                    "text": "surface and TF-IDF",
                    "hybrid": self.hybrid(),
                    "zero_shot": "zero-shot",
                },
            ),
            *self.against(),
            "### How a score is decided",
            self._rule(),
            "### How to use it",
            "Give `revision` the Hub's commit that you have tried. The text must be clean as in training (Unicode NFC, "
            "one space between words, no blank lines).",
            *self.code(lambda name: f"**{name}**"),
            "### How to reproduce it",
            f"In the project's repository, at commit `{self.commit}`; `params.yaml` has the sha256 "
            f"`{run.made_by['params_sha256']}`:",
            f"```sh\ngit checkout {self.commit}\nmake repro     # or: make pull, if the data are on the remote\n"
            "make verify    # are the bytes those of dvc.lock?\n```",
        ]

    def _made_from(self) -> str:
        checkpoint = self.parameters["checkpoint"]
        if checkpoint["source"] == "scratch":
            return f"{checkpoint['architecture']}, {checkpoint['num_layers']} layer(s), weights trained from scratch"
        return f"fine-tuned from `{_source(checkpoint)}`"

    def _rule(self) -> str:
        top = self.run.top
        mean = f"E is the mean score under the class probabilities (Σ k · p(k), k from 0 to {top})"
        rules = {
            "argmax": "Rule `argmax`: the score is that of the likeliest class.",
            "expected": f"Rule `expected`: score = {self.formula()}, kept within 0–{top}: the mean, rounded. {mean}.",
            "linear": f"Rule `linear`: score = {self.formula()}, kept within 0–{top}. {mean}. Slope and intercept "
            "were fitted on validation alone, so that the decided scores have the mean and spread of the true ones: a "
            "model that is unsure pulls every mean towards the middle. **The likeliest class, which "
            "`pipeline('text-classification')` returns, is not this score**, and the results above are not its.",
            "ordinal": f"Rule `ordinal`: score = {self.formula()}, kept within 0–{top}. {mean}. "
            "These probabilities come from proportional odds (McCullagh, 1980), "
            f"P(score ≤ k) = 1 / (1 + exp({self.odds()} − θ(k))), "
            "where M is the mean score under the classifier's probabilities, and T that of a regression on the text "
            "(`surface.json`, `surface.safetensors`), fitted on the training essays. Weights, thresholds, slope and "
            "intercept were fitted on validation alone. **The likeliest class, which "
            "`pipeline('text-classification')` returns, is not this score**, and the results above are not its.",
        }
        exact = "The exact numbers are in `decision.json`, and in `config.json` under `redacoes`."
        return f"{rules[self.run.decision.rule]} {exact}"
