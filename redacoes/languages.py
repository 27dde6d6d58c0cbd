"""Portuguese and English: texts side by side, and numbers as each language writes them."""

import os
from collections.abc import Mapping
from typing import Any, Literal

Language = Literal["pt", "en"]
TAGS = {"pt": "pt-BR", "en": "en"}  # of HTML


def say(texts: Mapping[str, tuple[str, str]], key: str, language: Language, **values: Any) -> str:
    """Return a text in a language, with its values put in. Raises KeyError for a text that there is not.

    Args:
        texts: Each in Portuguese and in English.
        key: Of the text.
        language: In which it is said.
        values: That are named in it.
    """
    return texts[key][language == "en"].format(**values)


def typeset(number: str, language: Language) -> str:
    """Return a number with the sign that typesetters use, and the language's decimal mark."""
    number = number.strip().replace("-", "−")
    return number.replace(".", ",") if language == "pt" else number


def decimal(value: float, language: Language, places: int = 1) -> str:
    """Return a number as the language writes it."""
    return typeset(f"{value:.{places}f}", language)


def short(value: float, language: Language) -> str:
    """Return a number as the language writes it, with no more places than it needs."""
    return typeset(f"{value:.6f}".rstrip("0").rstrip("."), language)


def of_locale(environment: Mapping[str, str] = os.environ) -> Language:
    """Return the language of a user: Portuguese where the locale says so or names none, as C does; else English."""
    names = (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    named = next(filter(None, names), "C").lower()
    return "pt" if named.startswith("pt") or named.partition(".")[0] in ("c", "posix") else "en"
