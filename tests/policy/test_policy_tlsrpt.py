"""TLS reports: who wants them, counting with bounds, and the JSON of RFC 8460 section 4.4."""

import gzip
import json

import pytest

from mta.policy.mtasts import Policy
from mta.policy.tls import Facts, decide
from mta.policy.tlsrpt import (
    Counts,
    Sender,
    Wanted,
    filename,
    packed,
    report,
    row,
    subject,
    wanted,
)

US = Sender("Company-X", "company-x.test", "sts-reporting@company-x.test")
DAY = "2016-04-01"
STS = Policy("enforce", ("*.mail.d.test",), 86400)
NEED = decide(Facts("d.test", "mx1.mail.d.test", sts=STS))


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["v=TLSRPTv1;rua=mailto:reports@d.test"], Wanted(("mailto:reports@d.test",))),
        (["v=TLSRPTv1; rua=https://r.test/v1/tlsrpt;"], Wanted((), ("https://r.test/v1/tlsrpt",))),
        (["v=TLSRPTv1; x=1; rua=mailto:a@d.test, https://r.test/x"], Wanted(("mailto:a@d.test",), ("https://r.test/x",))),
        (["v=TLSRPTv1; rua=mailto:a@d.test", "v=TLSRPTv1; rua=mailto:b@d.test"], Wanted()),
        (["v=spf1 -all", "v=TLSRPTv1; rua=mailto:a@d.test"], Wanted(("mailto:a@d.test",))),
        (["v=TLSRPTv2; rua=mailto:a@d.test"], Wanted()), ([], Wanted()), (["v=TLSRPTv1;"], Wanted()),
        (["v=TLSRPTv1; rua=http://r.test/x"], Wanted()), (["v=TLSRPTv1; rua=mailto:a\r\nBcc: b@d.test"], Wanted()),
        (["v=TLSRPTv1; rua=" + ",".join(f"mailto:a{n}@d.test" for n in range(50))],
         Wanted(tuple(f"mailto:a{n}@d.test" for n in range(8)))),
    ],
)  # fmt: skip
def test_where_reports_go(texts: list[str], found: Wanted) -> None:
    assert wanted(texts) == found
    assert bool(found) is bool(found.mail or found.web)


def test_the_report_has_the_members_of_the_rfc() -> None:
    counts = Counts()
    for _ in range(5326):
        counts.add(row(NEED, "", DAY, "d.test", "mx1.mail.d.test", "203.0.113.56", "2001:db8::1"))
    failed = row(NEED, "certificate-expired", DAY, "d.test", "mx1.mail.d.test", "203.0.113.56", "2001:db8::1")
    counts.add(failed, 100)
    counts.add(
        row(NEED, "starttls-not-supported", DAY, "d.test", "mx2.mail.d.test", "203.0.113.58", "2001:db8::1"),
        200,
    )
    counts.add(row(NEED, "", "2016-04-02", "d.test", "", "", ""))
    counts.add(row(NEED, "", DAY, "other.test", "", "", ""))
    assert report(counts.drain(), US, DAY, "d.test") == {
        "organization-name": "Company-X",
        "date-range": {"start-datetime": "2016-04-01T00:00:00Z", "end-datetime": "2016-04-01T23:59:59Z"},
        "contact-info": "sts-reporting@company-x.test",
        "report-id": "2016-04-01T00:00:00Z_d.test@company-x.test",
        "policies": [
            {
                "policy": {
                    "policy-type": "sts",
                    "policy-string": [
                        "version: STSv1",
                        "mode: enforce",
                        "mx: *.mail.d.test",
                        "max_age: 86400",
                    ],
                    "policy-domain": "d.test",
                    "mx-host": ["*.mail.d.test"],
                },
                "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 300},
                "failure-details": [
                    {
                        "result-type": "starttls-not-supported",
                        "sending-mta-ip": "2001:db8::1",
                        "receiving-mx-hostname": "mx2.mail.d.test",
                        "receiving-ip": "203.0.113.58",
                        "failed-session-count": 200,
                    },
                    {
                        "result-type": "certificate-expired",
                        "sending-mta-ip": "2001:db8::1",
                        "receiving-mx-hostname": "mx1.mail.d.test",
                        "receiving-ip": "203.0.113.56",
                        "failed-session-count": 100,
                    },
                ],
            }
        ],
    }
    assert not counts.drain()


def test_a_domain_without_a_policy_is_reported_as_such() -> None:
    rows = [(row(decide(Facts("d.test", "mx.test")), "", DAY, "d.test", "", "", ""), 3)]
    (policy,) = report(rows, US, DAY, "d.test")["policies"]
    assert policy["policy"] == {"policy-type": "no-policy-found", "policy-domain": "d.test"}
    assert "failure-details" not in policy


def test_rows_of_several_processes_add_up() -> None:
    one = row(NEED, "certificate-expired", DAY, "d.test", "mx", "192.0.2.1", "192.0.2.2")
    (policy,) = report([(one, 2), (one, 3)], US, DAY, "d.test")["policies"]
    assert [each["failed-session-count"] for each in policy["failure-details"]] == [5]


def test_counting_is_bounded_and_says_what_it_lost() -> None:
    counts = Counts(most=2)
    for n in range(5):
        counts.add(row(NEED, "", DAY, f"d{n}.test", "", "", ""))
        counts.add(row(NEED, "", DAY, "d0.test", "", "", ""))
    assert (len(counts.drain()), counts.lost) == (2, 3)


def test_failures_of_a_thousand_kinds_are_summed_beyond_that() -> None:
    rows = [
        (row(NEED, "certificate-expired", DAY, "d.test", "mx", f"2001:db8::{n:x}", "192.0.2.2"), 1)
        for n in range(1500)
    ]
    (policy,) = report(rows, US, DAY, "d.test")["policies"]
    assert len(policy["failure-details"]) == 1000
    assert policy["summary"]["total-failure-session-count"] == 1500


def test_a_result_the_rfc_does_not_know_is_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="no result type"):
        Counts().add(row(NEED, "bad-luck", DAY, "d.test", "", "", ""))


def test_the_file_and_its_names() -> None:
    document = report([], US, DAY, "d.test")
    assert packed(document) == packed(document)
    assert json.loads(gzip.decompress(packed(document))) == document
    assert filename(US, "d.test", 1, 2) == "company-x.test!d.test!1!2.json.gz"
    assert subject(US, DAY, "d.test").startswith(
        "Report Domain: d.test Submitter: company-x.test Report-ID: <"
    )
