"""Whom does the mail address, and is it one of those who will get it? 「山田様」「やまださま」「Dear Mr. Yamada」.

Only what can be compared is judged: a greeting in kanji with names in kanji, one in kana with kana, one in Latin
letters with Latin names or kana. A greeting to everybody (お客様, ご担当者様, Dear all) names nobody.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from routing.romaji import alike, romanised
from routing.words import folded

GREETING_LINES = 6  # lines with text at the mail's beginning; later names are talked about, not addressed

_HONORIFIC = re.compile(
    r"([^、。,:;!?()「」『』【】<>\[\]\"]{1,60}?)\s?(様|さま|サマ|御中|殿)"
    r"(?=$|[\s、。,.:;!?)」』】\]・/&]|へ$|と[^のはをに、。]{1,20}(?:様|さま|殿))"
)
_ENGLISH = re.compile(
    r"(?i)^\W{0,3}(?:dear|hi|hello|hey|good (?:morning|afternoon|evening))[ ,]+"
    r"(?:(?:mr|mrs|ms|miss|mx|dr|prof|professor)\b\.?\s*)*([^,:;!?()\n]{1,60}?)(?:[- ](?:san|sama))?\s*(?:[,:;!?.(-]|$)"
)
_SAN = re.compile(r"(?i)^\W{0,3}([a-z][a-z .']{1,40}?)[- ](?:san|sama)\b")
# Folded, as the end of what stands before 様.
_NOBODY = re.compile(
    "(?:皆|みな|皆々|客|きゃく|担当者?|関係者|各位|取引先|届け先|得意|家族|保護者|奥|旦那|主人|お[父母子]|疲れ|苦労|世話|おかげ|お陰|互い|"
    "どちら|どなた|二人|会員|株主|おーなー|ゆーざー|めんばー|一同|本人|者|御中|たち|達|方々)$|"
    "(?:^|[\u3041-\u309f])[同仕模多一有異貴神王何]$"
)
_EVERYBODY = re.compile(
    "(?:to )?(?:all|both|team|teams|everyone|everybody|there|again|sirs?|madam|folks|friends?|colleagues?|customers?|"
    "support|members?|partners?|guests?|gentlemen|ladies|whom|sales|hr|users?|applicants?|candidates?)"
)
_COMPANY = re.compile(
    r"株式会社|有限会社|合同会社|合資会社|(?:一般|公益)?(?:社団|財団)法人|(?:医療|学校|特定非営利活動)?法人|\((?:株|有|同)\)|"
    r"\b(?:inc|ltd|llc|corp|co|gmbh|ag|plc|kk)\b\.?"
)
_TITLE = re.compile(
    "(?:代表)?(?:取締役|社長|専務|常務|部長|次長|課長|係長|主任|室長|店長|所長|局長|院長|会長|理事長?|先生|教授|弁護士|税理士|"
    "りーだー|まねーじゃー|氏|さん)+$"
)
_DEPARTMENT = re.compile("(?:[部課室係店社会所局院園科班]|ぐるーぷ|ちーむ|せんたー|担当)$")
_HAN = re.compile("[々\u3400-\u4dbf\u4e00-\u9fff]")
_KANA = re.compile("[\u3041-\u309f\u30a1-\u30ff]")
_BETWEEN = re.compile(r"[\s・=,._/-]+")

Script = Literal["han", "kana", "latin"]


@dataclass(frozen=True, slots=True)
class Names:
    """Who gets the mail. `people`: full names and their kana, as recorded; `companies`: names and kana of companies.

    `allowed` excuses a greeting but is never what one is measured by: parts of addresses before the @, domains.
    """

    people: tuple[str, ...] = ()
    companies: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


def addressed(text: str) -> tuple[str, ...]:
    """The names that the beginning of a mail addresses, as written before 様 or behind Dear; no quoted lines."""
    lines = [line.strip() for line in unicodedata.normalize("NFKC", text[:20_000]).splitlines()]
    lines = [line for line in lines if line and not line.startswith(">")][:GREETING_LINES]
    return tuple(dict.fromkeys(name for line in lines for name in _addressed_in(line)))


def strangers(text: str, names: Names) -> tuple[str, ...]:
    """The names that the mail addresses and that are none of those who get it."""
    return tuple(name for name in addressed(text) if not _is_one_of(name, names))


def _addressed_in(line: str) -> Iterator[str]:
    for match in _HONORIFIC.finditer(line.replace("(株)", "株式会社").replace("(有)", "有限会社")):
        name = match[1].strip()
        if match.start():  # 山田様・佐藤様, 山田様と佐藤様
            name = name.lstrip("・/& ").removeprefix("と" if match.string[match.start() - 1] in "様ま殿" else "")
        if match[2] == "御中" or not _NOBODY.search(folded(name)):
            yield name
        elif company := _COMPANY.search(folded(name)):
            yield re.split(r"\s", name)[0] if company else name
    for pattern in (_ENGLISH, _SAN):
        if (match := pattern.match(line)) and not _is_everybody(match[1]):
            yield match[1].strip()
            return


def _is_everybody(name: str) -> bool:
    """Whether some word of it means no one in particular: all, Support Team, valued customer."""
    return not name.strip() or any(_EVERYBODY.fullmatch(word) for word in re.split(r"[\s,/]+", folded(name)) if word)


def _is_one_of(name: str, names: Names) -> bool:
    written = folded(_spaced(name))
    parts = [part for part in _BETWEEN.split(_COMPANY.sub(" ", written)) if part]
    parts = [_TITLE.sub("", part) or part for part in parts]
    if not parts:
        return True
    people = [_pieces(one) for one in names.people]
    companies = [_pieces(one) for one in names.companies]
    allowed = [_pieces(one) for one in names.allowed]
    before = [piece for one in companies for piece in one]
    if any(_names(parts, one, before=before) for one in (*people, *allowed)):
        return True
    if any(_names(parts[-1:], one) for one in companies):
        return True
    if _COMPANY.search(written) and len(parts) == 1:  # nobody but a company
        people = companies
    comparable = {_script(piece) for one in people for piece in one}
    script = _script(parts[-1])
    return not (script in comparable or (script == "latin" and "kana" in comparable))


def _pieces(name: str) -> list[str]:
    """山田 太郎 as 山田, 太郎, 山田太郎."""
    pieces = [piece for piece in _BETWEEN.split(_COMPANY.sub(" ", folded(_spaced(name)))) if piece]
    return [*pieces, "".join(pieces)] if len(pieces) > 1 else pieces


def _spaced(name: str) -> str:
    """Folding joins Japanese words over a space; here family and given name stay apart."""
    return "・".join(unicodedata.normalize("NFKC", name).split())


def _names(parts: list[str], pieces: list[str], *, before: Iterable[str] = ()) -> bool:
    """Whether what is written names the one of these pieces; `before` may stand in front without a space."""
    for part in (*parts, "".join(parts)):
        for piece in pieces:
            if _same(part, piece, whole=len(pieces) == 1):
                return True
            ahead, found, _ = part.rpartition(piece)
            if found and len(piece) > 1 and (_DEPARTMENT.search(ahead) or any(ahead.endswith(one) for one in before)):
                return True
    return False


def _same(part: str, piece: str, *, whole: bool) -> bool:
    """山田太郎 is 山田; Jon is Jonathan; Satoh is さとう.

    `whole`: the record does not tell family and given name apart; then 林 is 林太郎.
    """
    if part == piece:
        return True
    if _script(part) == "latin":
        if _script(piece) == "kana":
            return alike(part) == romanised(piece)
        return len(part) > 2 and (piece.startswith(part) or alike(part) == alike(piece))
    if len(piece) > 1 and part.startswith(piece):
        return True
    return (len(part) > 1 or whole) and (piece.startswith(part) or (len(part) > 1 and piece.endswith(part)))


def _script(text: str) -> Script:
    return "han" if _HAN.search(text) else "kana" if _KANA.search(text) else "latin"
