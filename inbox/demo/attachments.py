"""Small real files for the demo's mails: photos, a screenshot, PDF invoices, CSV lists. The same inputs give the same bytes."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFilter

KINDS = ("invoice", "quote", "form", "photo", "screenshot", "list")


@dataclass(frozen=True)
class File:
    name: str
    content_type: str
    data: bytes


def make(kind: str, *, order: str, amount: str, japanese: bool, rng: random.Random) -> File:
    """A file of one of KINDS, named as people name them."""
    if kind == "photo":
        return File(f"IMG_{rng.randint(1000, 9999)}.jpg", "image/jpeg", photo(rng))
    if kind == "screenshot":
        return File("エラー画面.png" if japanese else "screenshot.png", "image/png", screenshot())
    if kind == "list":
        if japanese:
            return File("送付先リスト.csv", "text/csv", table_ja(rng).encode("cp932"))
        return File("columns.csv", "text/csv", table_en(rng).encode("utf-8"))
    title = {"invoice": "INVOICE", "quote": "QUOTATION", "form": "DIRECT DEBIT REQUEST"}[kind]
    names_ja = {"invoice": f"請求書_{order}.pdf", "quote": f"御見積書_{order}.pdf", "form": "預金口座振替依頼書.pdf"}
    names_en = {"invoice": f"Invoice-{order}.pdf", "quote": f"Quotation-{order}.pdf", "form": "Direct-debit.pdf"}
    lines = (
        title,
        "",
        "Hinata Coffee Supply Co., Ltd.",
        "Yokohama, Japan",
        "",
        f"Reference  {order}",
        f"Total      JPY {amount}",
    )
    return File((names_ja if japanese else names_en)[kind], "application/pdf", pdf(lines))


def pdf(lines: tuple[str, ...]) -> bytes:
    """A one-page PDF with these ASCII lines."""
    shown = " ".join(f"({line.translate(_PDF_ESCAPES)}) Tj T*" for line in lines)
    content = f"BT /F1 14 Tf 20 TL 60 760 Td {shown} ET".encode("ascii")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>",
    )
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


_PDF_ESCAPES = str.maketrans({"(": "\\(", ")": "\\)", "\\": "\\\\"})


def photo(rng: random.Random) -> bytes:
    """A picture of a cup with a crack, as a phone would take it (small)."""
    image = Image.new("RGB", (480, 360), (186, 160, 130))
    draw = ImageDraw.Draw(image)
    shade = rng.randint(200, 245)
    draw.ellipse((60, 290, 420, 345), fill=(120, 96, 74))
    draw.rounded_rectangle(
        (140, 90, 340, 310), 36, fill=(shade, shade - 6, shade - 16), outline=(140, 130, 120), width=3
    )
    draw.arc((310, 140, 410, 250), -90, 90, fill=(shade, shade - 6, shade - 16), width=20)
    draw.ellipse((140, 70, 340, 120), fill=(74, 46, 30))
    x, y = 200 + rng.randint(-20, 40), 120
    for _ in range(9):
        step = (x + rng.randint(-16, 20), y + rng.randint(12, 24))
        draw.line((x, y, *step), fill=(60, 50, 44), width=3)
        x, y = step
    return _saved(image.filter(ImageFilter.GaussianBlur(0.8)), "JPEG")


def screenshot() -> bytes:
    """A window with a table whose names are shown as question marks."""
    image = Image.new("RGB", (640, 360), (245, 246, 248))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 640, 34), fill=(33, 115, 70))
    draw.text((14, 11), "orders.csv - Excel", fill="white")
    for row in range(9):
        top = 50 + row * 32
        for column, left in enumerate((20, 140, 400, 520)):
            draw.rectangle(
                (left, top, left + (120, 260, 120, 100)[column], top + 32), outline=(200, 204, 210), fill="white"
            )
        words = (
            ("No.", "Name", "Qty", "Price")
            if row == 0
            else (f"{row:03d}", "????? ??? 1kg", str(row * 2), f"{row * 1280:,}")
        )
        for word, left in zip(words, (28, 148, 408, 528), strict=True):
            draw.text((left, top + 10), word, fill=(190, 30, 30) if "?" in word else (30, 34, 40))
    return _saved(image, "PNG")


def logo() -> bytes:
    """The inline image of newsletters and HTML signatures."""
    image = Image.new("RGB", (160, 48), (255, 250, 240))
    draw = ImageDraw.Draw(image)
    draw.ellipse((8, 8, 40, 40), fill=(226, 125, 40))
    draw.text((52, 18), "HINATA COFFEE", fill=(74, 46, 30))
    return _saved(image, "PNG")


def table_ja(rng: random.Random) -> str:
    rows = ["会社名,郵便番号,住所,ご担当者,数量"]
    places = ("横浜市中区", "川崎市川崎区", "藤沢市鵠沼", "鎌倉市大町", "相模原市緑区")
    for place, family in zip(places, ("高橋", "渡辺", "伊藤", "山本", "中村"), strict=True):
        rows.append(
            f"有限会社{family}商店,{rng.randint(210, 259)}-00{rng.randint(10, 99)},神奈川県{place}{rng.randint(1, 9)}-{rng.randint(1, 20)},{family} 様,1"
        )
    return "\r\n".join(rows) + "\r\n"


def table_en(rng: random.Random) -> str:
    rows = ["date,shop,item,quantity,price"]
    rows += [
        f"2025-0{rng.randint(1, 9)}-1{n},Main,{item},{rng.randint(1, 20)},{rng.randint(800, 9000)}"
        for n, item in enumerate(("beans", "cups", "filters"))
    ]
    return "\n".join(rows) + "\n"


def _saved(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()
