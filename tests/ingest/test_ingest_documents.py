"""What the vectors cannot show: parsed values, sizes, blobs, hostile bytes, and properties."""

import base64
import json
from collections import namedtuple
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.address import Address, Mailbox
from mta.identity import MAX_NAME, entry_stem, is_id, is_name, message_id, public_id, recipient_id
from mta.ingest import documents, grammar
from mta.ingest.blobs import digests, fill
from mta.ingest.checked import Addresses, Campaign, Content, Control, Limit, Message, Raw, Recipients, Scope
from mta.ingest.codes import MEANING, Refused
from mta.ingest.decoding import members
from mta.ingest.entry import LABELS, Refusal, Submission, read
from mta.ingest.rows import RESERVED, rows, values
from mta.message import Class
from mta.tenancy import Profile

Field = namedtuple("Field", "name default")
MESSAGE = {"from": "Acme <a@acme.example>", "to": ["jo@example.net"], "subject": "x", "text": "y"}
MESSAGE_ID = "m.ixelwkqolvjpxa2s"
PUBLIC_ID = "spring-26.gxhupfxtgvyqxw7q.7"
CAMPAIGN = {"id": "spring", "from": "a@acme.example", "subject": "x", "text": "y"}


def entry(kind: str, document: Any, **more: str) -> dict[bytes, bytes]:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    fields = {b"v": b"1", b"kind": kind.encode(), b"tenant": b"acme", b"key": b"k-1", b"data": data}
    return fields | {name.encode(): value.encode() for name, value in more.items()}


def accepted(kind: str, document: Any, label: str = "transactional", **more: str) -> Any:
    outcome = read(entry(kind, document, **more), label)
    assert isinstance(outcome, Submission), outcome
    return outcome.document


def refused(kind: str, document: Any, label: str = "transactional", **more: str) -> Refusal:
    outcome = read(entry(kind, document, **more), label)
    assert isinstance(outcome, Refusal), outcome
    return outcome


def test_submission_carries_the_entry() -> None:
    fields = entry("message", MESSAGE)
    outcome = read(fields, "urgent")
    assert isinstance(outcome, Submission)
    assert (outcome.cls, outcome.kind, outcome.tenant, outcome.key) == (
        Class.URGENT,
        "message",
        "acme",
        "k-1",
    )
    assert outcome.data == fields[b"data"]
    control = read(entry("control", {"op": "resume", "scope": {"tenant": "acme"}}), "control")
    assert isinstance(control, Submission)
    assert control.cls is None
    with pytest.raises(ValueError, match="urgent"):
        read(fields, "express")


def test_message_is_parsed() -> None:
    document = MESSAGE | {
        "to": ["Jo <jo@Example.NET>", "ann@example.org"],
        "cc": ["jo@example.net"],
        "bcc": ["audit@acme.example"],
        "vars": {"a": 7, "b": None, "c": True, "d": "x\ny"},
        "attachments": [{"name": "a.txt", "type": "Text/Plain", "data": "aGk="}],
        "envelope_from": "b@b.acme.example",
        "not_before": "2026-03-01T09:00:00Z",
    }
    message = accepted("message", document)
    assert isinstance(message, Message)
    assert message.id == message_id("acme", "k-1")
    assert message.recipients == (
        Address("jo", "example.net"),
        Address("ann", "example.org"),
        Address("audit", "acme.example"),
    )
    assert message.to[0] == Mailbox("Jo", Address("jo", "example.net"))
    assert message.vars == {"a": "7", "b": "", "c": "true", "d": "x\ny"}
    assert message.envelope_from == Address("b", "b.acme.example")
    assert (message.not_before, message.expires) == (1772355600000, None)
    content = message.content
    assert isinstance(content, Content)
    assert (content.opens, content.clicks, content.html) == (False, False, None)
    assert (content.parts[0].type, content.parts[0].data) == ("text/plain", b"hi")
    assert accepted("message", MESSAGE | {"id": "inv-1"}).id == "inv-1"


def test_campaign_is_parsed() -> None:
    document = CAMPAIGN | {
        "rate": "100/min",
        "window": {
            "days": "sat-mon,wed",
            "from": "22:30",
            "to": "06:00",
            "tz": "recipient, else Europe/Paris",
        },
        "canary": {"share": 0.1},
        "track": {"clicks": False},
    }
    campaign = accepted("campaign", document, "bulk")
    assert isinstance(campaign, Campaign)
    assert campaign.rate == grammar.Rate("100/min", 100, 60)
    assert campaign.window is not None
    assert campaign.window.days == {5, 6, 0, 2}
    assert (campaign.window.start, campaign.window.end) == (22 * 60 + 30, 360)
    assert (campaign.window.by_recipient, campaign.window.zone) == (True, "Europe/Paris")
    assert campaign.canary is not None
    assert (campaign.canary.then, campaign.canary.max_bounce) == ("hold", 0.05)
    assert (campaign.content.opens, campaign.content.clicks) == (True, False)
    assert (campaign.unsubscribe, campaign.hold, campaign.weight, campaign.list_) == (True, False, 1, "")
    assert not accepted("campaign", CAMPAIGN | {"unsubscribe": False}, "urgent").unsubscribe


def test_tenant_becomes_a_profile() -> None:
    document = {
        "id": "acme",
        "from_domains": ["Acme.Example", "acme.example"],
        "rate": "3600/h",
        "quota": "20000/day",
        "dkim": [{"domain": "acme.example", "selector": "s1"}],
        "classes": ["bulk"],
        "privacy": {"ip": "drop", "clicks": False},
    }
    assert accepted("tenant", document, "control") == Profile(
        id="acme",
        from_domains=["acme.example"],
        rate=1.0,
        quota=20000.0,
        dkim=[("acme.example", "s1")],
        classes=["bulk"],
        ip="drop",
        clicks=False,
    )


def test_control_is_parsed() -> None:
    order = {
        "op": "limit",
        "scope": {"campaign": "spring"},
        "limit": {"rate": "10/s"},
        "for": "2h",
        "by": "jo",
    }
    assert accepted("control", order, "control") == Control(
        "limit",
        Scope("campaign", "spring", "acme"),
        7_200_000,
        Limit(grammar.Rate("10/s", 10, 1), None),
        "",
        "jo",
    )
    everywhere = {"op": "suspend", "scope": {"source": "2001:DB8::1"}}
    found = accepted("control", everywhere, "control", tenant="operator")
    assert found.scope == Scope("source", "2001:db8::1", "")
    erase = {"op": "erase", "addresses": ["Jo@Example.net"]}
    assert accepted("control", erase, "control") == Addresses(
        "erase", "acme", "", (Address("Jo", "example.net"),), "", ""
    )
    assert accepted("control", erase, "control", tenant="operator").tenant == ""


def test_an_entry_over_a_mebibyte_is_refused_before_it_is_decoded() -> None:
    head, tail = b'{"from":"a@acme.example","to":["jo@example.net"],"subject":"x","text":"', b'"}'
    room = documents.MAX_DATA - len(head) - len(tail)
    accepted("message", head + b"x" * room + tail)
    assert refused("message", head + b"x" * (room + 1) + tail).code == "too_large"
    assert refused("message", b"\xff" * (documents.MAX_DATA + 1)).code == "too_large"


def test_deep_nesting_is_refused() -> None:
    deep = b"[" * 500_000 + b"]" * 500_000
    recipients = b'{"campaign":"c","columns":["email"],"rows":' + deep + b"}"
    assert refused("recipients", recipients, "bulk").code in ("bad_json", "wrong_type")
    assert refused("message", deep).code in ("bad_json", "wrong_type")


def test_a_member_written_twice_counts_once_the_last() -> None:
    twice = b'{"from":"a@acme.example","to":["jo@example.net"],"subject":"x","subject":"z","text":"y"}'
    assert accepted("message", twice).content.subject == "z"


def test_bytes_that_are_not_utf8() -> None:
    assert refused("message", b'{"from":"\xff"}').code == "bad_json"
    assert refused("message", b'{"from":"\\ud800"}').code == "bad_json"
    broken = entry("message", MESSAGE) | {b"key": b"\xff"}
    outcome = read(broken, "bulk")
    assert isinstance(outcome, Refusal)
    assert outcome.code == "missing_field"


def test_a_refusal_echoes_hostile_names_escaped_and_cut() -> None:
    outcome = refused("message", MESSAGE, key="a\r\nb" * 100, tenant="acme")
    assert outcome.code == "bad_id"
    assert outcome.tenant == "acme"
    assert outcome.key.startswith("a\\r\\nb")
    assert len(outcome.key) <= 64
    long = refused("message", MESSAGE | {"x" * 5000: 1})
    assert len(long.why) < 1000


def test_members_are_found_along_a_path() -> None:
    assert members(documents.Message, "$") == [
        "from", "tenant", "id", "to", "cc", "bcc", "reply_to", "subject", "text", "html", "headers",
        "attachments", "vars", "raw", "envelope_from", "notify", "notify_to", "ref", "track", "pool",
        "not_before", "expires",
    ]  # fmt: skip
    assert members(documents.Message, "$.attachments[3].data") == ["blob"]
    assert members(documents.Control, "$.limit") == ["rate", "connections"]
    assert members(documents.Message, "$.subject") == []


class TestBlobs:
    HTML = "<p>é".encode()
    PDF = b"%PDF" * 1000

    def document(self) -> dict[str, Any]:
        part = {"name": "a.pdf", "type": "application/pdf", "data": {"blob": sha256(self.PDF).hexdigest()}}
        html = {"blob": sha256(self.HTML).hexdigest()}
        return CAMPAIGN | {"html": html, "attachments": [part, part]}

    def test_filled(self) -> None:
        campaign = accepted("campaign", self.document(), "bulk")
        names = digests(campaign)
        assert names == (sha256(self.HTML).hexdigest(), sha256(self.PDF).hexdigest())
        content = fill(campaign, dict(zip(names, (self.HTML, self.PDF), strict=True))).content
        assert content.html == "<p>é"
        assert [part.data for part in content.parts] == [self.PDF, self.PDF]

    def test_missing_false_and_broken(self) -> None:
        campaign = accepted("campaign", self.document(), "bulk")
        html, pdf = digests(campaign)
        for blobs, code in (
            ({html: self.HTML}, "missing_blob"),
            ({html: self.HTML, pdf: b"other"}, "bad_blob"),
            ({html: b"other", pdf: self.PDF}, "bad_blob"),
        ):
            with pytest.raises(Refused) as error:
                fill(campaign, blobs)
            assert error.value.code == code
        latin = b"caf\xe9"
        name = sha256(latin).hexdigest()
        with pytest.raises(Refused) as error:
            fill(accepted("campaign", CAMPAIGN | {"html": {"blob": name}}, "bulk"), {name: latin})
        assert error.value.code == "bad_blob"

    def test_the_whole_is_held_to_its_limit(self) -> None:
        large = b"x" * (documents.MAX_CONTENT - 1)  # one byte is the text
        name = sha256(large).hexdigest()
        part = {"name": "a", "type": "a/b", "data": {"blob": name}}
        message = accepted("message", MESSAGE | {"attachments": [part]})
        assert fill(message, {name: large}).content.parts[0].data == large
        with pytest.raises(Refused) as error:
            fill(accepted("message", MESSAGE | {"attachments": [part], "text": "yy"}), {name: large})
        assert error.value.code == "too_large"

    def test_raw_is_checked_when_its_bytes_are_there(self) -> None:
        honest, forged = (b"From: %s@acme.example\r\n\r\nx" % who for who in (b"a", b"ceo"))
        for raw, good in ((honest, True), (forged, False)):
            name = sha256(raw).hexdigest()
            document = {"from": "a@acme.example", "to": ["jo@example.net"], "raw": {"blob": name}}
            message = accepted("message", document)
            if good:
                filled = fill(message, {name: raw})
                assert isinstance(filled.content, Raw)
                assert filled.content.data == raw
            else:
                with pytest.raises(Refused) as error:
                    fill(message, {name: raw})
                assert error.value.code == "bad_raw"

    def test_documents_without_blobs_name_none(self) -> None:
        assert digests(accepted("message", MESSAGE)) == ()
        assert (
            digests(accepted("recipients", {"campaign": "c", "columns": ["email"], "rows": []}, "bulk")) == ()
        )
        message = accepted("message", MESSAGE)
        assert fill(message, {}) == message


class TestRows:
    def test_numbers_follow_the_array(self) -> None:
        document = Recipients(
            "c", ("email", "n"), [["a@b.example", "1"], ["bad", "2"], ["c@b.example", "3"]], False
        )
        good, bad = rows(document, [Field("n", None)])
        assert [(row.number, row.values) for row in good] == [(0, ["1"]), (2, ["3"])]
        assert [(row.number, row.code, row.field) for row in bad] == [(1, "bad_address", "email")]

    def test_a_missing_field_refuses_every_row(self) -> None:
        document = Recipients("c", ("email",), [["a@b.example"]] * 3, False)
        good, bad = rows(document, [Field("first", None)])
        assert good == []
        assert [(row.number, row.code, row.field) for row in bad] == [
            (n, "unknown_field", "first") for n in range(3)
        ]

    def test_long_rows_are_refused(self) -> None:
        document = Recipients("c", ("email", "x", "ref"), [], False)
        document.rows.append(["a@b.example", "x" * documents.MAX_ROW, ""])
        document.rows.append(["a@b.example", "", "r" * (documents.MAX_TEXT + 1)])
        good, bad = rows(document, [])
        assert good == []
        assert [row.code for row in bad] == ["too_large", "too_large"]

    def test_submitted_rows_are_not_changed(self) -> None:
        cells = [["a@b.example", None, 5]]
        document = Recipients("c", ("email", "x", "y"), [list(cells[0])], False)
        rows(document, [Field("x", "d"), Field("z", "e")])
        assert document.rows == cells

    @settings(deadline=None, max_examples=200)
    @given(
        st.lists(
            st.one_of(
                st.lists(
                    st.one_of(
                        st.sampled_from(
                            ["a@b.example", "true", "fr", "Europe/Paris", "2026-01-01", "", "\n", "\0"]
                        ),
                        st.text(max_size=8),
                        st.integers(),
                        st.floats(allow_nan=False, allow_infinity=False),
                        st.booleans(),
                        st.none(),
                        st.lists(st.none(), max_size=1),
                    ),
                    min_size=7,
                    max_size=9,
                ),
                st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
                st.text(max_size=9),
            ),
            max_size=6,
        )
    )
    def test_every_row_is_accepted_clean_or_refused_with_a_known_code(self, given_rows: list[Any]) -> None:
        document = Recipients("c", (*RESERVED, "first"), given_rows, False)
        good, bad = rows(document, [Field("first", None)], {"first"})
        assert sorted(row.number for row in (*good, *bad)) == list(range(len(given_rows)))
        for row in good:
            for text in (str(row.address), row.ref, row.name, row.locale, row.tz, *row.values):
                assert not grammar.CONTROL.search(text)
        for row in bad:
            assert row.code in MEANING
            assert row.why.isprintable()

    def test_values_of_a_message_follow_the_same_rules(self) -> None:
        fields = [Field("a", None), Field("b", "B"), Field("c", "C")]
        assert values({"a": "", "b": "", "x": "1"}, fields) == ["", "B", "C"]
        with pytest.raises(Refused, match="unknown_field"):
            values({}, fields)
        assert values({"a": "x\ny"}, [Field("a", None)]) == ["x\ny"]
        with pytest.raises(Refused, match="control_character"):
            values({"a": "x\ny"}, [Field("a", None)], {"a"})


ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)


class TestIdentity:
    def test_names_never_change(self) -> None:
        """A repeat after an upgrade must make the same names, so these are written down."""
        assert message_id("acme", "inv-118") == MESSAGE_ID
        assert public_id("acme", "spring-26", "spring-26-1", 7) == PUBLIC_ID
        assert recipient_id("inv-118", 0) == "inv-118.0"

    @settings(deadline=None, max_examples=100)
    @given(ids, ids, ids, st.integers(0, 999))
    def test_made_names_are_names(self, tenant: str, campaign: str, key: str, row: int) -> None:
        assert is_id(message_id(tenant, key))
        assert is_id(public_id(tenant, campaign, key, row))
        assert public_id(tenant, campaign, key, row) == f"{entry_stem(tenant, campaign, key)}.{row}"
        longest = recipient_id("i" * 64, documents.MAX_RECIPIENTS)
        assert is_name(longest)
        assert len(longest) <= MAX_NAME

    def test_every_part_counts(self) -> None:
        made = {
            public_id("a", "b", "c", 1),
            public_id("b", "b", "c", 1),
            public_id("a", "c", "c", 1),
            public_id("a", "b", "d", 1),
            public_id("a", "b", "c", 2),
            message_id("a", "b"),
            message_id("a", "c"),
            message_id("b", "b"),
        }
        assert len(made) == 8


class TestGrammar:
    @settings(deadline=None, max_examples=200)
    @given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9998, 12, 31)))
    def test_times(self, when: datetime) -> None:
        when = when.replace(tzinfo=UTC, microsecond=when.microsecond // 1000 * 1000)
        text = when.isoformat(timespec="milliseconds")
        for form in (text, text.replace("+00:00", "Z"), text.lower().replace("+00:00", "z")):
            assert grammar.time(form, "t") == round(when.timestamp() * 1000)

    def test_time_zones_and_fractions(self) -> None:
        noon = grammar.time("2026-03-01T12:00:00Z", "t")
        assert grammar.time("2026-03-01T14:30:00+02:30", "t") == noon
        assert grammar.time("2026-03-01 12:00:00.123456789Z", "t") == noon + 123
        assert grammar.date_or_time("2026-03-01", "t") == noon - 12 * 3600_000

    def test_durations_and_rates(self) -> None:
        assert [grammar.duration(text, "d") for text in ("90s", "30m", "2h", "7d")] == [
            90_000,
            1_800_000,
            7_200_000,
            604_800_000,
        ]
        assert grammar.rate("50000/h", "r").per_second == pytest.approx(13.8889, abs=1e-4)
        assert [grammar.rate(f"86400/{unit}", "r").per_second for unit in ("s", "min", "h", "day")] == [
            86400.0,
            1440.0,
            24.0,
            1.0,
        ]

    @settings(deadline=None, max_examples=200)
    @given(st.text(max_size=20))
    def test_no_text_breaks_a_reader(self, text: str) -> None:
        for reader in (
            grammar.time, grammar.date_or_time, grammar.duration, grammar.rate, grammar.clock, grammar.days,
            grammar.zone, grammar.locale, grammar.base64, grammar.one_line, grammar.body,
        ):  # fmt: skip
            refusal = None
            try:
                reader(text, "field")
            except Refused as error:
                refusal = error
            assert refusal is None or (refusal.code in MEANING and "`field`" in refusal.why)

    @settings(deadline=None, max_examples=100)
    @given(st.binary(max_size=40))
    def test_base64(self, raw: bytes) -> None:
        assert grammar.base64(base64.b64encode(raw).decode(), "b") == raw


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=12)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
VALID = {
    "message": MESSAGE,
    "campaign": CAMPAIGN,
    "recipients": {"campaign": "c", "columns": ["email"], "rows": [["a@b.example"]]},
    "tenant": {"id": "acme", "from_domains": ["acme.example"]},
    "control": {"op": "suspend", "scope": {"tenant": "acme"}},
}
STRUCTS = (
    documents.Message,
    documents.Campaign,
    documents.Recipients,
    documents.Tenant,
    documents.Control,
)
NAMES = sorted({name for struct in STRUCTS for name in members(struct, "$")})


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(sorted(VALID)), st.dictionaries(st.sampled_from(NAMES), json_values, max_size=3))
def test_no_document_breaks_the_decoder(kind: str, change: dict[str, Any]) -> None:
    data = json.dumps(VALID[kind] | change).encode()
    label = "control" if kind in ("tenant", "control") else "bulk"
    outcome = read(entry(kind, data), label)
    if isinstance(outcome, Refusal):
        assert outcome.code in MEANING
        assert outcome.why.isprintable()


@settings(deadline=None, max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from([b"v", b"kind", b"tenant", b"key", b"data", b"enc", b"\xff"]),
        st.one_of(st.binary(max_size=12), st.sampled_from([b"1", b"message", b"acme", b"control"])),
    ),
    st.sampled_from(LABELS),
)
def test_no_entry_breaks_the_reader(fields: dict[bytes, bytes], label: str) -> None:
    outcome = read(fields, label)
    if isinstance(outcome, Refusal):
        assert outcome.code in MEANING
        assert (outcome.why + outcome.key + outcome.tenant).isprintable()
