"""Random documents read by two parsers that are not ours: Python's email and Perl's Email::MIME.

`MIME_DOCUMENTS` says how many; the suite makes a few hundred.
"""

import base64
import json
import os
import random
import shutil
import subprocess
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any

import pytest
from plain_renderer import content, entities, lines, merged, plain, received, wire

from mta.mime.compile import compile
from mta.mime.document import Attachment, Document, Person, Rendered, Urls

COUNT = int(os.environ.get("MIME_DOCUMENTS", "300"))
SEED = int(os.environ.get("PYTEST_SEED", "1"))
SCRIPT = Path(__file__).with_name("read_mime.pl")
DATE = "Tue, 01 Jul 2025 10:52:37 +0000"
PIECES = (
    "a", "word ", " two  blanks ", "é", "Grüße", "日本語", "שלום", "🙂", "\n", "\r\n", "\r\n\r\n", ".\n", "\n.",
    "\nFrom ", "=", "=3D", "=\n", "--", "\n--=_", "\t", "x" * 90, "é" * 60, '"', "&amp;", "(", ")", "?=",
    "=?utf-8?q?x?=", "%41",
)  # fmt: skip
FIELDS = ("{{first}}", "{{ note | none given }}", "{{{note}}}", "{{email}}")
NAMES = (
    "plan.pdf",
    "Größe.txt",
    "a b;c=d.zip",
    "日本語の長い名前" * 6 + ".png",
    "'quoted\".doc",
    "x" * 120 + ".bin",
)


def text(chance: random.Random, *more: str) -> str:
    return "".join(chance.choice(PIECES + more) for _ in range(chance.randint(1, 25)))


def one_line(chance: random.Random) -> str:
    return " ".join(text(chance).split()) or "x"


def made(chance: random.Random) -> tuple[Document, dict[str, str]]:
    """A document and its recipient's values."""
    page = "<p>" + text(chance, *FIELDS, '<a href="https://a.example/?x=1">go</a>', "</p><p>")
    has_html, has_text = chance.choice([(True, True), (True, False), (False, True)])
    attachments = [
        Attachment(
            chance.choice(NAMES), "application/octet-stream", chance.randbytes(chance.randint(0, 300)), cid
        )
        for cid in chance.choice([(), (None,), (None, None), ("logo@x",), ("logo@x", None)])
    ]
    document = Document(
        "Acme <news@acme.example>",
        one_line(chance) + chance.choice([" {{first}}", ""]),
        "t" + text(chance, *FIELDS) if has_text else None,
        page if has_html else None,
        attachments=attachments,
    )
    return document, {"first": one_line(chance), "note": text(chance), "email": "bo@example.org"}


def rendered(document: Document, values: dict[str, str]) -> Rendered:
    compiled = compile(document)
    person = Person("bo@example.org", "Bö Ek", [values[field.name] for field in compiled.fields])
    return compiled.render(person, Urls(), DATE, "<1@acme.example>")


def bodies(document: Document, values: dict[str, str]) -> list[tuple[str, str]]:
    """What each text part must say, from plain to rich."""
    out = []
    if document.text:
        out.append(("text/plain", lines(merged(document.text, values, plain))))
    if document.html:
        out.append(("text/html", lines(merged(document.html, values, entities))))
    return out


@pytest.fixture(scope="module")
def documents() -> list[tuple[Document, dict[str, str], Rendered]]:
    chance = random.Random(SEED)
    drawn = [made(chance) for _ in range(COUNT)]
    return [(document, values, rendered(document, values)) for document, values in drawn]


def test_pythons_email_finds_no_defect_and_the_same_texts(documents: list[Any]) -> None:
    for document, values, one in documents:
        message = received(one)
        for kind, expected in bodies(document, values):
            assert content(message, kind.removeprefix("text/")) == expected
        files = [part for part in message.walk() if part.get_content_type() == "application/octet-stream"]
        assert [part.get_payload(decode=True) for part in files] == [
            file.data
            for file in sorted(document.attachments, key=lambda file: file.cid is None or not document.html)
        ]


def has_email_mime() -> bool:
    if shutil.which("perl") is None:
        return False
    return subprocess.run(["perl", "-MEmail::MIME", "-e1"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_email_mime(), reason="no Email::MIME: apt-get install libemail-mime-perl")
def test_perls_email_mime_finds_no_fault_and_the_same_texts(documents: list[Any]) -> None:
    raws = [wire(one) for _, _, one in documents]
    stdin = b"".join(b"%d\n%b" % (len(raw), raw) for raw in raws)
    ran = subprocess.run(["perl", str(SCRIPT)], input=stdin, capture_output=True, timeout=600, check=False)
    # A warning of the parser ends the script.
    assert (ran.returncode, ran.stderr) == (0, b"")
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(told) == len(documents)
    for (document, values, one), found in zip(documents, told, strict=True):
        subject = merged(document.subject, values, plain)
        assert found["subject"].split() == subject.split(), one.fields
        assert found["to"].replace('"', "") == "Bö Ek <bo@example.org>"
        leaves = [(kind, name, base64.b64decode(data)) for kind, name, data in found["leaves"]]
        texts = [(kind, lines(data.decode())) for kind, _, data in leaves if kind.startswith("text/")]
        assert texts == bodies(document, values)
        files = [(name, data) for kind, name, data in leaves if not kind.startswith("text/")]
        order = sorted(document.attachments, key=lambda file: file.cid is None or not document.html)
        assert [data for _, data in files] == [file.data for file in order]
        names = [str(make_header(decode_header(name))) for name, _ in files]
        assert [name for name in names if name.isascii()] == [
            file.name for file in order if file.name.isascii()
        ]
