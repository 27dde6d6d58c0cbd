"""Make the encoder that training starts from: python -m stages.checkpoint."""

from pathlib import Path

from redacoes.essays import arrow
from redacoes.files import staged
from redacoes.learning import checkpoint, hub, wordpiece
from redacoes.params import Params
from redacoes.stage import run


def main(params: Params) -> None:
    """Write `models/base/`."""
    with staged("models/base") as [folder]:
        if params.checkpoint.source == "scratch":
            train = arrow.load(params.checkpoint.path)["train"]
            wordpiece.from_scratch(arrow.Texts(train, "essay"), params.checkpoint, folder)
        elif params.checkpoint.source == "hub":
            checkpoint.from_path(hub.fetch(params.checkpoint.repository, params.checkpoint.revision), folder)
        else:
            checkpoint.from_path(Path(params.checkpoint.path), folder)


if __name__ == "__main__":
    run(main)
