"""`mta guard` and `mta tenant evidence` against a running engine: held by what bounced, shown, released."""

import json


def held(mta, count: int) -> list[dict]:
    while True:
        rows = json.loads(mta("guard", "list", "--json").stdout)["guard"]
        if sum(row["held"] for row in rows) == count:
            return rows


def test_a_bad_list_is_held_shown_released_and_on_record(mta, engine, mailing, redis) -> None:
    mta("site", "suspend", "slow.example")  # of the campaign something is left that can be held
    dead = "".join(f"p{n}@reject.example,,\n" for n in range(250))
    file, csv = mailing("spring", 0, dead + "p@slow.example,,\n")
    mta("campaign", "submit", "--file", file, "--recipients", csv)
    rows = held(mta, 2)
    assert {row["campaign"] for row in rows} == {"", "spring"}
    assert all("250 unknown recipients of 250" in row["why"] for row in rows)
    assert "held" in mta("guard", "list").stdout
    shown = json.loads(mta("guard", "show", "acme", "spring", "--json").stdout)
    assert shown["counts"]["unknown"] == 250
    assert shown["now"]["level"] == "stop"
    assert "100.00 %" in mta("guard", "show", "acme").stdout
    assert "guard" in mta("queue", "list").stdout
    refused = mta("campaign", "release", "acme", "spring", code=65)
    assert "held by the guard" in refused.stderr
    assert "--reason is missing" in mta("guard", "release", "acme", "spring", code=64).stderr
    said = mta("guard", "release", "acme", "spring", "--reason", "cleaned", "--by", "jo").stdout
    assert said == "campaign acme/spring is released\n"
    mta("guard", "release", "acme", "--reason", "cleaned", "--json")
    assert redis("HKEYS", "mta:{0}:gates") == [b"s|slow.example"]
    assert "not held" in mta("guard", "release", "other", "--reason", "x", code=66).stderr
    assert "nothing was counted" in mta("guard", "show", "other", code=66).stderr
    while len((found := json.loads(mta("tenant", "evidence", "acme", "--json").stdout))["notes"]) < 4:
        pass  # the archive follows
    assert found["totals"]["bounced"] == 250
    assert found["domains"] == {"reject.example": {"bounced": 250}}
    assert {note["event"] for note in found["notes"]} == {"held", "released", "resumed"}
    text = mta("tenant", "evidence", "acme", "--since", "1d").stdout
    assert "reject.example" in text
    assert "recipient_unknown" in text
    assert "nothing of tenant other" in mta("tenant", "evidence", "other", code=66).stderr
