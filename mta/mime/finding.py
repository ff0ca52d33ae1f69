"""What a look at a mailing before it is sent can find: each fault's sentence and its cure, in one table.

Facts about receivers carry their source here. Where a threshold is folklore rather than a vendor's word, the comment
says so.
"""

from dataclasses import dataclass
from typing import Final, Literal

Level = Literal["error", "warning"]

CLIPPED: Final = 102 * 1024
"""Octets of HTML that Gmail shows before it clips a message.

Google publishes no figure; 102 KB is the common one, and spamresource.com (January 2022) measured about 105 KB.
"""
LARGE: Final = 10_240_000
"""Octets of a message that a Postfix with its default `message_size_limit` takes (postconf(5))."""
LINE: Final = 998
"""Octets of a line without its CRLF (RFC 5322 section 2.1.1)."""
SUBJECT: Final = 100
"""Characters of a subject that desktop programs show in their lists, about; phones show less than half."""
FEW_WORDS: Final = 60
"""Characters of text below which a page with pictures counts as a picture: our own choice, on the careful side."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that would hurt.

    An `error` costs deliveries or readers for certain, a `warning` may. `code` is stable, for programs; `where`
    names the member of the document; `what` and `cure` are sentences for people.
    """

    level: Level
    code: str
    where: str
    what: str
    cure: str


def finding(code: str, where: str, **parts: object) -> Finding:
    """Return the finding `code`, `parts` put into its sentences; raise KeyError where there is no such code."""
    level, what, cure = SENTENCES[code]
    return Finding(level, code, where, what.format(**parts), cure.format(**parts))


def shown(text: str, most: int = 80) -> str:
    """Return `text` on one printable line of at most `most` characters, in quotation marks."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return f'"{line if len(line) <= most else line[: most - 3] + "..."}"'


# fmt: off
SENTENCES: Final[dict[str, tuple[Level, str, str]]] = {
    "subject-empty": ("error",
        "The subject is empty.",
        "Write one; mail without it looks like spam.",
    ),
    "subject-long": ("warning",
        "The subject has {count} characters; programs cut it.",
        f"Put what counts into the first 40, and stay under {SUBJECT}.",
    ),
    "subject-reply": ("warning",
        "The subject {subject} looks like an answer to a mail that nobody wrote; filters score that, and Gmail's sender"
        " guidelines (support.google.com/mail/answer/81126) forbid it.",
        "Begin with another word.",
    ),
    "from-name": ("warning",
        "From has an address and no name; readers do not see at a glance who writes.",
        "Write it like Acme News <news@acme.example>.",
    ),
    "text-missing": ("warning",
        "There is HTML and no plain text; text-only readers see nothing, and filters score it (SpamAssassin's"
        " MIME_HTML_ONLY).",
        "Give `text` as well: the same in plain words, links written out.",
    ),
    "unsubscribe-missing": ("error",
        "No link in the body lets a reader unsubscribe; Gmail (support.google.com/mail/answer/81126) and Yahoo ask for"
        " a visible one beside the one-click header, which the engine adds.",
        'Put {{{{unsubscribe_url}}}} where readers look, such as <a href="{{{{unsubscribe_url}}}}">Unsubscribe</a>.',
    ),
    "unsubscribe-one-part": ("warning",
        "The {part} part has no {{{{unsubscribe_url}}}}, the other has.",
        "Put it into both; each reader sees one of them.",
    ),
    "merge-foreign": ("error",
        "{found} is another system's merge syntax ({kind}) and would be sent as it stands.",
        "Write {{{{name}}}}, or {{{{name|default}}}}.",
    ),
    "field-unknown": ("error",
        "The content uses {{{{{name}}}}}, which no column fills and which has no default; every recipient would be"
        " refused.",
        "Add the column, or write {{{{{name}|something}}}}.{meant}",
    ),
    "field-empty": ("warning",
        "The merge field {{{{{name}}}}} is empty for {count} of {of} people and has no default, so a sentence has a"
        " hole.",
        "Fill the cells, or write {{{{{name}|something}}}}.",
    ),
    "row-refused": ("error",
        "{count} of {of} rows would be refused; the first is row {row}: {why}.",
        "Correct the rows, or leave them out.",
    ),
    "link-empty": ("error",
        "The link {words} leads nowhere: its href is empty.",
        "Write the whole address, such as https://example.com/offer.",
    ),
    "link-relative": ("error",
        "The link {target} has no scheme; in mail there is no page it could be relative to.",
        "Write the whole address, with https:// in front.",
    ),
    "link-scheme": ("error",
        "The link {target} begins with `{scheme}:`, which mail programs take out or do not open.",
        "Lead to a page on the web; its address begins with https://.",
    ),
    "link-broken": ("error",
        "The link {target} is no valid address.",
        "Write it like https://example.com/offer, blanks as %20 and each scheme once.",
    ),
    "link-private": ("error",
        "The link {target} leads to {host}, which no reader can reach.",
        "Put the public host name there.",
    ),
    "link-shortener": ("warning",
        "The link {target} hides its target behind {host}, which block lists carry.",
        "Write the target itself; the engine counts clicks without it.",
    ),
    "link-words": ("warning",
        "The words of a link say {words}, but it leads to {host}; that is what phishing looks like, and programs warn"
        " of it.",
        "Let the words say what is there instead of an address.",
    ),
    "link-insecure": ("warning",
        "The link {target} is not encrypted; browsers warn of such pages.",
        "Write https:// if the page has it.",
    ),
    "link-wordless": ("warning",
        "The link {target} has no words and no picture to click on.",
        "Write something between <a ...> and </a>, or take it out.",
    ),
    "alt-missing": ("warning",
        "The picture {target} has no alt text; where pictures are off, and to screen readers, it is nothing or its file"
        " name.",
        'Add alt="what it says", or alt="" where it is ornament.',
    ),
    "picture-cid": ("error",
        "The picture {target} is none of the attachments.",
        "Attach the file with that `cid`, without the angle brackets.",
    ),
    "picture-data": ("warning",
        "A picture stands in the page itself (data:); Gmail and Outlook leave it out (caniemail.com).",
        "Attach it with a `cid`, or load it from the web.",
    ),
    "picture-relative": ("error",
        "The picture {target} has no web address; nobody will see it.",
        "Write the whole address, with https:// in front.",
    ),
    "words-few": ("warning",
        "The page has pictures and {count} characters of text; filters score that, and with pictures off nothing is"
        " left.",
        "Say in words what the pictures say.",
    ),
    "element-stripped": ("warning",
        "Mail programs take out <{name}> or refuse the message for it (caniemail.com).",
        "Do without it; put what it does behind a link.",
    ),
    "style-external": ("warning",
        "A style sheet is loaded from elsewhere; large webmail does not (caniemail.com).",
        "Put the rules into <style>, and what must hold into style attributes.",
    ),
    "html-clipped": ("warning",
        "The HTML has {count:,} octets; Gmail clips messages at about 102 KB (measured by spamresource.com, 2022), and"
        " what stands at the end, such as the unsubscribe link, goes with it.",
        "Take out comments, unused styles and repeated inline styles, or say less.",
    ),
    "message-large": ("warning",
        f"The message has {{count:,}} octets; many servers take {LARGE:,} at most (Postfix's default).",
        "Put the files on the web and link to them.",
    ),
    "line-long": ("error",
        f"A line has {{count:,}} octets; {LINE} is the limit (RFC 5322 section 2.1.1), and servers break or refuse"
        " longer ones.",
        "Shorten the header it stands in.",
    ),
    "from-mailbox-provider": ("error",
        "From is at {sender}, whose owner lets nobody else send in its name; receivers refuse it (DMARC).",
        "Send from a domain of your own, and give the other address as `reply_to`.",
    ),
    "from-not-own": ("error",
        "From is at {sender}, which is none of the tenant's `from_domains`; the engine would refuse the campaign.",
        "Send from one of them, or add the domain to the tenant.",
    ),
    "class-not-own": ("error",
        "The tenant may not send mail of class {cls}; the engine would refuse the campaign.",
        "Submit it in one of the tenant's `classes`, or add the class to the tenant.",
    ),
    "dkim-missing": ("error",
        "There is no DKIM key of {sender}, so mail goes out unsigned; Gmail and Yahoo refuse that in bulk.",
        "Run `mta dkim gen {sender}` and publish the record it prints.",
    ),
    "dkim-unaligned": ("error",
        "Mail From {sender} is signed by {signing}, which DMARC does not count as its own.",
        "Run `mta dkim gen {sender}` and publish the record it prints.",
    ),
    "dkim-unusable": ("error",
        "A DKIM key can't be used: {why}.",
        "Replace the file; no message is sent while it is there.",
    ),
    "return-path-unaligned": ("warning",
        "Bounces go to {domain}, which is another organisation's than {sender}: SPF does not count for DMARC, so all"
        " rests on DKIM.",
        "Set the tenant's `bounce_domain` to one below {parent}.",
    ),
    "tracking-unaligned": ("warning",
        "Tracked links lead through {domain}, while From is at {sender}; filters and readers take foreign links for"
        " phishing.",
        "Set the tenant's `track_host` to one below {parent}.",
    ),
}
"""Every finding by its code: what would hurt, in a sentence, and the cure in another."""
# fmt: on
