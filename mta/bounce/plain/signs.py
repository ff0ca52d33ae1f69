"""By what a failure notice is known: who writes it, its subject, its phrases; and whether it is final.

Two signs are asked for, one of them from the header: people quote notices, and write about them.
"""

import re
from typing import Final, Literal

from mta.bounce.autoreply import subject
from mta.bounce.parts import Headers

Action = Literal["failed", "delayed", "delivered", ""]

MAX_SEEN: Final = 6000  # characters of a notice looked at

_SYSTEM = re.compile(
    r"mailer[-_. ]?daemon|post[-_.]?master|mail[-_. ]*deliver|mail.delivery.sys"
    r"|delivery.{0,3}sub-?system|mdaemon|smtp.{0,3}daemon"
    r"|mail.?system|email.?system|mail.?admin|system administrator|mail.?gateway|maildelivery"
    r"|deliver[y_-]*status|non-?delivery|undeliver"
    r"|no-?reply|do-?not-?reply|admin\b|administrator|\bmta\b|mailmaster|mailservice|mail.?server"
    r"|majordomo|scanmail|interscan|listserv|bounces?\b"
    r"|amazonses|exchange|antispam|anti-spam|spam|virus|security|lotus|notes|amavis|\broot\b|abuse"
    r"|mailman|^\W*$|<>",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"undeliver|not? (?:be )?deliver|un-?delivered|deliver[yi].{0,20}(?:fail|status|error|problem"
    r"|notif|report|delay|unsuccess|impossib|incomplete)"
    r"|(?:fail|error|problem|unable|delay|could ?n.t|cannot|can't).{0,20}deliver"
    r"|returned (?:e?-?mail|message|to sender)|return(?:ing|ed) (?:mail|message|to sender|letter)"
    r"|(?:mail|message|e-?mail|delivery).{0,12}(?:fail|error|delay|bounc|return|reject|refus|block)"
    r"|failure notice|fail(?:ed|ure) (?:mail|delivery|notice)|warning:|bounce|rejected|user unknown"
    r"|unknown (?:user|address|recipient)"
    r"|non[- ]?deliver|unzustellbar|nicht (?:zugestellt|zustellbar)|zustell.{0,12}(?:fehl|proble)"
    r"|fehler.{0,20}(?:mail|zustell)|echec|échec|non remis|non distribu|no se (?:pudo|ha podido)"
    r"|no entregad|devuelt|devolvid"
    r"|falha|fallo|mancata|mancato|не ?доставл|недоставл|возвра|not sent|delivery has|message status"
    r"|loop alert|mail (?:could|can)|no such user|transient|notification d.{1,3}tat"
    r"|送信でき|届き?ません|配信(?:不能|でき|エラー)|配送(?:でき|エラー|失敗)|エラー|リターン|退信"
    r"|退回|投递|失败|无法(?:投递|送达|传递)|未送达|無法(?:投遞|傳遞)|반송|전송.?실패|teslim edilem"
    r"|niet (?:bezorgd|afgeleverd)|onbestelbaar|niedostarcz|nie dostarcz|nedoru|leverans|leverings",
    re.IGNORECASE,
)
_FAILED = re.compile(
    r"(?:not|n't|n.t|never) (?:be |been |able to be |deliverable|able to )?(?:deliver|reach|send"
    r"|sent|route|complete|possible|accept|receiv|process|relay|dispatch)|undeliver"
    r"|unable to (?:deliver|send|complete|relay|route|forward)"
    r"|(?:deliver\w*|deliv?ery|transmission|message|mail)\b.{0,60}(?:fail|error|problem|reject|refus"
    r"|return|block|abort|unsuccess|impossible|denied|cancel|bounc)|fail(?:ed"
    r"|ure)?\b.{0,40}(?:deliver|address|recipient|send|message)|did not (?:reach|receive|like)"
    r"|addresses? failed|unknown (?:user|recipient|address|mailbox)|(?:user|recipient|mailbox"
    r"|address|account).{0,40}(?:unknown|not found|not exist|is full|disabled|invalid|not list)"
    r"|returned (?:to|mail|message)|(?:no such|invalid|bad|unrout\w+) (?:user|address|recipient"
    r"|mailbox|account|host|domain)"
    r"|permanent(?:ly)? (?:error|fail|fatal)|fatal error|had (?:\w+ ){0,3}(?:error|problem)|given up"
    r"|giving up|bounced|over quota|quota exceed|mailbox.{0,20}full|host (?:unknown|not found)"
    r"|(?:rejected|refused|blocked|denied|expired|bounced) by|spam|virus|was rejected"
    r"|5\d\d [5]\.\d\.\d|<<< 5\d\d|relay.{0,20}denied|does ?n.t (?:have|exist)|duplicated message-id"
    r"|nicht (?:zugestellt|zustellbar|ausgeliefert|erreich)|unzustellbar|konnte.{0,60}nicht"
    r"|fehlgeschlagen|n'a pas pu|n.a pas pu|pas pu être|échou|impossible de|no (?:pudo|ha podido"
    r"|se ha|se pudo|fue)|não (?:foi|pôde|pode)|nao (?:foi|pode)|non (?:è stato|e' stato|ha potuto"
    r"|consegn)|не (?:может|удалось|было|доставл|удается)|недоставл|niet (?:bezorgd|afgeleverd)"
    r"|nie (?:można|udało|zostało)|nem (?:lehet|siker)|nelze|kunde inte|kunne ikke"
    r"|届けられ|届きません|送信でき|配信でき|配送でき|見つかりません|存在しません|不明|エラー|失敗"
    r"|失败|退信|退回|无法|未能|無法|不存在|拒绝|전송.{0,6}실패|실패|iletilemedi|teslim edilem",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"(?:not|n't) yet been (?:deliver|sent)|not been deliver\w* (?:yet|after)"
    r"|not yet (?:been )?(?:deliver|possible|able)|(?:message|mail|delivery).{0,30}\bdelayed\b"
    r"|delayed .{0,8}(?:hour|day|minute)|still (?:being |be )?(?:in the |trying|queued|attempting"
    r"|undeliver)"
    r"|will (?:continue|keep|be retried|retry|try again)|continue to (?:try|attempt|be)"
    r"|attempts? will (?:continue|be made)|just a warning|only a warning|warning message only"
    r"|delivery incomplete|temporar(?:y|ily) (?:problem|delay)|no(?:thing"
    r"| action) (?:is )?(?:required|needed)|do not need to re-?send|need not re-?send"
    r"|noch nicht|verzögert|retardé|n'a pas encore|aún no|todavía no|ritardat|еще не|ещё не|задерж"
    r"|遅延|延迟|延遲|nog niet",
    re.IGNORECASE,
)
_FINAL = re.compile(
    r"permanent|given up|giving up|gave up|not going to try|no further|has been returned|returned to"
    r"|could not be deliver|could not be sent|was not deliver|has expired|too long|removed from"
    r"|fatal|will not be|failed after|did not reach|was undeliver|message expired|endgültig"
    r"|definitiv|deliver\w* (?:has )?failed",
    re.IGNORECASE,
)
_DELAY_SUBJECT = re.compile(
    r"\bdelay|warning|\bstill\b|not yet|verzögert|retard|遅延|延迟|delivery incomplete", re.IGNORECASE
)
_RELAYED = re.compile(
    r"successfully (?:delivered|relayed|sent)|(?:was|been|has been) (?:successfully )?delivered to"
    r"|delivery (?:was )?success|was relayed|erfolgreich zugestellt|remis avec succès",
    re.IGNORECASE,
)


_SURELY = re.compile(
    r"mailer[-_. ]?daemon|post[-_.]?master|mail[-_. ]*deliver|mail.delivery.sys"
    r"|delivery.{0,3}sub-?system|mdaemon|^\W*$",
    re.IGNORECASE,
)


def surely_system(headers: Headers) -> bool:
    """Say whether the author is one of the names that mail systems alone use, or a field of theirs is there."""
    wrote = [value for name, value in headers if name in ("from", "sender")]
    return (not wrote or _SURELY.search(subject(wrote[0])) is not None) or any(
        name == "x-failed-recipients" for name, _ in headers
    )


def maybe_system(headers: Headers) -> bool:
    """Say whether the author may be a mail system, to be believed only with a subject that fits."""
    wrote = [value for name, value in headers if name in ("from", "sender")]
    first = wrote[0] if wrote else ""
    return _SYSTEM.search(subject(first)) is not None or any(
        name == "return-path" and ("<>" in value or _SYSTEM.search(value) or not value)
        for name, value in headers
    )


def tells_failure(headers: Headers) -> bool:
    """Say whether the subject is one of a failure notice."""
    return any(name == "subject" and _SUBJECT.search(subject(value)) for name, value in headers)


def action(headers: Headers, text: str) -> Action:
    """Return what a notice tells: `failed`, `delayed`, `delivered`, or nothing of the kind."""
    text = text[:MAX_SEEN]
    title = next((subject(value) for name, value in headers if name == "subject"), "")
    delayed = _DELAYED.search(text)
    if delayed and (not _FINAL.search(text) or _DELAY_SUBJECT.search(title)):
        return "delayed"
    if _FAILED.search(text) or delayed:
        return "failed"
    return "delivered" if _RELAYED.search(text) else ""
