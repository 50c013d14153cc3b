"""Rules that answer mail and call webhooks: through the same gate as every automatic answer, and never twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select

from inbox import answer_texts, autoanswers_settings, db, reasons, rules, triage, webhooks
from inbox.answer_texts import TextForm
from inbox.blobs import blobs
from inbox.errors import Conflict, Forbidden, NotFound, UserError
from inbox.models import AnswerDecision, AnswerText, Delivery, Message, Outgoing, Webhook
from inbox.people import Viewer
from inbox.rules import WrongRule
from templates.auto_answers import Words
from tests.inbox.cast import DAY, HOUR, MINUTE, NOW, a_viewer
from tests.inbox.intake.story import Story, a_mail
from tests.inbox.routing_cast import (
    Body,
    a_body,
    a_manager,
    a_rule,
    contains,
    conversations_of,
    events_of,
    the_rule,
    traces_of,
)
from tests.inbox.test_autoanswers import answers, breaker, mail_of, switched_on, text_of
from tests.inbox.test_webhooks import Receiver, private_allowed, receiver

__all__ = ["private_allowed", "receiver"]

CATALOGUE = {
    "ja": Words("カタログのご案内（受付番号 {number}）", "{name} 様\n\nカタログはこちらです。\n\n{mailbox}"),
    "en": Words("Our catalogue", "Dear {name},\n\nhere it is."),
}
TELLING = ("auto-submitted", "x-auto-response-suppress", "precedence", "x-loop", "in-reply-to", "references")


def a_text(who: Viewer, name: str = "カタログ", **words: Words) -> int:
    with db.transaction() as session:
        return answer_texts.add(session, who, TextForm(name, words or CATALOGUE), now=NOW)


def answering(text_id: int) -> Body:
    return {"do": "auto_answer", "template_id": text_id}


def a_hook(who: Viewer, url: str = "https://hooks.example/rules", name: str = "倉庫") -> int:
    with db.transaction() as session:
        return webhooks.add(session, who, name=name, url=url, team_id=None, kinds=[], now=NOW)


def decisions() -> list[AnswerDecision]:
    with db.reading() as session:
        return list(session.scalars(select(AnswerDecision).order_by(AnswerDecision.message_id)))


def deliveries() -> list[Delivery]:
    with db.reading() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))


# -- what a rule answers


def test_a_rule_answers_with_its_text_in_the_customers_language(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    rule = a_rule(
        mei, a_body("カタログ請求", answering(a_text(mei)), when=contains("subject", "カタログ", "catalogue"))
    )
    story.arrives(
        a_mail("送ってください。", subject="カタログ希望"),
        a_mail("Please send it.", subject="Your catalogue", sender=("Kim", "kim@corp.example")),
        a_mail("届きません。", subject="ほか", sender=("Hana", "hana@example.jp")),
    )
    ours, theirs = answers()
    assert (ours.envelope_from, ours.state, ours.kind) == ("", "queued", "auto_reply")
    mail = mail_of(ours)
    first = conversations_of(story.mailbox_id)[0]
    assert mail["Subject"] == f"カタログのご案内（受付番号 {first.id}）"
    assert text_of(ours).startswith("山田 太郎 様\n\nカタログはこちらです。")
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert mail["X-Loop"] == story.address
    assert mail_of(theirs)["Subject"] == "Our catalogue"
    assert [(one.occasion, one.rule_name, one.text_name, one.instead, one.reason) for one in decisions()] == [
        ("rule", "カタログ請求", "カタログ", "", "")
    ] * 2
    (event,) = events_of(first.id, "auto_answered")
    assert (event.about["rule"], event.about["rule_version"], event.about["rule_name"]) == (rule, 1, "カタログ請求")
    (trace,) = traces_of(first.id)
    assert (trace.done, trace.trace[0]["how"]) == (1, "matched")
    assert (first.status, first.version, first.waiting_since is not None) == ("open", 1, True)
    with db.reading() as session:
        (ruling,) = reasons.why(session, mei, first.id).rulings
        assert ruling.answered == reasons.Answered("カタログ請求", "カタログ", "", None, "")


def test_the_rules_answer_goes_before_the_mailboxes_own_and_the_log_says_so(engine: Engine) -> None:
    story = switched_on(Story())
    mei = a_manager()
    a_rule(mei, a_body("カタログ請求", answering(a_text(mei)), when=contains("subject", "カタログ")))
    story.arrives(
        a_mail(subject="カタログ希望", mail_id="<1@customer.example>"),
        a_mail(subject="届きません", sender=("Hana", "hana@example.jp")),
    )
    assert [mail_of(one)["Subject"][:4] for one in answers()] == ["カタログ", "【自動返"]
    assert [(one.occasion, one.rule_name, one.instead) for one in decisions()] == [
        ("rule", "カタログ請求", "received"),
        ("received", "", ""),
    ]
    story.arrive(a_mail("カタログまだ？", subject="Re: カタログ希望", answers="<1@customer.example>"))
    refused = decisions()[-1]
    assert (refused.occasion, refused.reason, refused.most, refused.instead) == ("rule", "sender_budget", 1, "")
    story.now += DAY
    again = a_mail("カタログまだ？", subject="Re: カタログ希望", answers="<1@customer.example>", date=story.now)
    story.arrive(again)
    assert (decisions()[-1].reason, decisions()[-1].instead, len(answers())) == ("", "", 3)  # also where it goes on


def test_of_two_rules_the_first_answers(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    first = a_rule(mei, a_body("一", answering(a_text(mei))))
    a_rule(mei, a_body("二", answering(a_text(mei, "別の案内"))))
    story.arrive(a_mail())
    assert [one.rule_name for one in decisions()] == ["一"]
    assert len(answers()) == 1
    (trace,) = traces_of(conversations_of(story.mailbox_id)[0].id)
    assert [one["how"] for one in trace.trace] == ["matched", "matched"]
    assert trace.trace[1]["left_out"] == [[0, "decided", first]]


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        ({"headers": {"Auto-Submitted": "auto-replied"}}, "kind"),
        ({"headers": {"Precedence": "bulk"}}, "precedence"),
        ({"headers": {"List-Id": "<news.example>"}}, "kind"),
        ({"headers": {"X-Auto-Response-Suppress": "All"}}, "suppressed"),
        ({"headers": {"X-Loop": "support@shop.example"}}, "loop"),
        ({"headers": {"Return-Path": "<>"}}, "null_return_path"),
        ({"sender": ("", "noreply@corp.example")}, "robot"),
        ({"sender": ("", "mailer-daemon@corp.example")}, "robot"),
        ({"sender": ("", "support@shop.example")}, "own_address"),
    ],
)
def test_no_rule_answers_machines_lists_bounces_or_ourselves(
    engine: Engine, about: dict[str, Any], reason: str
) -> None:
    story = Story()
    mei = a_manager()
    rule = a_rule(mei, a_body("All", answering(a_text(mei))))
    story.arrive(a_mail(**about))
    assert answers() == []
    (decided,) = decisions()
    assert decided.rule_name == "All"
    assert decided.reason in (reason, "kind", "auto_submitted", "list", "null_return_path"), decided.reason
    assert the_rule(rule).hits == 1


def test_what_rules_answer_counts_in_every_budget_and_opens_the_breaker(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    a_rule(mei, a_body("All", answering(a_text(mei))))
    story.arrives(*(a_mail(sender=("", f"c{n}@d{n // 10}.example"), subject=f"件名 {n}") for n in range(30)))
    assert len(answers()) == 20
    assert {one.reason for one in decisions()[20:]} == {"mailbox_budget", "breaker"}
    assert breaker(story).alarm == "mailbox_budget"
    with db.reading() as session:
        alarms = autoanswers_settings.alarms(session, mei, now=story.now)
    assert alarms[story.mailbox_id].open_until == breaker(story).open_until


def test_spam_of_a_rule_and_mail_of_a_first_import_get_no_answer(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    a_rule(mei, a_body("All", answering(a_text(mei)), {"do": "spam"}))
    story.arrive(a_mail())
    assert [one.reason for one in decisions()] == ["spam"]
    story.arrive(a_mail(sender=("", "old@example.jp"), subject="昔"), silent=True)
    assert (len(decisions()), answers()) == (1, [])


# -- texts and the rules that name them


def test_a_text_is_checked_like_the_mailboxes_own(engine: Engine) -> None:
    Story()
    mei = a_manager()
    ja = {"rule": "rule_ja_text"}

    def refused(name: str = "名前", *, who: Viewer = mei, **words: Words) -> str:
        with db.transaction() as session, pytest.raises(UserError) as error:
            answer_texts.add(session, who, TextForm(name, words), now=NOW)
        return error.value.field

    assert refused("  ", ja=CATALOGUE["ja"]) == "name"
    assert refused() == ja["rule"]
    assert refused(ja=Words("件名", "{nmae} 様")) == ja["rule"]
    assert refused(ja=Words("件名", "{next_opening} から")) == ja["rule"]
    assert refused(ja=Words("", "本文")) == "rule_ja_subject"
    assert refused(en=Words("Subject", "")) == "rule_en_text"
    assert refused(ja=Words("あ" * 201, "本文")) == "rule_ja_subject"
    text_id = a_text(mei)
    assert refused("カタログ", ja=CATALOGUE["ja"]) == "name"
    with db.transaction() as session:
        aoi = a_viewer(session, "Aoi")
        for do in (answer_texts.page, lambda *given: answer_texts.show(*given, text_id)):
            with pytest.raises(Forbidden):
                do(session, aoi)
        with pytest.raises(NotFound):
            answer_texts.show(session, mei, text_id + 1)
        shown = answer_texts.preview(session, mei, TextForm("", {"ja": CATALOGUE["ja"]}))
    assert [(one.language, one.words.subject) for one in shown] == [("ja", "カタログのご案内（受付番号 1024）")]


def test_new_words_leave_from_then_on_and_two_authors_meet(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    text_id = a_text(mei)
    a_rule(mei, a_body("All", answering(text_id)))
    with db.transaction() as session:
        form = TextForm("新しい", {"ja": Words("新しい件名", "新しい本文")})
        answer_texts.change(session, mei, text_id, form, seen_version=1, now=NOW)
        with pytest.raises(Conflict):
            answer_texts.change(session, mei, text_id, TextForm("x", CATALOGUE), seen_version=1, now=NOW)
    story.arrive(a_mail())
    assert mail_of(answers()[0])["Subject"] == "新しい件名"
    assert decisions()[0].text_name == "新しい"


def test_what_a_rule_names_cannot_be_removed_and_what_is_gone_cannot_be_named(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    text_id, hook_id = a_text(mei), a_hook(mei)
    rule = a_rule(mei, a_body("両方", answering(text_id), {"do": "webhook", "webhook_id": hook_id}), on=False)
    with db.transaction() as session:
        for remove, named in ((answer_texts.remove, text_id), (webhooks.remove, hook_id)):
            with pytest.raises(Conflict) as kept:
                remove(session, mei, named, now=NOW)
            assert kept.value.params == {"rules": "両方"}
        assert [one.rules for one in answer_texts.page(session, mei)] == [("両方",)]
    with db.transaction() as session:
        other = a_body("両方", {"do": "priority", "priority": "high"})
        rules.change(session, mei, rule, other, seen_version=1, now=NOW)
        answer_texts.remove(session, mei, text_id, now=NOW)
        webhooks.remove(session, mei, hook_id, now=NOW)
        assert session.scalar(select(func.count()).select_from(AnswerText)) == 0
        with pytest.raises(WrongRule) as refused:
            rules.go_back(session, mei, rule, 1, now=NOW)
        assert [one.field for one in refused.value.refused] == ["actions.0.template_id", "actions.1.webhook_id"]
    story.arrive(a_mail())
    assert (answers(), deliveries()) == ([], [])


def test_naming_a_text_and_removing_it_at_one_moment(engine: Engine) -> None:
    """One of the two is refused: no rule ever names a text that is gone."""
    Story()
    mei = a_manager()
    for number in range(20):
        text_id = a_text(mei, f"文面 {number}")
        start = threading.Barrier(2)

        def names(text_id: int = text_id, start: threading.Barrier = start) -> bool:
            start.wait(10)
            try:
                a_rule(mei, a_body("Names", answering(text_id)), on=False)
            except WrongRule:
                return False
            return True

        def removes(text_id: int = text_id, start: threading.Barrier = start) -> bool:
            start.wait(10)
            try:
                with db.transaction() as session:
                    answer_texts.remove(session, mei, text_id, now=NOW)
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            named, removed = (one.result(30) for one in (pool.submit(names), pool.submit(removes)))
        assert named != removed
    with db.reading() as session:
        assert [one.wrong for one in rules.page(session, mei) if one.wrong] == []


@pytest.mark.parametrize(
    "on",
    [
        {"on": "status_changed", "to": ["closed"]},
        {"on": "unanswered", "minutes": 60},
        {"on": "schedule", "weekdays": [1], "at": "09:00"},
    ],
)
def test_only_a_mail_that_arrives_is_answered(engine: Engine, on: Body) -> None:
    Story()
    mei = a_manager()
    body = a_body("Late", {"do": "spam"}, answering(a_text(mei)))
    for triggers in ([on], [{"on": "arrived"}, on]):
        with db.transaction() as session, pytest.raises(WrongRule) as refused:
            rules.create(session, mei, body | {"triggers": triggers}, now=NOW)
        (one,) = refused.value.refused
        assert (one.field, one.message[:24]) == ("actions.1.do", "Only a mail that arrives")


# -- webhooks


def test_a_rule_calls_a_webhook_after_the_commit_with_its_name_and_the_address(
    engine: Engine, receiver: Receiver, private_allowed: None
) -> None:
    story = Story()
    mei = a_manager()
    hook_id = a_hook(mei, receiver.url)
    call = {"do": "webhook", "webhook_id": hook_id}
    rule = a_rule(mei, a_body("倉庫へ", call, when=contains("subject", "発送")))
    a_rule(mei, a_body("閉じたら", call, on={"on": "status_changed", "to": ["closed"]}))
    story.arrives(a_mail(subject="発送について"), a_mail(subject="ほか", sender=("", "hana@example.jp")))
    assert receiver.got == []
    found, _other = conversations_of(story.mailbox_id)
    assert webhooks.call_due(now=story.now) == 1
    ((headers, raw),) = receiver.got
    body = json.loads(raw)
    assert {"webhook-id", "webhook-timestamp", "webhook-signature"} <= set(headers)
    assert (body["type"], body["data"]["rule"]) == ("rule", {"id": rule, "name": "倉庫へ"})
    assert body["data"]["url"].endswith(f"/conversations/{found.id}")
    assert body["data"]["url"] in body["text"]
    assert "ルール「倉庫へ」によるお知らせです" in body["text"]
    assert traces_of(found.id)[0].done == 1
    with db.transaction() as session:
        triage.close(session, mei, found.id, now=story.now)
    assert webhooks.call_due(now=story.now) == 1
    assert json.loads(receiver.got[1][1])["data"]["rule"]["name"] == "閉じたら"
    assert {one.state for one in deliveries()} == {"sent"}


def test_rules_may_call_only_webhooks_made_for_them(engine: Engine) -> None:
    Story()
    mei = a_manager()
    with db.transaction() as session:
        webhooks.set_own(session, mei, "https://hooks.example/mine", now=NOW)
        mine = session.scalars(select(Webhook.id)).one()
    made = a_hook(mei)
    with db.transaction() as session:
        assert rules.choices(session, mei).webhooks == ((made, "倉庫"),)
        with pytest.raises(WrongRule) as refused:
            rules.create(session, mei, a_body("Mine", {"do": "webhook", "webhook_id": mine}), now=NOW)
        assert refused.value.refused[0].field == "actions.0.webhook_id"


def test_a_rule_that_fails_later_takes_its_call_and_its_answer_back(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story()
    mei = a_manager()
    call = {"do": "webhook", "webhook_id": a_hook(mei)}
    a_rule(mei, a_body("Breaks", answering(a_text(mei)), call, {"do": "priority", "priority": "high"}))

    def fails(*_args: object, **_more: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("inbox.rule_runs.conversations.set_priority", fails)
    story.arrive(a_mail())
    assert (deliveries(), answers(), decisions()) == ([], [], [])


# -- the dry run


SUBJECTS = ("カタログ", "発送", "請求", "ほか")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wanted=st.lists(
        st.tuples(st.sampled_from(SUBJECTS), st.sampled_from(["text", "other text", "hook"]), st.booleans()),
        min_size=1,
        max_size=5,
    ),
    subjects=st.lists(st.sampled_from(SUBJECTS), min_size=1, max_size=6),
)
@pytest.mark.only_on("sqlite")
def test_a_dry_run_only_tells_and_tells_what_is_done(
    engine: Engine, wanted: Sequence[tuple[str, str, bool]], subjects: Sequence[str]
) -> None:
    """Each example in a mailbox of its own, with the rules of the others switched off."""
    with db.transaction() as session:
        number = session.scalar(select(func.count()).select_from(Outgoing.__table__)) or 0
        box = f"Box{session.scalar(select(func.max(Message.id))) or 0}x{number}"
    story = Story(box)
    mei = a_manager(f"Mei{box}")
    named = {
        "text": answering(a_text(mei, f"一 {box}")),
        "other text": answering(a_text(mei, f"二 {box}")),
        "hook": {"do": "webhook", "webhook_id": a_hook(mei, name=box)},
    }
    mails = [
        a_mail(subject=f"{subject} {n}", sender=("", f"c{n}@{box.lower()}{n}.example"), to=story.address)
        for n, subject in enumerate(subjects)
    ]
    here = {"field": "mailbox_id", "operator": "is", "values": [story.mailbox_id]}
    made = [
        a_rule(
            mei,
            a_body(f"R{n}", named[what], when={"all": [here, contains("subject", subject)]}, stop=stop),
        )
        for n, (subject, what, stop) in enumerate(wanted)
    ]
    before = len(answers()), len(deliveries())
    story.arrives(*mails)
    done = len(answers()) - before[0], len(deliveries()) - before[1]
    with db.reading() as session:
        told = [rules.dry_run(session, mei, one, now=NOW) for one in made]
        kept = len(answers()), len(deliveries())
    actions = [action for one in told for touched in one.touched for action in touched.actions]
    foretold = [one["do"] for one in actions]
    assert done == (foretold.count("auto_answer"), foretold.count("webhook"))
    assert kept == (len(answers()), len(deliveries()))
    assert [one.count for one in told] == [the_rule(one).hits for one in made]


# -- rules that answer each other


class Post:
    """Carries what one mailbox of this installation sent into the other. `hiding`: as a system that takes away all
    that tells a machine, gives each mail another subject and id, and another sender."""

    def __init__(self, one: Story, other: Story, *, hiding: bool) -> None:
        self.boxes = {one.address: one, other.address: other}
        self.hiding, self.carried = hiding, 0

    def carry(self) -> int:
        """How many were on their way."""
        new = answers()[self.carried :]
        self.carried += len(new)
        for number, one in enumerate(new, self.carried):
            raw = blobs().get(one.raw_sha256)
            if self.hiding:
                raw = hidden(raw, number)
            for to in one.recipients:
                address = to["address"]
                if address in self.boxes:
                    self.boxes[address].arrive(raw)
                else:  # their address outside: it leads to the other mailbox
                    others = [box for box in self.boxes.values() if box.mailbox_id != one.mailbox_id]
                    others[0].arrive(raw.replace(address.encode(), others[0].address.encode()))
        return len(new)


def hidden(raw: bytes, number: int) -> bytes:
    mail = message_from_bytes(raw, policy=policy.SMTP)
    for name in (*TELLING, "Subject", "Message-ID", "From"):
        del mail[name]
    mail["From"] = f"Ticket desk <desk{number % 2}@peer.example>"
    mail["Subject"], mail["Message-ID"] = f"Ticket {number} opened", f"<ticket{number}@peer.example>"
    return mail.as_bytes()


@pytest.mark.parametrize("hiding", [False, True], ids=["honest", "hiding"])
def test_rules_of_two_mailboxes_that_answer_each_other_fall_silent(engine: Engine, hiding: bool) -> None:
    """A mail of one of our mailboxes to the other is our own; what comes back over a system that hides everything is
    held by the budgets: one automatic mail to an address in a day."""
    one, other = Story("Support"), Story("Sales")
    mei = a_manager()
    text_id = a_text(mei)
    for story in (one, other):
        here = {"field": "mailbox_id", "operator": "is", "values": [story.mailbox_id]}
        a_rule(mei, a_body(f"Answers {story.address}", answering(text_id), when=here))
    sender = ("Ticket desk", "desk0@peer.example") if hiding else ("", other.address)
    one.arrive(a_mail("A question", sender=sender))
    if not hiding:
        other.arrive(a_mail("Another", sender=("", one.address), to=other.address, subject="Another"))
    post = Post(one, other, hiding=hiding)
    for _round in range(30):
        if not post.carry():
            break
    else:
        pytest.fail("they still write to each other")
    left = answers()
    assert all(mail.envelope_from == "" for mail in left)
    to = [(mail.mailbox_id, mail.recipients[0]["address"]) for mail in left]
    assert len(to) == len(set(to)), "one mail to an address from a mailbox"
    silent = {decided.reason for decided in decisions() if decided.reason}
    if hiding:
        assert 1 <= len(left) <= 4
        assert silent == {"sender_budget"}
    else:
        assert left == []
        assert silent == {"own_address"}
    assert all(decided.rule_name for decided in decisions())


def test_against_a_peer_that_is_somebody_else_each_time_the_breaker_opens_and_is_shown(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    a_rule(mei, a_body("All", answering(a_text(mei))))
    for number in range(60):
        story.arrive(a_mail(f"Re: {number}", sender=("", f"x{number}@h{number}.example"), subject=f"Ticket {number}"))
        story.now -= MINUTE - timedelta(seconds=10)
    assert len(answers()) == 20
    assert {one.reason for one in decisions()[21:]} == {"breaker"}
    with db.reading() as session:
        assert autoanswers_settings.alarms(session, mei, now=story.now)[story.mailbox_id].budget == "mailbox_budget"
    with db.transaction() as session:
        autoanswers_settings.close_breaker(session, mei, story.mailbox_id, now=story.now)
    story.arrive(a_mail(sender=("", "real@person.example"), date=story.now))
    assert decisions()[-1].reason == ""
    assert story.now - NOW < HOUR
