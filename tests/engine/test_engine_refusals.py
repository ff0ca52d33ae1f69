"""What a refused submission leaves behind: nothing that stands in the way of a better one."""

from collections.abc import Callable


def test_a_refused_message_frees_its_key_and_its_id(engine: Callable) -> None:
    running = engine()
    document = {
        "id": "inv-1",
        "from": "a@t0.example",
        "to": ["jo@d1.example.test"],
        "subject": "One",
        "text": "x",
    }
    running.xadd("transactional", "message", "t0", "k1", document | {"text": "{{name"})
    assert running.until(1, "rejected")[0]["code"] == "bad_template"
    running.xadd("transactional", "message", "t0", "k2", document)
    assert running.until(1, "delivered")[0]["id"] == "inv-1.0"
    running.xadd("transactional", "message", "t0", "k3", document)
    rejected = running.until(2, "rejected")
    assert [one["code"] for one in rejected] == ["bad_template", "id_taken"]
