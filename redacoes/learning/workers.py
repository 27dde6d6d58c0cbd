"""Training on several workers: each has a copy of the model, and computes its share of every batch.

Ray Train starts the workers and starts them anew if one dies; TensorFlow's `MultiWorkerMirroredStrategy` adds up their
gradients. The frozen layers and the probe run once, in the process that calls `fit`. What one process needs from
another is a file in the folder of the progress, which all machines of the cluster must share.
"""

import hashlib
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any

from redacoes.learning.framework import tf

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from redacoes.errors import UserError
from redacoes.essays import arrow
from redacoes.files import read_json, write_json
from redacoes.learning import cluster, loopback, model, resume, training
from redacoes.learning.replicas import Team
from redacoes.params import Settled

FAILURES = 3  # of any worker; then the run ends, and can be gone on with
LOOK = 0.2  # seconds between two looks at what the workers have said
WAIT = 120  # seconds in which a shared folder must show on one machine what another has written
START, END, CURVES, TOKEN = "start.safetensors", "end.safetensors", "curves", "token"
STREAMS = ("stdout", "stderr")  # files with what the first worker says


class Worker(Team):
    """One of several workers."""

    verbose = 2  # its terminal is a file

    def __init__(self, worker: int, workers: int, classifier: Any, train: Settled) -> None:
        """Make the random generators of the dropout layers, outside of any strategy, so that workers' differ."""
        self.worker, self.workers, self.train = worker, workers, train
        layers = [layer for layer in classifier.submodules if hasattr(layer, "_random_generator")]
        for layer in layers:
            layer._random_generator._maybe_init()
        self.generators = [layer._random_generator._generator for layer in layers]
        self.strategy = classifier.distribute_strategy

    def begin(self, batches: training.Batches, epoch: int) -> None:
        """Begin the epoch's own stream of random numbers, so that no state of other workers needs to be kept."""
        random = np.random.default_rng([self.train.seed, epoch, self.worker])
        for generator, seed in zip(self.generators, random.integers(2**63, size=len(self.generators)), strict=True):
            generator.reset_from_seed(int(seed))

    def feed(self, batches: training.Batches, validation: training.Batches, done: int) -> dict[str, Any]:
        """Return the arguments of `fit` for datasets that TensorFlow takes as they are: it must not divide them."""

        def distributed(of: training.Batches, steps: range) -> Any:
            return self.strategy.distribute_datasets_from_function(lambda _: of.dataset(steps))

        return {
            "x": distributed(batches, range(done * len(batches), self.train.epochs * len(batches))),
            "steps_per_epoch": len(batches),
            "validation_data": distributed(validation, range(len(validation))),
            "validation_steps": len(validation),
        }


def fit(
    classifier: Any, base: Path, tokens: Path, pad_id: int, train: Settled, curves: Path, progress: Path
) -> NDArray[np.float64] | None:
    """Train `classifier` in place on `train.workers` workers; see `training.fit`.

    Args:
        classifier: As built from `base`.
        base: The checkpoint.
        tokens: The folder of the tokenized data.
        pad_id: The tokenizer's id for padding.
        train: Every setting.
        curves: Folder of the learning curves, written anew.
        progress: Folder for the progress of this very training, from which a stopped run resumes.

    Returns:
        As `training.fit`.

    Raises:
        UserError: As `training.fit`; Ray is missing; or the cluster cannot be reached, does not fit, or is gone.
    """
    parts = arrow.load(tokens)
    if not train.epochs:  # the probe alone
        return training.fit(classifier, parts["train"], parts["validation"], pad_id, train, curves, progress)
    room = progress.absolute() / "workers"
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(parents=True)
    (room / TOKEN).write_text(os.urandom(16).hex())
    with cluster.connected(train.workers, train.threads):
        if not cluster.is_local():
            versions = {name: version(name) for name in (*resume.PACKAGES, "ray")} | {"python": sys.version}
            cluster.require_alike(room / TOKEN, versions)
        _, probed = training.begin(classifier, parts, pad_id, train, progress.absolute() / "frozen")
        _save(classifier, room / START)
        write_json(room / "probed.json", probed.metrics)
        config = {
            "project": str(Path.cwd()),
            "base": str(base),
            "tokens": str(tokens),
            "room": str(room),
            "labels": list(classifier.config.id2label.values()),
            "pad_id": pad_id,
            "train": train.model_dump(),
            "confined": cluster.is_local(),
        }
        with _relayed(room):
            _run(config, train)
    for refusal in sorted(room.glob("refused-*")):
        raise UserError(refusal.read_text(encoding="utf-8"))
    if len({path.read_text() for path in room.glob("digest-*")}) != 1:
        raise RuntimeError("the workers ended with different weights")
    _load(classifier, room / END)
    shutil.copytree(room / CURVES, curves)
    return None


def _run(config: dict[str, Any], train: Settled) -> None:
    """Have Ray Train run the workers."""
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.tensorflow import TensorflowTrainer

    has_gpus = ray.cluster_resources().get("GPU", 0) >= train.workers
    trainer = TensorflowTrainer(
        work,
        train_loop_config=config,
        scaling_config=ScalingConfig(
            num_workers=train.workers, use_gpu=has_gpus, resources_per_worker={"CPU": train.threads}
        ),
        run_config=RunConfig(
            name="train",
            storage_path=str(Path(config["room"]) / "ray"),
            failure_config=FailureConfig(max_failures=FAILURES),
        ),
    )
    try:
        trainer.fit()
    except (ray.exceptions.RayError, ray.train.TrainingFailedError) as error:
        if told := cluster.ended(error):
            raise told from error
        raise


def work(config: dict[str, Any]) -> None:
    """Train as one worker: what Ray Train runs in each of its processes."""
    from ray.train import get_context

    os.chdir(config["project"])
    for name in ("tensorflow", "absl"):  # they tell of every sum over workers
        logging.getLogger(name).setLevel(logging.WARNING)
    worker, room = get_context().get_world_rank(), Path(config["room"])
    with _told(room if worker == 0 else None):
        try:
            classifier = _share(config, worker)
        except UserError as error:  # not raised: Ray would start the workers anew
            (room / f"refused-{worker}").write_text(str(error), encoding="utf-8")
            return
    content = b"".join(variable.numpy().tobytes() for variable in classifier.weights)
    (room / f"digest-{worker}").write_text(hashlib.blake2b(content).hexdigest())
    if worker == 0:
        _save(classifier, room / END)


def _share(config: dict[str, Any], worker: int) -> Any:
    """Return the classifier that this worker has trained along."""
    room, train = Path(config["room"]), Settled.model_validate(config["train"])
    model.configure(train.threads, train.seed)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    if config["confined"]:
        loopback.confine()
    with strategy.scope():
        classifier = model.build(config["base"], config["labels"], train)
    _load(classifier, room / START)
    parts = arrow.load(config["tokens"])
    unprobed = train.model_copy(update={"probe": False})  # since the head has been fitted
    inputs, _ = training.begin(classifier, parts, config["pad_id"], unprobed, room.parent / "frozen")
    if worker == 0:
        shutil.rmtree(room / CURVES, ignore_errors=True)
    epochs = room.parent / "epochs"
    _await_progress(epochs)
    training.tune(
        classifier,
        parts,
        inputs,
        config["pad_id"],
        read_json(room / "probed.json"),
        train,
        room / CURVES,
        epochs,
        Worker(worker, train.workers, classifier, train),
    )
    return classifier


def _await_progress(epochs: Path) -> None:
    """Wait until this worker sees the progress that the first one does; a shared folder may show it late."""
    from ray.train.collective import broadcast_from_rank_zero

    found = resume.newest(epochs)
    told = broadcast_from_rank_zero(found and found.name)
    until = time.monotonic() + WAIT
    while told and not (epochs / told / resume.STATE).is_file():
        if time.monotonic() > until:
            raise TimeoutError(f"{epochs / told} is not to be seen here")
        time.sleep(LOOK)


def _save(classifier: Any, path: Path) -> None:
    """Write all weights, whole or not at all."""
    draft = path.with_suffix(".draft")
    save_file({_name(variable): variable.numpy() for variable in classifier.weights}, draft)
    draft.replace(path)


def _load(classifier: Any, path: Path) -> None:
    weights = load_file(path)
    for variable in classifier.weights:  # their order changes where layers have been cut off
        variable.assign(weights[_name(variable)])


def _name(variable: Any) -> str:
    """Return the name of a variable without that of its model, which TensorFlow numbers."""
    name: str = variable.name.partition("/")[2]
    return name


@contextmanager
def _told(room: Path | None) -> Iterator[None]:
    """Write what this process says to files that `_relayed` reads, if there is a folder for them."""
    if room is None:
        yield
        return
    out, err = ((room / name).open("a", encoding="utf-8", buffering=1) for name in STREAMS)
    with out, err, redirect_stdout(out), redirect_stderr(err):
        yield


@contextmanager
def _relayed(room: Path) -> Iterator[None]:
    """Say on this terminal, while the block runs, what the first worker says on its own."""
    for name in STREAMS:
        (room / name).touch()

    def relay(over: threading.Event) -> None:
        last = False
        while not last:
            last = over.wait(LOOK)
            for file, stream in zip(files, (sys.stdout, sys.stderr), strict=True):
                stream.write(file.read())
                stream.flush()

    with (room / STREAMS[0]).open(encoding="utf-8") as out, (room / STREAMS[1]).open(encoding="utf-8") as err:
        files = out, err
        with cluster.beside(relay):
            yield
