"""Seconds by stage of a full run in a fresh clone with no cache: python -m benchmarks.stages."""

import subprocess
import tempfile
import time
from pathlib import Path

from ruamel.yaml import YAML


def main() -> None:
    stages = list(YAML(typ="safe", pure=True).load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"])
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "-q", ".", folder], check=True)
        begin = time.perf_counter()
        for stage in stages:
            start = time.perf_counter()
            command = ["dvc", "repro", "--quiet", "--force", "--single-item", stage]
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            print(f"{stage:<12}{time.perf_counter() - start:7.1f} s, with dvc's own start", flush=True)
        print(f"{'in all':<12}{time.perf_counter() - begin:7.1f} s")


if __name__ == "__main__":
    main()
