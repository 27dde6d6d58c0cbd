"""Find a trained model by the name that a user gives: a folder, a revision of this project, or the Hub."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redacoes.errors import UserError, nearest
from redacoes.inference.metadata import DECISION, load_decision
from redacoes.layout import SCORER, SURFACE
from redacoes.learning.text_regression import FILES

MISSING = f"there is no {SCORER} yet; `dvc repro` makes it, or `dvc pull` fetches it"
PUBLISHED = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)@(?P<commit>\S+)")


@contextmanager
def found(model: str | Path, root: Path = Path()) -> Iterator[Path]:
    """Yield a folder that holds a trained model while the block runs.

    Args:
        model: A folder; a branch, tag, commit or experiment of the project in `root`, whose scorer then comes from the
            cache or a remote; or ``OWNER/NAME@HASH`` on the Hugging Face Hub, with a full commit hash.
        root: The project's folder.

    Raises:
        UserError: There is no such model, or it cannot be had.
    """
    name = str(model)
    if Path(model).is_dir():
        if not Path(model, "config.json").is_file():
            raise UserError(f"{model} holds no model, since it has no config.json; name its folder, such as {SCORER}")
        yield Path(model)
    elif Path(model).is_file():
        raise UserError(f"{model} is a file; name the folder of a model, such as {SCORER}")
    elif published := PUBLISHED.fullmatch(name):
        from redacoes.learning import hub

        yield hub.fetch(published["repository"], published["commit"], FILES)
    else:
        from redacoes.tracking.revisions import Revision, names

        if Path(model) == SCORER:
            raise UserError(MISSING)
        try:
            revision = Revision(name, root)
        except UserError as error:
            beside = [str(path.parent) for path in Path(model).parent.glob("*/config.json")]
            hint = nearest(name, [str(SCORER), *beside, *names(root)]) or "; see git branch -a and dvc exp list -A"
            raise UserError(
                f"{name!r} is not a folder here, nor a branch, tag, commit or experiment, and not OWNER/NAME@HASH{hint}"
            ) from error
        with tempfile.TemporaryDirectory(prefix="redacoes-") as folder:
            for path in (SCORER, SCORER.with_name(DECISION), Path("dvc.lock")):
                revision.copy(str(path), Path(folder, path))
            if load_decision(Path(folder, SCORER)).odds:
                revision.copy(str(SURFACE), Path(folder, SURFACE))
            yield Path(folder, SCORER)
