"""The invoice of a fast-charging session: a PDF of one page."""

from collections.abc import Iterable

LINE_HEIGHT = 18


def invoice_pdf(lines: Iterable[str]) -> bytes:
    """A page with these lines; characters beyond Latin-1 become question marks."""
    written = " ".join(f"({_escaped(line)}) Tj 0 -{LINE_HEIGHT} Td" for line in lines)
    content = f"BT /F1 12 Tf 60 780 Td {written} ET".encode("latin-1", "replace")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    return _document(objects)


def _document(objects: list[bytes]) -> bytes:
    pdf, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(pdf)
    pdf += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    pdf += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    pdf += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(pdf)


def _escaped(line: str) -> str:
    return "".join(f"\\{character}" if character in "\\()" else character for character in line if character >= " ")
