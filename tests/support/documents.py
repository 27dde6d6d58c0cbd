"""Documents of Word and LibreOffice, with only the parts of the ZIP that they need."""

import io
import zipfile

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
OFFICE = "urn:oasis:names:tc:opendocument:xmlns"
ODT = "application/vnd.oasis.opendocument.text"


def zipped(parts: dict[str, str | bytes]) -> bytes:
    """A ZIP of these parts, compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return buffer.getvalue()


def docx(body: str, before: str = "", **parts: str) -> bytes:
    """A document of Word with this body, and `before` in front of its root."""
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    return zipped(
        {
            "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>',
            "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r" Type="{relations}/officeDocument" Target="word/document.xml"/></Relationships>',
            "word/document.xml": f'{before}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>',
            "word/media/image1.png": b"\x89PNG" + bytes(5_000_000),  # nothing reads it
            **{f"word/{name}.xml": part for name, part in parts.items()},
        }
    )


def odt(body: str, before: str = "", manifest: str = "") -> bytes:
    """A document of LibreOffice with this body, and `before` in front of its root."""
    spaces = "".join(
        f' xmlns:{name}="{OFFICE}:{of}:1.0"'
        for name, of in (("office", "office"), ("text", "text"), ("table", "table"), ("draw", "drawing"))
    )
    return zipped(
        {
            "mimetype": ODT,
            "content.xml": f"{before}<office:document-content{spaces}><office:body><office:text>{body}</office:text></office:body></office:document-content>",
            "META-INF/manifest.xml": f'<manifest:manifest xmlns:manifest="{OFFICE}:manifest:1.0">{manifest}</manifest:manifest>',
        }
    )
