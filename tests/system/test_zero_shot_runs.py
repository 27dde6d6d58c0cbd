"""The stage zero_shot and the conversion of pickled weights, as processes."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from redacoes import params
from redacoes.learning import checkpoint, wordpiece
from tests.support import BIN, PARAMS, PARAMS_FILE, ROOT
from tests.support.hub import Hub
from tests.support.inference import LENGTH, inference_model
from tests.support.processes import no_orphan, running, wait
from tests.support.project import Clone

TEXTS = ["A educação é um direito de todos os cidadãos, e não de poucos."]


def test_off_it_says_so_and_imports_nothing_that_takes_long(tmp_path: Path) -> None:
    shutil.copy(PARAMS_FILE, tmp_path / "params.yaml")
    code = (
        "import runpy, sys; runpy.run_module('stages.zero_shot', run_name='__main__'); "
        "print(sorted(set(sys.modules) & {'tensorflow', 'tf_keras', 'transformers', 'datasets', 'numpy'}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
    assert json.loads((tmp_path / "metrics/zero_shot.json").read_text()) == {"zero_shot": "off"}


@pytest.mark.slow
def test_a_killed_run_from_the_hub_goes_on_and_is_compared_with_the_other_baselines(
    make_pulled: Callable[[str], Clone], model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from stages import zero_shot as stage

    clone = make_pulled("sem treino")
    folder = inference_model(tmp_path / "modelo", model, TEXTS, "bert", num_hidden_layers=8)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    with Hub() as hub:
        commit = hub.add("ana/nli", files)
        clone.environment |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "casa"), "HF_HUB_OFFLINE": "0"}
        settings = {"source": "hub", "repository": "ana/nli", "revision": commit, "max_length": LENGTH, "batch_size": 1}
        clone.set(**{f"zero_shot.{name}": str(value) for name, value in settings.items()})
        with running(clone, "dvc", "repro", "zero_shot") as process:
            wait(lambda: list(clone.path.glob(".work/zero_shot/*/*/000002.npy")))
            process.kill()
            no_orphan(process.pid)
    assert list(clone.path.glob(".work/zero_shot/*"))
    assert "going on after part" in clone.try_dvc("repro", "zero_shot").stderr  # with no network
    resumed = clone.text("metrics/zero_shot.json")
    assert not list(clone.path.glob(".work/*"))
    files = "metrics/zero_shot.json", "metrics/baseline.json"
    shown = json.loads(clone.dvc("metrics", "diff", "--all", "--json", "--targets", *files))
    assert shown["metrics/zero_shot.json"]["zero_shot.test.qwk"]["new"] is not None
    assert shown["metrics/baseline.json"]["tfidf.test.qwk"]["new"] is not None

    clone.set(**{"zero_shot.source": "path", "zero_shot.path": str(folder)})
    monkeypatch.chdir(clone.path)
    stage.main(params.load("params.yaml"))  # undisturbed, and from a folder
    assert clone.text("metrics/zero_shot.json") == resumed


SCRIPT = ROOT / "tools/convert_checkpoint.py"
PICKLE = """
import os, sys, torch
from pathlib import Path
from safetensors.torch import load_file

class Evil:
    def __reduce__(self):
        return os.system, (f"touch {sys.argv[1]}/executado",)

os.chdir(sys.argv[1])
state = load_file("state.safetensors")
state["tied"] = state["embeddings"]  # one piece of memory under two names
state["turned"] = state["kernel"].T
torch.save(state, "bom/pytorch_model.bin")
torch.save({"embeddings": Evil()}, "mau/pytorch_model.bin")
"""


def convert(*arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script as its user does, in an environment of its own that uv makes."""
    environment = {**os.environ, **environment}
    if "PIP_FIND_LINKS" in environment:  # a place with a smaller torch
        environment["UV_FIND_LINKS"] = environment["PIP_FIND_LINKS"]
    done = subprocess.run([BIN / "uv", "run", *arguments], env=environment, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
def test_pickled_weights_are_converted_elsewhere_and_a_malicious_pickle_does_not_run(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    state = {
        "embeddings": random.normal(size=(5, 4)).astype(np.float32),
        "kernel": random.normal(size=(3, 2)).astype(np.float16),
        "position_ids": np.arange(6)[None],
    }
    save_file(state, tmp_path / "state.safetensors")
    for name in ("bom", "mau"):
        wordpiece.from_scratch([TEXTS], PARAMS.checkpoint, tmp_path / name)
        (tmp_path / name / "modeling_evil.py").write_text("raise SystemExit('executado')")
    (tmp_path / "pickle_it.py").write_text(SCRIPT.read_text().split('"""')[0] + PICKLE)
    convert(str(tmp_path / "pickle_it.py"), str(tmp_path))

    out = tmp_path / "convertido"
    files = {path.name: path.read_bytes() for path in (tmp_path / "bom").iterdir()}
    with Hub() as hub:
        source = f"ana/nli@{hub.add('ana/nli', files)}"
        at = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "casa"), "HF_HUB_OFFLINE": "0"}
        assert "written: " in convert(str(SCRIPT), source, str(out), **at).stdout
        assert not [request.path for request in hub.requests if "modeling_evil" in request.path]
    written = load_file(out / "model.safetensors")
    for name, value in {**state, "tied": state["embeddings"], "turned": state["kernel"].T}.items():
        assert written[name].dtype == value.dtype
        np.testing.assert_array_equal(written[name], value)
    assert not (out / "modeling_evil.py").exists()
    checkpoint.from_path(out, tmp_path / "base")  # this project takes it

    done = convert(str(SCRIPT), str(tmp_path / "mau"), str(tmp_path / "nada"), check=False)
    assert done.returncode == 1
    assert "asks for more than tensors, which is never run" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "nada").exists()
    assert not (tmp_path / "executado").exists()
    assert not list(tmp_path.glob(".*"))
