"""Document -> Compiled: everything that is the same for all recipients is done here, once per content."""

from hashlib import blake2b

import msgspec

from mta.mime.bodies import Bodies, Body, Kind
from mta.mime.compiled import Compiled
from mta.mime.document import Document
from mta.mime.headers import header_of
from mta.mime.items import Item, Tracked, html_items, resolve, text_items
from mta.mime.merge import Names, split
from mta.mime.structure import Files, text_part, tree
from mta.mime.transfer import smaller_in_base64


def compile(document: Document) -> Compiled:
    """Return the document ready to be rendered; raise ContentError naming the part that is wrong and the cure.

    A document without `text` and `html` gets an empty text.
    """
    names = Names()
    merging = names if document.merge else None
    header = header_of(document, merging)
    text: list[Item] | None = None
    html: list[Item] | None = None
    in_base64 = {}
    if document.text or not document.html:
        skeleton, marks = split(document.text or "", "text", merging)
        text = text_items(skeleton, marks)
        in_base64["plain"] = smaller_in_base64(skeleton)
    if document.html:
        skeleton, marks = split(document.html, "html", merging)
        html = html_items(skeleton, marks)
        in_base64["html"] = smaller_in_base64(skeleton)
    files = Files(document.attachments, html=html is not None)
    digest = blake2b(msgspec.msgpack.encode(document), digest_size=16).hexdigest()

    def body(kind: Kind) -> Body:
        page = resolve(html, clicks=kind[0], opens=kind[1]) if html is not None else None
        texts = []
        if text is not None:
            plain = resolve(text, clicks=False, opens=False)
            texts.append(text_part("plain", plain, in_base64=in_base64["plain"]))
        if page is not None:
            texts.append(text_part("html", page, in_base64=in_base64["html"]))
        return tree(texts, files, digest), page

    top, _ = body((False, False))
    mime = (b"MIME-Version: 1.0\r\n", *(field + b"\r\n" for field in top.fields))
    tracked = (item.link for item in html or () if isinstance(item, Tracked))
    return Compiled(
        fields=names.fields,
        links=tuple(tracked) if document.track_clicks else (),
        static=(header.sender, header.to, (*header.others, *mime)),
        lines=header.lines,
        bodies=Bodies(body, clicks=document.track_clicks, opens=document.track_opens),
        shows_view=any(
            "view_url" in (part or "") for part in (document.subject, document.text, document.html)
        ),
    )
