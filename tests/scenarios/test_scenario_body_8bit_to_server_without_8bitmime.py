"""An 8-bit body and a server without 8BITMIME: never 8 bits on its wire; ours are made in 7 bits to begin with."""

from mta.mime.document import Document
from tests.scenarios.conftest import World

RAW = (
    "From: News <news@acme.example>\r\nSubject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n"
)


async def test_a_raw_8_bit_message_is_not_sent(world: World) -> None:
    peer = await world.peer(extensions=("PIPELINING",))
    await world.put("jo@example.net", raw=RAW.encode())
    await world.start()
    await world.outcome(event="bounced", status="5.6.3")
    assert not any(command.startswith("MAIL") for command in peer.commands)
    assert peer.messages == []


async def test_where_it_is_offered_it_is_declared(world: World) -> None:
    peer = await world.peer()
    await world.put("jo@example.net", raw=RAW.encode())
    await world.start()
    await world.outcome(event="delivered")
    mail = next(command for command in peer.commands if command.startswith("MAIL"))
    assert "BODY=8BITMIME" in mail
    assert "Grüße".encode() in peer.messages[0]


async def test_a_document_with_other_letters_needs_no_8_bits(world: World) -> None:
    peer = await world.peer(extensions=("PIPELINING",))
    document = Document(sender="Grüße <news@acme.example>", subject="Grüße", text="Grüße\n")
    await world.put("jo@example.net", document=document)
    await world.start()
    await world.outcome(event="delivered")
    assert peer.messages[0].isascii()
