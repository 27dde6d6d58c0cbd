"""Training on several workers of a real Ray cluster: as by one, confined to this machine, and on after a kill."""

import json
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest

from redacoes.learning import cluster
from tests.support.processes import ELSEWHERE, SECONDS, printed, running, wait
from tests.support.project import Clone

WITHOUT_DROPOUT = {f"train.{name}": "0.0" for name in ("dropout", "attention_dropout", "classifier_dropout")}
LONG = {"train.epochs": "30", "train.frozen_layers": "1", "train.head_learning_rate": "2e-3"}
LOSS = "metrics/train/plots/metrics/eval/loss.tsv"
STAGE = sys.executable, "-m", "stages.train"


@pytest.fixture
def make(make_pulled: Callable[[str], Clone], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Clone]:
    """What makes a clone with parameters of its own, in which only training is to be done."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def make(name: str, **values: str) -> Clone:
        clone = make_pulled(name)
        clone.environment = {**clone.environment, "PYTHONPATH": str(clone.path)}
        clone.set(**values)
        return clone

    return make


def begun(clone: Clone) -> None:
    """Wait until an epoch has been trained."""
    wait(lambda: list(clone.path.glob(".work/train/*/epochs/000001")) or "error" in printed(clone))
    assert list(clone.path.glob(".work/train/*/epochs/000001")), printed(clone)


def started(process: int) -> list[psutil.Process]:
    return psutil.Process(process).children(recursive=True)


def workers(processes: list[psutil.Process]) -> list[psutil.Process]:
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # Ray has others that come and go
            found += [process] if "RayTrainWorker" in "".join(process.cmdline()) else []
    return found


def losses(clone: Clone) -> list[float]:
    return [float(line.split("\t")[1]) for line in clone.text(LOSS).splitlines()[1:]]


def reachable(processes: list[psutil.Process]) -> set[tuple[int, int]]:
    """Where a process waits for others on an address of the network, and one that is not of this machine gets in."""
    found = set()
    for process in processes:
        connections = []
        with suppress(psutil.NoSuchProcess):
            connections = process.net_connections("inet")
        for connection in connections:
            host = connection.laddr.ip.removeprefix("::ffff:")
            if connection.status == psutil.CONN_LISTEN and host != "::1" and not host.startswith("127."):
                try:
                    socket.create_connection((ELSEWHERE[0], connection.laddr.port), timeout=0.5).close()
                except OSError:
                    continue
                found.add((process.pid, connection.laddr.port))
    return found


@pytest.mark.slow
def test_two_workers_train_as_one_does_and_only_for_this_machine(make: Callable[..., Clone]) -> None:
    two = make("dois", **WITHOUT_DROPOUT, **{"train.workers": "2"})
    with running(two, *STAGE) as process:
        begun(two)
        children = started(process.pid)
        assert len(workers(children)) == 2
        if ELSEWHERE:
            assert reachable(children) == set()
        wait(lambda: len(list(two.path.glob(".work/train/*/workers/digest-*"))) == 2)
        first, second = (path.read_text() for path in two.path.glob(".work/train/*/workers/digest-*"))
        assert first == second  # a hash of all weights of each
        assert process.wait(SECONDS) == 0, printed(two)
    said = printed(two)
    assert "Epoch 2/2" in said
    assert "val_loss" in said
    assert "all_reduce" not in said
    assert not list(two.path.glob(".work/*"))
    assert json.loads(two.text("metrics/train/metrics.json"))["step"] == 2

    one = make("um", **WITHOUT_DROPOUT)
    del one.environment["PYTHONPATH"]  # which only Ray's processes need
    one.dvc("repro", "--single-item", "train")
    assert losses(two) == pytest.approx(losses(one), abs=1e-3)
    assert len(losses(two)) == 2


@pytest.mark.slow
def test_a_lost_cluster_is_said_and_a_killed_worker_replaced_for_the_same_bytes(make: Callable[..., Clone]) -> None:
    """With dropout, a frozen layer and a rate of the head's own."""
    broken, whole = (make(name, **LONG, **{"train.workers": "2"}) for name in ("interrompido", "inteiro"))
    scorer = "models/scorer/model.safetensors"
    before = (broken.path / scorer).read_bytes()
    with running(broken, *STAGE) as process:
        begun(broken)
        for child in started(process.pid):
            if child.name() in cluster.SERVERS:
                child.kill()
        assert process.wait(SECONDS) == 1
    said = printed(broken)
    assert "error: the Ray cluster is gone" in said
    assert "Traceback" not in said
    assert (broken.path / scorer).read_bytes() == before
    assert list(broken.path.glob(".work/train/*/epochs/0*"))

    with running(broken, *STAGE) as process:
        wait(lambda: "going on after epoch" in printed(broken))
        workers(started(process.pid))[-1].kill()
        assert process.wait(2 * SECONDS) == 0, printed(broken)
    assert printed(broken).count("going on after epoch") == 2
    with running(whole, *STAGE) as process:
        assert process.wait(SECONDS) == 0, printed(whole)
    assert "going on after epoch" not in printed(whole)
    for path in (scorer, LOSS):
        assert (broken.path / path).read_bytes() == (whole.path / path).read_bytes()


def test_workers_that_die_again_and_again_are_told_from_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.exceptions import ActorDiedError
    from ray.train import WorkerGroupError
    from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError

    monkeypatch.setattr("time.sleep", lambda _: None)
    died = WorkerHealthCheckFailedError("no answer", ActorDiedError())
    for failure in (died, RuntimeError("errors_impl.UnavailableError: Connection reset by peer")):
        told = cluster.ended(WorkerGroupError("", {1: failure}))
        assert told
        assert "ended again and again" in str(told)
    assert cluster.ended(WorkerGroupError("", {0: ValueError("shapes differ")})) is None
