"""A TLS report as mail is read back by somebody else's parser (RFC 8460 section 5.3)."""

import gzip
import json
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

from hypothesis import given, settings
from hypothesis import strategies as st

from mta.policy.tlsrpt import Sender, packed, report, subject
from mta.policy.tlsrpt_mail import mail

US = Sender("Us", "us.test", "tls@us.test")
DAY = datetime(2026, 7, 1, tzinfo=UTC)
SENT = datetime(2026, 7, 2, 0, 15, tzinfo=UTC)


def made(body: bytes, domain: str = "d.test") -> bytes:
    return mail(body, US, "tls@us.test", "reports@d.test", DAY, domain, SENT)


def read(raw: bytes) -> EmailMessage:
    found = message_from_bytes(raw, policy=policy.default)
    assert isinstance(found, EmailMessage)
    assert not found.defects
    return found


def test_the_headers_are_those_of_the_rfc() -> None:
    found = read(made(b"x"))
    assert found.get_content_type() == "multipart/report"
    assert found["Content-Type"].params["report-type"] == "tlsrpt"
    assert found["Subject"] == subject(US, "2026-07-01", "d.test")
    assert found["TLS-Report-Domain"] == "d.test"
    assert found["TLS-Report-Submitter"] == "us.test"
    assert found["TLS-Required"] == "No"  # RFC 8689: what is reported must not keep the report away
    assert found["Date"].datetime == SENT
    assert (found["From"], found["To"]) == ("tls@us.test", "reports@d.test")
    assert "Auto-Submitted: auto-generated\r\n" in made(b"x").decode()


def test_the_second_part_is_the_report_under_the_name_of_section_5_1() -> None:
    body = packed(report([], US, "2026-07-01", "d.test"))
    people, machine = read(made(body)).iter_parts()
    assert people.get_content_type() == "text/plain"
    assert machine.get_content_type() == "application/tlsrpt+gzip"
    begin = int(DAY.timestamp())
    assert machine.get_filename() == f"us.test!d.test!{begin}!{begin + 86399}.json.gz"
    document = json.loads(gzip.decompress(machine.get_content()))
    assert document["report-id"] == "2026-07-01T00:00:00Z_d.test@us.test"


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=3000))
def test_any_body_comes_back_as_it_was_and_no_line_is_too_long(body: bytes) -> None:
    raw = made(body)
    assert list(read(raw).iter_parts())[1].get_content() == body
    assert max(map(len, raw.split(b"\r\n"))) <= 78
    assert raw.replace(b"\r\n", b"").count(b"\n") == raw.replace(b"\r\n", b"").count(b"\r") == 0


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert made(b"body") == made(b"body")
    assert made(b"body") != made(b"body", "e.test")


def test_a_long_domain_stays_within_what_a_line_may_have() -> None:
    raw = made(b"x", ".".join(["a" * 60] * 4))
    assert max(map(len, raw.split(b"\r\n"))) <= 998
