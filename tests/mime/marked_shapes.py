"""Shapes of HTML met in mail, each with what must come of it written by hand.

`⟦target⟧` is a link target that becomes ours, `⟪target⟫` one without quotes, which gets some, and `◆` is where the
beacon goes. All else stays byte for byte. `{{v}}` is a merge field, filled with `V`.
"""

# fmt: off
# ruff: noqa: E501

MARKED: dict[str, str] = {
    # tables, as generators write them
    "nested tables, five deep": "<table><tr><td>" * 5 + '<a href="⟦https://a.example/⟧">x</a>' + "</td></tr></table>" * 5 + "◆",
    "table rows never closed": '<table><tr><td><a href="⟦https://a.example/⟧">x<tr><td><a href="⟦https://b.example/⟧">y</table>◆',
    "fields between table cells": '<body><table><tr>{{v}}<td><a href="⟦https://a.example/{{v}}⟧">{{v}}</a></td></tr></table>◆</body>',
    "a link around a table": '<a href="⟦https://a.example/⟧"><table><tr><td>x</td></tr></table></a>◆',
    "attributes of old tables": '<table width=600 cellpadding=0 bgcolor=#ffffff background="https://a.example/b.png"><tr><td align=center><a href=⟪https://a.example/⟫ target=_blank>x</a></table>◆',
    # Outlook
    "VML background": '<body><!--[if gte mso 9]><v:rect fill="true"><v:fill type="tile" src="https://a.example/bg.png"/><v:textbox inset="0,0,0,0"><![endif]--><div><a href="⟦https://a.example/⟧">x</a></div><!--[if gte mso 9]></v:textbox></v:rect><![endif]-->◆</body>',
    "VML button with its own link": '<!--[if mso]><v:roundrect href="https://a.example/" arcsize="8%"><w:anchorlock/><center>Go</center></v:roundrect><![endif]--><![if !mso]><a href="⟦https://a.example/⟧">Go</a><![endif]>◆',
    "VML that is no comment": '<v:roundrect href="https://a.example/"></v:roundrect><a href="⟦https://b.example/⟧">x</a>◆',
    "a link in a condition stays": '<!--[if mso]><a href="https://a.example/">x</a><![endif]-->◆',
    "a condition inside a condition": '<!--[if mso]><!--[if gte mso 9]><a href="https://a.example/"><![endif]--><a href="⟦https://b.example/⟧">x</a><![endif]-->◆',
    "revealed to all but Outlook": '<!--[if !mso]><!-- --><a href="⟦https://a.example/⟧">x</a><!-- <![endif]-->◆',
    "Office XML": '<head><!--[if gte mso 9]><xml><o:OfficeDocumentSettings><o:PixelsPerInch>96</o:PixelsPerInch></o:OfficeDocumentSettings></xml><![endif]--></head><body><o:p>&nbsp;</o:p><a href="⟦https://a.example/⟧">x</a>◆</body>',
    "namespaces": '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:v="urn:schemas-microsoft-com:vml"><body><a href="⟦https://a.example/⟧">x</a>◆</body></html>',
    "Word paste": '<p class=MsoNormal><span lang=EN-GB style=\'font-family:"Calibri"\'><a href="⟦https://a.example/⟧"><span style=\'color:blue\'>x</span></a><o:p></o:p></span></p>◆',
    # AMP
    "AMP for email": '<!doctype html><html ⚡4email data-css-strict><head><script async src="https://cdn.ampproject.org/v0.js"></script><style amp4email-boilerplate>body{visibility:hidden}</style></head><body><amp-img src="https://a.example/x.png" width="1" height="1"></amp-img><a href="⟦https://a.example/⟧">x</a>◆</body></html>',
    "AMP list with a mustache template": '<amp-list src="https://a.example/l.json"><template type="amp-mustache"><a href="⟦https://a.example/⟧">x</a></template></amp-list>◆',
    # base, forms, other elements that have addresses
    "base": '<head><base href="https://a.example/"></head><body><a href="page">x</a><a href="⟦https://b.example/⟧">y</a>◆</body>',
    "form": '<form action="https://a.example/f"><button formaction="https://a.example/g">x</button></form><a href="⟦https://b.example/⟧">y</a>◆',
    "pictures": '<img src="https://a.example/1.png" srcset="https://a.example/2.png 2x" longdesc="https://a.example/3"><a href="⟦https://b.example/⟧"><img src=https://a.example/4.png></a>◆',
    "svg link": '<svg><a xlink:href="https://a.example/"><text>x</text></a></svg>◆',
    "svg link with href": '<svg><a href="⟦https://a.example/⟧"><text>x</text></a></svg>◆',
    "image map": '<map name=m><area shape=rect coords="0,0,1,1" href="⟦https://a.example/⟧" alt="a"><area href=⟪https://b.example/⟫></map>◆',
    "video": '<video poster="https://a.example/p.png"><source src="https://a.example/v.mp4"><a href="⟦https://a.example/⟧">x</a></video>◆',
    "link and meta": '<link rel="stylesheet" href="https://a.example/s.css"><meta http-equiv="refresh" content="0;url=https://a.example/">◆',
    "quote with its source": '<blockquote cite="https://a.example/q"><a href="⟦https://a.example/⟧">x</a></blockquote>◆',
    # schemes that are not ours
    "mailto": '<a href="mailto:jo@a.example?subject=https://a.example/">x</a>◆',
    "tel and sms": '<a href="tel:+49123">x</a><a href="sms:+49123?body=https://a.example/">y</a>◆',
    "cid, data, about": '<a href="cid:x"></a><a href="data:text/html,https://a.example/"></a><a href="about:blank"></a>◆',
    "anchors": '<a href="#a">x</a><a name="a"></a><a id=a href=#>y</a>◆',
    "app schemes": '<a href="whatsapp://send?text=https://a.example/">x</a><a href="httpsx://a.example/">y</a><a href="http-s://a.example/">z</a>◆',
    "one slash, no host": '<a href="https:/a.example/">x</a><a href="https://">y</a><a href="https:///a">z</a><a href="http:">w</a>◆',
    "ftp and file": '<a href="ftp://a.example/"></a><a href="file:///etc/passwd"></a>◆',
    # opted out
    "opt-out": '<a href="https://a.example/" data-mta-track="off">x</a><a data-mta-track=\'off\' href="https://a.example/">y</a><a data-mta-track=off href=https://a.example/>z</a>◆',
    "opt-out in odd case": '<a DATA-MTA-TRACK=" OFF " href="https://a.example/">x</a>◆',
    "opt-out is for one link": '<a href="https://a.example/" data-mta-track="off">x</a><a href="⟦https://a.example/⟧">y</a>◆',
    "opt-out of another name": '<a href="⟦https://a.example/⟧" data-mta-tracker="off" track="off">x</a>◆',
    "opt-out on the parent": '<div data-mta-track="off"><a href="⟦https://a.example/⟧">x</a></div>◆',
    # attributes without quotes, odd quotes
    "no quotes, slash at the end": '<a href=⟪https://a.example/⟫>x</a>◆',
    "no quotes, before another": '<a href=⟪https://a.example/?a=1&b=2⟫ class=b>x</a>◆',
    "no quotes, tab and newline after": '<a href=⟪https://a.example/⟫\tclass=b\r\nid=c>x</a>◆',
    "no quotes, a quote inside": '<a href=⟪https://a.example/"x⟫>x</a>◆',
    "single quotes with double inside": "<a href='⟦https://a.example/?q=\"x\"⟧'>x</a>◆",
    "backticks are no quotes": '<a href=`https://a.example/`>x</a>◆',
    "typographic quotes are no quotes": '<a href=“https://a.example/”>x</a>◆',
    "attribute without value before": '<a download href="⟦https://a.example/⟧" hidden>x</a>◆',
    "onclick with > and quotes": '<a onclick="if (a > b) go(\'x\')" href="⟦https://a.example/⟧">x</a>◆',
    # entities in href
    "named entity": '<a href="⟦https://a.example/?a=1&amp;b=2⟧">x</a>◆',
    "numeric entities": '<a href="⟦https://a.example/&#63;a&#x3d;1⟧">x</a>◆',
    "scheme in entities": '<a href="⟦&#104;&#116;&#116;&#112;&#115;&#58;//a.example/⟧">x</a>◆',
    "mailto in entities": '<a href="&#109;ailto:jo@a.example">x</a>◆',
    "colon as entity": '<a href="⟦https&colon;//a.example/⟧">x</a>◆',
    "tab inside the scheme": '<a href="⟦ht\ttps://a.example/⟧">x</a>◆',
    "newline entity inside": '<a href="⟦https://a.ex&#10;ample/⟧">x</a>◆',
    # bodies
    "no body end": '<html><body><a href="⟦https://a.example/⟧">x</a>◆',
    "two bodies": '<body>1</body><body><a href="⟦https://a.example/⟧">x</a>◆</body>',
    "two documents": '<html><body>1</body></html><html><body>2◆</body></html>',
    "forwarded mail inside": '<body><blockquote><html><body><a href="⟦https://a.example/⟧">x</a></body></html></blockquote>mine◆</body></html>',
    "body end in odd case and space": '<BODY>x◆</BODY\r\n>',
    "body end with attributes": 'x◆</body class="a">y',
    "body end in a string": '<body>x<script>var a = "</body>"</script>◆</body>',
    "body end in a comment": '<body>x◆</body><!-- </body> -->',
    "body end in an attribute": '<body><p title="</body>">x</p>◆</body>',
    "text after the end": '<body>x◆</body></html>\r\n<!-- made by a tool -->',
    "empty body": '<html><head></head><body>◆</body></html>',
    # style, script and other raw text
    "style with url()": '<style>td{background:url("https://a.example/x.png")} a::after{content:"<a href=\'https://b.example/\'>"}</style><a style="background:url(https://a.example/y.png)" href="⟦https://a.example/⟧">x</a>◆',
    "style in the body, body end inside": '<body><style>/* </body> */</style><a href="⟦https://a.example/⟧">x</a>◆</body>',
    "style in a comment in style": '<style><!-- a{} --></style><a href="⟦https://a.example/⟧">x</a>◆',
    "JSON-LD": '<script type="application/ld+json">{"@type":"EmailMessage","potentialAction":{"url":"https://a.example/"}}</script><a href="⟦https://b.example/⟧">x</a>◆',
    "textarea and title": '<title><a href="https://a.example/"></title><textarea><a href="https://a.example/"></textarea><a href="⟦https://b.example/⟧">x</a>◆',
    "script never closed": '<a href="⟦https://a.example/⟧">x</a>◆<script>if (a < b) { "<a href=\'https://b.example/\'>" }',
    # comments
    "comment with a link": '<!-- <a href="https://a.example/">x</a> --><a href="⟦https://b.example/⟧">y</a>◆',
    "comment end with !": '<!-- <a href="https://a.example/"> --!><a href="⟦https://b.example/⟧">y</a> --><a href="⟦https://c.example/⟧">z</a>◆',
    "comment end with !, and no other": '<body><!-- x --!><a href="⟦https://a.example/⟧">y</a>◆</body>',
    "bogus comments": '<? php ?><!x><a href="⟦https://a.example/⟧">y</a></ x><a href="⟦https://b.example/⟧">z</a>◆',
    # merge fields in href
    "field in the path": '<a href="⟦https://a.example/{{v}}/x⟧">{{v}}</a>◆',
    "field in the query, without quotes": '<a href=⟪https://a.example/?c={{v}}⟫>{{v}}</a>◆',
    "field in the host": '<a href="⟦https://{{v}}.example/⟧">x</a>◆',
    "field in another attribute": '<a title="{{v}}" href="⟦https://a.example/⟧" class={{v}}>x</a>◆',
    "field in a mailto": '<a href="mailto:jo@a.example?subject={{v}}">x</a>◆',
    "field in style": '<p style="color:{{v}}">{{v}}</p><a href="⟦https://a.example/⟧">x</a>◆',
    "default with markup in a link": '<a href="⟦https://a.example/{{v|a b}}⟧">x</a>◆',
    # languages
    "right to left": '<html dir="rtl" lang="ar"><body><p dir="auto">مرحبا {{v}}، <a href="⟦https://a.example/عرض⟧">اضغط هنا</a> \u200f\u202b(1)\u202c</p>◆</body></html>',
    "Hebrew with marks": '<p dir=rtl>שָׁלוֹם <a href="⟦https://a.example/⟧">לחצו</a>\u200e</p>◆',
    "wide and rare characters": '<p>日本語 𠮷野家 👩‍👩‍👧 e\u0301 \ufeff\u200b</p><a href="⟦https://a.example/日本⟧">続き</a>◆',
    "Turkish letters are no ASCII": '<İMG><A HREF="⟦HTTPS://A.EXAMPLE/⟧">ı</A><ſtyle><a href="⟦https://b.example/⟧">x</a>◆',
    "domain in another script": '<a href="⟦https://пример.рф/путь⟧">x</a>◆',
    # damage
    "cut in an attribute": '<a href="⟦https://a.example/⟧">x</a>◆<a href="https://b.exa',
    "cut in a comment": '<a href="⟦https://a.example/⟧">x</a>◆<!-- <a href="https://b.example/">',
    "cut in a condition": '<a href="⟦https://a.example/⟧">x</a>◆<!--[if mso]><td>',
    "cut in an end tag": '<body><a href="⟦https://a.example/⟧">x</a>◆</bod',
    "lone brackets": '1 < 2 && 3 > 2 <<a href="⟦https://a.example/⟧">x</a>>◆',
    "null-like entities": '&#0;&#xD800;<a href="⟦https://a.example/&#0;⟧">x</a>◆',
    "only a link": '<a href="⟦https://a.example/⟧">◆',
    "only text": "Just words.◆",
    "old Mac line ends": '<p>a\rb<a href="⟦https://a.example/⟧">x</a>\r\rc◆',
    "dots and From at the start of lines": '<p>\r\n.\r\n..\r\nFrom here\r\n<a href="⟦https://a.example/⟧">x</a>\r\n.◆',
    "one line of 5,000 characters": "<p>" + "word " * 1000 + '</p><a href="⟦https://a.example/⟧">x</a>◆',
    "trailing blanks on lines": '<p>x   \r\n\t\r\n <a href="⟦https://a.example/⟧">x</a> \t◆',
}
