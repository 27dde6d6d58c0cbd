"""Arrow data sets whose bytes depend on their content alone.

`datasets` writes a random fingerprint with each data set. Here the fingerprint is a hash of the content, so that the
same essays give the same bytes on every machine.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b, file_digest
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from redacoes.errors import MEND, UserError, first_line
from redacoes.files import read_object

ROWS = 1000  # rows in memory at once
END = b"\xff\xff\xff\xff\0\0\0\0"  # end of an Arrow stream; a file cut between two batches lacks it

datasets.disable_progress_bars()


def _digest() -> Any:
    return blake2b(digest_size=8)


def write(rows: Iterable[Mapping[str, Any]], features: datasets.Features, path: Path) -> datasets.Dataset:
    """Stream rows into an Arrow file and return it memory-mapped.

    Args:
        rows: Mappings from column names to values; no more than `ROWS` are in memory at once.
        features: The columns and their types.
        path: The file to write.
    """
    schema, rows = features.arrow_schema, iter(rows)
    with pa.ipc.new_stream(path, schema) as writer:
        while batch := list(islice(rows, ROWS)):
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))
    with path.open("rb") as file:
        content = file_digest(file, _digest).hexdigest()
    table = datasets.Dataset.from_file(str(path)).data
    return datasets.Dataset(table, info=datasets.DatasetInfo(features=features), fingerprint=content)


def select(dataset: datasets.Dataset, rows: NDArray[np.int64]) -> datasets.Dataset:
    """Return the given rows of `dataset`, with a fingerprint that depends on both alone."""
    digest = _digest()
    digest.update(fingerprint(dataset).encode())
    digest.update(rows.astype("<i8").tobytes())
    return dataset.select(rows, new_fingerprint=digest.hexdigest())


def fingerprint(dataset: datasets.Dataset) -> str:
    """Return a hash of the content of a data set that :func:`write` or :func:`select` made."""
    return dataset._fingerprint


def save(parts: Mapping[str, datasets.Dataset], folder: Path) -> None:
    """Write the parts as a `DatasetDict` folder."""
    datasets.DatasetDict(parts).save_to_disk(str(folder))


def load(folder: str | Path) -> datasets.DatasetDict:
    """Check the files in `folder`, and return its memory-mapped `DatasetDict`.

    Raises:
        UserError: It is missing or damaged: a file is cut short, is not JSON, or has offsets, lengths or text that
            Arrow does not allow.
    """
    for path in sorted(Path(folder).rglob("*.json")):
        read_object(path)
    for path in sorted(Path(folder).rglob("*.arrow")):
        _check(path)
    try:
        return datasets.load_from_disk(str(folder))
    except Exception as error:  # of any type: datasets does not validate what it reads
        raise _damaged(folder, error) from error


def _check(path: Path) -> None:
    try:
        with pa.memory_map(str(path)) as source:
            for batch in pa.ipc.open_stream(source):
                batch.validate(full=True)
            source.seek(max(source.size() - len(END), 0))
            if source.read() != END:
                raise pa.ArrowInvalid("it is cut short")
    except (OSError, MemoryError, ValueError, pa.ArrowException) as error:  # ValueError: a name is not text
        raise _damaged(path, error) from error


def _damaged(path: str | Path, error: Exception) -> UserError:
    return UserError(f"{path} cannot be read ({first_line(error)}); {MEND}")


class Texts:
    """A column of texts in batches, read from the memory map each time it is iterated."""

    def __init__(self, dataset: datasets.Dataset, column: str) -> None:
        """Keep the data set and the column's name."""
        self.dataset, self.column = dataset, column

    def __iter__(self) -> Iterator[list[str]]:
        """Yield lists of up to `ROWS` texts."""
        return (batch[self.column] for batch in self.dataset.iter(batch_size=ROWS))


class Values:
    """Integers in several arrays, read as one: those of a column in its memory map, of which nothing is copied."""

    def __init__(self, arrays: Sequence[NDArray[np.int32]]) -> None:
        """Keep the arrays, of which there is at least one, and where each begins."""
        self._arrays = arrays
        self._begins = np.cumsum([0, *map(len, arrays)], dtype=np.int64)

    def __len__(self) -> int:
        """Return the number of integers."""
        return int(self._begins[-1])

    def __getitem__(self, part: slice) -> NDArray[np.int32]:
        """Return a slice that lies within one of the arrays, as every list of a column does."""
        place = min(int(np.searchsorted(self._begins, part.start, "right")), len(self._arrays)) - 1
        begin = self._begins[place]
        return self._arrays[place][part.start - begin : part.stop - begin]


def lists(dataset: datasets.Dataset, column: str) -> tuple[Values, NDArray[np.int64]]:
    """Return a column of integer lists as flat values and offsets, int64 ``(rows + 1,)``.

    The values, int32, stay in the memory map: this process holds 8 bytes for each row, and no list.
    """
    chunks = dataset.data.column(column).chunks or [pa.array([], pa.list_(pa.int32()))]
    values = Values([chunk.flatten().to_numpy() for chunk in chunks])
    lengths = [chunk.value_lengths().to_numpy(zero_copy_only=False) for chunk in chunks]
    return values, np.concatenate([[0], np.cumsum(np.concatenate(lengths), dtype=np.int64)])
