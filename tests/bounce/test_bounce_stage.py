"""Where in the dialogue a quoted reply came, in the words of several systems."""

import pytest

from mta.bounce.plain.stage import stage


@pytest.mark.parametrize(
    "text, expected",
    [
        ("host mx said: 550 no (in reply to RCPT TO command)", "rcpt"),
        ("host mx said: 550 no (in reply to end of DATA\n    command)", "dot"),
        ("host mx said: 550 no (in reply to MAIL FROM command)", "mail"),
        ("SMTP error from remote mail server after RCPT TO:<x@y.example>:\n550 no", "rcpt"),
        ("SMTP error from remote mail server after end of data:\n550 no", "dot"),
        ("SMTP error from remote mail server after pipelined MAIL FROM:<x@y.example>:", "mail"),
        ("SMTP error from remote mail server after initial connection:\n554 no", "connect"),
        ("mx did not like our RCPT TO:\n550 no", "rcpt"),
        ("mx did not like our final DATA:\n550 no", "data"),
        ("192.0.2.7 does not like recipient.\nRemote host said: 550 no", "rcpt"),
        ("Connected to 192.0.2.7 but sender was rejected.", "mail"),
        ("Connected to 192.0.2.7 but my name was rejected.", "ehlo"),
        ("Remote host said: 550 no\n[RCPT_TO]", "rcpt"),
        (">>> RCPT To:<x@y.example>\n<<< 550 no", "rcpt"),
        (">>> MAIL From:<x@y.example>\n<<< 250 ok\n>>> DATA\n<<< 554 no", "data"),
        # Commands that went out together: the refusal below DATA is the one of RCPT.
        (">>> DATA\n<<< 550 no such user\n<<< 503 need RCPT first", "rcpt"),
        ("<<< 550 no", ""),
        ("550 no", ""),
        ("", ""),
    ],
)
def test_stages(text: str, expected: str) -> None:
    assert stage(text.split("\n")) == expected
