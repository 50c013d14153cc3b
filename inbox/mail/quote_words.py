"""The words by which mail programs of many languages announce quoted mail, headers and signatures."""

# ruff: noqa: E501 (word lists and patterns of one thought stay on one line)

from __future__ import annotations

import re


def _any_of(words: str) -> str:
    return "|".join(re.escape(word.strip()) for word in words.split("|"))


# -- "On Monday … Jane wrote:"
# ------------------------------------------------------------------------------------------

_WROTE = _any_of(
    "wrote|writes|sent|said|a écrit|a écrit|écrit|écrivait|escribió|escribio|ha escrito|va escriure|escreveu|scrisse|ha scritto|"
    "schreef|schrieb|geschrieben|skrev|napisał(a)|napisał|napisała|nadesłał|pisze|napsal(a)|napsal|napsala|napísal(a)|napísal|"
    "napisao|napisal|je napisal|написал(а)|написал|написала|пишет|пише|написав|написав(ла)|írta|kirjoitti|yazdı|a scris|"
    "έγραψε|đã viết|viết|写道|寫道|写到|作成|작성|님이 작성|さんは書きました|が書きました|は書きました|さんのメール|のメール|からのメール|"
    "のメッセージ|כתב|كتب|menulis|เขียนว่า"
)
_WROTE_BEFORE_THE_NAME = _any_of("schrieb|schreef|skrev|ezt írta|escribió|a écrit|napsal|написал|пишет")

# The line ends with the verb, perhaps with ":" or a rule ("wrote ----").
ENDS_WITH_WROTE = re.compile(rf"(?i)(?:{_WROTE})[)*_\s]*(?:[:\uff1a]+[*_\s]*|\s-{{2,}}\s*)$")
ENDS_WITH_JA_WROTE = re.compile(r"(?:のメール|さんは書きました|は書きました|のメッセージ)[:\uff1a]?\s*$")
HAS_WROTE_THEN_NAME = re.compile(rf"(?i)\b(?:{_WROTE_BEFORE_THE_NAME})\b.{{1,160}}[:\uff1a]\s*$")
ENDS_WITH_ADDRESS = re.compile(r"[<\[(]\s*(?:mailto:)?[^\s<>@]+@[^\s<>@]+[>\])]+[*_\s]*[:\uff1a]\s*$")
ENDS_WITH_BARE_ADDRESS = re.compile(r"<[^\s<>@]+@[^\s<>@]+>\s*$")
NAME_AND_ADDRESS_WROTE = re.compile(rf"(?i)^.{{1,80}}[<(\[][^\s<>@]+@[^\s<>@]+[>)\]]\s*(?:{_WROTE})\s*[:\uff1a]\s*$")
NAME_WROTE_JA = re.compile(r"^.{1,40}さん?(?:は|が)(?:書きました|書いた)[:\uff1a]?\s*$")

# What such a line begins with; a digit of the date has to follow soon.
STARTS_LIKE_ATTRIBUTION = re.compile(
    r"""(?ix)^[\s*_]*(?:[-=]{2,}\s*)?(?:
        (?:on|am|le|el|il|op|em|den|dne|dnia|dňa|w\ dniu|pe|la|vào|στις|at|at\ the|på|kl|vom|il\
        giorno|a|у|в|на|dana|tarihinde|pada|ב)[\s.,][^\n]{0,40}?\d
      | (?:on|le)\ (?:mon|tue|wed|thu|fri|sat|sun|lun|mar|mer|jeu|ven|sam|dim)
      | \(?\d{4}\s?[-/.年]\s?\d{1,2}\s?[-/.月]
      | \d{1,2}[./-]\d{1,2}[./-]\d{2,4}
      | \d{1,2}\.?\s+[^\W\d_]{3,12}\.?\s+\d{4}
      | \d{1,2}\.?\s+[^\W\d_]{3,12}\.?\s+(?:kl\.?\s+)?\d{1,2}[:.]\d{2}
      | (?:mon|tue|wed|thu|fri|sat|sun|lun|mar|mié|mie|jue|vie|sáb|dom|mån|tis|ons|tor|fre|lör|sön|man|tir|lør|søn|пн|вт|ср|чт|пт|сб|вс)[^\W\d_]{0,8}\.?,?\s+\d
      | [在於于]\s?\d{4}\s?[年/-]
      | \d{4}년\s
    )"""
)
HAS_DATE = re.compile(r"\d{1,2}\s?[:.h時]\s?\d{2}|\d{4}|\d{1,2}[./-]\d{1,2}[./-]\d{2}")
DATE_ZONE_AND_NAME = re.compile(r"^\d{4}-\d{2}-\d{2} \d{1,2}:\d{2} (?:GMT|UTC)[+-]\d{1,2}:?\d{2} \S.{0,80}$")
# The answer and the quotation's first line share one line: "reply On Wed, Apr 4, 2012 at 3:59 PM, bob wrote:"
SHARED_LINE = re.compile(
    r"\s*(?:-{2,}\s*)?(?=\bOn (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|\d|[A-Z][a-z]{2} \d)[^\n]{8,160}\b(?:wrote|sent):\s*$)"
)

# -- "From: … Sent: … To: …"
# --------------------------------------------------------------------------------------------

_HEADER_WORDS = {
    "from": "from|von|de|da|van|od|från|fra|от|від|от кого|lähettäjä|expéditeur|mittente|remitente|remetente|afzender|absender|"
    "avsender|afsender|nadawca|odesílatel|odosielateľ|από|de la|kimden|gönderen|feladó|từ|差出人|送信者|送信元|发件人|發件人|寄件者|寄件人|"
    "보낸 사람|보낸사람|보낸이",
    "date": "sent|date|gesendet|gesendet am|datum|envoyé|envoyé le|date d'envoi|enviado|enviado el|enviada em|enviado em|enviada|"
    "fecha|data|inviato|data invio|verzonden|verzonden op|wysłano|wysłane|skickat|sendt|dato|отправлено|дата|надіслано|lähetetty|"
    "päivämäärä|päiväys|odesláno|odoslané|gönderilme tarihi|tarih|elküldve|dátum|trimis|trimis la|ngày|送信日時|送信日|日付|日時|送信時刻|"
    "发送时间|发送日期|發送時間|日期|傳送時間|寄件日期|보낸 날짜|보낸 시간|날짜|보낸날짜",
    "to": "to|an|à|a|para|aan|do|till|til|кому|vastaanottaja|destinataire|destinatario|destinatário|ontvanger|empfänger|mottagare|"
    "komu|pre|προς|kime|alıcı|címzett|către|đến|宛先|送信先|收件人|收件者|받는 사람|받는사람|받는이",
    "cc": "cc|bcc|kopie|kopi|kopia|copie|copia|dw|копия|копія|抄送|副本|참조|cópia",
    "subject": "subject|betreff|betr|objet|sujet|asunto|assunto|oggetto|onderwerp|temat|ämne|emne|тема|aihe|předmět|predmet|konu|tárgy|"
    "subiect|θέμα|tiêu đề|chủ đề|件名|題名|主题|主題|主旨|제목",
    "other": "reply-to|reply to|risposta|antwort an|répondre à|responder a|organization|organisation|importance|priority|wichtigkeit|"
    "attachments|anlagen|pièces jointes|返信先|重要度|添付ファイル|附件|첨부",
}
HEADER_KIND = {word.strip(): kind for kind, words in _HEADER_WORDS.items() for word in words.split("|")}

# -- "-----Original Message-----"
# ---------------------------------------------------------------------------------------

_MESSAGE_STEMS = _any_of(
    "message|nachricht|mensaje|mensagem|messaggio|bericht|meddelelse|melding|meddelande|zpráva|zprávy|správa|wiadomoś|сообщени|"
    "повідомлення|viesti|mesaj|üzenet|poruka|sporočilo|μήνυμα|mesajul|pesan|thư gốc|メッセージ|メール|邮件|郵件|邮 件|信件|메시지|메일|mail"
)
_FORWARD_STEMS = _any_of(
    "forward|weitergeleitet|transf|réexp|reenviad|encaminhad|inoltrat|doorgestuurd|vidarebefordra|videresend|przekazan|пересла|перешл|転送|转发|轉寄|전달"
)
BETWEEN_RULES = re.compile(
    rf"(?i)^[-_=*~—–―\s]{{2,}}(?:[^-_=\n]{{0,40}})(?:{_MESSAGE_STEMS}|{_FORWARD_STEMS}|reply separator)[^-_=\n]{{0,30}}\s*[-_=*~—–―]{{2,}}\s*$"
)
ANNOUNCES_FORWARD = re.compile(
    r"(?i)^[\s*_]*(?:begin forwarded message|forwarded message|anfang der weitergeleiteten (?:e-mail|nachricht)|début du message (?:transféré|réexpédié)|"
    r"inicio del mensaje reenviado|inizio (?:del )?messaggio inoltrato|início da mensagem (?:encaminhada|reenviada)|begin doorgestuurd bericht|"
    r"vidarebefordrat brev|start på videresendt (?:besked|melding)|początek przekazywanej wiadomości|начало переадресованного (?:сообщения|письма)|"
    r"転送されたメッセージ|以下に転送されたメッセージ|下面是被转发的邮件|以下是轉寄的郵件|전달된 메시지)\s*[:\uff1a]\s*[*_]*\s*$"
    r"|^\s*\[?original message processed by david"
    r"|^[-#\s]*(?:please )?(?:reply|respond|type your (?:reply|response)|write your reply) (?:above|over) this line"
    r"|^[-=\s]*この(?:線|行)より上に(?:返信|ご?記入)"
)

# -- signatures
# ---------------------------------------------------------------------------------------------------------

SENT_FROM = re.compile(
    r"""(?ix)^[\s*_]*(?:
        sent\ (?:from|via|with|by|using)\ (?!.*\b(?:is|was|are|were|which|that|and)\b)[^,;:?]{2,60}
      | (?:get|download)\ outlook\ for\ .{2,80}
      | (?:gesendet\ (?:von|mit|aus)|von\ (?:meinem|meiner|unterwegs)\ .{0,40}gesendet|diese\ nachricht\ wurde\ von\ .{2,40}\ gesendet)[^,;?]{0,60}
      | envoyé\ (?:depuis|de|à\ partir\ de|via|avec)\ [^,;?]{2,60}
      | (?:enviado|enviada|enviat)\ (?:desde|de|do|da|des\ de|a\ partir\ d[oe]|via|pelo|por|con|usando)\ [^,;?]{2,60}
      | inviato\ (?:da|dal|con|tramite)\ [^,;?]{2,60}
      | verzonden\ (?:vanaf|met|via|vanuit)\ [^,;?]{2,60} | verstuurd\ vanaf\ [^,;?]{2,60}
      | wysłan[oey]\ (?:z|za\ pomocą|przez)\ [^,;?]{2,60}
      | skickat\ från\ [^,;?]{2,60} | sendt\ (?:fra|med|via)\ [^,;?]{2,60}
      | odesláno\ z\ [^,;?]{2,60} | odoslané\ z\ [^,;?]{2,60} | lähetetty\ [^,;?]{2,60}
      | отправлено\ (?:с|из|от)\ [^,;?]{2,60} | надіслано\ (?:з|із|від)\ [^,;?]{2,60}
      | [^,;?]{2,40}\ cihazımdan\ gönderildi
      | .{1,40}(?:から|より)送信(?:しました|されました)?[。.]? | outlook\ for\ .{2,60}(?:を入手|の入手|から送信).{0,40}
      | (?:从|從|来自|發自|发自)\s?(?:我的|网易|qq)?.{1,30}(?:发送|發送|傳送|送出|发出)? | 내\s?.{1,30}에서\s?보냄
    )[\s.!*_]*$"""
)

# -- lines that are none of these
# ----------------------------------------------------------------------------------------------------

# The first two letters of all that stands above; of Chinese and Korean the first one.
_OPENINGS = frozenset(
    (  # noqa: SIM905  (a list of seventy quoted syllables reads worse)
        "on am le el il op em de dn dň pe la và στ at på kl vo na da ta pa на "  # On …, Am …
        "mo tu we th fr sa su lu ma me mi mé ju je vi ve sá do må ti to lö sö lø sø wt śr cz пн вт ср чт пт сб вс "  # days
        "se ge do vo di en in ve wy sk od lä ou от на "  # Sent from …
        "or pl re ty wr この"  # … above this line
    ).split()
)
_OPENING_CHARACTERS = frozenset("在於于从從来來自發发내")
_ENDINGS = frozenset(":\uff1aた*_-")  # … wrote: さんが書いた


def is_ordinary(text: str) -> bool:
    """Whether a stripped line surely is none of the above, told by its two ends: most lines of most mails are."""
    opening = text[:2]
    if (
        not opening.isalpha()
        or text[-1] in _ENDINGS
        or opening.casefold() in _OPENINGS
        or opening[0] in _OPENING_CHARACTERS
        or ":" in text[:60]
    ):
        return False
    return text.isascii() or (
        "\uff1a" not in text[:60]
        and "送信" not in text  # iPhoneから送信
        and "nderi" not in text.lower()  # … cihazımdan gönderildi
    )


# Formulas that open a signature when they stand alone on a line. English ones are left out on purpose: "Thanks," is
# often
# the whole answer.
CLOSINGS = frozenset(
    word.strip()
    for word in [
        "med venlig hilsen", "venlig hilsen", "hilsen", "mange hilsner", "kærlig hilsen", "de bedste hilsner",
        "bedste hilsner", "mvh", "kh", "vh", "dbh", "med vänlig hälsning", "med vänliga hälsningar",
        "vänliga hälsningar", "vänlig hälsning", "hälsningar", "bästa hälsningar", "med vennlig hilsen",
        "vennlig hilsen", "beste hilsen", "med beste hilsen", "vennlige hilsener", "pozdrawiam",
        "pozdrawiam serdecznie", "serdecznie pozdrawiam", "z poważaniem", "z powazaniem", "pozdrowienia",
        "łączę pozdrowienia", "z wyrazami szacunku", "s pozdravem", "s přátelským pozdravem", "s pozdravom",
        "zdravím", "ystävällisin terveisin", "terveisin", "parhain terveisin", "met vriendelijke groet",
        "met vriendelijke groeten", "vriendelijke groeten", "hartelijke groeten", "met hartelijke groet", "mvg",
        "mit freundlichen grüßen", "mit freundlichem gruß", "freundliche grüße", "mit besten grüßen", "beste grüße",
        "viele grüße", "liebe grüße", "mfg", "cordialement", "bien cordialement", "bien à vous",
        "salutations distinguées", "sincères salutations", "atentamente", "un cordial saludo", "un saludo",
        "saludos cordiales", "saludos", "reciba un cordial saludo", "cordiali saluti", "distinti saluti",
        "un cordiale saluto", "atenciosamente", "com os melhores cumprimentos", "cumprimentos", "с уважением",
        "з повагою", "с наилучшими пожеланиями", "saygılarımla", "üdvözlettel", "trân trọng", "此致", "此致敬礼", "敬礼",
        "祝好", "顺祝商祺", "감사합니다", "敬具", "草々", "以上",
    ]
)  # fmt: skip
POSSIBLE_CONTACT = re.compile(
    r"(?i)@|https?://|www\.|\b(?:tel|fax|phone|mobile|mobil|cell|direct|e-?mail|mail|skype|twitter)\b\s{0,3}[.:\uff1a+\d]|電話|携帯|〒|"
    r"株式会社|有限会社|合同会社|\uff08株\uff09|\(株\)|㈱|住所|\+?\d[\d ()./-]{7,20}\d"
)
ENGLISH_CLOSING = re.compile(
    r"(?i)^(?:(?:best|kind|warm|many)?\s?regards|best(?: wishes)?|thanks(?: again)?|many thanks|thank you|cheers|sincerely|yours(?: \w+)?|all the best)\b[\s,.!]*(?:[^\W\d_.]+[\s.]*){0,3}$"
)
