"""What a notification says, in the languages of the team: the same words on the page, over other windows, in mails and
in webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ENGLISH = {
    "given": "%(by)s gave it to you",
    "given.auto": "Given to you by itself",
    "mentioned": "%(by)s mentioned you: %(text)s",
    "mentioned.team": "%(by)s mentioned your team %(name)s: %(text)s",
    "mail": "New mail from %(who)s",
    "noted": "%(by)s wrote a note: %(text)s",
    "trouble.failed": "The answer could not be sent",
    "trouble.uncertain": "It is uncertain whether the answer arrived",
    "trouble.bounced": "The answer came back as undeliverable",
    "deadline": "%(percent)s %% of the time to answer has passed",
    "deadline.passed": "The time to answer has passed",
    "deadline.resolution": "%(percent)s %% of the time to solve it has passed",
    "deadline.resolution.passed": "The time to solve it has passed",
    "later_back.wrote_first": "Your scheduled mail did not leave: the customer wrote first",
    "later_back.stale": "Your scheduled mail did not leave: the conversation went on",
    "later_back.failed": "Your scheduled mail could not be sent",
    "approval_asked": "%(by)s asks for your approval",
    "approval_returned": "%(by)s gave your mail back: %(text)s",
    "approval_approved": "%(by)s approved your mail",
    "approval_overdue": "An approval waits beyond its deadline",
    "handover": "Hand-over note by %(by)s: %(text)s",
    "rule": "A rule points you to this",
    "rule.named": "The rule “%(name)s” points you to this",
    "test": "A test of this webhook",
    "mailbox.reading": "No mail comes in for %(name)s",
    "mailbox.sending": "No mail leaves from %(name)s",
    "person": "%(name)s",
    "somebody": "somebody",
    "no subject": "(no subject)",
    "one more": "%(subject)s (and %(count)d more)",
    "summary": "%(count)d things happened",
    "summary.waited": "Kept for you: %(count)d things happened",
    "more": "… and %(count)d more. All of them: %(url)s",
    "foot": (
        "Which of these mails you get: %(url)s\nAnswers to this mail are not read by anybody. Open the link to answer."
    ),
    "refusal.subject": "Not read: %(subject)s",
    "refusal.text": (
        "Your mail was an answer to a notification of Madoguchi. Nobody reads such answers, and it was not filed as a\n"
        "conversation. To write to the customer or to your colleagues, open the conversation:\n\n%(url)s\n"
    ),
}
JAPANESE = {
    "given": "%(by)sがあなたを担当にしました",
    "given.auto": "自動であなたの担当になりました",
    "mentioned": "%(by)sがメモであなたを指名しました: %(text)s",
    "mentioned.team": "%(by)sがメモでチーム「%(name)s」を指名しました: %(text)s",
    "mail": "%(who)s から新しいメールが届きました",
    "noted": "%(by)sがメモを書きました: %(text)s",
    "trouble.failed": "返信を送信できませんでした",
    "trouble.uncertain": "返信が届いたかどうか確認できません",
    "trouble.bounced": "返信が不達で戻ってきました",
    "deadline": "返信期限までの時間の %(percent)s %% が過ぎました",
    "deadline.passed": "返信期限を過ぎました",
    "deadline.resolution": "解決期限までの時間の %(percent)s %% が過ぎました",
    "deadline.resolution.passed": "解決期限を過ぎました",
    "later_back.wrote_first": "お客さまから先にメールが届いたため、予約したメールは送信されませんでした",
    "later_back.stale": "会話が先に進んだため、予約したメールは送信されませんでした",
    "later_back.failed": "予約したメールを送信できませんでした",
    "approval_asked": "%(by)sが承認を求めています",
    "approval_returned": "%(by)sがメールを差し戻しました: %(text)s",
    "approval_approved": "%(by)sがメールを承認しました",
    "approval_overdue": "承認の期限を過ぎた依頼があります",
    "handover": "%(by)sの申し送り: %(text)s",
    "rule": "ルールによるお知らせです",
    "rule.named": "ルール「%(name)s」によるお知らせです",
    "test": "Webhook のテストです",
    "mailbox.reading": "%(name)s でメールを受信できていません",
    "mailbox.sending": "%(name)s からメールを送信できていません",
    "person": "%(name)sさん",
    "somebody": "だれか",
    "no subject": "（件名なし）",
    "one more": "%(subject)s（ほか %(count)d 件）",
    "summary": "お知らせが %(count)d 件あります",
    "summary.waited": "お預かりしていたお知らせが %(count)d 件あります",
    "more": "… ほか %(count)d 件。すべてのお知らせ: %(url)s",
    "foot": (
        "メールで受け取るお知らせの設定: %(url)s\n"
        "このメールへの返信はだれにも届きません。返信するにはリンクを開いてください。"
    ),
    "refusal.subject": "お読みできませんでした: %(subject)s",
    "refusal.text": (
        "お送りいただいたメールは、Madoguchi のお知らせへの返信でした。お知らせへの返信はだれにも届かず、"
        "会話としても登録されません。\nお客さまや同僚に連絡するときは、次のリンクから会話を開いてください。\n\n%(url)s\n"
    ),
}
LANGUAGES = {"en": ENGLISH, "ja": JAPANESE}
EXCERPT = 120  # characters of a note


def say(locale: str, code: str, **values: Any) -> str:
    """One of the texts above."""
    told = LANGUAGES.get(locale, ENGLISH)[code]
    return told % values if values else told.replace("%%", "%")


def sentence(locale: str, kind: str, *, by: str, about: Mapping[str, Any]) -> str:
    """One line about what happened. `by`: the name of who did it, "" for nobody of the team."""
    code = kind
    if kind == "given" and not by:
        code = "given.auto"
    elif kind == "trouble":
        code = f"trouble.{about.get('what', 'failed')}"
    elif kind == "mentioned" and about.get("team"):
        code = "mentioned.team"
    elif kind == "rule" and about.get("rule_name"):
        code = "rule.named"
    elif kind == "mailbox":
        code = f"mailbox.{about.get('what', 'reading')}"
    elif kind == "later_back":
        code = f"later_back.{about.get('why', 'failed')}"
    elif kind == "deadline":
        code = "deadline.resolution" if about.get("clock") == "resolution" else "deadline"
        code += ".passed" if int(about.get("percent", 0)) >= 100 else ""
    told = say(
        locale,
        code,
        by=say(locale, "person", name=by) if by else say(locale, "somebody"),
        who=about.get("who") or say(locale, "somebody"),
        text=excerpt(str(about.get("text", ""))),
        percent=about.get("percent", 0),
        name=about.get("rule_name") or about.get("team") or about.get("name", ""),
    )
    return told.removesuffix(": ")  # where no words were given


def excerpt(text: str) -> str:
    """The beginning of some words in one line."""
    line = " ".join(text.split())
    return line if len(line) <= EXCERPT else line[: EXCERPT - 1] + "…"
