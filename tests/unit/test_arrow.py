"""Arrow data sets: bytes that depend on content alone, and what is said of a damaged one."""

import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from redacoes.errors import UserError
from redacoes.essays import arrow
from redacoes.learning.batching import Ragged

FEATURES = Features(
    {"essay": Value("string"), "input_ids": List(Value("int32")), "labels": ClassLabel(names=["0", "1", "2"])}
)
ROWS = st.tuples(
    st.text(st.characters(codec="utf-8"), max_size=8), st.lists(st.integers(0, 999), max_size=4), st.integers(0, 2)
)


def save(rows: list[tuple[str, list[int], int]], selected: list[int], folder: Path) -> dict[str, bytes]:
    """What is written, by file."""
    whole = arrow.write((dict(zip(FEATURES, row, strict=True)) for row in rows), FEATURES, folder.with_suffix(".arrow"))
    arrow.save({"train": arrow.select(whole, np.array(selected)), "test": whole}, folder)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@given(st.lists(ROWS, min_size=1, max_size=30), st.data())
@settings(max_examples=25)
def test_bytes_depend_on_content_alone(tmp_path_factory: pytest.TempPathFactory, rows, data) -> None:
    folder = tmp_path_factory.mktemp("arrow")
    selected = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, unique=True))
    written = save(rows, selected, folder / "um")
    assert written == save(rows, selected, folder / "outro")
    loaded = arrow.load(folder / "um")
    assert list(loaded["train"]["essay"]) == [rows[row][0] for row in selected]
    assert list(loaded["test"]["input_ids"]) == [row[1] for row in rows]
    other = [*rows[:-1], (rows[-1][0] + "!", *rows[-1][1:])]
    assert written != save(other, selected, folder / "mais")


def test_lists_are_read_flat(tmp_path: Path) -> None:
    save([("a", [1, 2], 0), ("b", [], 1), ("c", [3], 2)], [0], tmp_path / "folder")
    values, offsets = arrow.lists(arrow.load(tmp_path / "folder")["test"], "input_ids")
    rows = [values[begin:end].tolist() for begin, end in pairwise(offsets)]
    assert (len(values), rows) == (3, [[1, 2], [], [3]])


def test_lists_stay_in_the_memory_map_however_many_there_are(tmp_path: Path) -> None:
    """So that the memory of training does not grow with the essays."""
    written = [("", [row] * (row % 3), 0) for row in range(2 * arrow.ROWS + 3)]
    save(written, [0], tmp_path / "folder")
    part = arrow.load(tmp_path / "folder")["test"]
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    values, offsets = arrow.lists(part, "input_ids")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert pa.total_allocated_bytes() == before
    assert held < 8 * len(written) + 10_000  # the offsets; the values have four bytes for each row more
    rows = [values[begin:end].tolist() for begin, end in pairwise(offsets)]
    assert rows == [ids for _, ids, _ in written]
    ids = Ragged(values, offsets).pad(np.array([0, arrow.ROWS, 2 * arrow.ROWS + 2]), 7, 1, 512)["input_ids"]
    assert ids.tolist() == [[7], [arrow.ROWS], [2 * arrow.ROWS + 2]]


def test_texts_can_be_read_twice(tmp_path: Path) -> None:
    save([("a", [], 0), ("b", [], 0)], [1], tmp_path / "folder")
    texts = arrow.Texts(arrow.load(tmp_path / "folder")["test"], "essay")
    assert list(texts) == list(texts) == [["a", "b"]]


def test_a_missing_or_damaged_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nada cannot be read"):
        arrow.load(tmp_path / "nada")
    save([("uma redação", [1], 0)], [0], tmp_path / "folder")
    file = next((tmp_path / "folder" / "test").glob("*.arrow"))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UserError, match=r"arrow cannot be read .* `redacoes verify` tells what is damaged"):
        arrow.load(tmp_path / "folder")


def test_a_file_that_was_cut_between_two_batches_is_found(tmp_path: Path) -> None:
    """For Arrow it is a stream that has yet to end, and all that is there can be read."""
    save([("uma redação", [1], 0)], [0], tmp_path / "folder")
    file = next((tmp_path / "folder" / "test").glob("*.arrow"))
    file.write_bytes(file.read_bytes().removesuffix(arrow.END))
    assert len(Dataset.from_file(str(file))) == 1
    with pytest.raises(UserError, match="it is cut short"):
        arrow.load(tmp_path / "folder")
