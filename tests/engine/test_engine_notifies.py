"""A sender who asked is told by mail, through the whole engine: once, with the null return path, signed, read back."""

import json
from collections.abc import Callable
from pathlib import Path

from mta.bounce import report


def test_a_sender_who_asked_gets_one_notification(engine: Callable, tmp_path: Path) -> None:
    domains = tmp_path / "domains.json"
    domains.write_text(json.dumps({"d1.example.test": {"perm_share": 1.0}}))
    arrivals = tmp_path / "arrivals"
    running = engine(sink=("--domains", str(domains), "--arrivals", str(arrivals)), capture=True)
    document = {
        "id": "inv-1", "from": "billing@t0.example", "to": ["jo@d1.example.test", "al@d2.example.test"],
        "subject": "Invoice für Jo", "text": "x", "notify": ["failure"], "notify_to": "desk@d3.example.test",
    }  # fmt: skip
    running.xadd("transactional", "message", "t0", "k1", document)
    running.until(3, "bounced", "delivered")  # one refused, one taken, and the notification
    raws = running.captured(2)
    (found,) = [raw for raw in raws if b"multipart/report" in raw]
    assert b"DKIM-Signature" in found
    (told,) = report.read(found)
    assert (told.kind, told.recipient, told.code, told.status) == (
        "bounce",
        "jo@d1.example.test",
        550,
        "5.1.1",
    )
    assert told.original_message_id == "<inv-1.t0@t0.example>"
    # Nothing is told of the notification itself: the queue is empty, and nothing follows.
    assert sorted(event["rcpt"] for event in running.events("delivered")) == [
        "al@d2.example.test", "desk@d3.example.test",
    ]  # fmt: skip
    running.rig.close()  # the receiver writes its last lines when it ends
    paths = {row[3]: row[2] for row in (line.split("\t") for line in arrivals.read_text().splitlines())}
    assert paths["desk@d3.example.test"] == ""
    assert paths["al@d2.example.test"]
