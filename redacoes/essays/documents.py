"""Read the text of one essay from plain text, `.docx` (Word) or `.odt` (LibreOffice), detected by content.

Paragraphs, headings, lists, table cells and text boxes become one line each, in order. Headers, footers, notes,
comments and tracked deletions are left out.

A document is a ZIP of XML. It is unpacked here, without pictures. The limit holds for the bytes that come out, whatever
sizes the ZIP declares, and the libraries read only these bytes. XML with a document type declaration is refused: it can
declare entities, and neither program writes one. So no entity expands, and no external file is read.
"""

import io
import lzma
import zipfile
import zlib
from typing import Any

from redacoes.errors import FileError, UserError
from redacoes.essays.text_files import decoded
from redacoes.essays.training_csv import container

BYTES = 20_000_000  # maximum for a file
UNPACKED = 4_000_000  # bytes: maximum for the XML in a document
TAGS = 50_000  # maximum, since the libraries make Python objects of each tag; an essay has 5,000
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # magic bytes of Word files before 2007, and of encrypted ones
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
ODT = b"application/vnd.oasis.opendocument.text"
XML = (".xml", ".rels")
# raised by zipfile and its decompressors for damaged files; RuntimeError: an unknown compression
BAD_ZIP = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError)
DAMAGED = "is a damaged document; open and save it again"


def text_of(content: bytes, name: str) -> str:
    """Return the text of a file.

    Args:
        content: Its bytes.
        name: Its name in messages.

    Raises:
        FileError: It is neither a text nor a readable document; the key says why.
        UserError: The extra `app` is not installed.
    """
    if content.startswith(OLE):
        if ENCRYPTED in content:
            raise FileError(f"{name} has a password; save it without", "encrypted")
        raise FileError(f"{name} is of an old version of Word; save it as .docx, .odt or .txt", "old")
    if content.startswith(b"PK\x03\x04"):
        return _document(content, name)
    if kind := container(content):
        raise FileError(f"{name} is {kind}, not an essay; save the essay as .docx, .odt or .txt", "text")
    text = decoded(content)
    if text is None:
        raise FileError(f"{name} is not text, or is damaged; save it as .docx, .odt or .txt", "text")
    return text


def _document(content: bytes, name: str) -> str:
    try:
        parts = _unpacked(content, name)
    except BAD_ZIP as error:
        raise FileError(f"{name} {DAMAGED}", "damaged") from error
    is_odt = parts.get("mimetype", b"").startswith(ODT)
    if b"encryption-data" in parts.get("META-INF/manifest.xml", b""):
        raise FileError(f"{name} has a password; save it without", "encrypted")
    if not is_odt and "word/document.xml" not in parts:
        raise FileError(f"{name} is neither .docx nor .odt; save it as one of them, or as .txt", "other")
    if any(b"<!DOCTYPE" in part.replace(b"\0", b"") for part in parts.values()):
        raise FileError(
            f"{name} declares entities, which a document has no need of; save it anew, or as .txt", "entities"
        )
    if sum(part.count(b"<") for part in parts.values()) > TAGS:
        raise FileError(f"{name} has more than {TAGS:,} tags, too many for an essay; save it as .txt", "unfolds")
    try:
        lines = (_odt if is_odt else _docx)(_packed(parts))
    except ImportError as error:
        message = "documents need the extra app: .venv/bin/uv sync --frozen --inexact --extra app; or save it as .txt"
        raise UserError(f"{name}: {message}") from error
    except Exception as error:  # of any type: the libraries do not validate documents
        raise FileError(f"{name} {DAMAGED}", "damaged") from error
    return "\n".join(lines)


def _unpacked(content: bytes, name: str) -> dict[str, bytes]:
    """Return the XML files in a document and its MIME type, by file name."""
    parts, room = {}, UNPACKED
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            if entry.filename == "mimetype" or entry.filename.endswith(XML):
                if entry.flag_bits & 1:
                    raise FileError(f"{name} has a password; save it without", "encrypted")
                with archive.open(entry) as file:
                    part = file.read(room + 1)
                room -= len(part)
                if room < 0:
                    raise FileError(f"{name} unfolds to more than {UNPACKED:,} bytes; save it as .txt", "unfolds")
                parts[entry.filename] = part
    return parts


def _packed(parts: dict[str, bytes]) -> io.BytesIO:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    target.seek(0)
    return target


def _docx(file: io.BytesIO) -> list[str]:
    import mammoth
    from mammoth import documents

    lines = [""]

    def walk(element: Any) -> None:
        match element:
            case documents.Text():
                lines[-1] += element.value
            case documents.Tab():
                lines[-1] += " "
            case documents.Break():
                lines.append("")
            case _:
                is_line = isinstance(element, documents.Paragraph)
                if is_line:
                    lines.append("")
                for child in getattr(element, "children", ()):
                    walk(child)
                if is_line:
                    lines.append("")

    def take(document: Any) -> Any:
        walk(document)
        return documents.document([])  # empty, so that mammoth converts no pictures

    mammoth.convert_to_html(file, transform_document=take, include_embedded_style_map=False, external_file_access=False)
    return lines


def _odt(file: io.BytesIO) -> list[str]:
    from odfdo import Document
    from odfdo.element_strip import strip_tags

    body = Document(file).body
    for unwanted in body.get_elements("//text:tracked-changes | //text:note | //office:annotation"):
        unwanted.delete()
    strip_tags(body, strip=("text:a",))  # else the address would follow the text of a link
    lines = body.get_elements("//text:p[not(ancestor::text:p)] | //text:h")
    return [line.inner_text for line in lines]
