"""Nothing gets on the wire that could be read as more than what was meant (S1, S4)."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.smtp import wire
from mta.smtp.wire import WireError, stuff

PATHS = [
    "a@b.example",
    "first.last+tag=x%y@sub.b.example",
    "b.abcdefghijklmnopqrstuvwxyz234567abcdefghijklm@b.acme.example",
    '"a b"@b.example',
    '"a>b"@b.example',
    '"a\\"b"@b.example',
    '"a@b"@b.example',
    "a@[192.0.2.7]",
    "a@[IPv6:2001:db8::1]",
    "jos\u00e9@b.example",
    "x" * 64 + "@b.example",
    "a@" + "b" * 252,
    "\u00e9" * 32 + "@b.example",
]

INJECTED = [
    "", "a", "@b.example", "a@", "a@b@c", "a b@c", "a@b c", "<a@b>", "a@b>", "a@b> SIZE=1", "a>b@c", "a<b@c",
    "a@b\r", "a@b\n", "a@b\r\nRCPT TO:<x@y>", "a\r\n@b", "a\0@b", "a@b\0", "a\x7f@b", "a\x1b@b", "a\t@b", "a\x0b@b",
    "a\x0c@b", "a\x85@b", "a\x9b@b", "a\u2028@b", "a\u2029@b", "a@b\u2028", "a\ud800@b", "a@b\u00e9", "a,b@c",
    "a:b@c", "a;b@c", "a\\b@c", "a(b)@c", "@x,@y:a@b", '"a@b', 'a"b@c', '"a"b@c', '"a\r\nb"@c', '"a\0b"@c',
    '"a\\\r"@c', '"a\u2028"@c', '"a\x85"@c', '"a"b"@c', '"a\\"@c', "a@[192.0.2.7", "a@[192.0.2.7]>", "a@[1 2]",
    "x" * 65 + "@b.example", "a@" + "b" * 253, "\u00e9" * 33 + "@b.example", '"' + "x" * 63 + '"@b.example',
]  # fmt: skip


@pytest.mark.parametrize("address", PATHS)
def test_paths_are_written_byte_for_byte(address: str) -> None:
    assert wire.rcpt(address) == f"RCPT TO:<{address}>\r\n".encode()
    assert wire.mail(address) == f"MAIL FROM:<{address}>\r\n".encode()


@pytest.mark.parametrize("address", INJECTED, ids=ascii)
def test_injected_paths_are_refused(address: str) -> None:
    with pytest.raises(WireError):
        wire.rcpt(address)
    if address:
        with pytest.raises(WireError):
            wire.mail(address)


@given(st.text(max_size=30) | st.text(alphabet='a@.<>" \r\n\0\\', max_size=12))
@settings(max_examples=200, deadline=None)
def test_a_path_is_one_line_and_one_word_or_refused(text: str) -> None:
    try:
        line = wire.rcpt(text)
    except WireError:
        return
    assert line.count(b"\r") == line.count(b"\n") == 1
    assert line.endswith(b">\r\n")
    assert b"\0" not in line
    outside = line.decode().removeprefix("RCPT TO:<").removesuffix(">\r\n")
    if not outside.startswith('"'):
        assert not set(outside) & set('<> "\\')


def test_parameters_of_mail() -> None:
    assert wire.mail("") == b"MAIL FROM:<>\r\n"
    assert wire.mail("", 0) == b"MAIL FROM:<> SIZE=0\r\n"
    assert wire.mail("a@b", 17, True, True) == b"MAIL FROM:<a@b> SIZE=17 BODY=8BITMIME SMTPUTF8\r\n"


@pytest.mark.parametrize("size", [-1, "1\r\nRSET", "1", 1.5, True])
def test_a_size_is_a_number(size: int) -> None:
    with pytest.raises(WireError, match="octets"):
        wire.mail("a@b", size)


DOTS = [
    (b"\r\n", b"\r\n"),
    (b"a\r\n", b"a\r\n"),
    (b".\r\n", b"..\r\n"),
    (b".a\r\n..b\r\nc.\r\n", b"..a\r\n...b\r\nc.\r\n"),
    (b"a\r\n.\r\n", b"a\r\n..\r\n"),
    (b"a\r\n.\r\n.\r\n.\r\nb\r\n", b"a\r\n..\r\n..\r\n..\r\nb\r\n"),
    (b"\r\n\r\n.\r\n", b"\r\n\r\n..\r\n"),
    (b"a.b\r\n \r\n.. .\r\n", b"a.b\r\n \r\n... .\r\n"),
]

BARE = [b"", b"a", b"a\r", b"a\n", b"\n", b"\r", b"a\nb\r\n", b"a\rb\r\n", b"a\r\r\n", b"a\n\r\n", b"a\r\n\r",
        b"a\n\rb\r\n", b"a\r\nb", b"a\0b\r\n", b"\n.\r\n", b"\n\r"]  # fmt: skip


def singly(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


@pytest.fixture(params=["joined", "in pieces"])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """The same content as small content is handled and as large content is."""
    if request.param == "in pieces":
        monkeypatch.setattr(wire, "JOINED_BELOW", -1)
        monkeypatch.setattr(wire, "LARGE", 1)
    return request.param == "in pieces"


@pytest.mark.parametrize("content, wanted", DOTS)
def test_leading_dots_are_doubled(content: bytes, wanted: bytes, pieces: bool) -> None:
    for parts in ([content], singly(content), [b"", *singly(content), b""]):
        assert b"".join(stuff(parts)) == wanted


@pytest.mark.parametrize("content", BARE)
def test_bare_line_ends_and_nul_are_refused(content: bytes, pieces: bool) -> None:
    for parts in ([content], singly(content), [b"head\r\n", content], [b"head\r\n", *singly(content)]):
        if b"".join(parts) == b"head\r\n":
            continue
        with pytest.raises(WireError, match="content"):
            stuff(parts)


def test_no_parts_are_no_content(pieces: bool) -> None:
    with pytest.raises(WireError, match="CRLF"):
        stuff([])


def test_large_parts_are_passed_on_and_not_copied() -> None:
    image = b"QUJD" * 19 + b"\r\n"
    large = image * 4000
    out = stuff([b"Subject: x\r\n", b"\r\n", large, b"between\r\n", large, b".end\r\n"])
    assert out[1] is large
    assert out[3] is large
    assert b"".join(out) == b"Subject: x\r\n\r\n" + large + b"between\r\n" + large + b"..end\r\n"


def test_small_content_is_one_piece() -> None:
    assert stuff([b"a\r\n"] * 100) == [b"a\r\n" * 100]


def sink(data: bytes) -> bytes:
    """Read content as the strictest server would; return it, dots taken off, or fail on what no server may see."""
    assert data.replace(b"\r\n", b"").count(b"\r") == data.replace(b"\r\n", b"").count(b"\n") == 0
    body, rest = (b"\r\n" + data).split(b"\r\n.\r\n", 1)
    assert rest == b"", "something follows the end of data: it would be read as commands"
    lines = body.split(b"\r\n")[1:]
    assert not any(line == b"." for line in lines)
    return b"".join((line[1:] if line[:1] == b"." else line) + b"\r\n" for line in lines)


ENDS = {"crlf": b"\r\n", "lf": b"\n", "cr": b"\r"}


@pytest.mark.parametrize("around", list(product(ENDS, ENDS, ENDS)), ids="-".join)
@pytest.mark.parametrize("nul", [b"", b"\0"], ids=["", "nul"])
def test_smuggling_is_refused_or_harmless(around: tuple[str, str, str], nul: bytes, pieces: bool) -> None:
    before, after, then = (ENDS[name] for name in around)
    content = b"Subject: a\r\n\r\nbody" + before + nul + b"." + after + b"MAIL FROM:<evil@b>" + then
    for parts in ([content], singly(content)):
        if around == ("crlf", "crlf", "crlf") and not nul:
            assert sink(b"".join(stuff(parts)) + wire.DOT) == content
        else:
            with pytest.raises(WireError):
                stuff(parts)


@given(
    st.lists(
        st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"a", b"\0", b"", b"\r\n.", b".\r\n"]), max_size=14
    ),
    st.sampled_from([wire.JOINED_BELOW, -1]),
)
@settings(max_examples=200, deadline=None)
def test_any_content_is_one_message_or_refused(parts: list[bytes], joined_below: int) -> None:
    content = b"".join(parts)
    rest = content.replace(b"\r\n", b"")
    good = content.endswith(b"\r\n") and not (b"\r" in rest or b"\n" in rest or b"\0" in rest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "JOINED_BELOW", joined_below)
        patch.setattr(wire, "LARGE", 2)
        try:
            out = stuff(parts)
        except WireError:
            assert not good
            return
    assert good
    assert sink(b"".join(out) + wire.DOT) == content
