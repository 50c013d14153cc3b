"""Drafts through their pages: saved as one types, on any device, with files, with and without scripts."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from inbox import db
from inbox.config import settings
from inbox.models import Claim, Conversation, Draft, DraftFile, User
from tests.web.conftest import Visitor, World
from tests.web.stories import PIXEL

SCRIPT = {"X-Fragment": "1", "Accept": "application/json"}


def the_draft() -> Draft:
    with db.reading() as session:
        return session.scalars(select(Draft).order_by(Draft.id.desc())).first()  # type: ignore[return-value]


def started(agent: Visitor, world: World, kind: str = "reply") -> int:
    done = agent.post("/drafts", {"kind": kind, "conversation_id": world.free})
    assert done.status_code == 303
    return the_draft().id


def test_an_answer_opens_in_its_conversation_with_everything_filled_in(agent: Visitor, world: World) -> None:
    done = agent.post("/drafts", {"kind": "reply", "conversation_id": world.free, "way_box": "unassigned"})
    draft = the_draft()
    assert done.headers["Location"] == f"/conversations/{world.free}?draft={draft.id}&box=unassigned#composer"
    page = agent.get(done.headers["Location"]).text
    assert "山田 太郎 &lt;taro@example.jp&gt;" in page
    assert 'value="Re: 届きません"' in page
    assert "Words about 届きません" in page.partition('class="quoted"')[2], "the mail that will be quoted"
    assert '<textarea class="editor-plain" name="text"' in page, "the composer works without scripts"


def test_a_script_gets_the_composer_alone(agent: Visitor, world: World) -> None:
    part = agent.post("/drafts", {"kind": "forward", "conversation_id": world.free}, headers=SCRIPT).text
    assert "data-composer" in part
    assert "<html" not in part


def test_words_are_stored_as_one_types(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    form = {
        "rev": 1,
        "to": "山田 <taro@example.jp>; b@example.jp",
        "subject": "Re: x",
        "html": "<div>発送 <b>しました</b><script>1</script></div>",
        "quote_shown": "1",
    }
    told = agent.post(f"/drafts/{draft}", form, headers=SCRIPT)
    assert told.status_code == 200
    assert told.json["rev"] == 2
    assert told.json["said"].startswith("Saved ")
    kept = the_draft()
    assert kept.html == "<div>発送 <b>しました</b></div>"
    assert kept.to == [["山田", "taro@example.jp"], ["", "b@example.jp"]]
    assert kept.quote is False


def test_plain_words_from_a_page_without_scripts_keep_what_was_rich_if_untouched(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    agent.post(f"/drafts/{draft}", {"rev": 1, "html": "<div>so <b>bold</b></div>"}, headers=SCRIPT)
    agent.post(f"/drafts/{draft}", {"rev": 2, "text": "so bold"})
    assert the_draft().html == "<div>so <b>bold</b></div>"
    agent.post(f"/drafts/{draft}", {"rev": 3, "text": "so plain"})
    assert (the_draft().html, the_draft().text) == ("", "so plain")


def test_fields_that_are_no_ones_business_are_not_looked_at(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    agent.post(
        f"/drafts/{draft}",
        {"rev": 1, "text": "x", "author_id": 99, "mailbox_id": world.sales, "state": "sent"},
        headers=SCRIPT,
    )
    kept = the_draft()
    assert (kept.author_id, kept.mailbox_id, kept.state, kept.text) == (
        world.users["agent"],
        world.support,
        "open",
        "x",
    )


def test_another_device_is_not_overwritten(agent: Visitor, world: World, signed_in: Callable[..., Visitor]) -> None:
    draft, phone = started(agent, world), signed_in("agent")
    assert phone.post(f"/drafts/{draft}", {"rev": 1, "text": "from the phone"}, headers=SCRIPT).status_code == 200
    told = agent.post(f"/drafts/{draft}", {"rev": 1, "text": "from the desk"}, headers=SCRIPT)
    assert told.status_code == 409
    assert told.json["rev"] == 2
    page = agent.post(f"/drafts/{draft}", {"rev": 1, "text": "from the desk"})
    assert page.status_code == 409
    assert "from the phone" in page.text
    assert "from the desk" in page.text
    assert the_draft().text == "from the phone"
    agent.post(f"/drafts/{draft}", {"rev": told.json["rev"], "text": "from the desk"}, headers=SCRIPT)
    assert the_draft().text == "from the desk"


@pytest.mark.parametrize("form", [{"from_address": "ceo@bank.example"}, {"text": "x" * 600_000}])
def test_what_cannot_be_is_said_at_its_field_and_the_words_stay(
    agent: Visitor, world: World, form: dict[str, Any]
) -> None:
    draft = started(agent, world)
    told = agent.post(f"/drafts/{draft}", {"rev": 1, "subject": "Mine", **form}, headers=SCRIPT)
    assert told.status_code == 400
    assert told.json["said"]
    page = agent.post(f"/drafts/{draft}", {"rev": 1, "subject": "What I typed", "text": "kept", **form})
    assert page.status_code == 400
    assert "What I typed" in page.text


def test_reply_becomes_reply_to_all_and_back(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    agent.post(f"/drafts/{draft}/kind", {"rev": 1, "text": "Hello", "to": "x@y.example", "new_kind": "forward"})
    kept = the_draft()
    assert (kept.kind, kept.to, kept.text) == ("forward", [], "Hello")
    agent.post(f"/drafts/{draft}/kind", {"rev": 2, "text": "Hello", "to": "", "new_kind": "reply"})
    assert the_draft().to == [["山田 太郎", "taro@example.jp"]]


# -- files


def upload(agent: Visitor, draft: int, name: str, data: bytes, kind: str = "", **more: Any) -> Any:
    sent = (io.BytesIO(data), name, kind) if kind else (io.BytesIO(data), name)
    return agent.post(
        f"/drafts/{draft}/files", {"file": sent, **more}, content_type="multipart/form-data", headers=SCRIPT
    )


def test_files_are_attached_shown_and_removed(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    told = upload(agent, draft, "見積 書.pdf", b"%PDF-1.4 x", "application/pdf")
    assert "見積 書.pdf" in told.json["html"]
    with db.reading() as session:
        file = session.scalars(select(DraftFile)).one()
    shown = agent.get(f"/drafts/{draft}/files/{file.id}")
    assert shown.data == b"%PDF-1.4 x"
    assert shown.headers["Content-Disposition"].startswith("attachment;")
    assert "見積 書.pdf" in agent.get(f"/conversations/{world.free}?draft={draft}").text
    assert agent.post(f"/drafts/{draft}/files/{file.id}/removal", headers=SCRIPT).status_code == 204
    with db.reading() as session:
        assert session.scalars(select(DraftFile)).all() == []


def test_a_picture_in_the_text_is_sent_by_its_content_id(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    url = upload(agent, draft, "dot.png", PIXEL, "image/png", inline="1").json["url"]
    agent.post(f"/drafts/{draft}", {"rev": 1, "html": f'<div>see <img src="{url}"></div>'}, headers=SCRIPT)
    assert 'src="cid:' in the_draft().html
    assert f"src=&#34;{url}&#34;" in agent.get(f"/conversations/{world.free}?draft={draft}").text, (
        "the editor gets its path"
    )
    assert agent.get(url).headers["Content-Disposition"].startswith("inline;")


def test_html_that_calls_itself_a_picture_is_none(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    assert upload(agent, draft, "dot.png", b"<script>1</script>", "image/png", inline="1").status_code == 400
    told = upload(agent, draft, "dot.png", b"<script>1</script>", "image/png")
    assert told.status_code == 200
    assert agent.get(told.json["url"]).headers["Content-Disposition"].startswith("attachment;")


def test_too_many_bytes_are_refused_in_words(agent: Visitor, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = started(agent, world)
    monkeypatch.setattr(settings(), "max_upload_bytes", 200_000)
    told = upload(agent, draft, "big.bin", b"x" * 200_001)
    assert told.status_code == 400
    assert "MB" in told.json["said"]
    with db.reading() as session:
        assert session.scalars(select(DraftFile)).all() == []


def test_a_file_comes_with_the_words_when_there_are_no_scripts(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    form = {"rev": 1, "text": "typed before", "file": (io.BytesIO(b"abc"), "a.txt")}
    done = agent.post(f"/drafts/{draft}/files", form, content_type="multipart/form-data")
    assert done.status_code == 303
    assert the_draft().text == "typed before"
    assert "a.txt" in agent.get(done.headers["Location"]).text


# -- set in by a script


def test_a_composer_that_is_set_in_says_at_once_that_a_colleague_writes(
    agent: Visitor, signed_in: Callable[..., Visitor], world: World
) -> None:
    signed_in("manager").post(f"/conversations/{world.free}/claim")
    told = "Mei is writing an answer"
    answer = {"kind": "reply", "conversation_id": world.free}
    assert told in agent.post("/drafts", answer, headers=SCRIPT).text
    changed = {"rev": 1, "new_kind": "forward", "text": "Words"}
    assert told in agent.post(f"/drafts/{the_draft().id}/kind", changed, headers=SCRIPT).text
    assert told not in signed_in("manager").post("/drafts", answer, headers=SCRIPT).text


def test_another_kind_of_answer_still_says_what_arrived_meanwhile(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    with db.transaction() as session:
        session.get_one(Conversation, world.free).version += 1
    changed = {"rev": 1, "new_kind": "reply_all", "seen_version": the_draft().seen_version, "text": "Words"}
    page = agent.post(f"/drafts/{draft}/kind", changed, headers=SCRIPT).text
    assert re.search(r"data-arrived data-version=\"\d+\" role", page)
    assert "The conversation went on since you began to write." in page


# -- the list, discarding, new mail


def test_the_list_names_them_and_a_discarded_one_comes_back(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    agent.post(f"/drafts/{draft}", {"rev": 1, "text": "Half an answer"}, headers=SCRIPT)
    agent.post(f"/conversations/{world.free}/claim")
    assert "Half an answer" in agent.get("/drafts").text
    done = agent.post(f"/drafts/{draft}/discarding")
    assert done.headers["Location"] == f"/conversations/{world.free}"
    with db.reading() as session:
        assert session.scalars(select(Claim)).all() == [], "nobody writes any more"
    page = agent.get("/drafts").text
    assert "Half an answer" not in page
    assert f"/drafts/{draft}/return" in page, "a way back"
    assert f"draft={draft}" in agent.post(f"/drafts/{draft}/return").headers["Location"]
    assert the_draft().text == "Half an answer"


def test_a_new_mail_has_its_own_page_and_can_leave_from_another_mailbox(
    signed_in: Callable[..., Visitor], world: World
) -> None:
    admin = signed_in("admin")
    done = admin.post("/drafts", {"kind": "new", "mailbox_id": world.support})
    page = admin.get(done.headers["Location"]).text
    assert "New mail" in page
    draft = the_draft()
    admin.post(
        f"/drafts/{draft.id}/mailbox", {"rev": 1, "text": "Words", "to": "x@example.jp", "mailbox_id": world.sales}
    )
    kept = the_draft()
    assert (kept.mailbox_id, kept.from_address, kept.text) == (world.sales, "sales@shop.example", "Words")


def test_looking_at_the_new_mail_page_twice_leaves_one_draft(agent: Visitor, world: World) -> None:
    for _ in range(2):
        agent.post("/drafts", {"kind": "new"})
    with db.reading() as session:
        assert len(session.scalars(select(Draft)).all()) == 1


def test_a_refused_address_costs_no_words(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    everybody = ", ".join(f"p{n}@example.jp" for n in range(201))
    form = {"rev": 1, "to": everybody, "html": "<div>発送 <b>しました</b></div>"}
    told = agent.post(f"/drafts/{draft}", form, headers=SCRIPT)
    assert (told.status_code, told.json["field"], told.json["rev"]) == (400, "to", 2)
    assert "発送 <b>しました</b>" in the_draft().html
    again = agent.post(f"/drafts/{draft}", form | {"rev": 2, "html": "<div>二通目</div>"})
    assert again.status_code == 400
    assert "二通目" in again.text
    assert "p200@example.jp" in again.text
    assert the_draft().html == "<div>二通目</div>"


def test_words_of_somebody_who_was_signed_out_stay_on_the_page(agent: Visitor, world: World) -> None:
    agent.get("/inbox/open")
    with db.transaction() as session:
        session.get_one(User, world.users["agent"]).session_epoch += 1
    shown = agent.post(f"/conversations/{world.free}/notes", {"text": "電話しました。"})
    assert shown.status_code == 401
    assert "電話しました。" in shown.text
    assert "You were signed out" in shown.text
    script = agent.post(f"/conversations/{world.free}/notes", {"text": "電話しました。"}, headers=SCRIPT)
    assert (script.status_code, "You were signed out" in script.text) == (401, True)

