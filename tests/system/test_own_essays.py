"""A team that has its own essays, parameters and remote in git: the project's tests still pass there."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.project import Clone, Folder, lay_out

PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
PROJECT = "import sys; from pathlib import Path; from tests.support import project; project.project(Path(sys.argv[1]))"


@pytest.mark.slow
def test_the_tests_stand_on_their_own(origin: Folder, tmp_path: Path) -> None:
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

    # the run that tests begin with comes out the same here, so that it need not be made again
    made = Folder(tmp_path / "made")
    made.path.joinpath(".dvc").mkdir(parents=True)
    clone.run(sys.executable, "-c", PROJECT, str(made.path))
    made.git("init", "-q")
    made.git("add", "-A")
    assert made.git("write-tree") == origin.git("rev-parse", "main~1^{tree}")
    kept = clone.path / ".work/tests"
    shutil.copytree(origin.path.parent, kept / origin.path.parent.name, symlinks=True)

    shown = clone.run(
        *PYTEST,
        "tests/unit",
        "tests/system/test_benchmarks.py",
        *(f"tests/system/test_pipeline.py::{name}" for name in (
            "test_a_users_essays_with_a_fault_leave_nothing_behind",
            "test_the_committed_run_is_that_of_the_committed_code",
            "test_the_readme_gives_the_figures_of_the_recorded_run",
        )),
    ).stdout  # fmt: skip
    assert re.search(r"\d\d\d passed, \d+ skipped", shown), shown
    skipped = re.findall(r"SKIPPED .* tests/system/.*: params.yaml is not the project's own, so nothing", shown)
    assert len(skipped) == 2, shown
    assert [path.name for path in kept.iterdir() if path.is_dir()] == [origin.path.parent.name]
    found = {line for line in clone.run(*PYTEST, "--collect-only", "-m", "").stdout.splitlines() if "::" in line}
    assert len(found) > 300
