"""Does the text say that something is attached? In Japanese and English, new words only.

Not when the customer is asked to attach something, when it speaks of what the customer attached, or when it says that
nothing is.
"""

from __future__ import annotations

import re
import unicodedata

READ = 50_000  # characters

_SENTENCE = re.compile(r"[。！？!?\n]|\.(?=\s|$)")
_SAYS_SO = re.compile(
    r"添付|別添|同封|ご査収|別紙(?:の(?:とおり|通り)|を(?:ご覧|ご確認|ご参照))|\b(?:attached|attachments?|attaching|enclosed|enclosing|enclosures?)\b|"
    r"\b(?:i|we)(?:'ll| will)? attach\b",
    re.IGNORECASE,
)
_NOT_OURS = re.compile(
    # asked for: 添付してください, 添付のうえ, 添付をお願いします, could you send it as an attachment
    r"添付(?:して)?(?:いただ|頂(?![戴])|くださ|下さ|もらえ|のうえ|の上|ファイルにて?お送りくださ|を?(?:お願|ご?依頼))|"
    # but not 添付しております and 添付しましたので…ください, which tell of ours
    r"添付し(?:て(?!おり|あり|ある|い[まる])|[、,]).{0,10}(?:くださ|下さ|いただけ|頂け|もらえ|ほしい|欲しい|お願)|"
    r"添付(?:が|を)?必要|添付でき|"
    r"(?:同封|別添)(?:して|の(?:うえ|上))?.{0,10}(?:くださ|下さ|お願)|"
    r"\b(?:please|could you|can you|would you|kindly)\b.{0,40}\b(?:attachments?|attached|enclosed)\b.{0,30}"
    r"\b(?:to us|in your reply|back)\b|\bas an? attachments?\b|"
    # theirs: いただいた添付, ご添付, お送りいただいた, the file you attached, your attachment
    r"ご添付|(?:いただ|頂)(?:い|き).{0,6}添付|(?:くださ|下さ)った添付|添付(?:ファイル|資料|書類)?(?:を|は)?(?:拝見|拝受|受領|受け取)|"
    r"\byou(?:'ve| have)? (?:attached|enclosed)\b|\byour (?:\w+ )?(?:attachments?|attached|enclosed)\b|"
    r"\b(?:opened|received|got|(?:could|can)(?:n't| ?not)? (?:open|see|find|read)) (?:the|any|that) attachments?\b|"
    # none: 添付なし, 添付されていません, 添付漏れ, not attached, no attachment
    r"添付.{0,8}(?:なし|無し|ありません|ございません|(?:され|し)て(?:い|お)?(?:ない|ません|りません)|せず|漏れ|もれ|忘れ)|"
    r"\b(?:not|never|without|no|nothing|isn't|aren't|wasn't|weren't|missing|forgot)\b.{0,20}\b(?:attach\w*|enclos\w*)\b|"
    r"\b(?:attachments?|enclosures?)\b.{0,12}\b(?:missing|not|isn't|wasn't)\b",
    re.IGNORECASE,
)


def mentions_attachment(text: str) -> str:
    """The sentence that says that something is attached, "" when none does; lines that begin with > are left out."""
    text = unicodedata.normalize("NFKC", text[:READ]).replace("\u2019", "'")
    own = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(">"))
    for sentence in _SENTENCE.split(own):
        if _SAYS_SO.search(sentence) and not _NOT_OURS.search(sentence):
            return sentence.strip()
    return ""
