"""`mta queue`: figures that add up, by whatever they are asked."""

import json

MAIL = (
    "send",
    "--from",
    "me@acme.example",
    "--subject",
    "Hello",
    "--text",
    "Hi",
    "--tenant",
    "acme",
    "--key",
)


def fill(mta, mailing) -> None:
    for name, people in (("spring", 6), ("winter", 2)):
        file, csv = mailing(name, people, "x@example.org,,\n")
        mta("campaign", "submit", "--file", file, "--recipients", csv)
    for number in range(3):
        mta(*MAIL, f"k{number}", "--to", f"jo{number}@example.net")
    mta("campaign", "suspend", "acme", "winter", "--reason", "wrong price")


def taken_in(mta) -> dict:
    while True:
        found = json.loads(mta("queue", "list", "--json").stdout)
        if not any(row["entries"] for row in found["classes"].values()):
            return found


def test_the_classes_the_worker_and_the_gate_are_shown(mta, idle_engine, mailing) -> None:
    fill(mta, mailing)
    found = taken_in(mta)
    bulk, transactional = found["classes"]["bulk"], found["classes"]["transactional"]
    assert (bulk["ready"], bulk["packed"], bulk["scheduled"], found["in_flight"]) == (10, 0, 0, 0)
    assert (transactional["ready"], transactional["packed"]) == (3, 0)
    assert [(one["name"], one["in_flight"]) for one in found["workers"]] == [("w1", 0)]
    gate = found["gates"]["c|acme|winter"]
    assert (gate["state"], gate["reason"]) == ("suspended", "wrong price")
    text = mta("queue", "list").stdout
    assert "campaign acme/winter" in text
    assert "w1" in text


def test_the_lanes_are_summed_up_as_asked(mta, idle_engine, mailing) -> None:
    fill(mta, mailing)
    taken_in(mta)

    def shown(*words: str) -> dict[str, tuple[int, int]]:
        found = json.loads(mta("queue", "show", "--json", *words).stdout)
        return {row[found["by"]]: (row["waiting"], row["held"]) for row in found["rows"]}

    assert shown() == {"default|example.net": (9, 2), "default|example.org": (1, 1)}
    assert shown("--by", "tenant") == {"acme": (10, 3)}
    assert shown("--by", "campaign") == {
        "acme/spring": (7, 0), "acme/winter": (0, 3), "acme/(single messages)": (3, 0),
    }  # fmt: skip
    assert shown("--by", "site", "--class", "transactional") == {"example.net": (3, 0)}
    assert shown("--campaign", "winter") == {"default|example.net": (0, 2), "default|example.org": (0, 1)}
    assert shown("--site", "Example.ORG", "--by", "campaign") == {
        "acme/spring": (1, 0),
        "acme/winter": (0, 1),
    }
    assert shown("--tenant", "other") == {}
    said = mta("queue", "show", "-n", "1")
    assert "default|example.net" in said.stdout
    assert "1 more lines" in said.stderr


def test_an_empty_queue(mta) -> None:
    found = json.loads(mta("queue", "list", "--json").stdout)
    assert all(not any(row.values()) for row in found["classes"].values())
    assert json.loads(mta("queue", "show", "--json").stdout)["rows"] == []
    assert "bulk" in mta("queue", "list").stdout
