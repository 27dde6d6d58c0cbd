"""Files of essays, read in windows: neither a long file nor one that unfolds fills the memory."""

import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from redacoes.essays import scoring_input
from redacoes.essays.scoring_input import EssayFile


def test_windows_end_before_memory_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring_input, "CHARACTERS", 1000)
    path = tmp_path / "a.csv"
    path.write_text("essay\n" + "".join(f"{'x' * 400}\n" for _ in range(10)), encoding="utf-8")
    assert [len(window.texts) for window in EssayFile(str(path), "essay", ",", "utf-8").windows()] == [3, 3, 3, 1]


def test_a_parquet_file_is_read_in_level_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring_input, "ROWS", 128)
    path = tmp_path / "a.parquet"
    rows = range(16_000)
    table = {"essay": [f"texto {row}" for row in rows], "notes": [f"{row} {'x' * 2000}" for row in rows]}
    pq.write_table(pa.table(table), path)
    allocated = [pa.total_allocated_bytes() for _ in EssayFile(str(path), "essay", ",", "utf-8").windows()]
    assert len(allocated) == 125
    assert max(allocated) - allocated[5] < 3_000_000  # of 32 MB


def test_a_text_in_every_row_is_in_memory_once(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    repeated = pa.DictionaryArray.from_arrays(pa.array([0] * 500, pa.int32()), pa.array(["a" * 10_000_000]))
    table = pa.table({"essay": repeated, "n": range(500)})
    pq.write_table(table, path, store_schema=False)  # as other programs do: no word of a dictionary
    assert path.stat().st_size < 1_000_000
    for longest, scored in ((10_000_000, 1), (100, 0)):
        before = pa.total_allocated_bytes()
        windows = EssayFile(str(path), "essay", ",", "utf-8", longest).windows()
        tracemalloc.start()
        window = next(windows)
        assert (len(window.texts), len(window.rejects), window.characters) == (scored, 1 - scored, 10_000_000)
        assert tracemalloc.get_traced_memory()[1] + pa.total_allocated_bytes() - before < 200_000_000
        tracemalloc.stop()
