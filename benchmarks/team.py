"""Time of a team's commands, each compared with its necessary minimum: python -m benchmarks.team.

Both of a pair run in turn, so that the load of the machine affects both; the ratio is of the medians.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pandas as pd

ROUNDS = 5


def command(*words: str, cwd: Path) -> Callable[[], object]:
    return lambda: subprocess.run(words, cwd=cwd, check=True, capture_output=True)


def seconds(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def compared(names: tuple[str, str], pair: tuple[Callable[[], object], Callable[[], object]]) -> None:
    times = [[seconds(do) for do in pair] for _ in range(ROUNDS)]
    first, second = (median(column) for column in zip(*times, strict=True))
    print(f"{names[0]:<34}{first:8.3f} s   {names[1]:<34}{second:8.3f} s   ratio {first / second:6.2f}", flush=True)


def main() -> None:
    python = sys.executable
    redacoes = (python, "-m", "redacoes.cli")
    with tempfile.TemporaryDirectory() as folder:
        clone, remote, copy = Path(folder, "clone"), Path(folder, "remote"), Path(folder, "copy")
        subprocess.run(["git", "clone", "-q", ".", str(clone)], check=True)
        shutil.copytree(".dvc/cache", clone / ".dvc/cache")
        for words in (
            ["dvc", "checkout"],
            ["dvc", "remote", "add", "--local", "--default", "here", str(remote)],
            ["dvc", "push"],
        ):
            subprocess.run(words, cwd=clone, check=True, capture_output=True)
        compared(
            ("dvc repro, nothing to do", "dvc status"),
            (command("dvc", "repro", cwd=clone), command("dvc", "status", cwd=clone)),
        )

        def pull() -> None:
            shutil.rmtree(clone / ".dvc/cache/files")
            shutil.rmtree(clone / "models/scorer")
            command("dvc", "pull", "models/scorer", cwd=clone)()

        def cp() -> None:
            shutil.rmtree(copy, ignore_errors=True)
            command("cp", "-r", "models/scorer", str(copy), cwd=clone)()

        compared(("dvc pull of the scorer", "cp of the same bytes"), (pull, cp))
        command("dvc", "pull", cwd=clone)()
        read = f"import pandas as pd; [pd.read_csv({str(clone / 'metrics/predictions.csv')!r}) for _ in range(2)]"
        compared(
            ("redacoes compare HEAD", "python reading the two CSVs"),
            (command(*redacoes, "compare", "HEAD", cwd=clone), command(python, "-c", read, cwd=clone)),
        )
        compared(
            ("redacoes --help", "python -c pass"),
            (command(*redacoes, "--help", cwd=clone), command(python, "-c", "pass", cwd=clone)),
        )
        size = sum(len(path.read_bytes()) for path in (clone / "models/scorer").iterdir())
        rows = len(pd.read_csv(clone / "metrics/predictions.csv"))
        print(f"the scorer has {size / 1e6:.1f} MB, the predictions {rows} rows")


if __name__ == "__main__":
    main()
