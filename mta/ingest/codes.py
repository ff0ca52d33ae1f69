"""Why a submission is refused: stable codes, each with its meaning as docs/protocol.md prints it.

Producers branch on these, so within a protocol version no code is renamed and no meaning narrowed.
"""

from dataclasses import dataclass
from typing import Final


class Refused(ValueError):
    """An entry or document cannot be taken: `code` is one of MEANING, `why` names the field and the cure."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code
        self.why = why


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused entry, ready for its `rejected` event; `key` and `tenant` are as sent, escaped and cut."""

    code: str
    why: str
    key: str
    tenant: str


# The entry.
MISSING_FIELD: Final = "missing_field"
VERSION: Final = "version"
KIND: Final = "kind"
ENCODING: Final = "encoding"
TOO_LARGE: Final = "too_large"
BAD_JSON: Final = "bad_json"
# The document.
UNKNOWN_MEMBER: Final = "unknown_member"
MISSING_MEMBER: Final = "missing_member"
WRONG_TYPE: Final = "wrong_type"
BAD_ID: Final = "bad_id"
TENANT_MISMATCH: Final = "tenant_mismatch"
OPERATOR_REQUIRED: Final = "operator_required"
BAD_ADDRESS: Final = "bad_address"
BAD_DOMAIN: Final = "bad_domain"
CONTROL_CHARACTER: Final = "control_character"
BAD_HEADER: Final = "bad_header"
BAD_TIME: Final = "bad_time"
BAD_DURATION: Final = "bad_duration"
BAD_RATE: Final = "bad_rate"
BAD_VALUE: Final = "bad_value"
BAD_CONTENT: Final = "bad_content"
BAD_BASE64: Final = "bad_base64"
BAD_RAW: Final = "bad_raw"
BAD_BLOB: Final = "bad_blob"
MISSING_BLOB: Final = "missing_blob"
NO_RECIPIENT: Final = "no_recipient"
UNSUBSCRIBE_REQUIRED: Final = "unsubscribe_required"
BAD_COLUMN: Final = "bad_column"
BAD_SCOPE: Final = "bad_scope"
NOT_HELD: Final = "not_held"
# One row, or the merge values of a message.
BAD_ROW: Final = "bad_row"
UNKNOWN_FIELD: Final = "unknown_field"
# Against what the engine already knows.
KEY_CONFLICT: Final = "key_conflict"
ID_TAKEN: Final = "id_taken"
CAMPAIGN_CONFLICT: Final = "campaign_conflict"
CAMPAIGN_CLOSED: Final = "campaign_closed"
UNKNOWN_CAMPAIGN: Final = "unknown_campaign"
UNKNOWN_TENANT: Final = "unknown_tenant"
NOT_ALLOWED: Final = "not_allowed"
BAD_TEMPLATE: Final = "bad_template"
QUOTA: Final = "quota"

MEANING: Final[dict[str, str]] = {
    MISSING_FIELD: "the stream entry lacks one of `v`, `kind`, `tenant`, `key`, `data`, or it is not UTF-8",
    VERSION: "`v` is not a version this engine reads (`proto_min` to `proto_max` in the status hash)",
    KIND: "`kind` is unknown, or does not belong on this stream",
    ENCODING: "`enc` names a compression; version 1 has none",
    TOO_LARGE: "over one of the limits; `why` names it",
    BAD_JSON: "`data` is not one JSON object in UTF-8",
    UNKNOWN_MEMBER: "a member or entry field this version does not know; `why` gives the nearest known name",
    MISSING_MEMBER: "a required member is absent",
    WRONG_TYPE: "a member has the wrong JSON type; `why` gives its path",
    BAD_ID: "an id, a key or a name is outside its grammar (section 2), or reserved",
    TENANT_MISMATCH: "the document names another tenant than the entry",
    OPERATOR_REQUIRED: "the scope reaches beyond one tenant; only an entry of tenant `operator` may name it",
    BAD_ADDRESS: "a mail address or mailbox is not valid",
    BAD_DOMAIN: "a domain or host name is not valid",
    CONTROL_CHARACTER: "a control character or line break where it could end a header or a command",
    BAD_HEADER: "a header name is not valid, or the engine writes that header itself",
    BAD_TIME: "not an RFC 3339 time with a zone, or `expires` is not after `not_before`",
    BAD_DURATION: "not a duration such as `30m`, `2h` or `7d`",
    BAD_RATE: "not a rate such as `10/s`, `100/min`, `50000/h` or `20000/day`",
    BAD_VALUE: "a member has the right type but a value outside its range or list",
    BAD_CONTENT: "neither or both of `raw` and `subject` with `text` or `html`",
    BAD_BASE64: "not base64 (RFC 4648 section 4, padded, no line breaks)",
    BAD_RAW: "`raw` has no usable header block, or its From differs from the member `from`",
    BAD_BLOB: "a blob reference is not a SHA-256 in lower-case hex, or the stored bytes do not match it",
    MISSING_BLOB: "a referenced blob is not in Redis; SET it first, then submit again",
    NO_RECIPIENT: "`to`, `cc` and `bcc` are all empty, or `addresses` is",
    UNSUBSCRIBE_REQUIRED: "a bulk campaign cannot set `unsubscribe` to false",
    BAD_COLUMN: "`columns` lacks `email`, names a column twice, or a name is not valid",
    NOT_HELD: "nothing of that campaign or tenant waits for a decision; `why` says what became of it",
    BAD_SCOPE: "`scope` is not one of the shapes that this `op` takes",
    BAD_ROW: "a row is not an array with one string, number, true, false or null per column",
    UNKNOWN_FIELD: "the content uses a merge field that has no column (or `vars` member) and no default",
    KEY_CONFLICT: "the key was used within 24 h for other bytes",
    ID_TAKEN: "the message id was already submitted under another key",
    CAMPAIGN_CONFLICT: "the campaign exists with other content and already has recipients",
    CAMPAIGN_CLOSED: "recipients came after the campaign's last entry, its close or its rejection",
    UNKNOWN_CAMPAIGN: "no campaign of that id came within 60 s",
    UNKNOWN_TENANT: "the tenant is not known and `tenants.open` is off",
    NOT_ALLOWED: "the tenant may not use this From domain, bounce domain, class or pool",
    BAD_TEMPLATE: "the content cannot be compiled; `why` names the place",
    QUOTA: "the tenant's quota for the day is used up",
}
"""Every code, with the one line that docs/protocol.md prints."""
