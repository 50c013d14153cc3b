"""Times as people say them, for "send later" and snooze: 明日9時, 来週月曜の朝, 3営業日後, in 2 hours, Monday morning.

English and Japanese, full-width digits too. Conventions where language has none:

- A day without a time is its first opening in the calendar, else 9:00; so are 朝 and morning if it opens before noon.
- Monday is the next one to come; next Monday and 来週月曜 stand in the next week (Monday to Sunday), 今週 in this one.
- 12/24 is month/day. A date without a year is the next such day, 24日 the next 24th.
- A bare time is today, or tomorrow once it has passed. Hours and minutes are real time; after days, weeks and months
  the time of day stays. Working days do not count today.
- A time that the clocks skip is the instant of the jump; of one that comes twice, the first.
"""

from __future__ import annotations

import calendar as months
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from routing.calendars import Calendar
from routing.hours import DAY, MINUTE, NoWorkingTime, instant, working_day_after

FARTHEST = 2 * 366 * DAY
LONGEST_TEXT = 100  # characters
MORNING, NOON, AFTERNOON, EVENING, NIGHT = time(9), time(12), time(13), time(18), time(20)

Reason = Literal["", "unreadable", "past", "too_far", "no_calendar"]


@dataclass(frozen=True, slots=True)
class When:
    """`at` is UTC and after `now`; or None with the `reason`.

    unreadable; past; too_far (more than two years); no_calendar (working days without one, or one that never opens).
    """

    at: datetime | None
    reason: Reason = ""


def read_when(text: str, *, now: datetime, zone: ZoneInfo, calendar: Calendar | None = None) -> When:
    """The instant that somebody means who says this at `now` (aware) in `zone`."""
    said = unicodedata.normalize("NFKC", text[: LONGEST_TEXT + 1]).casefold()
    if len(said) > LONGEST_TEXT:
        return When(None, "unreadable")
    said = _KANJI_NUMBER.sub(_digits, said)
    spoken = _Spoken(now.astimezone(zone).replace(tzinfo=None, fold=0), calendar)
    try:
        spoken.listen(said)
        at = now.astimezone(UTC) + spoken.elapsed if spoken.elapsed is not None else instant(zone, spoken.wall())
    except _CannotBe as cannot:
        return When(None, cannot.reason)
    except OverflowError:  # beyond the year 9999
        return When(None, "too_far")
    if at <= now:
        return When(None, "past")
    return When(None, "too_far") if at - now > FARTHEST else When(at)


class _CannotBe(Exception):
    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class _Spoken:
    """What was said so far, in local wall time: a day, a time, or a while."""

    def __init__(self, here: datetime, calendar: Calendar | None) -> None:
        self.here = here
        self.calendar = calendar
        self.elapsed: timedelta | None = None
        self.day: date | None = None
        self.keeps_time = False  # "in 3 days": at this time of day
        self.weekday: int | None = None
        self.named: time | None = None
        self.clock: timedelta | None = None  # since midnight; 24:00 is the next day

    def listen(self, said: str) -> None:
        """Reads all of it, the longest phrase first wherever several could begin."""
        at = _GLUE.match(said).end()  # type: ignore[union-attr]  # matches nothing too
        if at == len(said):
            raise _CannotBe("unreadable")
        while at < len(said):
            found = [(match, heard) for phrase, heard in _PHRASES if (match := phrase.match(said, at))]
            if not found:
                raise _CannotBe("unreadable")
            match, heard = max(found, key=lambda one: one[0].end())
            heard(self, match)
            at = _GLUE.match(said, match.end()).end()  # type: ignore[union-attr]
        apart = (self.day, self.weekday, self.named, self.clock)
        if self.elapsed is not None and any(one is not None for one in apart):
            raise _CannotBe("unreadable")

    def wall(self) -> datetime:
        """The wall time that was meant."""
        if self.day is not None:
            if self.weekday is not None and self.day.weekday() != self.weekday:
                raise _CannotBe("unreadable")
            return self._on(self.day)
        ahead = 0 if self.weekday is None else (self.weekday - self.here.weekday()) % 7
        first = self._on(self.here.date() + ahead * DAY)
        if first > self.here:
            return first
        return self._on(self.here.date() + (ahead + (1 if self.weekday is None else 7)) * DAY)

    def _on(self, day: date) -> datetime:
        midnight = datetime.combine(day, time())
        if self.clock is not None:
            late = self.named in (AFTERNOON, EVENING, NIGHT) and self.clock < timedelta(hours=12)
            return midnight + self.clock + (timedelta(hours=12) if late else timedelta(0))
        if self.named is not None and self.named != MORNING:
            return datetime.combine(day, self.named)
        if self.keeps_time and self.named is None:
            return datetime.combine(day, self.here.time())
        return midnight + self._opening(day)

    def _opening(self, day: date) -> timedelta:
        """When the team starts on that day; 9:00 when it does not work then, or its morning begins after noon."""
        periods = self.calendar.day(day).periods if self.calendar else ()
        usual = timedelta(hours=MORNING.hour)
        opens = periods[0].start * MINUTE if periods else usual
        return usual if self.named == MORNING and opens >= timedelta(hours=12) else opens

    # -- what each phrase sets

    def set_day(self, day: date, *, keeps_time: bool = False) -> None:
        if self.day is not None:
            raise _CannotBe("unreadable")
        self.day, self.keeps_time = day, keeps_time

    def set_clock(self, hour: int, minute: int) -> None:
        if self.clock is not None or minute > 59 or hour > 24 or (hour == 24 and minute):
            raise _CannotBe("unreadable")
        self.clock = timedelta(hours=hour, minutes=minute)

    def set_named(self, named: time) -> None:
        if self.named is not None:
            raise _CannotBe("unreadable")
        self.named = named

    def working_day(self, count: int) -> date:
        if self.calendar is None:
            raise _CannotBe("no_calendar")
        if not 1 <= count <= FARTHEST.days:
            raise _CannotBe("too_far" if count else "unreadable")
        try:
            return working_day_after(self.calendar, self.here.date(), count)
        except NoWorkingTime:
            raise _CannotBe("no_calendar") from None

    def monday(self, weeks: int) -> date:
        """The Monday of this week (0), the next (1) and so on."""
        return self.here.date() + (7 * weeks - self.here.weekday()) * DAY

    def month(self, ahead: int, day: int) -> date:
        """That day so many months ahead; day 0 is the last one. A day that the month lacks is unreadable."""
        year, month = divmod(self.here.year * 12 + self.here.month - 1 + ahead, 12)
        last = months.monthrange(year, month + 1)[1]
        if day > last:
            raise _CannotBe("unreadable")
        return date(year, month + 1, day or last)


# -- the phrases, one function each


def _after(spoken: _Spoken, match: re.Match[str]) -> None:
    """30分後, 1時間半後, 3営業日後, in 2 hours, an hour and a half, 3 business days."""
    unit = _UNITS[match["unit"]]
    count = _COUNTS.get(match["count"]) or float(match["count"])
    if match["half"]:
        count += 0.5
    if match.groupdict().get("hours"):  # 1時間30分後
        if unit != "minutes":
            raise _CannotBe("unreadable")
        count += 60 * int(match["hours"])
    if unit in ("minutes", "hours"):
        spoken.elapsed = timedelta(**{unit: count}) + (spoken.elapsed or timedelta(0))
    elif count != int(count):
        raise _CannotBe("unreadable")
    elif unit == "working":
        spoken.set_day(spoken.working_day(int(count)))
    elif unit in ("days", "weeks"):
        spoken.set_day(spoken.here.date() + timedelta(**{unit: count}), keeps_time=True)
    else:
        ahead = int(count) * (12 if unit == "years" else 1)
        if ahead > 120:
            raise _CannotBe("too_far")
        last = spoken.month(ahead, 0)
        spoken.set_day(last.replace(day=min(last.day, spoken.here.day)), keeps_time=True)


def _half_an_hour(spoken: _Spoken, match: re.Match[str]) -> None:
    spoken.elapsed = timedelta(minutes=30)


def _day_word(spoken: _Spoken, match: re.Match[str]) -> None:
    spoken.set_day(spoken.here.date() + _DAYS_AWAY[match[0]] * DAY)


def _day_and_time(spoken: _Spoken, match: re.Match[str]) -> None:
    away, named = _DAY_AND_TIME[match[0]]
    spoken.set_day(spoken.here.date() + away * DAY)
    spoken.set_named(named)


def _next_working_day(spoken: _Spoken, match: re.Match[str]) -> None:
    spoken.set_day(spoken.working_day(1))


def _weekday(spoken: _Spoken, match: re.Match[str]) -> None:
    """月曜, (木), Monday: the next one to come; beside a date it must be that day."""
    if spoken.weekday is not None:
        raise _CannotBe("unreadable")
    spoken.weekday = _WEEKDAYS[match["day"]]


def _weekday_of_week(spoken: _Spoken, match: re.Match[str]) -> None:
    spoken.set_day(spoken.monday(_WEEKS[match["week"]]) + _WEEKDAYS[match["day"]] * DAY)


def _coming_weekday(spoken: _Spoken, match: re.Match[str]) -> None:
    """次の月曜, coming Monday: never today."""
    ahead = (_WEEKDAYS[match["day"]] - spoken.here.weekday() - 1) % 7 + 1
    spoken.set_day(spoken.here.date() + ahead * DAY)


def _week(spoken: _Spoken, match: re.Match[str]) -> None:
    """来週: its first working day, Monday without a calendar or in a week without one."""
    monday = spoken.monday(_WEEKS[match["week"]])
    days = [monday + number * DAY for number in range(7)]
    worked = [day for day in days if spoken.calendar is not None and spoken.calendar.day(day).periods]
    spoken.set_day((worked or days)[0])


def _month(spoken: _Spoken, match: re.Match[str]) -> None:
    """来月: its first day; 来月5日; 今月末."""
    end = match.groupdict().get("end")
    day = match.groupdict().get("day")
    ahead = _MONTHS_AHEAD[match["month"] or ""]
    spoken.set_day(spoken.month(ahead, 0 if end else int(day or 1)))


def _date(spoken: _Spoken, match: re.Match[str]) -> None:
    """2026-12-24, 12/24, 12月24日, Dec 24, 24 December 2026: the next one when no year is told."""
    month = _MONTHS.get(match["month"]) or int(match["month"])
    day, year = int(match["day"]), match.groupdict().get("year")
    if year in _YEARS_AHEAD:
        year = str(spoken.here.year + _YEARS_AHEAD[year])
    years: Iterable[int] = [int(year)] if year else range(spoken.here.year, spoken.here.year + 9)
    for one in years:
        try:
            found = date(one, month, day)
        except ValueError:
            continue
        if year or found >= spoken.here.date():
            spoken.set_day(found)
            return
    raise _CannotBe("unreadable")


def _day_of_month(spoken: _Spoken, match: re.Match[str]) -> None:
    """24日, the 24th: in this month or the next that has one."""
    for ahead in range(3):
        last = spoken.month(ahead, 0)
        if 1 <= int(match["day"]) <= last.day and (found := last.replace(day=int(match["day"]))) >= spoken.here.date():
            spoken.set_day(found)
            return
    raise _CannotBe("unreadable")


def _clock(spoken: _Spoken, match: re.Match[str]) -> None:
    """9:00, 9時半, 午後3時, 夜8時, 9 am, at 9."""
    parts = match.groupdict()
    hour, minute = int(parts["hour"]), int(parts.get("minute") or 0)
    if parts.get("half"):
        minute = 30
    half_day = (parts.get("half_day") or parts.get("behind") or "").replace(".", "")
    if half_day in ("am", "pm"):
        if not 1 <= hour <= 12:
            raise _CannotBe("unreadable")
        hour = hour % 12 + (12 if half_day == "pm" else 0)
    elif half_day in ("午後", "夕方", "夜", "昼") and hour <= 12:
        # 午後12時 is midnight by the decree of 1872; 昼12時 is noon, 夜1時 is anybody's guess
        if half_day == "夜" and hour < 5:
            raise _CannotBe("unreadable")
        hour += 0 if half_day == "昼" and hour >= 10 else 12
    elif half_day in ("午前", "朝") and hour > 12:
        raise _CannotBe("unreadable")
    spoken.set_clock(hour, minute)


def _digits(match: re.Match[str]) -> str:
    """二十四 as 24."""
    tens, ones = match[1] or "", match[2] or ""
    if not tens and not ones:
        return ""
    ten = "〇一二三四五六七八九".index(tens[0]) if len(tens) > 1 else len(tens)
    return str(10 * ten + ("〇一二三四五六七八九".index(ones) if ones else 0))


def _named(spoken: _Spoken, match: re.Match[str]) -> None:
    spoken.set_named(_NAMED_TIMES[match[0]])


# -- words

_KANJI_NUMBER = re.compile(
    "([一二三四五六七八九]?十)?([一二三四五六七八九])?(?=時|分|日|週|営業日|[かヶカケヵ箇]?月|年)"
)
_END = "(?![a-z0-9])"
_GLUE = re.compile(rf"(?:[\s,、。.の@]|に|まで|頃|ごろ|(?:at|on|the|by|in the|around){_END})*")
_DAYS_AWAY = {
    **dict.fromkeys(("today", "今日", "きょう", "本日"), 0),
    **dict.fromkeys(("tomorrow", "tmrw", "明日", "あした", "あす", "翌日"), 1),
    **dict.fromkeys(("day after tomorrow", "明後日", "あさって"), 2),
    **dict.fromkeys(("明々後日", "しあさって"), 3),
}
_NAMED_TIMES = {
    **dict.fromkeys(("morning", "朝", "朝一", "朝イチ", "朝いち", "午前", "午前中", "始業時"), MORNING),
    **dict.fromkeys(("noon", "midday", "lunchtime", "正午", "昼", "お昼"), NOON),
    **dict.fromkeys(("afternoon", "午後", "昼過ぎ", "午後一"), AFTERNOON),
    **dict.fromkeys(("evening", "夕方"), EVENING),
    **dict.fromkeys(("night", "夜", "晩"), NIGHT),
}
_DAY_AND_TIME = {
    **dict.fromkeys(("tonight", "今夜", "今晩"), (0, NIGHT)),
    **dict.fromkeys(("this morning", "今朝"), (0, MORNING)),
    "this afternoon": (0, AFTERNOON),
    "this evening": (0, EVENING),
    **dict.fromkeys(("明朝", "翌朝"), (1, MORNING)),
    "明晩": (1, NIGHT),
}
_WEEKDAY_NAMES = (
    *(("monday", "mon", "月"), ("tuesday", "tues", "tue", "火"), ("wednesday", "wed", "水")),
    *(("thursday", "thurs", "thur", "thu", "木"), ("friday", "fri", "金"), ("saturday", "sat", "土")),
    ("sunday", "sun", "日"),
)
_WEEKDAYS = {name: number for number, names in enumerate(_WEEKDAY_NAMES) for name in names}
_WEEKS = {"this": 0, "今週": 0, "next": 1, "来週": 1, "翌週": 1, "週明け": 1, "再来週": 2}
_MONTH_NAMES = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_MONTHS = {short: number for number, name in enumerate(_MONTH_NAMES, start=1) for short in (name, name[:3])} | {
    "sept": 9
}
_MONTHS_AHEAD = {"": 0, "今月": 0, "this": 0, "the": 0, "来月": 1, "next": 1, "再来月": 2}
_YEARS_AHEAD = {"今年": 0, "来年": 1}
_COUNTS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "半": 0.5}
_UNITS = {
    **dict.fromkeys(("minutes", "minute", "mins", "min", "m", "分"), "minutes"),
    **dict.fromkeys(("hours", "hour", "hrs", "hr", "h", "時間"), "hours"),
    **dict.fromkeys(("days", "day", "d", "日"), "days"),
    **dict.fromkeys(("weeks", "week", "w", "週間", "週"), "weeks"),
    **dict.fromkeys(("months", "month", "か月", "ヶ月", "カ月", "ケ月", "ヵ月", "箇月"), "months"),
    **dict.fromkeys(("years", "year", "年"), "years"),
    **dict.fromkeys(("business days", "business day", "working days", "working day", "営業日"), "working"),
}


def _one_of(words: Iterable[str]) -> str:
    """Any of the words, the longest first; English ones end where a word ends."""
    return "|".join(re.escape(one) + (_END if one.isascii() else "") for one in sorted(words, key=len, reverse=True))


def _english(words: Iterable[str]) -> str:
    return _one_of(word for word in words if word.isascii())


def _japanese(words: Iterable[str]) -> str:
    return _one_of(word for word in words if not word.isascii())


_NUMBER = rf"(?P<count>\d{{1,4}}(?:\.5)?|{_english(_COUNTS)})"
_DAY_EN, _DAY_JA = rf"(?P<day>{_english(_WEEKDAYS)})", "(?P<day>[月火水木金土日])"
_MONTH_EN, _NTH = rf"(?P<month>{_english(_MONTHS)})\.?", r"(?P<day>\d{1,2})(?:st|nd|rd|th)?(?![\d:])"
_AND_A_HALF, _FROM_NOW = r"(?P<half>\s+and\s+a\s+half)?", r"(?:\s+(?:later|from now))?"
_HALF_DAY = r"(?P<half_day>午前|午後|朝|昼|夕方|夜)?の?\s*"
_PHRASES: list[tuple[re.Pattern[str], Callable[[_Spoken, re.Match[str]], None]]] = [
    (re.compile(pattern), heard)
    for pattern, heard in (
        (
            rf"(?:(?P<hours>\d{{1,3}})時間)?(?P<count>\d{{1,4}}|半)\s?(?P<unit>{_japanese(_UNITS)})(?P<half>半)?(?:後|あと)",
            _after,
        ),
        (rf"(?:(?:in|after)\s+)?{_NUMBER}\s*(?P<unit>{_english(_UNITS)}){_AND_A_HALF}{_FROM_NOW}", _after),
        (rf"(?:in\s+)?half\s+an\s+hour{_END}", _half_an_hour),
        (_one_of(_DAYS_AWAY), _day_word),
        (_one_of(_DAY_AND_TIME), _day_and_time),
        (rf"翌営業日|次の営業日|next\s+(?:business|working)\s+day{_END}", _next_working_day),
        (rf"{_DAY_JA}曜日?", _weekday),
        (rf"\({_DAY_JA}曜?\)", _weekday),
        (_DAY_EN, _weekday),
        (rf"(?P<week>{_japanese(_WEEKS)})の?{_DAY_JA}(?:曜日?|(?!\d))", _weekday_of_week),
        (rf"(?P<week>this|next)\s+{_DAY_EN}", _weekday_of_week),
        (rf"(?P<week>next)\s+week\s+(?:on\s+)?{_DAY_EN}", _weekday_of_week),
        (rf"{_DAY_EN}\s+(?P<week>next)\s+week{_END}", _weekday_of_week),
        (rf"(?:次|今度)の{_DAY_JA}曜日?", _coming_weekday),
        (rf"coming\s+{_DAY_EN}", _coming_weekday),
        (r"(?P<week>来週|翌週|週明け|再来週)", _week),
        (rf"(?P<week>next)\s+week{_END}", _week),
        (r"(?P<month>今月|来月|再来月)?の?(?P<end>月末|末日?)", _month),
        (r"(?P<month>今月|来月|再来月)の?(?P<day>\d{1,2})日", _month),
        (r"(?P<month>来月|再来月)(?:の?初め|初|頭)?", _month),
        (rf"(?P<month>next)\s+month{_END}", _month),
        (rf"(?P<end>end)\s+of\s+(?P<month>this|next|the)\s+month{_END}", _month),
        (r"(?P<year>\d{4})[-/.年](?P<month>\d{1,2})[-/.月](?P<day>\d{1,2})(?!\d)日?", _date),
        (r"(?:(?P<year>今年|来年)の?)?(?P<month>\d{1,2})月(?P<day>\d{1,2})日", _date),
        (r"(?P<month>\d{1,2})/(?P<day>\d{1,2})(?![\d/])", _date),
        (rf"{_MONTH_EN}\s*{_NTH}(?:,?\s+(?P<year>\d{{4}})(?![\d:]))?", _date),
        (rf"{_NTH}\s+(?:of\s+)?{_MONTH_EN}(?:,?\s+(?P<year>\d{{4}})(?![\d:]))?", _date),
        (r"(?P<day>\d{1,2})日", _day_of_month),
        (r"(?P<day>\d{1,2})(?:st|nd|rd|th)(?![a-z])", _day_of_month),
        (rf"{_HALF_DAY}(?P<hour>\d{{1,2}}):(?P<minute>\d{{2}})(?!\d)(?:\s*(?P<behind>[ap]\.?m\b\.?))?", _clock),
        (rf"{_HALF_DAY}(?P<hour>\d{{1,2}})時(?!間)(?:(?P<minute>\d{{1,2}})分(?!後)|(?P<half>半))?", _clock),
        (r"(?P<hour>\d{1,2})\s*(?P<behind>[ap]\.?m\b\.?)", _clock),
        (r"(?:(?<=\bat )|(?<=@))(?P<hour>\d{1,2})(?:\s*o'clock)?(?![\d:/.a-z時月日])", _clock),
        (_one_of(_NAMED_TIMES), _named),
    )
]
