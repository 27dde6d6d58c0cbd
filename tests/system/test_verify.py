"""Damage that DVC does not see: `redacoes verify` names it, and the commands that it prints mend it."""

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from redacoes.cli.main import main
from redacoes.errors import UserError
from redacoes.tracking.integrity import Finding, Report, verify
from tests.support import ROOT, project
from tests.support.project import UP_TO_DATE, Clone, Folder


@pytest.fixture(scope="module")
def remote(origin: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to which all outputs were pushed."""
    folder = tmp_path_factory.mktemp("remoto")
    shutil.copytree(origin.path / ".dvc/cache/files", folder / "files")
    return folder


@pytest.fixture
def colleague(make_pulled: Callable[[str], Clone], remote: Path) -> Clone:
    """A clone with everything pulled and a remote set up as the guide says, to be damaged."""
    clone = make_pulled("a colega")
    use(clone, remote)
    return clone


@pytest.fixture
def empty(make_clone: Callable[[str], Clone], remote: Path) -> Clone:
    """A clone with the remote in which nothing was pulled yet."""
    clone = make_clone("vazio")
    use(clone, remote)
    return clone


def use(clone: Clone, remote: Path) -> None:
    clone.configure(project.remote(remote))


def locked(clone: Folder, output: str) -> str:
    """The hash of an output in dvc.lock."""
    stages = YAML(typ="safe", pure=True).load(clone.text("dvc.lock"))["stages"].values()
    return next(out["md5"] for stage in stages for out in stage["outs"] if out["path"] == output)


def cached(clone: Clone, output: str, file: str = "", cache: str = ".dvc/cache") -> Path:
    """The cache object of an output, or of a file in it."""

    def place(oid: str) -> Path:
        return clone.path / cache / "files/md5" / oid[:2] / oid[2:]

    whole = place(locked(clone, output))
    if not file:
        return whole
    return place(next(entry["md5"] for entry in json.loads(whole.read_text()) if entry["relpath"] == file))


def write(path: Path, content: bytes) -> None:
    """Write into a file, read-only or not, and leave its mode and time as they were, as a failing disk would."""
    status = path.stat()
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def flip(path: Path) -> None:
    """Change a bit."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    write(path, bytes(content))


def cut(path: Path) -> None:
    write(path, path.read_bytes()[: path.stat().st_size // 2])


def check(clone: Clone) -> Report:
    return verify(clone.path, progress=False)


def named(report: Report) -> set[tuple[str, str]]:
    return {(finding.kind, finding.path) for finding in report.findings}


def mend(clone: Clone, findings: list[Finding]) -> None:
    """Run the commands that the findings print; `dvc` by the tests' server, which has imported it."""
    for line in dict.fromkeys(finding.remedy for finding in findings):
        for command in line.split(" && "):
            program, *arguments = shlex.split(command)
            clone.dvc(*arguments) if program == "dvc" else clone.run(program, *arguments)


def relock(clone: Clone, output: str, oid: str) -> None:
    lock = clone.path / "dvc.lock"
    lock.write_text(lock.read_text(encoding="utf-8").replace(locked(clone, output), oid), encoding="utf-8")


def everything(root: Path) -> dict[str, tuple[int, bytes]]:
    """Time and content of all files but those that DVC writes whenever it is asked anything."""
    files = (path for path in root.rglob("*") if path.is_file() and ".dvc/tmp" not in path.as_posix())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_whole_outputs_are_found_whole_and_nothing_is_written(
    pulled: Clone, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(pulled.path)
    report = verify(pulled.path, progress=True)
    assert report.findings == []
    stages = YAML(typ="safe", pure=True).load(pulled.text("dvc.yaml"))["stages"].values()
    assert report.outputs == sum(len(stage["outs"]) for stage in stages)
    objects = [path for path in (pulled.path / ".dvc/cache/files").rglob("*") if path.is_file()]
    assert report.files >= 2 * len(objects) - report.outputs > 60  # a list of files is in the cache alone
    assert "none damaged" in report.summary()
    assert "verify" in capsys.readouterr().err
    assert check(pulled) == report
    assert capsys.readouterr().err == ""
    assert everything(pulled.path) == before


def test_what_was_not_pulled_is_absent_and_no_error(empty: Clone, remote: Path) -> None:
    (empty.path / ".dvc/config.local").unlink()
    alone = check(empty)
    assert {finding.kind for finding in alone.findings} == {"absent"}
    assert alone.errors == []
    assert "none damaged; 14 not pulled or not made yet, which is not an error" in alone.summary()
    assert "dvc repro train" in {finding.remedy for finding in alone.findings}

    use(empty, remote)
    found = {finding.output: finding for finding in check(empty).findings}
    assert {finding.remedy for finding in found.values()} == {f"dvc pull {output}" for output in found}
    mend(empty, [found["models/scorer"]])  # the model is all that this colleague wants
    some = check(empty)
    assert named(some) == {("absent", output) for output in found if output != "models/scorer"}

    shutil.rmtree(empty.path / "models/scorer")
    [scorer] = verify(empty.path, progress=False, only=["models/scorer"]).findings
    assert (scorer.kind, scorer.remedy) == ("absent", "dvc checkout models/scorer")
    (empty.path / "dvc.lock").unlink()  # as if nothing had been made yet
    made = check(empty)
    assert made.errors == []
    assert "dvc repro train" in {finding.remedy for finding in made.findings}


def test_the_command_says_what_it_found_and_exits_with_it(
    colleague: Clone, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(colleague.path)
    assert main(["verify"]) == 0
    out, err = capsys.readouterr()
    assert "none damaged" in out
    assert err == ""
    scorer = cached(colleague, "models/scorer", "model.safetensors")
    flip(scorer)
    assert UP_TO_DATE in colleague.dvc("repro")  # DVC's defaults do not find it
    assert main(["verify"]) == 1
    out, err = capsys.readouterr()
    place = scorer.relative_to(colleague.path).as_posix()
    assert f"corrupt: the cache object {place} of models/scorer/model.safetensors is " in out
    remedy = f"rm -f {place} && dvc commit --no-relink models/scorer"
    assert f"\n    {remedy}\n" in out
    assert err == ""
    colleague.run("sh", "-c", remedy)
    assert main(["verify"]) == 0


def test_every_kind_of_damage_is_named_and_mended(colleague: Clone) -> None:
    """The workspace is sound where the cache is not, and the other way round, so nothing need be fetched or trained."""
    clone = colleague
    flip(cached(clone, "models/scorer", "config.json"))
    cut(cached(clone, "models/scorer", "model.safetensors"))
    flip(cached(clone, "models/base"))  # its list of files
    flip(clone.path / "metrics/predictions.csv")
    (clone.path / "metrics/train/params.yaml").write_text("{}")
    (clone.path / "data/tokenized/dataset_dict.json").unlink()
    flip(clone.path / "metrics/evaluation.json")  # git alone keeps it
    (clone.path / "metrics/tokens.json").unlink()
    before = everything(clone.path)

    report = check(clone)
    assert everything(clone.path) == before
    assert named(report) == {
        ("corrupt", "models/scorer/config.json"),
        ("corrupt", "models/scorer/model.safetensors"),
        ("corrupt", "models/base"),
        ("corrupt", "metrics/predictions.csv"),
        ("unexpected", "metrics/train/params.yaml"),
        ("missing", "data/tokenized/dataset_dict.json"),
        ("corrupt", "metrics/evaluation.json"),
        ("missing", "metrics/tokens.json"),
    }
    assert report.summary().endswith("8 damaged")
    by_path = {finding.path: finding for finding in report.findings}
    assert "discards what is here" in by_path["metrics/train/params.yaml"].what
    assert "discards" not in by_path["models/base"].what
    assert f"not {locked(clone, 'metrics/predictions.csv')}" in by_path["metrics/predictions.csv"].what
    assert by_path["metrics/tokens.json"].remedy == "git checkout HEAD -- metrics/tokens.json"

    mend(clone, report.findings)
    assert check(clone).findings == []
    assert clone.git("status", "--porcelain") == ""
    assert UP_TO_DATE in clone.dvc("status")


def test_damage_that_reached_the_workspace_is_pulled_again(colleague: Clone, origin: Folder) -> None:
    clone = colleague
    for file in ("config.json", "vocab.txt"):
        flip(cached(clone, "models/scorer", file))
        flip(clone.path / "models/scorer" / file)
    flip(cached(clone, "models/base"))
    shutil.rmtree(clone.path / "models/base")
    cached(clone, "data/splits", "test/state.json").unlink()
    (clone.path / "data/splits/test/state.json").unlink()

    report = check(clone)
    assert named(report) == {
        ("corrupt", "models/scorer/config.json"),
        ("corrupt", "models/scorer/vocab.txt"),
        ("corrupt", "models/base"),
        ("missing", "data/splits/test/state.json"),
    }
    mend(clone, [finding for finding in report.findings if finding.output != "models/scorer"])
    report = check(clone)  # what a damaged list names can be checked when it is mended
    assert ("corrupt", "models/base/vocab.txt") in named(report)  # whose object is that of the scorer's
    mend(clone, report.findings)
    assert check(clone).findings == []
    for path in ("models/scorer/config.json", "models/base/vocab.txt", "data/splits/test/state.json"):
        assert (clone.path / path).read_bytes() == (origin.path / path).read_bytes()


def test_a_shared_cache_and_links_are_followed(empty: Clone, remote: Path, tmp_path: Path) -> None:
    clone = empty
    clone.configure(f"{project.remote(remote)}[cache]\n    dir = {tmp_path / 'cache comum'}\n    type = symlink\n")
    clone.dvc("pull", "models/base")
    assert (clone.path / "models/base/vocab.txt").is_symlink()
    assert check(clone).errors == []
    flip(clone.path / "models/base/vocab.txt")  # which is the object itself

    report = check(clone)
    vocabulary = cached(clone, "models/base", "vocab.txt", str(tmp_path / "cache comum"))
    assert [finding.path for finding in report.errors] == ["models/base/vocab.txt"] * 2
    assert str(vocabulary.relative_to(tmp_path)) in report.errors[0].what
    mend(clone, report.errors)
    assert "models/base" not in {finding.output for finding in check(clone).findings}


def test_outputs_of_another_commit_stay_until_what_replaces_them_has_come(colleague: Clone) -> None:
    clone = colleague
    relock(clone, "metrics/confusion.csv", locked(clone, "metrics/reliability.csv"))
    relock(clone, "data/sample.csv", "abcdef01" * 4)  # which nobody has pushed
    relock(clone, "models/scorer", "0" * 32 + ".dir")
    report = check(clone)
    assert named(report) == {
        ("corrupt", "metrics/confusion.csv"),
        ("corrupt", "data/sample.csv"),
        ("corrupt", "models/scorer"),
    }
    found = {finding.path: finding for finding in report.findings}
    mend(clone, [found["metrics/confusion.csv"]])
    assert clone.text("metrics/confusion.csv") == clone.text("metrics/reliability.csv")
    kept = clone.text("data/sample.csv")
    with pytest.raises(AssertionError, match="dvc', 'pull', 'data/sample"):
        mend(clone, [found["data/sample.csv"]])
    assert clone.text("data/sample.csv.old") == kept
    (clone.path / "data/sample.csv").write_text("another")
    [again] = verify(clone.path, progress=False, only=["data/sample.csv"]).findings
    assert again.remedy.startswith("mv data/sample.csv data/sample.csv.old.old && ")


def test_a_lock_that_leads_out_of_the_folder_is_refused(colleague: Clone) -> None:
    """DVC would write the file wherever the list says."""
    clone = colleague
    whole = cached(clone, "models/base")
    entries = json.loads(whole.read_text())
    raw = json.dumps(sorted([*entries, {**entries[0], "relpath": "../../../fora"}], key=lambda entry: entry["relpath"]))
    oid = hashlib.md5(raw.encode(), usedforsecurity=False).hexdigest()
    relock(clone, "models/base", f"{oid}.dir")
    place = cached(clone, "models/base")
    place.parent.mkdir(exist_ok=True)
    place.write_text(raw)
    relock(clone, "data/sample.csv", "../../../../fora")
    report = check(clone)
    assert named(report) == {("unsafe", "models/base"), ("unsafe", "data/sample.csv")}
    assert {finding.remedy for finding in report.findings} == {""}
    assert all("check nothing out" in finding.what for finding in report.findings)


def test_the_users_own_essays_are_looked_after_too(make_clone: Callable[[str], Clone]) -> None:
    clone = make_clone("professora")
    name = "data/minhas redações.csv"
    essays = clone.path / name
    essays.write_text("essay,score\nUma redação,5\n", encoding="utf-8")
    clone.dvc("add", str(essays))
    whole = essays.read_bytes()
    flip(essays)
    [error] = check(clone).errors
    assert (error.kind, error.output) == ("corrupt", name)
    assert f"`dvc add '{name}'` keeps it" in error.what
    clone.run("sh", "-c", error.remedy)
    assert essays.read_bytes() == whole
    assert not essays.with_name(f"{essays.name}.old").exists()

    [stored] = [path for path in (clone.path / ".dvc/cache/files").rglob("*") if path.is_file()]
    flip(stored)
    mend(clone, check(clone).errors)
    assert stored.read_bytes() == whole
    flip(stored)
    flip(essays)
    before = everything(clone.path)
    errors = check(clone).errors
    assert [(error.kind, error.remedy) for error in errors] == [("corrupt", "")] * 2  # no stage, and no remote
    assert everything(clone.path) == before

    essays.unlink()
    stored.unlink()
    [error] = check(clone).errors
    assert (error.kind, error.remedy) == ("missing", "")
    assert f"put the original in its place, and run `dvc add '{name}'`" in error.what


def test_a_project_that_dvc_cannot_read_is_said(colleague: Clone, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read this project"):
        verify(tmp_path, progress=False)
    relock(colleague, "data/sample.csv", "1" * 32)  # a number, in YAML
    with pytest.raises(UserError, match="cannot read this project"):
        check(colleague)
    (colleague.path / "dvc.lock").write_text("stages: [")
    with pytest.raises(UserError, match=r"dvc\.lock"):
        check(colleague)


def test_it_is_cheap_to_import_and_never_imports_tensorflow(pulled: Clone) -> None:
    code = (
        "import sys; from pathlib import Path; from redacoes.tracking.integrity import verify; "
        "assert not {'dvc', 'dvc_data', 'tqdm'} & set(sys.modules); "
        f"verify(Path({str(pulled.path)!r}), False); "
        "sys.exit(bool({'tensorflow', 'transformers', 'datasets'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.slow
def test_without_a_remote_the_stage_makes_it_again(colleague: Clone, origin: Folder) -> None:
    (colleague.path / ".dvc/config.local").unlink()
    flip(cached(colleague, "models/scorer"))
    shutil.rmtree(colleague.path / "models/scorer")
    for state in (
        cached(colleague, "data/tokenized", "train/state.json"),
        colleague.path / "data/tokenized/train/state.json",
    ):
        flip(state)
    report = check(colleague)
    steps = {step for finding in report.findings for step in finding.remedy.split(" && ")}
    assert {"dvc repro train", "mv data/tokenized data/tokenized.old", "dvc repro tokenize"} <= steps
    mend(colleague, report.findings)
    assert check(colleague).findings == []
    assert colleague.text("dvc.lock") == origin.text("dvc.lock")


def test_a_stage_refuses_what_dvc_took_for_whole(colleague: Clone) -> None:
    """Damage in the cache that `dvc checkout` laid out: DVC remembers the files as good, and the stages read them."""
    cut(cached(colleague, "data/splits", "train/data-00000-of-00001.arrow"))
    shutil.rmtree(colleague.path / "data/splits")
    colleague.dvc("checkout", "data/splits")
    colleague.set(**{"tokenize.batch_size": "7"})
    kept = everything(colleague.path / ".dvc/cache")
    done = colleague.try_dvc("repro", "--single-item", "tokenize")
    assert done.returncode != 0
    assert "data/splits/train/data-00000-of-00001.arrow" in done.stderr
    assert "Traceback" not in done.stderr
    # DVC has removed what it was to make anew, and that is all
    assert kept == everything(colleague.path / ".dvc/cache")
