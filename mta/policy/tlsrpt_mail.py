"""A TLS report as mail (RFC 8460 section 5.3): a multipart/report with a line for people and the report compressed."""

import base64
from datetime import datetime
from email.utils import format_datetime
from hashlib import sha256
from typing import Final

from mta.policy.tlsrpt import Sender, filename, report_id

LINE: Final = 76  # base64 characters in one line (RFC 2045 section 6.8)
_CRLF: Final = "\r\n"


def mail(
    body: bytes, sender: Sender, address: str, rcpt: str, day: datetime, domain: str, sent: datetime
) -> bytes:
    """Return the message that carries a report (`body`, application/tlsrpt+gzip) of a domain's `day`.

    `address` is whom it is from, `day` the beginning of the day in UTC, `sent` what its Date says. The same arguments
    give the same bytes. `TLS-Required: No` (RFC 8689): what is reported must not keep the report from its reader.
    """
    name = day.strftime("%Y-%m-%d")
    begin = int(day.timestamp())
    file = filename(sender, domain, begin, begin + 86399)
    boundary = f"=_{sha256(f'{report_id(sender, name, domain)} {rcpt}'.encode()).hexdigest()[:32]}"
    encoded = base64.b64encode(body).decode()
    lines = [
        f"From: <{address}>",
        f"To: <{rcpt}>",
        f"Date: {format_datetime(sent)}",
        # As `tlsrpt.subject` has it, folded where it has blanks.
        f"Subject: Report Domain: {domain}",
        f" Submitter: {sender.domain}",
        f" Report-ID: <{report_id(sender, name, domain)}>",
        f"TLS-Report-Domain: {domain}",
        f"TLS-Report-Submitter: {sender.domain}",
        "TLS-Required: No",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type="tlsrpt";{_CRLF} boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "Content-Transfer-Encoding: 7bit",
        "",
        f"TLS report of {name} (UTC) by {sender.domain}",
        f"about mail to {domain}.",
        "",
        f"--{boundary}",
        "Content-Type: application/tlsrpt+gzip",
        "Content-Transfer-Encoding: base64",
        f'Content-Disposition: attachment;{_CRLF} filename="{file}"',
        "",
        *(encoded[at : at + LINE] for at in range(0, len(encoded), LINE)),
        "",
        f"--{boundary}--",
        "",
    ]
    return _CRLF.join(lines).encode("ascii")
