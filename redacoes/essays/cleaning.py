"""Clean the text of an essay for the model."""

import ast
import re
import unicodedata


def clean(text: str) -> str:
    r"""Return `text` as the model should see it.

    The repr of a Python list of paragraphs is joined by line breaks. Every kind of space becomes one plain space, and
    every end of a line or page one line break. Control characters, format characters and blank lines are removed.
    Unicode is composed (NFC).
    """
    text = text.strip()
    if re.match(r"\[\s*['\"]", text) and text.endswith("]"):
        try:
            paragraphs = ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            pass  # not a list: an essay that begins with a bracket
        else:
            text = "\n".join(map(str, paragraphs))
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_PLAIN)
    text = unicodedata.normalize("NFC", text)  # only now, as what was removed may have kept marks from their letters
    lines = (re.sub(r" +", " ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


class _Plain(dict[int, str]):
    """The replacement of each character, computed on first use. A Python loop over the text would slow down scoring."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if character in "\n\v\f\x1c\x1d\x1e\x85\u2028\u2029":  # as str.splitlines counts lines
            plain = "\n"
        elif character in "\t\x1f" or category == "Zs":  # as str.split counts words
            plain = " "
        else:
            plain = "" if category in ("Cc", "Cf", "Cs") else character
        self[code] = plain
        return plain


_PLAIN = _Plain()
