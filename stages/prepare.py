"""Turn the CSV of essays into train, validation and test splits: python -m stages.prepare."""

from redacoes.errors import warn
from redacoes.essays import arrow, training_csv
from redacoes.essays.splits import assign
from redacoes.essays.summary import features, gather
from redacoes.files import staged, write_json
from redacoes.params import Params
from redacoes.stage import run


def main(params: Params) -> None:
    """Write `data/splits/` and `metrics/data.json`."""
    if params.split.validation == "test":
        warn("split.validation is test: validation figures are test figures, and nothing may be chosen by them")
    if params.split.duplicates == "allow":
        warn("split.duplicates is allow: copies of an essay may stand on both sides of the split")
    grouped = params.split.strategy == "grouped"
    with staged("data/splits", "metrics/data.json") as [splits, summary]:
        rows = training_csv.read(params.data.csv, params.data)
        columns, draft = features(params.data.max_score), splits.with_suffix(".arrow")
        whole, prepared = gather(rows, grouped, lambda essays: arrow.write(essays, columns, draft))
        parts = assign(prepared.scores, prepared.groups, prepared.copies, params.split)
        arrow.save({name: arrow.select(whole, rows) for name, rows in parts.items()}, splits)
        write_json(summary, {"file": params.data.csv, **prepared.summary(params.data.max_score, parts)})


if __name__ == "__main__":
    run(main)
