"""Write synthetic essays, so that a fresh clone runs with no network: python -m stages.sample."""

import csv

from redacoes.essays import synthetic
from redacoes.files import staged
from redacoes.params import Params
from redacoes.stage import run


def main(params: Params) -> None:
    """Write `data/sample.csv`."""
    with staged("data/sample.csv") as [path], path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["essay", "score", "theme"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(synthetic.essays(params.sample.rows, params.sample.seed))


if __name__ == "__main__":
    run(main)
