"""Who is told what: given, mentioned, new mail, answers that did not arrive; never oneself, never too much."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox import approvals, conversation_page, conversations, following, notifications, people, telling, triage
from inbox.conversation_page import MentionView
from inbox.errors import NotFound, UserError
from inbox.models import Approval, Delivery, Draft, Note, Notification, Team, TeamMember, Webhook
from inbox.people import Viewer
from tests.inbox.cast import DAY, HOUR, MINUTE, NOW, a_conversation, a_mailbox, a_message, a_user, a_viewer


@pytest.fixture
def support(session: Session):
    return a_mailbox(session)


@pytest.fixture
def aoi(session: Session, support) -> Viewer:
    return a_viewer(session, "Aoi", support)


@pytest.fixture
def hana(session: Session, support) -> Viewer:
    return people.of(session, a_user(session, "Hanako", support, locale="ja"))


def told(session: Session, who: Viewer) -> list[tuple[str, str]]:
    return [(row.kind, row.sentence) for row in notifications.page(session, who).rows]


def test_who_gets_a_conversation_is_told_and_who_takes_one_is_not(session: Session, support, aoi, hana) -> None:
    story = a_conversation(session, support)
    triage.assign(session, aoi, story.id, hana.id, now=NOW)
    assert told(session, hana) == [("given", "Aoiさんがあなたを担当にしました")]
    triage.assign(session, aoi, story.id, aoi.id, now=NOW)
    assert told(session, aoi) == []
    conversations.assign(session, story, hana.id, now=NOW, actor_id=None)
    assert told(session, hana)[0] == ("given", "自動であなたの担当になりました")


def test_new_mail_is_told_to_owner_and_followers(session: Session, support, aoi, hana) -> None:
    story = a_conversation(session, support)
    a_message(session, story)
    assert session.scalars(select(Notification)).all() == []
    conversations.assign(session, story, aoi.id, now=NOW, actor_id=aoi.id)
    following.follow(session, hana, story.id, now=NOW)
    following.follow(session, hana, story.id, now=NOW)
    a_message(session, story, "まだですか")
    assert told(session, aoi) == [("mail", "山田 太郎 から新しいメールが届きました")]
    assert [kind for kind, _ in told(session, hana)] == ["mail"]
    following.unfollow(session, hana, story.id)
    a_message(session, story, "もしもし")
    assert len(told(session, hana)) == 1
    assert len(told(session, aoi)) == 2


def test_mails_filed_together_are_told_too(session: Session, support, aoi) -> None:
    story = a_conversation(session, support, owner=aoi)
    with conversations.together(session):
        a_message(session, story, "1")
        a_message(session, story, "2")
        assert told(session, aoi) == []
    assert [kind for kind, _ in told(session, aoi)] == ["mail"]  # the first one began the conversation


def test_robots_spam_and_the_first_import_are_not_told(session: Session, support, aoi) -> None:
    story = a_conversation(session, support, owner=aoi, status="spam")
    a_message(session, story, "1")
    a_message(session, story, "2")
    other = a_conversation(session, support, owner=aoi)
    a_message(session, other, "1")
    message = a_message(session, other, "2", direction="out")
    message.direction = "in"
    conversations.receive(session, other, message, now=NOW, quiet=True)
    assert told(session, aoi) == []


def test_an_answer_that_did_not_arrive_is_told_to_its_author_and_the_owner(
    session: Session, support, aoi, hana
) -> None:
    story = a_conversation(session, support, owner=hana)
    answer = a_message(session, story, "返信", direction="out", author_id=aoi.id)
    conversations.record(session, story, "failed", now=NOW, message_id=answer.id, outgoing_id=1)
    assert told(session, aoi)[0][0] == told(session, hana)[0][0] == "trouble"
    assert told(session, hana)[0][1] == "返信を送信できませんでした"
    conversations.record(session, story, "bounced", now=NOW, message_id=answer.id, permanent=False)
    assert len(told(session, aoi)) == 1  # only late, perhaps


def followers(session: Session, who: Viewer, conversation_id: int) -> list[str]:
    return [name for _id, name in conversation_page.show(session, who, conversation_id, now=NOW).followers]


def test_a_mention_tells_and_makes_follow(session: Session, support, aoi, hana) -> None:
    story = a_conversation(session, support, owner=aoi)
    note_id = triage.note(session, aoi, story.id, "  ＠Hanakoさん 在庫を確認してください", now=NOW)
    note = session.get_one(Note, note_id)
    ((start, end, user_id),) = note.mentions
    assert (note.text[start:end], user_id) == ("＠Hanako", hana.id)
    assert told(session, hana) == [
        ("mentioned", "Aoiさんがメモであなたを指名しました: ＠Hanakoさん 在庫を確認してください")
    ]
    assert followers(session, hana, story.id) == ["Aoi", "Hanako"]
    triage.note(session, hana, story.id, "ありました", now=NOW)
    assert [kind for kind, _ in told(session, aoi)] == ["noted"]
    assert len(told(session, hana)) == 1


def test_a_mention_of_somebody_without_access_is_refused_at_the_field(session: Session, support, aoi) -> None:
    a_user(session, "Ben", a_mailbox(session, "Sales"))
    a_user(session, "Rin", role="admin")
    story = a_conversation(session, support)
    with pytest.raises(UserError) as refused:
        triage.note(session, aoi, story.id, "@Ben please", now=NOW)
    assert (refused.value.field, refused.value.params) == ("text", {"name": "Ben"})
    assert session.scalars(select(Note)).all() == []
    triage.note(session, aoi, story.id, "@Rin please", now=NOW)


def a_team(session: Session, name: str, *members: int) -> int:
    team = Team(name=name, created_at=NOW, members=[TeamMember(user_id=one) for one in members])
    session.add(team)
    session.flush()
    return team.id


def test_a_team_is_told_once_each_and_not_who_cannot_see_it(session: Session, support, aoi, hana) -> None:
    ben = a_viewer(session, "Ben", a_mailbox(session, "Sales"))
    ken = a_viewer(session, "Ken", support)
    team = a_team(session, "一次対応", aoi.id, hana.id, ken.id, ben.id)
    a_team(session, "夜間", ken.id, hana.id)
    story = a_conversation(session, support, owner=ken)
    note_id = triage.note(session, aoi, story.id, " @一次対応 @夜間 @Hanakoさん 在庫を見てください", now=NOW)
    note = session.get_one(Note, note_id)
    assert note.mentions[0] == [0, 5, None, team]
    assert note.text[0:5] == "@一次対応"
    assert [kind for kind, _ in told(session, ken)] == ["mentioned"], "as owner he is not told of the note once more"
    assert told(session, ken)[0][1].startswith("Aoiさんがメモでチーム「一次対応」を指名しました: @一次対応")
    assert [said.partition("を指名")[0] for _, said in told(session, hana)] == ["Aoiさんがメモであなた"]
    assert told(session, ben) == told(session, aoi) == []
    assert followers(session, hana, story.id) == ["Aoi", "Hanako"], "a team does not follow"
    triage.note(session, ken, story.id, "@夜間 お願いします", now=NOW)
    assert told(session, hana)[0][1] == "Kenさんがメモでチーム「夜間」を指名しました: @夜間 お願いします"


def test_a_renamed_or_removed_team_keeps_its_mark(session: Session, support, aoi, hana) -> None:
    team = a_team(session, "Billing", hana.id)
    story = a_conversation(session, support)
    triage.note(session, aoi, story.id, "@Billing please", now=NOW)
    session.get_one(Team, team).name = "Accounts"
    session.flush()
    (note,) = conversation_page.show(session, hana, story.id, now=NOW).notes
    assert note.mentions == (MentionView(0, 8, frozenset({hana.id}), team="Accounts"),)
    session.delete(session.get_one(Team, team))
    session.flush()
    (note,) = conversation_page.show(session, hana, story.id, now=NOW).notes
    assert note.mentions == (MentionView(0, 8, frozenset()),)


def test_a_team_that_cannot_read_the_note_is_refused_at_the_field(session: Session, support, aoi) -> None:
    ben = a_viewer(session, "Ben", a_mailbox(session, "Sales"))
    a_team(session, "Field sales", ben.id)
    a_team(session, "Aoi", aoi.id)
    story = a_conversation(session, support)
    assert [one.name for one in following.teams_to_mention(session, mailbox_id=support.id)] == ["Aoi"]
    for text, named in (("@Field sales look", "Field sales"), ("@Aoi look", "Aoi")):
        with pytest.raises(UserError) as refused:
            triage.note(session, aoi, story.id, text, now=NOW)
        assert refused.value.field == "text"
        assert named in str(refused.value)
    assert session.scalars(select(Note)).all() == []


def test_a_note_that_mentions_nobody_calls_no_webhook_for_mentions(session: Session, support, aoi) -> None:
    team = a_team(session, "Billing", aoi.id)
    hook = Webhook(team_id=team, name="b", url="https://hook.example/", secret="", kinds=["mentioned"], created_at=NOW)
    session.add(hook)
    story = a_conversation(session, support)
    story.team_id = team
    session.flush()
    triage.note(session, aoi, story.id, "nobody", now=NOW)
    assert session.scalars(select(Delivery)).all() == []


def test_a_name_of_several_people_is_refused_unless_one_alone_may_read_it(session: Session, support, aoi) -> None:
    story = a_conversation(session, support)
    one = a_user(session, "佐藤 花子", support)
    other = a_user(session, "佐藤 次郎", a_mailbox(session, "Sales"))
    note = session.get_one(Note, triage.note(session, aoi, story.id, "@佐藤さん", now=NOW))
    assert [user_id for _, _, user_id in note.mentions] == [one.id]
    people_of_support = people.of(session, a_user(session, "Rin", role="admin"))
    other.role = "admin"
    session.flush()
    with pytest.raises(UserError) as refused:
        triage.note(session, people_of_support, story.id, "@佐藤さん", now=NOW)
    assert refused.value.params["said"] == "佐藤"
    assert "@佐藤 次郎" in refused.value.params["whole"]


def test_nobody_is_told_about_what_they_may_not_see(session: Session, support, aoi) -> None:
    ben = a_viewer(session, "Ben", a_mailbox(session, "Sales"))
    story = a_conversation(session, support)
    telling.about(session, "deadline", now=NOW, to=[aoi.id, ben.id], conversation_id=story.id, percent=80)
    assert told(session, ben) == []
    assert len(told(session, aoi)) == 1
    with pytest.raises(NotFound):
        following.follow(session, ben, story.id, now=NOW)
    assert notifications.page(session, replace(aoi, mailbox_ids=())).rows == ()  # who lost access sees no more


def test_followers_of_a_joined_conversation_are_told_where_it_goes_on(session: Session, support, aoi, hana) -> None:
    older, newer = a_conversation(session, support, at=NOW - DAY), a_conversation(session, support)
    a_message(session, older)
    a_message(session, newer)
    following.follow(session, hana, newer.id, now=NOW)
    oldest = a_conversation(session, support, at=NOW - 2 * DAY)
    a_message(session, oldest)
    for place, came_from in ((older, "once"), (oldest, "by way of another")):
        gone = newer if place is older else older
        gone.joined_into_id, gone.status = place.id, "joined"
        session.flush()
        a_message(session, place, f"Joined {came_from}")
        assert followers(session, hana, place.id) == ["Hanako"]
    assert [kind for kind, _ in told(session, hana)] == ["mail", "mail"]
    following.unfollow(session, hana, oldest.id)
    assert followers(session, hana, oldest.id) == []


def test_looking_at_a_conversation_reads_what_was_told_about_it(session: Session, support, aoi, hana) -> None:
    one, other = (a_conversation(session, support, owner=None) for _ in range(2))
    for story in (one, other):
        triage.assign(session, aoi, story.id, hana.id, now=NOW)
    conversations.look(session, one, hana.id, now=NOW + MINUTE)
    unread = notifications.page(session, hana, unread_only=True).rows
    assert [row.conversation_id for row in unread] == [other.id]
    assert notifications.mark_read(session, aoi, [unread[0].id], now=NOW) == 0  # another's
    assert notifications.mark_read(session, hana, None, now=NOW) == 1


def test_pages_of_fifty(session: Session, support, aoi) -> None:
    for n in range(60):
        telling.about(session, "handover", now=NOW + n * MINUTE, to=[], mailbox_id=support.id, text=f"note {n}")
    first = notifications.page(session, aoi)
    second = notifications.page(session, aoi, before=first.older)
    assert (len(first.rows), len(second.rows), second.older) == (50, 10, None)
    assert "note 59" in first.rows[0].sentence


def test_what_was_chosen_is_what_happens(session: Session, support, aoi) -> None:
    story = a_conversation(session, support)
    ways = {"deadline": ["mail", "pigeon"], "mentioned": []}
    notifications.choose(session, aoi, ways=ways, quiet_from="22:00", quiet_until="７:00")
    chosen = notifications.choices(session, aoi)
    assert chosen.ways["deadline"] == {"mail"}
    assert (chosen.quiet_from, chosen.quiet_until) == ("22:00", "07:00")
    assert "mailbox" not in chosen.ways  # for administrators alone
    telling.about(session, "deadline", now=NOW, to=[aoi.id], conversation_id=story.id, percent=100)
    telling.about(session, "mentioned", now=NOW, to=[aoi.id], conversation_id=story.id, text="x")
    (row,) = session.scalars(select(Notification)).all()
    assert (row.kind, row.shown, row.browser) == ("deadline", False, False)
    assert row.mail_at == NOW + telling.GATHER
    assert told(session, aoi) == []


@pytest.mark.parametrize(
    ("quiet_from", "quiet_until", "field"),
    [
        ("25:00", "07:00", "quiet_from"),
        ("22:00", "", "quiet_until"),
        ("", "07:00", "quiet_from"),
        ("7:00", "07:00", "quiet_until"),
    ],
)
def test_wrong_quiet_hours_are_refused(session: Session, aoi, quiet_from: str, quiet_until: str, field: str) -> None:
    with pytest.raises(UserError) as refused:
        notifications.choose(session, aoi, ways={}, quiet_from=quiet_from, quiet_until=quiet_until)
    assert refused.value.field == field


def test_open_tabs_show_what_is_new_but_not_in_quiet_hours(session: Session, support, aoi) -> None:
    story = a_conversation(session, support)
    telling.about(session, "noted", now=NOW, to=[aoi.id], conversation_id=story.id)
    telling.about(session, "given", now=NOW, to=[aoi.id], conversation_id=story.id)
    chosen = notifications.choices(session, aoi).ways
    row = notifications.fresh(session, aoi, after=0, now=NOW)
    assert row is not None
    assert row.title == "自動であなたの担当になりました"  # a note stands at the bell only
    assert notifications.fresh(session, aoi, after=row.id, now=NOW) is None
    notifications.choose(session, aoi, ways=chosen, quiet_from="11:00", quiet_until="13:00")  # noon in Tokyo
    assert notifications.fresh(session, aoi, after=0, now=NOW) is None
    assert notifications.fresh(session, aoi, after=0, now=NOW + 2 * HOUR) == row


def test_old_notifications_are_forgotten(session: Session, support, aoi) -> None:
    story = a_conversation(session, support)
    telling.about(session, "given", now=NOW - 100 * DAY, to=[aoi.id], conversation_id=story.id)
    telling.about(session, "given", now=NOW, to=[aoi.id], conversation_id=story.id)
    assert notifications.forget_old(session, now=NOW) == 1


def test_approvers_are_told_of_a_request_and_its_author_of_the_answer(session: Session, support, aoi, hana) -> None:
    asked = Approval(id=7, author_id=aoi.id, mailbox_id=support.id, answer="敬称を直してください", asked_at=NOW)
    draft = Draft(conversation_id=a_conversation(session, support).id)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(approvals.approval_policies, "who_may", lambda *_given, **_more: {hana.id: None, aoi.id: None})
        for event, by in (("approval_asked", aoi.id), ("approval_returned", hana.id), ("approval_withdrawn", aoi.id)):
            approvals._tell(session, asked, draft, event, by=by, now=NOW)
    (request,) = notifications.page(session, hana).rows
    (answer,) = notifications.page(session, aoi).rows
    assert (request.sentence, request.path) == ("Aoiさんが承認を求めています", "/approvals/7")
    assert answer.sentence == "Hanakoさんがメールを差し戻しました: 敬称を直してください"
