"""A team that has its own essays, parameters and remote in git: the project's tests still pass there."""

import re
import sys
from pathlib import Path

import pytest

from tests.support.project import Clone, lay_out

PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")


@pytest.mark.slow
def test_the_tests_stand_on_their_own(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "time")
    lay_out(clone.path)
    own = {"csv": "data/br.csv", "score_scale": "1000", "rounding": "half_up", "group_column": "prompt"}
    clone.set(**{f"data.{name}": value for name, value in own.items()}, **{"split.strategy": "grouped"})
    (clone.path / "data/br.csv.dvc").write_text("outs:\n- md5: 00000000000000000000000000000000\n  path: br.csv\n")
    with (clone.path / ".dvc/config").open("a") as config:
        config.write("['remote \"time\"']\n    url = /does/not/exist\n")
    (clone.path / "metrics/evaluation.json").write_text("{}")
    clone.git("add", "-A")
    clone.git("commit", "-qm", "Our essays")
    for name in ("RECORDED_RUN", "PYTEST_ADDOPTS"):  # of the run that this test is part of
        clone.environment.pop(name, None)

    unit = clone.run(*PYTEST, "tests/unit").stdout
    assert re.search(r"\d\d\d passed", unit), unit
    assert "failed" not in unit
    some = "committed_run or readme_gives or users_essays"  # the last needs a run on the tests' parameters
    system = clone.run(*PYTEST, "tests/system/test_pipeline.py", "-k", some).stdout
    assert "1 passed, 2 skipped" in system, system
    assert "params.yaml is not the project's own, so nothing is claimed of" in system
    found = {line for line in clone.run(*PYTEST, "--collect-only", "-m", "").stdout.splitlines() if "::" in line}
    assert len(found) > 300
