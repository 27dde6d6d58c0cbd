"""The text of an essay as the model sees it."""

import ast
import re
import unicodedata


def clean(text: str) -> str:
    r"""Return `text` as the model should see it.

    A Python list of paragraphs written out as text is joined by line breaks; Unicode is composed (NFC); every kind of
    space is one plain space; control and format characters go; blank lines go.
    """
    text = text.strip()
    if re.match(r"\[\s*['\"]", text) and text.endswith("]"):
        try:
            paragraphs = ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            pass  # an essay that merely begins with a bracket
        else:
            text = "\n".join(map(str, paragraphs))
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    text = text.translate(_PLAIN)
    lines = (re.sub(r" +", " ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


class _Plain(dict[int, str]):
    """What each character becomes, found when one is met first: in a loop of Python, cleaning is most of scoring."""

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
