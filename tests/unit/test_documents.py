"""Essays as `.docx` and `.odt`, and what is no essay."""

import sys
from pathlib import Path

import pytest

from redacoes.errors import FileError, UserError
from redacoes.essays import documents
from redacoes.essays.cleaning import clean
from redacoes.web import service
from redacoes.web.service import RefusedError
from tests.support.documents import docx, odt, zipped

BOMB = " " * (documents.UNPACKED + 1)
ENTITY = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY e "&a;&a;&a;&a;">]>'
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
ESSAY = "A leitura\nLer é um direito de todos.\nPor isso, o Estado deve agir já.\numa célula\noutra\nFim."


def p(*runs: str) -> str:
    return f"<w:p>{''.join(runs)}</w:p>"


def run(text: str) -> str:
    return f'<w:r><w:rPr><w:b/></w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


WORD = docx(
    p(run("A leitura"))
    + p(
        run("Ler é "),
        run("um direito"),
        "<w:del w:id='1'><w:r><w:delText>APAGADO</w:delText></w:r></w:del>",
        "<w:r><w:tab/></w:r>",
        run("de todos."),
    )
    + p(
        run("Por isso, o Estado"),
        "<w:ins w:id='2'>",
        run(" deve agir já."),
        "</w:ins>",
        "<w:r><w:footnoteReference w:id='1'/></w:r>",
    )
    + f"<w:tbl><w:tr><w:tc>{p(run('uma célula'))}</w:tc><w:tc>{p(run('outra'))}</w:tc></w:tr></w:tbl>"
    + p()
    + p(run("Fim.")),
    footnotes='<w:footnotes xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:footnote w:id="1"><w:p><w:r><w:t>NOTA</w:t></w:r></w:p></w:footnote></w:footnotes>',
)
LIBRE = odt(
    "<text:tracked-changes><text:changed-region><text:deletion><text:p>APAGADO</text:p></text:deletion></text:changed-region></text:tracked-changes>"
    "<text:h>A leitura</text:h>"
    "<text:p>Ler <text:span>é um</text:span><text:s text:c='2'/>direito<text:tab/>de <text:a>todos</text:a>.</text:p>"
    "<text:p>Por isso, o Estado<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>NOTA</text:p></text:note-body></text:note> deve<office:annotation><text:p>COMENTÁRIO</text:p></office:annotation> agir já.</text:p>"
    "<table:table><table:table-row><table:table-cell><text:p>uma célula</text:p></table:table-cell><table:table-cell><text:p>outra</text:p></table:table-cell></table:table-row></table:table>"
    "<text:p/><text:p>Fim.</text:p>"
)  # fmt: skip


@pytest.mark.parametrize("content", [WORD, LIBRE, ESSAY.encode("utf-16"), ESSAY.encode("cp1252")])
def test_a_document_says_what_its_text_says(content: bytes) -> None:
    assert clean(documents.text_of(content, "a")) == ESSAY


@pytest.mark.parametrize(
    "content",
    [
        docx(p(run("uma linha"), "<w:r><w:br/></w:r>", run("outra"))),
        odt("<text:p>uma linha<text:line-break/>outra</text:p>"),
    ],
)
def test_a_break_of_line_parts_words(content: bytes) -> None:
    assert clean(documents.text_of(content, "a")) == "uma linha\noutra"


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (docx(p(run(BOMB))), "unfolds"),
        (odt(f"<text:p>{BOMB}</text:p>"), "unfolds"),
        (docx(p(run("a")), styles=BOMB), "unfolds"),
        (docx("<w:p/>" * (documents.TAGS + 1)), "unfolds"),
        (docx(p(run("&e;")), ENTITY), "entities"),
        (odt("<text:p>&e;</text:p>", ENTITY), "entities"),
        (docx(p(run("&e;")), LAUGHS), "entities"),
        (odt("<text:p>&e;</text:p>", LAUGHS), "entities"),
        (odt("<text:p>a</text:p>", manifest="<manifest:encryption-data/>"), "encrypted"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
        (OLE + "WordDocument".encode("utf-16-le"), "old"),
        (WORD[:-40], "damaged"),
        (LIBRE[:300], "damaged"),
        (docx("<w:p>"), "damaged"),
        (odt("<text:p>"), "damaged"),
        (odt("<text:section>" * 5000 + "</text:section>" * 5000), "damaged"),
        (docx("<w:sdt><w:sdtContent>" * 5000 + "</w:sdtContent></w:sdt>" * 5000), "damaged"),
        (zipped({"xl/workbook.xml": "<a/>"}), "other"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<a/>"}), "other"),
        (b"%PDF-1.7", "text"),
        (b"\0\1\2", "text"),
    ],
)  # fmt: skip
def test_what_is_no_document_is_told(tmp_path: Path, content: bytes, key: str) -> None:
    with pytest.raises(FileError, match=r"^redação\.docx ") as refused:
        documents.text_of(content, "redação.docx")
    assert refused.value.key == key
    (tmp_path / "a.docx").write_bytes(content)
    said = []
    for language in ("pt", "en"):
        with pytest.raises(RefusedError) as told:
            service.read_text(str(tmp_path / "a.docx"), language)
        said.append(str(told.value))
    assert said[0] != said[1]


def test_a_password_on_the_zip_itself_is_told() -> None:
    flagged = bytearray(WORD)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = flagged.find(mark)
        while at >= 0:
            flagged[at + place] |= 1
            at = flagged.find(mark, at + 1)
    with pytest.raises(FileError, match="password"):
        documents.text_of(bytes(flagged), "a")


def test_a_size_that_the_zip_states_falsely_is_not_believed() -> None:
    bomb = docx(p(run(BOMB)))
    at = bomb.rfind(b"word/document.xml") - 46 + 24  # where the directory has its size once it is unpacked
    with pytest.raises(FileError, match="damaged"):
        documents.text_of(bomb[:at] + (1000).to_bytes(4, "little") + bomb[at + 4 :], "a")


def test_without_the_libraries_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mammoth", None)
    with pytest.raises(UserError, match="--extra app"):
        documents.text_of(WORD, "a")
