# /// script
# requires-python = ">=3.11"
# dependencies = ["huggingface_hub>=0.36,<1", "numpy>=2.0", "safetensors>=0.5", "torch==2.13.0"]
# ///
"""Convert a checkpoint with pickled weights to safetensors: uv run tools/convert_checkpoint.py SOURCE OUT.

SOURCE is a repository of the Hugging Face Hub with the full hash of a commit (OWNER/NAME@HASH), or a folder; OUT, a new
folder, for `zero_shot.source: path` or `checkpoint.source: path`. uv runs it in a separate environment, since it
needs torch (3 GB on Linux, where PyPI's build includes CUDA), which this project does not install:

    uv run tools/convert_checkpoint.py Mel-Iza0/zero-shot@HASH models/zero-shot

The risk: a pickle is a program. This project never runs one, and neither does this script: torch reads it with
`weights_only=True`, which accepts only tensors and plain containers. But this parser of untrusted bytes can have bugs
(CVE-2025-32434 bypassed it until torch 2.6), and it runs with your rights. Convert only checkpoints that you trust, or
use a container without secrets. The output is safetensors and JSON, and holds no code. It does not make the model
trustworthy: a model can have been trained to mislead.

Tensors keep their dtype. Tensors that share memory are each written separately, since loaders differ in which of two
tied names they read. Only weights, configuration and tokenizer are copied, never code.
"""

import argparse
import json
import pickle
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PICKLED = "pytorch_model.bin"
INDEX = "pytorch_model.bin.index.json"
COPIED = (  # as in redacoes.learning.checkpoint, which this script's environment lacks
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
)
CODE = {"auto_map", "trust_remote_code"}


class RefusedError(Exception):
    """Nothing is converted; the message is a sentence that says what to do."""


def fetched(source: str) -> Path:
    """Return the folder of `source`, which is downloaded if it is a repository."""
    if Path(source).is_dir():
        return Path(source)
    repository, _, revision = source.partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise RefusedError(f"{source} is neither a folder nor a repository with a commit: OWNER/NAME@HASH")
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise RefusedError(
            f"{source} names no full commit hash, so it would mean something else tomorrow: take the hash from the "
            "list of the repository's commits, and give it as OWNER/NAME@HASH"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        wanted = [*COPIED, "pytorch_model*.bin", INDEX]
        return Path(snapshot_download(repository, revision=revision, allow_patterns=wanted))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise RefusedError(f"{source} cannot be fetched ({first}); check name, hash, network and HF_TOKEN") from error


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RefusedError(f"{path} cannot be read ({error}); is this a checkpoint's folder?") from error
    if not isinstance(values, dict):
        raise RefusedError(f"{path} holds no JSON object; is this a checkpoint's folder?")
    return values


def keys(value: Any) -> Iterator[str]:
    """Yield the keys of a JSON value, nested ones included."""
    if isinstance(value, dict):
        yield from value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys(child)


def pickles(folder: Path) -> list[Path]:
    """Return the files of pickled weights: the single file, or those that the index names."""
    if (folder / PICKLED).is_file():
        return [folder / PICKLED]
    if not (folder / INDEX).is_file():
        raise RefusedError(f"{folder} has no {PICKLED}; if it has model.safetensors, use it as it is")
    files = read_object(folder / INDEX).get("weight_map")
    if not isinstance(files, dict) or not all(isinstance(name, str) for name in files.values()):
        raise RefusedError(f"{folder / INDEX} has no weight_map from tensors to files; fetch it again")
    if any(Path(name).name != name for name in files.values()):
        raise RefusedError(f"{folder / INDEX} names a file outside its own folder; it is not to be trusted")
    return [folder / name for name in sorted(set(files.values()))]


def tensors(file: Path) -> dict[str, Any]:
    """Return copies of the tensors of a pickled state dict, so that none share memory, which safetensors refuses."""
    import torch

    try:
        with warnings.catch_warnings(action="ignore"):  # about pickles of other versions
            state = torch.load(file, map_location="cpu", weights_only=True)  # or the pickle's code would run
    except pickle.UnpicklingError as error:
        raise RefusedError(
            f"{file} asks for more than tensors, which is never run: do not trust it, and use another checkpoint "
            f"({_asked(error)})"
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError, KeyError) as error:
        raise RefusedError(f"{file} is not a complete torch file ({_first_line(error)}); fetch it again") from error
    if not isinstance(state, dict) or not state:
        raise RefusedError(f"{file} holds no state dict; use a checkpoint that save_pretrained has written")
    odd = [name for name, value in state.items() if not (isinstance(name, str) and isinstance(value, torch.Tensor))]
    if odd:
        raise RefusedError(
            f"{file} holds more than tensors ({odd[0]!r}); use a checkpoint that save_pretrained has written"
        )
    if odd := [name for name, value in state.items() if value.layout != torch.strided or value.is_quantized]:
        raise RefusedError(f"{file} holds sparse or quantised tensors ({odd[0]!r}), which are not converted")
    return {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in state.items()}


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _asked(error: pickle.UnpicklingError) -> str:
    """Return what the pickle asked for, without torch's advice on how to allow it, which would run it."""
    found = re.search(r"GLOBAL ([\w.]+)|Unsupported (?:operand|class|global)[^\n]*", str(error))
    return found[1] or found[0] if found else _first_line(error)


def convert(source: str, out: Path) -> None:
    """Write the folder `out`, whole or not at all.

    Raises:
        RefusedError: The checkpoint cannot be converted; nothing was written.
    """
    if out.exists():
        raise RefusedError(f"{out} exists; name a new folder")
    folder = fetched(source)
    for name in ("config.json", "tokenizer_config.json"):
        if name != "config.json" and not (folder / name).is_file():
            continue
        if asked := CODE & set(keys(read_object(folder / name))):
            raise RefusedError(f"{folder / name} asks for code of its own ({min(asked)}), which is never run")
    files = pickles(folder)
    from safetensors.torch import save_file

    state: dict[str, Any] = {}
    for file in files:
        state |= tensors(file)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as room:
        draft = Path(room, out.name)
        draft.mkdir()
        for name in COPIED:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, draft / name)
        save_file(state, draft / "model.safetensors", metadata={"format": "pt"})
        draft.rename(out)
    print(f"written: {out} ({len(state)} tensors)")


def main() -> None:
    """Convert, or exit with status 1 and one sentence."""
    parser = argparse.ArgumentParser(description="Make a safetensors folder of a checkpoint with pickled weights.")
    parser.add_argument("source", metavar="SOURCE", help="OWNER/NAME@HASH on the Hugging Face Hub, or a folder")
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder to write, which must not exist")
    options = parser.parse_args()
    try:
        convert(options.source, options.out)
    except (RefusedError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; nothing was written")


if __name__ == "__main__":
    main()
