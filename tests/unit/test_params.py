"""params.yaml: what is legal, and what a user is told otherwise."""

import re
import shutil
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides

from redacoes import params
from redacoes.errors import UserError
from tests.support import PARAMS_FILE, ROOT

TEXT = PARAMS_FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  learning_rate:", "  learning_rat:", "train.learning_rat is not a key of this project; did you mean 'learning_rate'?"),
        ("  epochs: 2", "  epochs: -1", "train.epochs is -1"),
        ("  epochs: 2", "  epochs: 2.5", "train.epochs is 2.5"),
        ("  epochs: 2", "  epochs: true", "train.epochs is True"),
        ("  epochs: 2\n", "", "the key train.epochs is missing"),
        ("  learning_rate: 1.0e-3", "  learning_rate: .nan", "train.learning_rate is nan"),
        ("  workers: 1", "  workers: 0", "train.workers is 0"),
        ("  workers: 1", "  workers: 17", "train: workers is 17, and a batch of 16 essays cannot be shared among so many"),
        ("  strategy: shuffled", "  strategy: random", "split.strategy is 'random'"),
        ("  strategy: shuffled", "  strategy: grouped", "data.group_column must name"),
        ("  validation: own", "  validation: test", "decision.rule would be chosen on the test part"),
        ("  test_size: 0.2", "  test_size: 0.9", "leave no rows to train on"),
        ("  num_heads: 2", "  num_heads: 3", "hidden_size must be a multiple of num_heads"),
        ("  source: scratch", "  source: path", "path must be data/splits when source is scratch"),
        ("  source: scratch", "  source: hub", "LICENSE when source is hub (DVC wants the name of a file"),
        ("  path: data/splits", "  path: LICENSE", "path must be data/splits when source is scratch"),
        ("  max_length: 64", "  max_length: 600", "tokenize.max_length cannot exceed checkpoint.max_positions"),
        ("  source: none", "  source: path", "path must be a checkpoint's folder when source is path, and LICENSE when it is not"),
        ("  source: none", "  source: hub", "repository and revision must be given when source is hub"),
        ('  hypothesis_template: A nota desta redação é {}.', "  hypothesis_template: A nota.", "hypothesis_template must hold {} once"),
        ("  hidden_size: 16", "  width: 16", "checkpoint.width: width is called hidden_size now; write hidden_size in its place"),
        ("  rule: ordinal", "  rule: matched", "decision.rule: matched is called linear now"),
        ("accumulate: 1", "accumulate: 17", "train: accumulate is 17, and a batch of 16 essays cannot be divided"),
        ("  threads: 2\n  portable: false", "  threads: 1\n  portable: true", "portable is true, which is for float32 on 2 threads or more"),
        ("\nsample:", "\nsample: [", "is not valid YAML"),
    ],
)  # fmt: skip
def test_an_illegal_value_is_one_sentence_with_the_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TEXT
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        params.load(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_are_read_as_dvc_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace("learning_rate: 1.0e-3", "learning_rate: 2e-05"), encoding="utf-8")
    assert params.load(path).train.learning_rate == 2e-5


def test_the_live_file_is_legal_and_has_a_comment_above_every_key() -> None:
    params.load(ROOT / "params.yaml")
    lines = (ROOT / "params.yaml").read_text(encoding="utf-8").splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r" +\w+:", line)]
    assert len(keys) > 80
    bare = [lines[number] for number in keys if not lines[number - 1].lstrip().startswith("#")]
    assert bare == ["  bootstrap:"]  # a section


def test_an_experiment_changes_one_line_of_the_file(own_run: None, tmp_path: Path) -> None:
    path = Path(shutil.copy(ROOT / "params.yaml", tmp_path))
    before = path.read_text(encoding="utf-8").splitlines()
    for seed in (7, 8):
        apply_overrides(path, [f"train.seed={seed}"])
    after = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in after if line not in before] == ["  seed: 8"]
    assert len(after) == len(before)
