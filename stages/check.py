"""Check the parameters before any other stage runs: python -m stages.check.

DVC removes the outputs of a stage before it starts the stage, so an illegal value would cost them. Every other stage
depends on the output of this one, which never changes, so it makes no stage run again.
"""

from redacoes.files import staged
from redacoes.params import Params
from redacoes.stage import run


def main(params: Params) -> None:
    """Write `data/checked.txt`."""
    with staged("data/checked.txt") as [path]:
        path.write_text("The parameters are legal.\n", encoding="utf-8")


if __name__ == "__main__":
    run(main, "nothing was run or removed, and params.yaml keeps the value until you set another, there or by -S")
