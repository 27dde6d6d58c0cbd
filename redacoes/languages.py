"""Portuguese and English: texts side by side, and numbers as each language writes them."""

import os
from collections.abc import Mapping
from typing import Any, Literal

Language = Literal["pt", "en"]
TAGS = {"pt": "pt-BR", "en": "en"}  # for the attribute lang of HTML


def say(texts: Mapping[str, tuple[str, str]], key: str, language: Language, **values: Any) -> str:
    """Return a text in a language, with values filled in. Raises KeyError for an unknown text.

    Args:
        texts: Each text in Portuguese and in English.
        key: The key of the text.
        language: The language.
        values: Values for the fields of the text.
    """
    return texts[key][language == "en"].format(**values)


def typeset(number: str, language: Language) -> str:
    """Return a number with a typographic minus sign and the decimal mark of the language."""
    number = number.strip().replace("-", "−")
    return number.replace(".", ",") if language == "pt" else number


def decimal(value: float, language: Language, places: int = 1) -> str:
    """Return a number as the language writes it."""
    return typeset(f"{value:.{places}f}", language)


def short(value: float, language: Language) -> str:
    """Return a number as the language writes it, without trailing zeros."""
    return typeset(f"{value:.6f}".rstrip("0").rstrip("."), language)


def of_locale(environment: Mapping[str, str] = os.environ) -> Language:
    """Return the language of the locale: Portuguese for pt and for C or POSIX, which name no language; else English."""
    names = (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    named = next(filter(None, names), "C").lower()
    return "pt" if named.startswith("pt") or named.partition(".")[0] in ("c", "posix") else "en"
