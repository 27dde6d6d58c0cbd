"""The text of one essay's file: plain text, `.docx` of Word or `.odt` of LibreOffice, told apart by what they hold.

Of a document the paragraphs, headings, lists, cells of tables and text boxes are taken, a line each, in their order;
not what stands at the top or foot of each page, nor notes, comments and what was deleted while changes were tracked.

A document is a ZIP of XML. It is unpacked here, without pictures and within a limit on what comes out, whatever the ZIP
says of itself; the libraries see no more than that. No XML in it may have a document type, by which entities are
declared: neither program writes one. So nothing unfolds, and nothing from outside is read.
"""

import io
import lzma
import zipfile
import zlib
from typing import Any

from redacoes.errors import FileError, UserError
from redacoes.essays.text_files import decoded
from redacoes.essays.training_csv import container

BYTES = 20_000_000  # of a file
UNPACKED = 4_000_000  # bytes of the XML in a document
TAGS = 50_000  # in it: of each, the libraries make objects of Python, which takes time and memory; an essay has 5,000
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # how files of Word before 2007 begin, and encrypted ones to this day
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
ODT = b"application/vnd.oasis.opendocument.text"
XML = (".xml", ".rels")
# what zipfile and its decompressors raise of what is damaged; RuntimeError: compressed in a way that they do not know
BAD_ZIP = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError)
DAMAGED = "is a damaged document; open and save it again"


def text_of(content: bytes, name: str) -> str:
    """Return the text of a file.

    Args:
        content: Its bytes.
        name: What it is called in messages.

    Raises:
        FileError: It is neither a text nor a document that can be read; the key says why.
        UserError: What reads documents is not installed.
    """
    if content.startswith(OLE):
        if ENCRYPTED in content:
            raise FileError(f"{name} has a password; save it without", "encrypted")
        raise FileError(f"{name} is of an old version of Word; save it as .docx, .odt or .txt", "old")
    if content.startswith(b"PK\x03\x04"):
        return _document(content, name)
    if kind := container(content):
        raise FileError(f"{name} is {kind}, and no essay; save that as .docx, .odt or .txt", "text")
    text = decoded(content)
    if text is None:
        raise FileError(f"{name} is no text, or damaged; save it as .docx, .odt or .txt", "text")
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
        raise FileError(f"{name} has more than {TAGS:,} tags, which is no essay; save that as .txt", "unfolds")
    try:
        lines = (_odt if is_odt else _docx)(_packed(parts))
    except ImportError as error:
        message = "documents need the extra app: .venv/bin/uv sync --frozen --inexact --extra app; or save it as .txt"
        raise UserError(f"{name}: {message}") from error
    except Exception as error:  # of any type: neither library checks a document, and fails where it misses something
        raise FileError(f"{name} {DAMAGED}", "damaged") from error
    return "\n".join(lines)


def _unpacked(content: bytes, name: str) -> dict[str, bytes]:
    """Return the XML in a document, and its type."""
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
        return documents.document([])  # of which nothing needs to be converted

    mammoth.convert_to_html(file, transform_document=take, include_embedded_style_map=False, external_file_access=False)
    return lines


def _odt(file: io.BytesIO) -> list[str]:
    from odfdo import Document
    from odfdo.element_strip import strip_tags

    body = Document(file).body
    for unwanted in body.get_elements("//text:tracked-changes | //text:note | //office:annotation"):
        unwanted.delete()
    strip_tags(body, strip=("text:a",))  # or its address would be written behind it
    lines = body.get_elements("//text:p[not(ancestor::text:p)] | //text:h")
    return [line.inner_text for line in lines]
