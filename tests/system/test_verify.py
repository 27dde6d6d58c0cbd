"""Damage that DVC does not see: `redacoes verify` names it, and the commands that it prints mend it."""

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
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
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    write(path, bytes(content))


def cut(path: Path) -> None:
    write(path, path.read_bytes()[: path.stat().st_size // 2])


def named(report: Report) -> set[tuple[str, str]]:
    return {(finding.kind, f"{finding.output}/{finding.file}".rstrip("/")) for finding in report.findings}


def mend(clone: Clone, findings: list[Finding]) -> None:
    """Run the commands that the findings print, word for word."""
    for line in dict.fromkeys(finding.remedy for finding in findings):
        for command in line.split(" && "):
            program, *arguments = shlex.split(command)
            clone.dvc(*arguments) if program == "dvc" else clone.run(program, *arguments)


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
    assert report.objects >= len(objects) > 30  # an object may belong to two outputs
    assert "none damaged" in report.summary()
    assert "verify" in capsys.readouterr().err
    assert verify(pulled.path, progress=False) == report
    assert capsys.readouterr().err == ""
    assert everything(pulled.path) == before


def test_what_was_not_pulled_is_absent_and_no_error(empty: Clone, remote: Path) -> None:
    (empty.path / ".dvc/config.local").unlink()
    alone = verify(empty.path, progress=False)
    assert {finding.kind for finding in alone.findings} == {"absent"}
    assert alone.errors == []
    assert "none damaged; 14 not pulled or not made yet, which is not an error" in alone.summary()
    assert "dvc repro train" in {finding.remedy for finding in alone.findings}

    use(empty, remote)
    empty.dvc("pull", "models/scorer")  # the model is all that this colleague wants
    some = verify(empty.path, progress=False)
    assert some.errors == []
    assert len(some.absent) == 13  # as many as before, but for the scorer
    mend(empty, some.findings)
    assert verify(empty.path, progress=False).findings == []


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
    assert f"corrupt: the cache object {place} of models/scorer/model.safetensors holds other bytes" in out
    assert f"\n    rm -rf {place} && dvc commit --no-relink models/scorer\n" in out
    assert err == ""


def test_every_kind_of_damage_is_named_and_mended(colleague: Clone) -> None:
    """The workspace is sound where the cache is not, and the other way round, so nothing need be fetched or trained."""
    clone = colleague
    flip(cached(clone, "models/scorer", "config.json"))
    cut(cached(clone, "data/sample.csv"))
    cut(cached(clone, "data/splits", "train/state.json"))
    write(cached(clone, "models/decision.json"), cached(clone, "metrics/reliability.csv").read_bytes())
    flip(cached(clone, "models/base"))  # its list of files
    flip(clone.path / "metrics/predictions.csv")  # an edit by hand
    (clone.path / "metrics/confusion.csv").unlink()
    (clone.path / "metrics/train/params.yaml").write_text("{}")
    (clone.path / "data/tokenized/dataset_dict.json").unlink()
    flip(clone.path / "metrics/evaluation.json")  # git alone keeps it
    assert UP_TO_DATE in clone.dvc("status", "prepare")  # two damaged objects of which DVC sees nothing

    report = verify(clone.path, progress=False)
    assert named(report) == {
        ("corrupt", "models/scorer/config.json"),
        ("corrupt", "data/sample.csv"),
        ("corrupt", "data/splits/train/state.json"),
        ("corrupt", "models/decision.json"),
        ("corrupt", "models/base"),
        ("corrupt", "metrics/predictions.csv"),
        ("absent", "metrics/confusion.csv"),
        ("unexpected", "metrics/train/params.yaml"),
        ("missing", "data/tokenized/dataset_dict.json"),
        ("corrupt", "metrics/evaluation.json"),
    }
    assert "9 damaged; 1 not pulled" in report.summary()
    by_file = {f"{finding.output}/{finding.file}".rstrip("/"): finding for finding in report.findings}
    damaged = cached(clone, "models/scorer", "config.json")
    assert by_file["models/scorer/config.json"].where == damaged
    assert f"rm -rf {damaged.relative_to(clone.path)} && dvc commit" in str(by_file["models/scorer/config.json"])
    assert f"not {locked(clone, 'data/sample.csv')})" in by_file["data/sample.csv"].what
    assert by_file["metrics/evaluation.json"].remedy == "git checkout HEAD -- metrics/evaluation.json"

    mend(clone, report.findings)
    assert verify(clone.path, progress=False).findings == []
    assert clone.git("status", "--porcelain") == ""
    assert UP_TO_DATE in clone.dvc("status")


def test_damage_that_reached_the_workspace_is_pulled_again(colleague: Clone, origin: Folder) -> None:
    clone = colleague
    for file in ("config.json", "vocab.txt"):
        flip(cached(clone, "models/scorer", file))
    flip(cached(clone, "models/base"))
    for folder in ("models/scorer", "models/base"):
        shutil.rmtree(clone.path / folder)
    clone.dvc("checkout", "models/scorer")  # a damaged object passes
    assert (clone.path / "models/scorer/config.json").read_bytes() != (origin.path / "models/scorer/config.json").read_bytes()  # fmt: skip
    (clone.path / "data/sample.csv").unlink()
    cached(clone, "data/sample.csv").unlink()
    cached(clone, "data/splits", "test/state.json").unlink()
    (clone.path / "data/splits/test/state.json").unlink()

    report = verify(clone.path, progress=False)
    assert named(report) == {
        ("corrupt", "models/scorer/config.json"),
        ("corrupt", "models/scorer/vocab.txt"),
        ("corrupt", "models/base"),
        ("missing", "data/splits/test/state.json"),
        ("absent", "data/sample.csv"),
    }
    assert {finding.where for finding in report.findings if finding.file == "config.json"} == {
        clone.path / "models/scorer/config.json",
        cached(clone, "models/scorer", "config.json"),
    }
    assert "verify again once it is mended" in next(f.what for f in report.findings if f.output == "models/base")
    mend(clone, report.findings)
    again = verify(clone.path, progress=False)  # what a damaged list names can be checked when it is mended
    assert named(again) == {("corrupt", "models/base/vocab.txt")}  # whose object is that of the scorer's
    mend(clone, again.findings)
    assert verify(clone.path, progress=False).findings == []
    for path in ("models/scorer/config.json", "models/base/vocab.txt", "data/splits/test/state.json"):
        assert (clone.path / path).read_bytes() == (origin.path / path).read_bytes()


def test_a_shared_cache_and_links_are_followed(empty: Clone, remote: Path, tmp_path: Path) -> None:
    clone = empty
    clone.configure(f"{project.remote(remote)}[cache]\n    dir = {tmp_path / 'cache comum'}\n    type = symlink\n")
    clone.dvc("pull", "data/sample.csv", "models/base")
    assert (clone.path / "data/sample.csv").is_symlink()
    assert verify(clone.path, progress=False).errors == []
    flip(clone.path / "models/base/vocab.txt")  # which is the object itself
    cached(clone, "data/sample.csv", cache=str(tmp_path / "cache comum")).unlink()

    report = verify(clone.path, progress=False)
    found = {(finding.kind, finding.where) for finding in report.findings if finding.output == "models/base"}
    vocabulary = cached(clone, "models/base", "vocab.txt", str(tmp_path / "cache comum"))
    assert found == {("corrupt", clone.path / "models/base/vocab.txt"), ("corrupt", vocabulary)}
    assert ("absent", "data/sample.csv") in named(report)
    mend(clone, [finding for finding in report.findings if finding.output in ("models/base", "data/sample.csv")])
    assert not {finding.output for finding in verify(clone.path, progress=False).findings} & {"models/base", "data/sample.csv"}  # fmt: skip


def relock(clone: Clone, output: str, oid: str) -> None:
    lock = clone.path / "dvc.lock"
    lock.write_text(lock.read_text(encoding="utf-8").replace(locked(clone, output), oid), encoding="utf-8")


def test_a_lock_with_another_hash_is_found(colleague: Clone, empty: Clone, origin: Folder) -> None:
    relock(colleague, "models/scorer", "0" * 32 + ".dir")
    relock(colleague, "data/sample.csv", locked(colleague, "metrics/predictions.csv"))
    report = verify(colleague.path, progress=False)
    assert named(report) == {("corrupt", "models/scorer"), ("corrupt", "data/sample.csv")}
    assert {finding.remedy for finding in report.findings} == {"git checkout HEAD -- dvc.lock"}
    mend(colleague, report.findings)
    assert verify(colleague.path, progress=False).findings == []

    relock(colleague, "data/sample.csv", "abcdef01" * 4)
    colleague.git("commit", "-qam", "A hash of nothing")
    report = verify(colleague.path, progress=False)
    assert named(report) == {("corrupt", "data/sample.csv")}
    assert report.findings[0].remedy == "dvc repro sample"  # the remote has no such object, so no pull is advised
    mend(colleague, report.findings)
    assert verify(colleague.path, progress=False).findings == []
    colleague.dvc("repro")  # as prepare, too, was committed with this hash
    assert colleague.text("dvc.lock") == origin.text("dvc.lock")

    relock(empty, "models/scorer", "2" * 32 + ".dir")
    [error] = verify(empty.path, progress=False).errors
    assert (error.kind, error.output) == ("missing", "models/scorer")
    assert "exists nowhere" in error.what


def test_a_list_of_files_that_leads_out_of_its_folder_is_refused(colleague: Clone) -> None:
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
    [finding] = verify(clone.path, progress=False).findings
    assert (finding.kind, finding.output, finding.remedy) == ("unsafe", "models/base", "")
    assert "check nothing out" in finding.what


def test_a_truncated_object_on_a_remote_is_refused_where_the_remote_is_verified(
    empty: Clone, origin: Folder, remote: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "estragado"
    shutil.copytree(remote, broken)
    oid = locked(origin, "metrics/predictions.csv")
    cut(broken / "files/md5" / oid[:2] / oid[2:])
    clone = empty
    use(clone, broken)
    done = clone.try_dvc("pull")
    assert done.returncode != 0
    assert "metrics/predictions.csv" in done.stderr
    assert not (clone.path / "metrics/predictions.csv").exists()
    assert (clone.path / "models/scorer/model.safetensors").exists()  # what is sound has come
    assert verify(clone.path, progress=False).errors == []

    clone.configure(project.remote(broken).replace("verify = true", "verify = false"))
    clone.dvc("pull")  # DVC's default lets it through
    assert UP_TO_DATE in clone.dvc("status")
    report = verify(clone.path, progress=False)
    assert named(report) == {("corrupt", "metrics/predictions.csv")}
    use(clone, remote)
    mend(clone, report.findings)
    assert verify(clone.path, progress=False).findings == []


def test_the_users_own_essays_are_looked_after_too(make_clone: Callable[[str], Clone], tmp_path: Path) -> None:
    clone = make_clone("professora")
    essays = clone.path / "data/minhas redações.csv"
    essays.write_text("essay,score\nUma redação,5\n", encoding="utf-8")
    clone.dvc("add", str(essays))
    flip(essays)
    [error] = verify(clone.path, progress=False).errors
    assert (error.kind, error.output) == ("corrupt", "data/minhas redações.csv")
    mend(clone, [error])
    assert essays.read_text(encoding="utf-8") == "essay,score\nUma redação,5\n"

    essays.unlink()
    shutil.rmtree(clone.path / ".dvc/cache")
    [error] = verify(clone.path, progress=False).errors  # no stage makes it again, and there is no remote
    assert error.kind == "missing"
    assert "exists nowhere that this clone knows of" in error.what


def test_a_project_that_dvc_cannot_read_is_said(colleague: Clone, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read this project"):
        verify(tmp_path, progress=False)
    relock(colleague, "data/sample.csv", "1" * 32)  # a number, in YAML
    with pytest.raises(UserError, match="cannot read this project"):
        verify(colleague.path, progress=False)
    (colleague.path / "dvc.lock").write_text("stages: [")
    with pytest.raises(UserError, match=r"dvc\.lock"):
        verify(colleague.path, progress=False)


def test_it_is_cheap_to_import_and_never_imports_tensorflow(pulled: Clone) -> None:
    code = (
        "import sys; from pathlib import Path; from redacoes.tracking.integrity import verify; "
        "assert not {'dvc', 'dvc_data', 'tqdm'} & set(sys.modules); "
        f"verify(Path({str(pulled.path)!r}), False); "
        "sys.exit(bool({'tensorflow', 'transformers', 'datasets'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.fixture
def alone(colleague: Clone) -> Iterator[Clone]:
    """A clone whose remote is gone."""
    (colleague.path / ".dvc/config.local").unlink()
    return colleague


@pytest.mark.slow
def test_without_a_remote_the_stage_makes_it_again(alone: Clone, origin: Folder) -> None:
    for output in ("models/scorer", "data/tokenized"):
        flip(cached(alone, output))
        shutil.rmtree(alone.path / output)
    report = verify(alone.path, progress=False)
    assert {finding.remedy.split(" && ")[1] for finding in report.findings} == {"dvc repro train", "dvc repro tokenize"}  # fmt: skip
    mend(alone, report.findings)
    assert verify(alone.path, progress=False).findings == []
    assert alone.text("dvc.lock") == origin.text("dvc.lock")


def test_a_stage_refuses_what_dvc_took_for_whole(colleague: Clone) -> None:
    """Damage in the cache that `dvc checkout` laid out: DVC remembers the files as good, and the stages read them."""
    weights = cached(colleague, "models/scorer", "model.safetensors")
    arrow = cached(colleague, "data/splits", "train/data-00000-of-00001.arrow")
    colleague.set(**{"tokenize.batch_size": "7", "evaluate.bootstrap.samples": "21"})

    def refused(folder: str, stage: str, said: str) -> None:
        shutil.rmtree(colleague.path / folder)
        colleague.dvc("checkout", folder)
        done = colleague.try_dvc("repro", "--single-item", stage)
        assert done.returncode != 0
        assert said in done.stderr
        assert "Traceback" not in done.stderr

    write(weights, weights.read_bytes()[:8] + b"?" + weights.read_bytes()[9:])  # its header
    refused("models/scorer", "evaluate", "models/scorer/model.safetensors is not a complete safetensors file")
    cut(arrow)
    kept = everything(colleague.path / ".dvc/cache")
    refused("data/splits", "tokenize", "data/splits/train/data-00000-of-00001.arrow")
    # DVC has removed what it was to make anew, and that is all
    assert kept == everything(colleague.path / ".dvc/cache")
    mend(colleague, verify(colleague.path, progress=False).errors)
    colleague.git("checkout", "-q", ".")
    colleague.dvc("checkout")
    assert UP_TO_DATE in colleague.dvc("status")
    assert verify(colleague.path, progress=False).findings == []
