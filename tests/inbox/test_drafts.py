"""Drafts: filled in rightly, saved without loss, read by their author only, files within bounds."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from inbox import config, drafts
from inbox.errors import Conflict, NotFound, UserError
from inbox.models import Draft, MailboxAddress
from tests.inbox.cast import (
    CUSTOMER,
    HOUR,
    MINUTE,
    NOW,
    a_conversation,
    a_mailbox,
    a_message,
    a_person,
    a_user,
    a_viewer,
)

PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82"
)
KEN = ("Ken", "ken@partner.example")


@pytest.fixture
def support(session: Session):
    return a_mailbox(session, "Support", "help@shop.example")


@pytest.fixture
def aoi(session: Session, support):
    return a_viewer(session, "Aoi", support)


@pytest.fixture
def conversation(session: Session, support):
    made = a_conversation(session, support, "Re: 届きません", person=a_person(session))
    a_message(
        session,
        made,
        to=[["", "HELP@shop.example"], list(KEN)],
        cc=[["", "boss@example.jp"], ["", "support@shop.example"]],
    )
    return made


def start(session, who, kind, conversation, **more):
    return drafts.start(session, who, kind, conversation_id=conversation.id, now=NOW, **more)


# -- who gets it


def test_a_reply_goes_to_the_customer_from_the_address_that_was_written_to(session, aoi, conversation) -> None:
    draft = start(session, aoi, "reply", conversation)
    assert draft.to == (CUSTOMER,)
    assert (draft.cc, draft.bcc) == ((), ())
    assert draft.from_address == "help@shop.example"
    assert draft.from_choices == (("Support team", "support@shop.example"), ("Support team", "help@shop.example"))
    assert draft.subject == "Re: 届きません"
    assert draft.seen_version == conversation.version
    assert draft.quote


def test_reply_all_adds_the_others_but_never_us(session, aoi, conversation) -> None:
    draft = start(session, aoi, "reply_all", conversation)
    assert draft.to == (CUSTOMER, KEN)
    assert draft.cc == (("", "boss@example.jp"),)


def test_reply_to_is_honoured_unless_it_is_ours(session, aoi, conversation, support) -> None:
    a_message(session, conversation, "2", reply_to=[["窓口", "desk@example.jp"], ["", "support@shop.example"]])
    assert start(session, aoi, "reply", conversation).to == (("窓口", "desk@example.jp"),)
    a_message(session, conversation, "3", reply_to=[["", "Support@Shop.example"]])
    ben = a_viewer(session, "Ben", support)
    assert start(session, ben, "reply", conversation).to == (CUSTOMER,)


def test_addresses_of_all_our_mailboxes_are_ours(session, aoi, conversation, support) -> None:
    sales = a_mailbox(session, "Sales")
    session.add(MailboxAddress(mailbox_id=sales.id, address="deals@shop.example"))
    a_message(
        session,
        conversation,
        "cc",
        cc=[["", "deals@shop.example"], ["", "sales@shop.example"], ["", "friend@example.jp"]],
    )
    assert start(session, aoi, "reply_all", conversation).cc == (("", "friend@example.jp"),)


def test_an_unverified_sender_never_becomes_the_default(session, aoi, conversation) -> None:
    a_message(
        session,
        conversation,
        "私にも",
        sender=("山田 太郎", "evil@attacker.example"),
        unverified=True,
        cc=[["", "e2@attacker.example"]],
    )
    for kind in ("reply", "reply_all"):
        draft = start(session, aoi, kind, conversation)
        assert "attacker" not in str((draft.to, draft.cc))
        assert draft.to[0] == CUSTOMER


def test_a_bounce_or_an_auto_reply_does_not_become_the_recipient(session, aoi, conversation) -> None:
    a_message(session, conversation, "bounced", sender=("", "mailer-daemon@example.jp"), kind="bounce")
    a_message(session, conversation, "away", sender=("", "robot@example.jp"), kind="auto_reply")
    assert start(session, aoi, "reply", conversation).to == (CUSTOMER,)


def test_where_we_wrote_first_the_reply_goes_to_whom_we_wrote(session, aoi, support) -> None:
    ours = a_conversation(session, support, "ご案内")
    a_message(
        session,
        ours,
        "ご案内です",
        direction="out",
        sender=("Support team", "help@shop.example"),
        to=[list(KEN)],
        cc=[["", "x@partner.example"]],
    )
    assert start(session, aoi, "reply", ours).to == (KEN,)
    assert start(session, aoi, "reply_all", ours).cc == (("", "x@partner.example"),)
    assert start(session, aoi, "reply", ours).from_address == "help@shop.example"


def test_a_form_that_writes_in_our_name_is_answered_to_its_other_address(session, aoi, support) -> None:
    form = a_conversation(session, support)
    a_message(session, form, "form", sender=("Form", "support@shop.example"), reply_to=[["", "visitor@example.jp"]])
    assert start(session, aoi, "reply", form).to == (("", "visitor@example.jp"),)


def test_a_conversation_without_mail_gives_an_empty_field_and_no_error(session, aoi, support) -> None:
    empty = a_conversation(session, support, "空")
    assert start(session, aoi, "reply", empty).to == ()


def test_a_particular_message_can_be_answered(session, aoi, conversation) -> None:
    other = a_message(session, conversation, "横から", sender=KEN)
    a_message(session, conversation, "続き")
    assert start(session, aoi, "reply", conversation, message_id=other.id).to == (KEN,)
    elsewhere = a_conversation(session, session.get_one(type(conversation), conversation.id).mailbox)
    strange = a_message(session, elsewhere)
    with pytest.raises(NotFound):
        start(session, aoi, "reply", conversation, message_id=strange.id)


def test_an_answer_leaves_from_the_alias_that_the_server_delivered_to(session, aoi, support) -> None:
    support.addresses.append(MailboxAddress(address="returns@shop.example"))
    session.flush()
    blind = a_conversation(session, support, "Bcc")
    raw = b"Delivered-To: <Returns@shop.example>\r\nFrom: taro@example.jp\r\nTo: list@example.jp\r\n\r\nhello\r\n"
    a_message(session, blind, "hello", raw=raw, to=[["", "list@example.jp"]])
    assert start(session, aoi, "reply", blind).from_address == "returns@shop.example"


def test_forwarding_takes_the_files_along_and_nobody_is_written_to_yet(session, aoi, conversation) -> None:
    raw = (
        b"From: taro@example.jp\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: text/plain\r\n\r\nhello\r\n--b\r\nContent-Type: application/pdf\r\n"
        b"Content-Disposition: attachment; filename=a.pdf\r\n\r\n%PDF-1 the bytes\r\n--b--\r\n"
    )
    a_message(session, conversation, "hello", raw=raw, files=(("a.pdf", "application/pdf", b"%PDF-1 the bytes"),))
    draft = start(session, aoi, "forward", conversation)
    assert (draft.to, draft.cc) == ((), ())
    assert draft.subject == "Fwd: Re: 届きません"
    (file,) = draft.files
    assert drafts.file(session, aoi, draft.id, file.id) == ("a.pdf", "application/pdf", b"%PDF-1 the bytes")


# -- one draft, kept


def test_the_same_draft_opens_again_on_every_device(session, aoi, conversation) -> None:
    first = start(session, aoi, "reply", conversation)
    drafts.save(session, aoi, first.id, rev=1, fields={"html": "<p>書きかけ</p>"}, now=NOW)
    a_message(session, conversation, "もう一通")
    again = start(session, aoi, "reply", conversation)
    assert (again.id, again.html, again.rev) == (first.id, "<p>書きかけ</p>", 2)
    assert again.seen_version == conversation.version
    assert [row.id for row in drafts.page(session, aoi)] == [first.id]
    assert drafts.page(session, aoi)[0].snippet == "書きかけ"


def test_an_older_save_is_refused_and_the_newer_words_are_shown(session, aoi, conversation) -> None:
    draft = start(session, aoi, "reply", conversation)
    saved = drafts.save(session, aoi, draft.id, rev=1, fields={"text": "一台目"}, now=NOW)
    assert saved.rev == 2
    with pytest.raises(drafts.StaleDraft) as refused:
        drafts.save(session, aoi, draft.id, rev=1, fields={"text": "二台目"}, now=NOW)
    assert (refused.value.newer.text, refused.value.newer.rev) == ("一台目", 2)
    assert (
        drafts.save(session, aoi, draft.id, rev=1, fields={"text": "一台目"}, now=NOW).rev == 2
    )  # the answer was lost
    assert drafts.save(session, aoi, draft.id, rev=2, fields={"text": "二台目"}, now=NOW).text == "二台目"


def test_only_its_author_reads_and_changes_it(session, aoi, conversation, support) -> None:
    draft = start(session, aoi, "reply", conversation)
    ben = a_viewer(session, "Ben", support)
    for act in (
        lambda: drafts.show(session, ben, draft.id),
        lambda: drafts.save(session, ben, draft.id, rev=1, fields={}, now=NOW),
        lambda: drafts.discard(session, ben, draft.id, now=NOW),
        lambda: drafts.add_file(session, ben, draft.id, name="x", content_type="", data=b"x", now=NOW),
        lambda: drafts.file(session, ben, draft.id, 1),
        lambda: start(session, a_viewer(session, "Cho"), "reply", conversation),
        lambda: drafts.start(session, ben, "shout", conversation_id=conversation.id, now=NOW),
        lambda: drafts.start(session, ben, "reply", now=NOW),
    ):
        with pytest.raises(NotFound):
            act()
    assert start(session, ben, "reply", conversation).id != draft.id


def test_a_discarded_or_sent_draft_takes_no_more_words(session, aoi, conversation) -> None:
    draft = start(session, aoi, "reply", conversation)
    drafts.discard(session, aoi, draft.id, now=NOW)
    with pytest.raises(Conflict):
        drafts.save(session, aoi, draft.id, rev=1, fields={"text": "x"}, now=NOW)
    assert drafts.page(session, aoi) == ()
    assert start(session, aoi, "reply", conversation).id != draft.id


def test_a_refused_draft_keeps_its_mark_and_words(session, aoi, conversation) -> None:
    draft = start(session, aoi, "reply", conversation)
    drafts.save(session, aoi, draft.id, rev=1, fields={"text": "大事な言葉"}, now=NOW)
    session.get_one(Draft, draft.id).refused_at = NOW
    session.flush()
    again = start(session, aoi, "reply", conversation)
    assert (again.text, again.refused_at) == ("大事な言葉", NOW)


def test_a_new_mail_leaves_no_litter(session, aoi, support) -> None:
    first = drafts.start(session, aoi, "new", mailbox_id=support.id, now=NOW)
    assert drafts.start(session, aoi, "new", mailbox_id=support.id, now=NOW).id == first.id
    drafts.save(session, aoi, first.id, rev=1, fields={"subject": "x"}, now=NOW)
    assert drafts.start(session, aoi, "new", mailbox_id=support.id, now=NOW).id != first.id
    assert (first.from_address, first.quote, first.to) == ("support@shop.example", False, ())
    with pytest.raises(NotFound):
        drafts.start(session, a_viewer(session, "Cho"), "new", now=NOW)


# -- fields


def test_half_typed_addresses_are_kept_as_they_stand(session, aoi, conversation) -> None:
    draft = start(session, aoi, "reply", conversation)
    typed = "山田 <taro@example.jp>, ken@part; \r\nBcc: x"
    saved = drafts.save(
        session, aoi, draft.id, rev=1, fields={"to": typed, "cc": [["Ken", "ken@partner.example"]]}, now=NOW
    )
    assert saved.to[0] == ("山田", "taro@example.jp")
    assert ("", "ken@part") in saved.to
    assert all("\n" not in address and "\r" not in address for _name, address in saved.to)
    assert saved.cc == (KEN,)
    with pytest.raises(UserError):
        drafts.save(
            session, aoi, draft.id, rev=2, fields={"to": ", ".join(f"a{n}@b.example" for n in range(300))}, now=NOW
        )


def test_html_is_sanitised_before_it_is_stored(session, aoi, conversation) -> None:
    draft = start(session, aoi, "reply", conversation)
    html = '<p onclick="x()">ok</p><script>alert(1)</script><img src="http://t.example/x.gif"><img src="cid:foreign@x">'
    saved = drafts.save(
        session, aoi, draft.id, rev=1, fields={"html": html, "subject": "a\r\nBcc: x@y\u2028z"}, now=NOW
    )
    assert "ok" in saved.html
    for bad in ("onclick", "script", "t.example", "foreign"):
        assert bad not in saved.html
    assert "\r" not in saved.subject
    assert "\n" not in saved.subject
    assert "\u2028" not in saved.subject


def test_unknown_fields_and_foreign_from_addresses_are_refused(session, aoi, conversation) -> None:
    draft = start(session, aoi, "reply", conversation)
    for fields in (
        {"author_id": 1},
        {"state": "sent"},
        {"mailbox_id": 2},
        {"from_address": "ceo@shop.example"},
        {"kind": "new"},
    ):
        with pytest.raises(UserError):
            drafts.save(session, aoi, draft.id, rev=1, fields=fields, now=NOW)
    saved = drafts.save(
        session, aoi, draft.id, rev=1, fields={"from_address": "SUPPORT@shop.example", "quote": False}, now=NOW
    )
    assert (saved.from_address, saved.quote) == ("support@shop.example", False)
    with pytest.raises(UserError):
        drafts.save(session, aoi, draft.id, rev=2, fields={"text": "x" * (drafts.LONGEST + 1)}, now=NOW)


def test_reply_turns_into_reply_all_and_back(session, aoi, conversation) -> None:
    draft = start(session, aoi, "reply", conversation)
    wide = drafts.save(session, aoi, draft.id, rev=1, fields={"kind": "reply_all", "text": "皆様"}, now=NOW)
    assert (wide.to, wide.cc, wide.text) == ((CUSTOMER, KEN), (("", "boss@example.jp"),), "皆様")
    assert drafts.save(session, aoi, draft.id, rev=2, fields={"kind": "reply"}, now=NOW).cc == ()


# -- files


def test_inline_pictures_stand_by_cid_in_the_mail_and_by_path_in_the_editor(session, aoi, conversation) -> None:
    draft = start(session, aoi, "reply", conversation)
    picture = drafts.add_file(
        session, aoi, draft.id, name="a.png", content_type="image/png", data=PNG, inline=True, now=NOW
    )
    saved = drafts.save(session, aoi, draft.id, rev=1, fields={"html": f'<p>図<img src="{picture.path}"></p>'}, now=NOW)
    assert f'src="cid:{picture.content_id}"' in saved.html
    assert f'src="{picture.path}"' in saved.editor_html
    assert "cid:" not in saved.editor_html
    again = drafts.save(session, aoi, draft.id, rev=2, fields={"html": saved.editor_html}, now=NOW)
    assert again.html == saved.html
    with pytest.raises(UserError):
        drafts.add_file(
            session, aoi, draft.id, name="x.png", content_type="image/png", data=b"<svg>", inline=True, now=NOW
        )


def test_files_have_clean_names_and_a_common_limit(session, aoi, conversation, monkeypatch) -> None:
    monkeypatch.setattr(config.settings(), "max_upload_bytes", 100_000)
    draft = start(session, aoi, "reply", conversation)
    file = drafts.add_file(
        session, aoi, draft.id, name="../../x\u202egpj.exe", content_type="text/html", data=b"<script>", now=NOW
    )
    assert "/" not in file.name
    assert "\u202e" not in file.name
    assert file.content_type == "application/octet-stream"
    drafts.add_file(session, aoi, draft.id, name="b", content_type="", data=b"x" * 99_000, now=NOW)
    with pytest.raises(UserError):
        drafts.add_file(session, aoi, draft.id, name="c", content_type="", data=b"x" * 2_000, now=NOW)
    drafts.remove_file(session, aoi, draft.id, file.id, now=NOW + HOUR)
    assert [one.name for one in drafts.show(session, aoi, draft.id).files] == ["b"]
    with pytest.raises(NotFound):
        drafts.remove_file(session, aoi, draft.id, file.id, now=NOW + HOUR + MINUTE)


def test_the_signature_is_the_persons_own_or_the_mailboxs(session, support, conversation) -> None:
    from inbox import people

    support.signature_html = "<p>Shop</p>"
    ben = a_viewer(session, "Ben", support)
    assert start(session, ben, "reply", conversation).signature_html == "<p>Shop</p>"
    people.sign_as(session, ben, support.id, from_name="Ben from Shop", html="<p>Ben</p>")
    draft = start(session, ben, "reply", conversation)
    assert draft.signature_html == "<p>Ben</p>"
    assert draft.from_choices[0][0] == "Ben from Shop"
    assert a_user(session, "Cho").id
