"""The pictures in the documentation are those that `bench.screens` draws."""

from pathlib import Path

from bench.screens import WIDTHS, shown

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_each_page_has_its_pictures_and_the_document_shows_them() -> None:
    text = (DOCS / "pages.md").read_text()
    for name in shown():
        for width in WIDTHS:
            picture = f"screens/{name}-{width}.png"
            assert f"]({picture})" in text
            assert (DOCS / picture).read_bytes().startswith(b"\x89PNG")
