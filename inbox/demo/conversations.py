"""A year of customer conversations for the demo mailbox, in Japanese and English, with the team's answers in the Sent folder.

Pure: the same `now` gives the same mails. Nothing lies in the future, so the latest conversations wait for their answer.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from inbox import demo
from inbox.demo import attachments, english, japanese, oddities
from inbox.demo.letters import Letter, Program, raw
from inbox.demo.oddities import DemoMail
from inbox.demo.script import Scenario, Turn

__all__ = ["DemoMail", "Regular", "conversations", "regulars"]

SEED = 20_240_401
HOW_MANY = 172
YEAR = timedelta(days=364)
JST = timezone(timedelta(hours=9))
ABROAD = tuple(timezone(timedelta(hours=hours)) for hours in (0, 0, 1, 1, 8, 10, -5, -8))
SILENT_SHARE = 0.12  # of the last weeks' conversations: the team has not answered yet, though it could have
TIERS = ("ハイタッチ", "ロータッチ", "", "テックタッチ", "ロータッチ", "", "テックタッチ")
PHASES = ("活用", "定着", "", "運用", "導入")
TEAM_JA, TEAM_EN = "ひなた珈琲サプライ", "Hinata Coffee Supply"
SEASONS = (
    ("春", "spring"),
    ("夏", "summer"),
    ("秋", "autumn"),
    ("年明け", "January"),
)  # the next one, by quarter from December
AGENTS = (
    ("佐藤", "佐藤 美咲", "Misaki Sato"),
    ("田中", "田中 健", "Ken Tanaka"),
    ("クラーク", "エマ・クラーク", "Emma Clark"),
)


@dataclass(frozen=True)
class Customer:
    family: str
    full: str  # as in From
    given: str  # how an English answer addresses them
    company: str
    address: str
    japanese: bool
    program: Program
    zone: timezone
    signature: str


@dataclass(frozen=True)
class Regular:
    """A customer who writes again and again, with what the team has written down; "" for nothing yet."""

    name: str
    address: str
    company: str
    tier: str
    phase: str


def regulars() -> tuple[Regular, ...]:
    """The companies that write several times."""
    people = _People(random.Random(SEED))
    return tuple(
        Regular(one.full, one.address, one.company, TIERS[n % len(TIERS)], PHASES[n % len(PHASES)])
        for n, one in enumerate((*people.firms_ja, *people.firms_en))
    )


def conversations(now: datetime) -> list[DemoMail]:
    """At least 150 conversations and 400 mails of the year before `now` (aware), oldest first."""
    rng = random.Random(SEED)
    people = _People(rng)
    mails: list[DemoMail] = []
    threads: list[list[Letter]] = []
    scenarios = _dealt(rng, HOW_MANY)
    for number, scenario in enumerate(scenarios):
        start = now - YEAR * ((HOW_MANY - number) / HOW_MANY) ** 1.35 + timedelta(minutes=rng.randint(0, 240))
        thread = _conversation(scenario, people, rng, start=start, now=now)
        threads.append(thread)
        mails += [DemoMail(raw(letter), _folder(letter), _arrival(letter, rng)) for letter in thread]
    mails += oddities.mails(threads, rng, now=now)
    return sorted((mail for mail in mails if mail.received_at <= now), key=lambda mail: mail.received_at)


def _dealt(rng: random.Random, count: int) -> list[Scenario]:
    """Every scenario about equally often, two Japanese ones for each English one, never the same twice in a row."""
    dealt: list[Scenario] = []
    while len(dealt) < count:
        deck = [*japanese.SCENARIOS, *rng.sample(english.SCENARIOS, len(english.SCENARIOS) - 2)]
        rng.shuffle(deck)
        dealt += deck
    return dealt[:count]


def _conversation(
    scenario: Scenario, people: _People, rng: random.Random, *, start: datetime, now: datetime
) -> list[Letter]:
    in_japanese = scenario in japanese.SCENARIOS
    who = people.for_scenario(scenario, japanese=in_japanese)
    agent = rng.choice(AGENTS[:2] if in_japanese else AGENTS)
    slots = _slots(who, agent, rng, at=start)
    subject = rng.choice(scenario.subjects).format(**slots)
    team_address = demo.ADDRESSES[1] if scenario.billing and rng.random() < 0.5 else demo.TEAM_USER
    at = _plausible(start, who.zone, rng)
    recent = now - start < timedelta(days=24)
    thread: list[Letter] = []
    for turn in _played(scenario.turns, rng):
        if thread:
            at += timedelta(minutes=rng.randint(turn.hours[0] * 60, turn.hours[1] * 60))
            at = _office_hours(at, rng) if turn.by_team else _plausible(at, who.zone, rng, after=at)
        if at > now or (turn.by_team and recent and rng.random() < SILENT_SHARE):
            break
        thread.append(_letter(turn, thread, who, agent, slots, rng, subject=subject, at=at, team_address=team_address))
    return thread


def _played(turns: tuple[Turn, ...], rng: random.Random) -> tuple[Turn, ...]:
    """Mostly all of them; some conversations end earlier."""
    if len(turns) < 3 or rng.random() < 0.6:
        return turns
    return turns[: rng.choice((2, len(turns) - 1))]


def _letter(
    turn: Turn,
    thread: list[Letter],
    who: Customer,
    agent: tuple[str, str, str],
    slots: dict[str, str],
    rng: random.Random,
    *,
    subject: str,
    at: datetime,
    team_address: str,
) -> Letter:
    team = (TEAM_JA if who.japanese else TEAM_EN, team_address)
    customer = (who.full, who.address)
    slots = slots | {"team_address": team_address}
    body = rng.choice(turn.texts).format(**slots)
    dressed = _japanese_text if who.japanese else _english_text
    files = ()
    if turn.attach:
        files = (
            attachments.make(turn.attach, order=slots["order"], amount=slots["amount"], japanese=who.japanese, rng=rng),
        )
    return Letter(
        sender=team if turn.by_team else customer,
        to=customer if turn.by_team else (team if thread else ("", team_address)),
        subject=subject if not thread else f"Re: {subject.removeprefix('Re: ')}",
        text=dressed(turn, body, who, slots, rng, first=not thread),
        date=at.astimezone(JST if turn.by_team else who.zone),
        message_id=_message_id(who, rng, by_team=turn.by_team),
        program=Program.GMAIL if turn.by_team else who.program,
        japanese=who.japanese,
        answers=thread[-1] if thread else None,
        files=files,
    )


def _japanese_text(
    turn: Turn, body: str, who: Customer, slots: dict[str, str], rng: random.Random, *, first: bool
) -> str:
    if turn.by_team:
        opening = rng.choice(japanese.TEAM_OPENINGS).format(**slots)
        signature = japanese.TEAM_SIGNATURE.format(**slots)
        return f"{opening}\n\n{body}\n\n{rng.choice(japanese.TEAM_CLOSINGS)}\n\n{signature}"
    if who.program is Program.CARRIER:
        return f"{who.family}です。\n{body}" if first else body
    openings = (
        japanese.REPLY_OPENINGS if not first else japanese.PRIVATE_OPENINGS if not who.company else japanese.OPENINGS
    )
    if not first and "ありがとう" in body[:16]:
        openings = ("{agent}様\n\nお世話になっております。{family}です。",)  # thanks once, not twice
    elif not first and not who.company:
        openings = japanese.REPLY_OPENINGS[1:]
    opening = rng.choice(openings).format(**slots)
    closing = rng.choice(japanese.CLOSINGS) if first or rng.random() < 0.4 else ""
    return "\n\n".join(part for part in (opening, body, closing, who.signature) if part)


def _english_text(
    turn: Turn, body: str, who: Customer, slots: dict[str, str], rng: random.Random, *, first: bool
) -> str:
    if turn.by_team:
        opening = rng.choice(english.TEAM_OPENINGS).format(**slots)
        signature = english.TEAM_SIGNATURE.format(**slots)
        return f"{opening}\n\n{body}\n\n{rng.choice(english.TEAM_CLOSINGS)}\n\n{signature}"
    opening = rng.choice(english.OPENINGS if first else english.REPLY_OPENINGS).format(**slots)
    sentence = body[0].upper() + body[1:] if opening.endswith(".") else body
    return f"{opening}\n\n{sentence}\n\n{rng.choice(english.CLOSINGS)}\n{who.signature}"


def _slots(who: Customer, agent: tuple[str, str, str], rng: random.Random, *, at: datetime) -> dict[str, str]:
    product = rng.choice(japanese.PRODUCTS if who.japanese else english.PRODUCTS)
    day = at.astimezone(JST) + timedelta(days=rng.randint(2, 9))
    last_month = at.astimezone(JST).replace(day=1) - timedelta(days=1)
    other = rng.choice(japanese.FAMILIES)[0]
    return {
        "company": who.company or who.full,
        "family": who.family,
        "given": who.given,
        "addressee": f"{who.company}\n{who.family} 様" if who.company else f"{who.family} 様",
        "agent": agent[0] if who.japanese else agent[2].split()[0],
        "agent_full": agent[1] if who.japanese else agent[2],
        "other": other,
        "product": product,
        "product_short": product.split("(")[0].split(" 0")[0],
        "qty": str(rng.choice((2, 3, 4, 5, 6, 8, 10, 12, 20))),
        "order": f"HN-{at:%y%m}{rng.randint(100, 999)}",
        "amount": f"{rng.randint(12, 480) * 550:,}",
        "tracking": f"{rng.randint(1000, 9999)}-{rng.randint(1000, 9999)}-{rng.randint(1000, 9999)}",
        "date": f"{day.month}月{day.day}日" if who.japanese else f"{day.day} {day:%B}",
        "isodate": f"{day:%Y-%m-%d}",
        "month": f"{last_month.month}月" if who.japanese else f"{last_month:%B}",
        "season": SEASONS[at.month % 12 // 3][0 if who.japanese else 1],
        "last4": f"{rng.randint(1000, 9999)}",
    }


def _message_id(who: Customer, rng: random.Random, *, by_team: bool) -> str:
    token = f"{rng.getrandbits(64):016x}"
    if by_team:
        return f"<{token}.sent@{demo.TEAM_DOMAIN}>"
    if who.program is Program.GMAIL:
        return f"<CAF{token}@mail.{who.address.rpartition('@')[2]}>"
    return f"<{token}@{who.address.rpartition('@')[2]}>"


def _folder(letter: Letter) -> str:
    return demo.SENT_FOLDER if letter.sender[1] in demo.ADDRESSES else "INBOX"


def _arrival(letter: Letter, rng: random.Random) -> datetime:
    """Seconds after it was written; never before it."""
    return letter.date + timedelta(seconds=rng.randint(1, 40) if _folder(letter) == "INBOX" else 1)


def _office_hours(at: datetime, rng: random.Random) -> datetime:
    """The first moment from `at` on when the team is at its desks (weekdays 9:30 to 18:00 in Japan)."""
    local = at.astimezone(JST)
    if local.weekday() < 5 and (local.hour, local.minute) >= (9, 30) and local.hour < 18:
        return at
    if local.hour >= 18:
        local += timedelta(days=1)
    while local.weekday() >= 5:
        local += timedelta(days=1)
    return local.replace(hour=9, minute=30) + timedelta(minutes=rng.randint(0, 90))


def _plausible(at: datetime, zone: timezone, rng: random.Random, *, after: datetime | None = None) -> datetime:
    """Moves the small hours to the morning of the customer."""
    local = at.astimezone(zone)
    if 7 <= local.hour < 23:
        return at
    moved = local.replace(hour=8) + timedelta(minutes=rng.randint(0, 170), days=1 if local.hour >= 23 else 0)
    return moved if after is None or moved > after else after


class _People:
    """The customers: companies that write several times, and private people who mostly write once."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.firms_ja = [self._japanese(company) for company in (*japanese.COMPANIES, *japanese.COMPANIES[:9])]
        self.firms_en = [self._english(company) for company in (*english.COMPANIES, *english.COMPANIES[:4])]

    def for_scenario(self, scenario: Scenario, *, japanese: bool) -> Customer:
        if not japanese:
            return self._rng.choice(self.firms_en)
        if scenario.private:
            return self._private(mobile=scenario.mobile)
        return self._rng.choice(self.firms_ja)

    def _japanese(self, company: tuple[str, str]) -> Customer:
        (family, family_latin), (given, given_latin) = (
            self._rng.choice(japanese.FAMILIES),
            self._rng.choice(japanese.GIVEN),
        )
        address = f"{self._rng.choice((family_latin.lower(), f'{given_latin}.{family_latin}'.lower(), 'info'))}@{company[1]}.example"
        program = self._rng.choice(
            (
                Program.OUTLOOK,
                Program.OUTLOOK,
                Program.GMAIL,
                Program.GMAIL,
                Program.BECKY,
                Program.BECKY,
                Program.OLD,
                Program.THUNDERBIRD,
            )
        )
        return Customer(
            family=family,
            full=f"{company[0]} {family}" if self._rng.random() < 0.4 else f"{family} {given}",
            given=given,
            company=company[0],
            address=address,
            japanese=True,
            program=program,
            zone=JST,
            signature=f"{'-' * 32}\n{company[0]}\n{family} {given}({family_latin} {given_latin.capitalize()})\n{address}\n{'-' * 32}",
        )

    def _private(self, *, mobile: bool) -> Customer:
        (family, family_latin), (given, given_latin) = (
            self._rng.choice(japanese.FAMILIES),
            self._rng.choice(japanese.GIVEN),
        )
        number = self._rng.randint(10, 99)
        if mobile and self._rng.random() < 0.6:
            program = Program.CARRIER
            local = self._rng.choice(
                (
                    f"{given_latin}..{family_latin}",
                    f"{given_latin}.{number}.",
                    f".{given_latin}-_-{number}",
                    f"{given_latin}_love..{number}",
                )
            )
            address = f"{local.lower()}@docomo.example"
        else:
            program = self._rng.choice((Program.IPHONE, Program.IPHONE, Program.GMAIL))
            address = f"{given_latin}.{family_latin}{number}".lower() + "@webmail.example"
        return Customer(
            family=family,
            full="" if program is Program.CARRIER else f"{family} {given}",
            given=given,
            company="",
            address=address,
            japanese=True,
            program=program,
            zone=JST,
            signature=f"{family} {given}" if program is not Program.CARRIER else "",
        )

    def _english(self, company: tuple[str, str]) -> Customer:
        given, family = self._rng.choice(english.NAMES)
        local = given.lower().replace("é", "e")
        address = f"{local}@{company[1]}.example"
        return Customer(
            family=family,
            full=f"{given} {family}",
            given=given,
            company=company[0],
            address=address,
            japanese=False,
            program=self._rng.choice(
                (Program.GMAIL, Program.GMAIL, Program.OUTLOOK, Program.OUTLOOK, Program.IPHONE, Program.THUNDERBIRD)
            ),
            zone=self._rng.choice(ABROAD),
            signature=f"{given} {family}\n{company[0]}",
        )
