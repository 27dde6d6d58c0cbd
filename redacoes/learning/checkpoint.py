"""The encoder that training starts from: a tokenizer, a configuration and, where there are any, weights.

TensorFlow is not needed: only the safetensors headers are read, and weights are copied unchanged.
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers import (
    AutoConfig,
    AutoTokenizer,
)

from redacoes.errors import MEND, UserError, first_line
from redacoes.files import read_object

TOKENIZER_FILES = (
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
FAMILIES = ("distilbert", "bert", "roberta", "xlm-roberta", "camembert", "electra", "albert", "deberta", "deberta-v2")
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
NO_PICKLE = "pickled weights (.bin) are never loaded: tools/convert_checkpoint.py makes safetensors of them, elsewhere"
Tensor = tuple[str, tuple[int, ...]]  # type, as safetensors names it, and shape


def from_path(source: Path, folder: Path) -> None:
    """Copy a checkpoint in the Hugging Face layout: configuration, tokenizer and safetensors weights, nothing else.

    Args:
        source: A folder with ``config.json``, tokenizer files and ``model.safetensors`` (or its shards and index).
        folder: The new folder.

    Raises:
        UserError: A part is missing or damaged, the tokenizer is not the encoder's, or the configuration asks for code
            of its own (``auto_map``).
    """
    if not source.is_dir():
        raise UserError(f"{source} is not a folder; checkpoint.path must name a checkpoint in the Hugging Face layout")
    if not (source / "config.json").is_file():
        raise UserError(f"{source} has no config.json; is this a checkpoint's folder?")
    _refuse_code(source)
    weights = _weight_files(source)
    tensors(source)
    words = [name for name in TOKENIZER_FILES if (source / name).is_file()]
    folder.mkdir(parents=True)
    for name in ["config.json", *words, *weights]:
        shutil.copyfile(source / name, folder / name)
    try:
        config, tokenizer = load_config(folder), load_tokenizer(folder)
    except UserError as error:
        raise UserError(str(error).replace(str(folder), str(source))) from error
    require_own_tokenizer(source, config, tokenizer)


def require_own_tokenizer(folder: Path, config: Any, tokenizer: Any) -> None:
    """Raise UserError where the tokenizer in `folder` has ids that the encoder has no embeddings for."""
    if len(tokenizer) > config.vocab_size:
        raise UserError(
            f"{folder}: the tokenizer has {len(tokenizer)} tokens, and the encoder embeddings of {config.vocab_size}: "
            "are they of one checkpoint?"
        )


def _refuse_code(folder: Path) -> None:
    """Raise UserError where the configuration or the tokenizer asks for code of its own, at any depth.

    A nested configuration can be loaded from elsewhere and ask for code as well (CVE-2026-5241), so `FAMILIES` has no
    family with one.
    """
    for name in ("config.json", "tokenizer_config.json"):
        if not (folder / name).is_file():
            continue
        values = read_object(folder / name)
        if asked := {"auto_map", "trust_remote_code"} & set(_keys(values)):
            raise UserError(f"{folder / name} asks for code of its own ({min(asked)}), which is never run")
        if name == "config.json" and values.get("model_type") not in FAMILIES:
            raise UserError(
                f"{folder / name} is of the family {values.get('model_type')!r}, and this project knows "
                f"{', '.join(FAMILIES)}"
            )


def _keys(value: Any) -> Iterator[str]:
    """Yield all keys of a JSON value, at any depth."""
    children: Iterable[Any] = value if isinstance(value, list) else ()
    if isinstance(value, dict):
        yield from value
        children = value.values()
    for child in children:
        yield from _keys(child)


def weight_map(folder: Path) -> dict[str, str]:
    """Return the file of each tensor, as the index of a checkpoint in several files has it.

    Raises:
        UserError: The index is damaged, or names a file outside of its own folder.
    """
    index = folder / INDEX
    files = read_object(index).get("weight_map")
    if not isinstance(files, dict) or not all(isinstance(name, str) for name in files.values()):
        raise UserError(f"{index} has no weight_map from tensors to files; {MEND}")
    if any(Path(name).name != name for name in files.values()):
        raise UserError(f"{index} names a shard outside its own folder")
    return files


def _weight_files(folder: Path) -> list[str]:
    if (folder / WEIGHTS).is_file():
        return [WEIGHTS]
    if (folder / INDEX).is_file():
        return [INDEX, *sorted(set(weight_map(folder).values()))]
    raise UserError(f"{folder} has no {WEIGHTS}; {NO_PICKLE}")


def tensors(folder: str | Path) -> dict[str, Tensor]:
    """Return type and shape of each tensor of the weights in `folder`, by the safetensors headers alone.

    Raises:
        UserError: There are no weights, a file is cut short or has a wrong header, is not in PyTorch's layout, or lacks
            a tensor that the index places in it.
    """
    folder = Path(folder)
    found: dict[str, Tensor] = {}
    places: dict[str, str] = {}
    files = _weight_files(folder)
    for name in filter(lambda name: name != INDEX, files):
        try:
            with safe_open(folder / name, framework="numpy") as file:
                layout = (file.metadata() or {}).get("format")
                for key in file.keys():  # noqa: SIM118 (safe_open is no mapping)
                    part = file.get_slice(key)
                    found[key], places[key] = (part.get_dtype(), tuple(part.get_shape())), name
        except (OSError, SafetensorError) as error:
            raise UserError(f"{folder / name} is not a complete safetensors file ({error}); {MEND}") from error
        if layout != "pt":
            raise UserError(f"{folder / name} is in the layout {layout!r}, and only PyTorch's ('pt') is read")
    if files[0] == INDEX:
        for key, name in weight_map(folder).items():
            if places.get(key) != name:
                raise UserError(f"{folder / name} lacks {key}, which {INDEX} places in it; {MEND}")
    return found


def load_config(folder: str | Path) -> Any:
    """Return the configuration in `folder`.

    Raises:
        UserError: It is missing or damaged, transformers does not know it, or it asks for code of its own.
    """
    read_object(Path(folder, "config.json"))
    _refuse_code(Path(folder))
    try:
        # by default transformers asks on the terminal whether to run code
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{folder}/config.json is not one that transformers knows ({first_line(error)}); {MEND}"
        ) from error


def load_tokenizer(folder: str | Path) -> Any:
    """Return the fast tokenizer in `folder`.

    Raises:
        UserError: It is missing or damaged, transformers does not know it, or it asks for code of its own.
    """
    _refuse_code(Path(folder))
    for name in TOKENIZER_FILES:
        if name.endswith(".json") and Path(folder, name).is_file():
            read_object(Path(folder, name))
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False)
    except Exception as error:  # tokenizers, written in Rust, raises Exception itself
        raise UserError(f"{folder} has no tokenizer that transformers knows ({first_line(error)}); {MEND}") from error
    tokenizer.chat_template = None  # its name would become a path, possibly outside the folder (CVE-2026-9856)
    return tokenizer


def longest_input(folder: str | Path) -> int:
    """Return how many tokens, special ones included, the encoder in `folder` has positions for."""
    return positions(load_config(folder))


def positions(config: Any) -> int:
    """Return how many tokens, special ones included, an encoder of this configuration has positions for."""
    count: int = config.max_position_embeddings
    if config.model_type in ("roberta", "xlm-roberta", "camembert"):  # their positions begin after the padding id
        count -= config.pad_token_id + 1
    return count


def has_weights(folder: str | Path) -> bool:
    """Tell whether `folder` holds safetensors weights."""
    return any((Path(folder) / name).is_file() for name in (WEIGHTS, INDEX))
