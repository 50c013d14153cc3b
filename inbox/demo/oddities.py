"""What else lies in a team's mailbox: auto-replies, a bounce, newsletters, spam, forwarded mail, an invitation, a broken mail."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

from inbox import demo
from inbox.demo import attachments, letters
from inbox.demo.letters import Letter, Program

JST = timezone(timedelta(hours=9))
NESTED = 400  # parts within parts: no mail program writes that, so it stands for every mail that cannot be understood


@dataclass(frozen=True)
class DemoMail:
    """A mail as it lies on the server. `folder` is INBOX or Sent, `received_at` aware."""

    raw: bytes
    folder: str
    received_at: datetime


def mails(threads: list[list[Letter]], rng: random.Random, *, now: datetime) -> list[DemoMail]:
    """One or a few of each kind, spread over the year before `now`."""
    answered = [letter for thread in threads for letter in thread if letter.sender[1] in demo.ADDRESSES]
    asked = [thread[0] for thread in threads if thread]
    found = [auto_reply(letter) for letter in rng.sample(answered[-60:], 4)]
    found += bounced(now - timedelta(days=5, hours=3))
    found += [newsletter(number, now - timedelta(days=2 + 61 * number)) for number in range(6)]
    found += [order_notice(number, rng, now - timedelta(days=1 + 17 * number, hours=2)) for number in range(8)]
    found += spam(now)
    found += [
        forwarded(asked[-20], now - timedelta(days=2, hours=5)),
        forwarded_as_file(asked[-31], now - timedelta(days=9)),
    ]
    found += [invitation(now - timedelta(days=3, hours=4)), unreadable(now - timedelta(days=1, hours=7))]
    return found


def _received(raw: bytes, at: datetime) -> DemoMail:
    return DemoMail(raw, "INBOX", at)


def _head(sender: str, subject: str, at: datetime, message_id: str, *more: str, to: str = demo.TEAM_USER) -> bytes:
    lines = [
        f"Date: {format_datetime(at.astimezone(JST))}",
        f"From: {sender}",
        f"To: {to}",
        f"Subject: {letters.words(subject, 'UTF-8')}",
        f"Message-ID: <{message_id}>",
        *more,
        "MIME-Version: 1.0",
    ]
    return "\r\n".join(lines).encode("ascii") + b"\r\n"


def auto_reply(answered: Letter) -> DemoMail:
    """A customer's absence notice to one of the team's answers (RFC 3834)."""
    at = answered.date + timedelta(seconds=40)
    if answered.japanese:
        subject = f"自動応答: {answered.subject}"
        text = (
            "お世話になっております。\n\n誠に勝手ながら、下記の期間は休暇をいただいております。\nメールへのご返信は、休暇明けに順次させていただきます。\n"
            "お急ぎの場合は、代表番号までお電話くださいますようお願いいたします。\n\n※このメールは自動送信です。\n"
        )
    else:
        subject = f"Automatic reply: {answered.subject}"
        text = "Thank you for your mail. I am out of the office with limited access to mail and will answer when I am back.\n"
    head = _head(
        letters.address(answered.to, "UTF-8"),
        subject,
        at,
        "auto." + answered.message_id.strip("<>").replace("@", ".") + "@" + answered.to[1].rpartition("@")[2],
        f"In-Reply-To: {answered.message_id}",
        f"References: {answered.message_id}",
        "Auto-Submitted: auto-replied",
        "X-Auto-Response-Suppress: All",
        to=answered.sender[1],
    )
    return _received(head + letters.text_part("plain", text, "UTF-8"), at)


def bounced(at: datetime) -> list[DemoMail]:
    """An answer to a shop that has closed, and the delivery report that came back (RFC 3464)."""
    answer = Letter(
        sender=("ひなた珈琲サプライ", demo.TEAM_USER),
        to=("喫茶みどり", "info@kissa-midori.example"),
        subject="定期便のご契約内容の確認",
        text="喫茶みどり ご担当者様\n\nお世話になっております。ひなた珈琲サプライの田中です。\n来月の定期便の内容につきまして、ご確認のためご連絡いたしました。\n変更がございましたら、お知らせください。",
        date=at.astimezone(JST),
        message_id="<7d1f0a55c2e94b01.sent@demo.example>",
        program=Program.THUNDERBIRD,
        japanese=True,
    )
    original = letters.raw(answer)
    words = (
        "This is the mail system at host mx.demo.example.\n\nI'm sorry to have to inform you that your message could not\n"
        "be delivered to one or more recipients. It's attached below.\n\n<info@kissa-midori.example>: host mx.kissa-midori.example said: "
        "550 5.1.1 <info@kissa-midori.example>: Recipient address rejected: User unknown (in reply to RCPT TO command)\n"
    )
    status = (
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.demo.example\r\n"
        f"Arrival-Date: {format_datetime(answer.date)}\r\n\r\n"
        "Final-Recipient: rfc822; info@kissa-midori.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Remote-MTA: dns; mx.kissa-midori.example\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 <info@kissa-midori.example>: Recipient address rejected: User unknown\r\n"
    ).encode()
    head = _head(
        "Mail Delivery System <MAILER-DAEMON@demo.example>",
        "Undelivered Mail Returned to Sender",
        at,
        "20251119bounce@mx.demo.example",
        "Auto-Submitted: auto-replied",
    )
    report = letters.multipart(
        "report",
        [letters.text_part("plain", words, "UTF-8"), status, b"Content-Type: message/rfc822\r\n\r\n" + original],
        "bounce-of-midori",
        more="; report-type=delivery-status",
    )
    return [DemoMail(original, demo.SENT_FOLDER, at), _received(head + report, at + timedelta(seconds=50))]


def newsletter(number: int, at: datetime) -> DemoMail:
    """HTML with a table, an inline image and a tracking pixel; a list (RFC 2919, RFC 8058)."""
    page = (
        '<html><body style="background:#faf6ef;margin:0"><table width="600" align="center" cellpadding="12" style="background:#fff;font-family:sans-serif">'
        '<tr><td colspan="2"><img src="cid:logo@roasters.example" width="160" height="48" alt="Roasters Weekly"></td></tr>'
        f'<tr><td colspan="2"><h2 style="color:#6b3f1d">今週の生豆相場 第{48 - number}号</h2><p>ブラジル産の入港が続き、相場は落ち着いた動きとなりました。</p></td></tr>'
        '<tr style="background:#f3e7d5"><th align="left">産地</th><th align="right">1kgあたり</th></tr>'
        f'<tr><td>ブラジル サントス No.2</td><td align="right">{1180 + 14 * number}円</td></tr>'
        f'<tr><td>コロンビア スプレモ</td><td align="right">{1420 + 9 * number}円</td></tr>'
        f'<tr><td>エチオピア モカ G1</td><td align="right">{1890 - 7 * number}円</td></tr>'
        '<tr><td colspan="2"><a href="http://click.roasters.example/r?u=aHR0cHM6Ly9leGFtcGxl&c=17">https://www.roasters.example/market</a> で詳しくご覧いただけます。</td></tr>'
        f'</table><img src="http://open.roasters.example/o.gif?m={number}&r=support%40demo.example" width="1" height="1" alt=""></body></html>'
    )
    text = f"今週の生豆相場 第{48 - number}号\n\nブラジル産の入港が続き、相場は落ち着いた動きとなりました。\nhttps://www.roasters.example/market\n"
    logo = attachments.File("logo.png", "image/png", attachments.logo())
    related = letters.multipart(
        "related",
        [
            letters.text_part("html", page, "UTF-8"),
            letters.file_part(logo, "UTF-8", content_id="logo@roasters.example"),
        ],
        f"rel-news-{number:04d}",
    )
    body = letters.multipart(
        "alternative", [letters.text_part("plain", text, "UTF-8"), related], f"alt-news-{number:04d}"
    )
    head = _head(
        "Roasters Weekly <news@roasters.example>",
        f"【Roasters Weekly】今週の生豆相場 第{48 - number}号",
        at,
        f"news{48 - number}@roasters.example",
        "List-Id: Roasters Weekly <weekly.roasters.example>",
        "List-Unsubscribe: <https://www.roasters.example/u/17>, <mailto:leave@roasters.example>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "Precedence: bulk",
    )
    return _received(head + body, at)


def order_notice(number: int, rng: random.Random, at: datetime) -> DemoMail:
    """The shop system's own order mail: an HTML table only, on behalf of a customer (Reply-To)."""
    order = f"HN-{at:%y%m}{rng.randint(100, 999)}"
    items = rng.sample(
        (
            ("深煎りブレンド「夕なぎ」1kg", 3980),
            ("ペーパーフィルター 03", 660),
            ("水出しコーヒーバッグ(30袋)", 2640),
            ("ドリップポット 0.9L", 5280),
        ),
        3,
    )
    rows = "".join(f'<tr><td>{name}</td><td align="right">{price:,}円</td></tr>' for name, price in items)
    total = sum(price for _, price in items)
    page = (
        f"<html><body><p>新しい注文が入りました。備考欄にお客様からのご質問があります。</p><table border='1' cellpadding='6'><tr><th>商品</th><th>金額</th></tr>{rows}"
        f"<tr><td><b>合計</b></td><td align='right'><b>{total:,}円</b></td></tr></table>"
        "<p>備考:不在の場合は、宅配ボックスに入れていただけますか?</p></body></html>"
    )
    head = _head(
        "Hinata Shop <no-reply@shop.hinata.example>",
        f"[ひなたショップ] ご注文 {order} のお知らせ",
        at,
        f"order-{number}-{order.lower()}@shop.hinata.example",
        f"Reply-To: <kyaku{number}@webmail.example>",
    )
    return _received(head + letters.text_part("html", page, "UTF-8"), at)


def spam(now: datetime) -> list[DemoMail]:
    offers = (
        ("SEO Experts <growth@rank-first.example>", "Re: Your website is missing 3,000 visitors a day", "Dear Sir/Madam,\n\nI was looking at your website and found many errors. We guarantee PAGE ONE on all search engines within 7 days or money back. Reply with your phone number.\n"),
        ("年末還元キャンペーン <info@campaign-winner.example>", "【当選通知】ギフト券5万円分の受け取りについて", "おめでとうございます。\nお客様は抽選の結果、ギフト券5万円分に当選されました。\n本日中に下記よりお受け取りください。\nhttp://campaign-winner.example/get?id=88213\n"),
        ("カード事務局 <security@card-verify.example>", "【重要】カードのご利用を一時的に制限しました", "お客様のカードについて、第三者による不正利用の可能性を検知しました。\n24時間以内にご本人確認が完了しない場合、利用を停止いたします。\nhttps://card-verify.example/login\n"),
    )  # fmt: skip
    found = []
    for number, (sender, subject, text) in enumerate(offers):
        at = now - timedelta(days=1 + 6 * number, hours=3)
        name, _, address = sender.rpartition(" ")
        head = _head(
            f"{letters.words(name, 'UTF-8')} {address}",
            subject,
            at,
            f"offer{number}@rank-first.example",
            "X-Spam-Flag: YES",
            "X-Spam-Status: Yes, score=12.4",
        )
        found.append(_received(head + letters.text_part("plain", text, "UTF-8"), at))
    return found


def forwarded(asked: Letter, at: datetime) -> DemoMail:
    """A sales colleague forwards a customer's mail into the shared mailbox, inline."""
    text = (
        "サポートの皆さん\n\nこちらのお客様の件、営業宛に届きましたのでご対応をお願いします。\n\n---------- Forwarded message ---------\n"
        f"From: {asked.sender[0]} <{asked.sender[1]}>\nDate: {asked.date:%Y年%m月%d日 %H:%M}\nSubject: {asked.subject}\nTo: <sales@hinata.example>\n\n\n{asked.text}\n"
    )
    letter = replace(
        asked,
        sender=("大森 営業部", "omori@hinata.example"),
        to=("", demo.TEAM_USER),
        subject=f"Fwd: {asked.subject}",
        text=text,
        date=at.astimezone(JST),
        message_id="<fwd-1108@hinata.example>",
        program=Program.GMAIL,
        japanese=True,
        answers=None,
        files=(),
    )
    return _received(letters.raw(letter), at)


def forwarded_as_file(asked: Letter, at: datetime) -> DemoMail:
    """The same as an attached mail (message/rfc822)."""
    head = _head("Omori <omori@hinata.example>", f"FW: {asked.subject}", at, "fwd-1109@hinata.example")
    words = letters.text_part("plain", "添付のお客様からのメールについて、ご返信をお願いします。\n\n大森\n", "UTF-8")
    attached = b"Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n" + letters.raw(asked)
    return _received(head + letters.multipart("mixed", [words, attached], "fwd-as-file-1109"), at)


def invitation(at: datetime) -> DemoMail:
    """A meeting request (RFC 5545, RFC 6047)."""
    day = at + timedelta(days=12)
    event = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Harbour Street//EN\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:tasting-2025@harbourstreet.example\r\n"
        f"DTSTAMP:{at:%Y%m%dT%H%M%SZ}\r\nDTSTART:{day:%Y%m%d}T050000Z\r\nDTEND:{day:%Y%m%d}T060000Z\r\nSUMMARY:Coffee tasting and order planning\r\n"
        "LOCATION:Harbour Street 12\\, Yokohama\r\nORGANIZER:mailto:mei@harbourstreet.example\r\nATTENDEE:mailto:support@demo.example\r\n"
        "END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    calendar = (
        b"Content-Type: text/calendar; charset=UTF-8; method=REQUEST\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        + event.encode()
    )
    text = "Hi,\n\nwould this time suit you for the tasting we talked about?\n\nMei\n"
    head = _head(
        "Mei Tan <mei@harbourstreet.example>",
        "Invitation: Coffee tasting and order planning",
        at,
        "tasting-2025@harbourstreet.example",
    )
    return _received(
        head + letters.multipart("alternative", [letters.text_part("plain", text, "UTF-8"), calendar], "tasting-2025"),
        at,
    )


def unreadable(at: datetime) -> DemoMail:
    """A mail whose parts are nested so deep that it goes to quarantine, raw bytes kept."""
    head = _head("broken system <daemon@old-fax.example>", "FAX受信通知 (壊れたメール)", at, "fax-0007@old-fax.example")
    opened = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\r\n\r\n--b{n}\r\n' for n in range(NESTED))
    closed = "".join(f"\r\n--b{n}--\r\n" for n in reversed(range(NESTED)))
    return _received(head + (opened + "Content-Type: text/plain\r\n\r\nfax 045-000-1111\r\n" + closed).encode(), at)
