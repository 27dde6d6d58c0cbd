"""Clean the text of an essay for the model."""

import ast
import re
import unicodedata


def clean(text: str) -> str:
    r"""Return `text` as the model should see it.

    The repr of a Python list of paragraphs is joined by line breaks. Unicode is composed (NFC). Every kind of space
    becomes one plain space. Control characters, format characters and blank lines are removed.
    """
    text = text.strip()
    if re.match(r"\[\s*['\"]", text) and text.endswith("]"):
        try:
            paragraphs = ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            pass  # not a list: an essay that begins with a bracket
        else:
            text = "\n".join(map(str, paragraphs))
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    text = text.translate(_PLAIN)
    lines = (re.sub(r" +", " ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


class _Plain(dict[int, str]):
    """The replacement of each character, computed on first use. A Python loop over the text would slow down scoring."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if character in "\n\u2028\u2029\x85":
            plain = "\n"
        elif character == "\t" or category == "Zs":
            plain = " "
        else:
            plain = "" if category in ("Cc", "Cf", "Cs") else character
        self[code] = plain
        return plain


_PLAIN = _Plain()
