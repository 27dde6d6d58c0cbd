"""Where the sentences of a Portuguese text begin and end."""

import re

# a full stop after these does not end a sentence: titles, and words before a number or a name
ABBREVIATIONS = frozenset((
    "dr", "dra", "drs", "dras", "sr", "sra", "srs", "sras", "srta", "srtas", "prof", "profa", "profª", "profs",
    "eng", "enga", "arq", "adv", "exmo", "exma", "ilmo", "ilma", "dep", "sen", "gen", "cel", "maj", "sgt",
    "pres", "gov", "pe", "fr", "sto", "sta", "art", "arts", "pp", "pág", "págs", "pag", "pags", "cap", "caps",
    "vol", "vols", "fig", "figs", "tab", "fl", "fls", "núm", "séc", "sécs", "av", "pça", "tel", "cf", "obs",
    "vs", "aprox",
))  # fmt: skip
# these can also end a sentence: it ends where a capital letter follows
ENDINGS = frozenset((
    "etc", "jr", "cia", "ltda", "cit", "ibid", "id", "op", "al", "ed", "inc", "min", "par", "ex",
))  # fmt: skip
DOTTED = re.compile(r"(?:\w{1,3}\.)+\w{1,3}")  # E.U.A., a.C., p.ex.
ENUMERATOR = re.compile(r"\W*(?:\d{1,3}|[a-zA-Z]|[ivxIVX]+)\.")  # "1." before the first words of a line
END = re.compile(r"(?P<mark>[.!?…]+)(?P<close>[\"'”’»)\]]*)(?=\s)")
WORD = re.compile(r"[\w.]*$")
SPEAKS = re.compile(r"[^\W_]")


def sentences(text: str) -> list[tuple[int, int]]:
    """Return where each sentence of `text` begins and ends, in characters.

    A line break always ends a sentence. Abbreviations («Dr.», «art. 5º», «p. 12»), initials and numbers («3.5», and the
    «1.» that begins a line) do not; an ellipsis does where a capital follows. The spans cover every character that is
    not a space; no span begins or ends with a space.
    """
    spans = []
    offset = 0
    for line in text.splitlines(keepends=True):
        spans += [(offset + begin, offset + end) for begin, end in _of_line(line)]
        offset += len(line)
    return spans


def _of_line(line: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    begin = len(line) - len(line.lstrip())
    for match in END.finditer(line):
        after = line[match.end() :].lstrip()
        if after and SPEAKS.search(line, begin, match.start()) and _ends(line[begin : match.start()], match, after):
            spans.append((begin, match.end()))
            begin = len(line) - len(after)
    last = len(line.rstrip())
    if spans and not SPEAKS.search(line, begin, last):  # such as a closing «!» on its own
        begin = spans.pop()[0]
    return [*spans, (begin, last)] if begin < last else spans


def _ends(before: str, match: re.Match[str], after: str) -> bool:
    """Tell whether the mark after `before` ends a sentence."""
    first = SPEAKS.search(after)
    goes_on = first is not None and first.group().islower()
    mark = match["mark"]
    if match["close"] or "…" in mark or ".." in mark:
        return not goes_on
    if mark != ".":
        return True
    found = WORD.search(before)
    word = found.group() if found else ""
    lower = word.lower()
    if DOTTED.fullmatch(word) or lower in ENDINGS:
        return not goes_on and not after[0].isdigit()
    if lower in ABBREVIATIONS or re.fullmatch(r"[A-Zb-df-hj-np-tv-z]", word):
        return False
    return not ENUMERATOR.fullmatch(f"{before}.")


def without(text: str, begin: int, end: int) -> str:
    """Return a cleaned text without one sentence, still clean: the wider of the two spaces around it stays."""
    if end == len(text) or text[begin - 1 : begin] == " ":
        return text[: max(begin - 1, 0)] + text[end:]
    return text[:begin] + text[end + 1 :]
