"""What the pages say, by language: one table, so that another language is another entry and nothing else.

Each text is a sentence of its own; `{sender}` and `{address}` are filled in. A test holds that every language has
every text, with the same places to fill.
"""

from typing import Final

# fmt: off
# ruff: noqa: E501

RIGHT_TO_LEFT: Final = frozenset(("ar", "fa", "he"))
NAMES: Final = (
    "ask", "line", "button", "this", "all", "done", "close", "nothing", "cut", "gone", "old", "again", "later",
)
"""The texts of a language, in the order in which TEXTS has them."""

TEXTS: Final[dict[str, tuple[str, ...]]] = {
    "en": ("Unsubscribe?", "Mail from {sender} to {address}.", "Unsubscribe", "Only this list", "All mailings of this sender", "You are unsubscribed", "You can close this page.", "Nothing here", "This link is not valid. It may have been cut when it was copied: try the whole link from the message.", "This message is no longer kept", "The link is genuine, but the message it belongs to is too old. To unsubscribe, use the link in a newer message or reply to the sender.", "Please try again", "This could not be done just now. Try again in a few minutes."),
    "de": ("Abmelden?", "E-Mails von {sender} an {address}.", "Abmelden", "Nur diese Liste", "Alle Rundschreiben dieses Absenders", "Sie sind abgemeldet", "Sie können diese Seite schließen.", "Hier ist nichts", "Dieser Link ist ungültig. Vielleicht wurde er beim Kopieren abgeschnitten: Versuchen Sie es mit dem ganzen Link aus der Nachricht.", "Diese Nachricht ist nicht mehr gespeichert", "Der Link ist echt, aber die Nachricht dazu ist zu alt. Zum Abmelden nehmen Sie den Link in einer neueren Nachricht, oder antworten Sie dem Absender.", "Bitte versuchen Sie es noch einmal", "Das ging gerade nicht. Versuchen Sie es in ein paar Minuten wieder."),
    "fr": ("Se désabonner ?", "Messages de {sender} à {address}.", "Se désabonner", "Seulement cette liste", "Tous les envois de cet expéditeur", "Vous êtes désabonné", "Vous pouvez fermer cette page.", "Il n’y a rien ici", "Ce lien n’est pas valable. Il a peut-être été coupé lors de la copie : essayez le lien entier du message.", "Ce message n’est plus conservé", "Le lien est authentique, mais le message est trop ancien. Pour vous désabonner, utilisez le lien d’un message plus récent ou répondez à l’expéditeur.", "Veuillez réessayer", "Cela n’a pas pu être fait à l’instant. Réessayez dans quelques minutes."),
    "es": ("¿Darse de baja?", "Correo de {sender} para {address}.", "Darse de baja", "Solo esta lista", "Todos los envíos de este remitente", "Se ha dado de baja", "Puede cerrar esta página.", "Aquí no hay nada", "Este enlace no es válido. Quizá se cortó al copiarlo: pruebe con el enlace completo del mensaje.", "Este mensaje ya no se conserva", "El enlace es auténtico, pero el mensaje es demasiado antiguo. Para darse de baja, use el enlace de un mensaje más reciente o responda al remitente.", "Inténtelo de nuevo", "No se ha podido hacer en este momento. Inténtelo de nuevo en unos minutos."),
    "it": ("Annullare l’iscrizione?", "Messaggi di {sender} a {address}.", "Annulla l’iscrizione", "Solo questa lista", "Tutti gli invii di questo mittente", "Iscrizione annullata", "Può chiudere questa pagina.", "Qui non c’è nulla", "Questo link non è valido. Forse è stato tagliato durante la copia: provi con il link intero del messaggio.", "Questo messaggio non è più conservato", "Il link è autentico, ma il messaggio è troppo vecchio. Per annullare l’iscrizione usi il link di un messaggio più recente o risponda al mittente.", "Riprovi", "Non è stato possibile in questo momento. Riprovi tra qualche minuto."),
    "pt": ("Cancelar a inscrição?", "E-mails de {sender} para {address}.", "Cancelar a inscrição", "Só esta lista", "Todos os envios deste remetente", "Inscrição cancelada", "Pode fechar esta página.", "Não há nada aqui", "Este link não é válido. Talvez tenha sido cortado ao copiar: tente com o link inteiro da mensagem.", "Esta mensagem já não está guardada", "O link é autêntico, mas a mensagem é antiga demais. Para cancelar a inscrição, use o link de uma mensagem mais recente ou responda ao remetente.", "Tente novamente", "Não foi possível agora. Tente novamente dentro de alguns minutos."),
    "nl": ("Afmelden?", "E-mail van {sender} aan {address}.", "Afmelden", "Alleen deze lijst", "Alle mailings van deze afzender", "U bent afgemeld", "U kunt deze pagina sluiten.", "Hier is niets", "Deze link is niet geldig. Misschien is hij bij het kopiëren afgebroken: probeer de hele link uit het bericht.", "Dit bericht wordt niet meer bewaard", "De link is echt, maar het bericht is te oud. Gebruik om u af te melden de link in een nieuwer bericht of antwoord de afzender.", "Probeer het opnieuw", "Dat lukte nu niet. Probeer het over een paar minuten opnieuw."),
    "sv": ("Avsluta prenumerationen?", "E-post från {sender} till {address}.", "Avsluta", "Bara den här listan", "Alla utskick från den här avsändaren", "Prenumerationen är avslutad", "Du kan stänga sidan.", "Här finns inget", "Länken är inte giltig. Den kan ha klippts av när den kopierades: prova hela länken från meddelandet.", "Meddelandet finns inte längre kvar", "Länken är äkta, men meddelandet är för gammalt. Använd länken i ett nyare meddelande eller svara avsändaren för att avsluta.", "Försök igen", "Det gick inte just nu. Försök igen om några minuter."),
    "da": ("Afmeld?", "E-mail fra {sender} til {address}.", "Afmeld", "Kun denne liste", "Alle udsendelser fra denne afsender", "Du er afmeldt", "Du kan lukke denne side.", "Her er ikke noget", "Linket er ikke gyldigt. Det kan være blevet klippet af, da det blev kopieret: prøv hele linket fra beskeden.", "Beskeden gemmes ikke længere", "Linket er ægte, men beskeden er for gammel. Brug linket i en nyere besked, eller svar afsenderen for at afmelde dig.", "Prøv igen", "Det kunne ikke lade sig gøre lige nu. Prøv igen om et par minutter."),
    "pl": ("Wypisać się?", "Wiadomości od {sender} do {address}.", "Wypisz mnie", "Tylko ta lista", "Wszystkie wysyłki tego nadawcy", "Wypisano", "Możesz zamknąć tę stronę.", "Tu nic nie ma", "Ten link jest nieprawidłowy. Mógł zostać ucięty przy kopiowaniu: użyj całego linku z wiadomości.", "Ta wiadomość nie jest już przechowywana", "Link jest prawdziwy, ale wiadomość jest zbyt stara. Aby się wypisać, użyj linku z nowszej wiadomości lub odpowiedz nadawcy.", "Spróbuj ponownie", "Teraz się nie udało. Spróbuj ponownie za kilka minut."),
    "cs": ("Odhlásit odběr?", "E-maily od {sender} pro {address}.", "Odhlásit", "Jen tento seznam", "Všechny rozesílky tohoto odesílatele", "Odběr je odhlášen", "Tuto stránku můžete zavřít.", "Tady nic není", "Tento odkaz není platný. Možná byl při kopírování zkrácen: zkuste celý odkaz ze zprávy.", "Tato zpráva se už neuchovává", "Odkaz je pravý, ale zpráva je příliš stará. K odhlášení použijte odkaz z novější zprávy nebo odpovězte odesílateli.", "Zkuste to znovu", "Teď se to nepodařilo. Zkuste to znovu za několik minut."),
    "tr": ("Abonelikten çıkılsın mı?", "{sender} tarafından {address} adresine gönderilen e-postalar.", "Abonelikten çık", "Yalnızca bu liste", "Bu gönderenin tüm toplu e-postaları", "Abonelikten çıktınız", "Bu sayfayı kapatabilirsiniz.", "Burada bir şey yok", "Bu bağlantı geçerli değil. Kopyalanırken kesilmiş olabilir: iletideki bağlantının tamamını deneyin.", "Bu ileti artık saklanmıyor", "Bağlantı gerçek, ancak ileti çok eski. Abonelikten çıkmak için daha yeni bir iletideki bağlantıyı kullanın veya gönderene yanıt verin.", "Lütfen yeniden deneyin", "Bu şu anda yapılamadı. Birkaç dakika sonra yeniden deneyin."),
    "ru": ("Отписаться?", "Письма от {sender} на {address}.", "Отписаться", "Только от этой рассылки", "От всех рассылок этого отправителя", "Вы отписаны", "Эту страницу можно закрыть.", "Здесь ничего нет", "Ссылка недействительна. Возможно, она обрезана при копировании: попробуйте всю ссылку из письма.", "Это письмо больше не хранится", "Ссылка настоящая, но письмо слишком старое. Чтобы отписаться, воспользуйтесь ссылкой из более нового письма или ответьте отправителю.", "Попробуйте ещё раз", "Сейчас это сделать не удалось. Попробуйте ещё раз через несколько минут."),
    "uk": ("Відписатися?", "Листи від {sender} на {address}.", "Відписатися", "Лише від цієї розсилки", "Від усіх розсилок цього відправника", "Вас відписано", "Цю сторінку можна закрити.", "Тут нічого немає", "Посилання недійсне. Можливо, його обрізано під час копіювання: спробуйте повне посилання з листа.", "Цей лист більше не зберігається", "Посилання справжнє, але лист надто старий. Щоб відписатися, скористайтеся посиланням із новішого листа або дайте відповідь відправникові.", "Спробуйте ще раз", "Зараз це не вдалося. Спробуйте ще раз за кілька хвилин."),
    "ar": ("هل تريد إلغاء الاشتراك؟", "رسائل من {sender} إلى {address}.", "إلغاء الاشتراك", "هذه القائمة فقط", "جميع رسائل هذا المرسل الجماعية", "تم إلغاء اشتراكك", "يمكنك إغلاق هذه الصفحة.", "لا شيء هنا", "هذا الرابط غير صالح. ربما قُطع عند نسخه: جرّب الرابط كاملًا من الرسالة.", "لم تعد هذه الرسالة محفوظة", "الرابط صحيح، لكن الرسالة قديمة جدًا. لإلغاء الاشتراك استخدم الرابط في رسالة أحدث أو أجب المرسل.", "يرجى المحاولة مرة أخرى", "تعذّر ذلك الآن. حاول مرة أخرى بعد بضع دقائق."),
    "he": ("להסיר מהרשימה?", "דואר מאת {sender} אל {address}.", "הסרה מהרשימה", "רק מרשימה זו", "מכל הדיוורים של שולח זה", "הוסרת מהרשימה", "אפשר לסגור את הדף.", "אין כאן דבר", "הקישור אינו תקין. ייתכן שנחתך בעת ההעתקה: נסו את הקישור המלא מההודעה.", "ההודעה כבר אינה נשמרת", "הקישור אמיתי, אך ההודעה ישנה מדי. להסרה השתמשו בקישור שבהודעה חדשה יותר או השיבו לשולח.", "נא לנסות שוב", "הפעולה לא הצליחה כעת. נסו שוב בעוד כמה דקות."),
    "ja": ("配信を停止しますか?", "{sender} から {address} へのメール。", "配信を停止する", "このリストのみ", "この送信者からのすべての一斉配信", "配信を停止しました", "このページを閉じてかまいません。", "ページがありません", "このリンクは無効です。コピーの際に途中で切れた可能性があります。メールにあるリンク全体でお試しください。", "このメールはもう保存されていません", "リンクは正しいものですが、メールが古すぎます。配信停止には、新しいメールのリンクを使うか、送信者に返信してください。", "もう一度お試しください", "ただいま処理できませんでした。数分後にもう一度お試しください。"),
    "zh": ("要退订吗?", "{sender} 发送到 {address} 的邮件。", "退订", "仅此列表", "该发件人的所有群发邮件", "您已退订", "您可以关闭此页面。", "这里没有内容", "此链接无效。可能在复制时被截断:请使用邮件中的完整链接。", "此邮件已不再保存", "链接是真实的,但对应的邮件太旧。要退订,请使用较新邮件中的链接,或回复发件人。", "请重试", "暂时无法完成。请过几分钟再试。"),
}
"""The texts by language, ISO 639-1."""
# fmt: on

MAX_ACCEPT: Final = 300
"""Characters of an Accept-Language header that are looked at."""


class Words:
    """The texts of one language, by their names."""

    __slots__ = ("direction", "language", "texts")

    def __init__(self, language: str) -> None:
        self.language = language
        self.direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
        self.texts = dict(zip(NAMES, TEXTS[language], strict=True))

    def __getitem__(self, name: str) -> str:
        return self.texts[name]


WORDS: Final = {language: Words(language) for language in TEXTS}


def words(locale: str = "", accepted: str = "") -> Words:
    """Return the words for a recipient's locale (`de-AT`), else for an Accept-Language header, else English."""
    for tag in (locale, *_by_weight(accepted)):
        language = tag.replace("_", "-").partition("-")[0].strip().lower()
        if language in WORDS:
            return WORDS[language]
    return WORDS["en"]


def _by_weight(accepted: str) -> list[str]:
    """Return the tags of an Accept-Language header, the most wanted first (RFC 9110 section 12.5.4)."""
    weighed = []
    for part in accepted[:MAX_ACCEPT].split(","):
        tag, _, weight = part.partition(";")
        number = weight.strip().removeprefix("q=")
        try:
            weighed.append((-float(number) if number else -1.0, tag.strip()))
        except ValueError:
            continue
    return [tag for weight, tag in sorted(weighed, key=lambda one: one[0]) if weight < 0]
