"""Weighs whether a mail is a server's notice at all: who wrote it, what its subject says, what stands in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from inbox.mail.bounce.notice import PARTS_LIMIT, Notice
from inbox.mail.facts import ParsedMail

MACHINE_POINTS = 5  # of the signs below that a machine's mail needs to be a notice
SUBJECT_LIMIT = 500  # characters of a subject that are looked at

_DAEMON = re.compile(
    r"^(?:mailer[-_. ]?daemon|mail[-_. ]?daemon|mdaemon|post[-_.]?master|mailerdaemon"
    r"|mail[-_. ]?delivery[-_. ](?:sub)?system|mail[-_. ]?system|mailsystem|imss|smtp|mta|double-bounce"
    r"|bounces?|delivery|ndr|e500_smtp_mail_service|.{0,20}_smtp_mail_service|symantec_antivirus\w*)(?:$|[@+\\._-])",
    re.IGNORECASE,
)
_DAEMON_NAME = re.compile(
    r"mail(?:er)?[-_. ]?delivery (?:sub)?system|mailer[- ]daemon|^postmaster$|mail delivery"
    r"|delivery (?:sub)?system|^system administrator$|^mail (?:system|administrator|service)"
    r"|internet mail delivery"
    r"|ndr administrator|microsoft outlook|メール(?:配信|配送)システム",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"^\s*(?:\S+\s)?(?:(?:the )?(?:automatic )?)?(?:"
    r"undeliver(?:able|ed)\b|un-?deliverable|non-?deliver(?:y|able)|mail delivery (?:failed|failure|error"
    r"|problem|subsystem|status|system|warning)|delivery (?:failure|error|problem|report|has failed"
    r"|failed)"
    r"|delivery[ -](?:status )?notification|delivery status|message delivery (?:has )?fail"
    r"|permanent delivery failure|failure (?:notice|delivery)|failed mail|returned[ -]mail"
    r"|mail(?: was)? (?:failed|returned)|returning message"
    r"|mail could not be delivered|could not (?:send|deliver)|warning: (?:could not|message|e?-?mail)"
    r"|message (?:could not|status|undeliver)|mail (?:system error|not delivered|failure)|nondeliverable"
    r"|rejected mail|processing error"
    r"|unzustellbar|unable to deliver|mail error|(?:there was an )?error sending"
    r"|automatically rejected mail|postfix smtp server: errors|notification d'[ée]tat|non remis|échec de"
    r"|delivery incomplete|address not found|message blocked|message rejected"
    r"|no se (?:puede|pudo) entregar|devoluci[óo]n|mancato recapito|impossibile recapitare"
    r"|não (?:foi )?(?:entregue|possível)|onbestelbaar|配信(?:不能|エラー|できません)"
    r"|配送(?:不能|エラー|失敗)|送信(?:エラー|できません"
    r"|失敗)"
    r"|.{0,20}(?:配信|送信|配送)できません|メールサーバ.{0,10}エラー|エラーメール|系统退信|退信|无法(?:投递|送达)|無法(?:投遞|傳送)"
    r"|ваше сообщение не доставлено|недоставленное|не доставлено"
    r")"
    r"|could not be delivered\.?\s*$|delivery failed\)?\s*$|non remis|(?:mail )?delivery fail(?:ed"
    r"|ure)\b.{0,40}$|returned to sender|user unknown!?\s*$|host unknown|message delayed|are not member\b"
    r"|mail failure|^loop alert",
    re.IGNORECASE,
)
_REPLY = re.compile(r"^\s*(?:re|aw|sv|antw|vs|odp|返信|回复|回覆|fwd?|wg|tr|転送)\s*[:：\]]", re.IGNORECASE)
_FAILED = re.compile(
    r"(?:could|can|did|was|were|has|have|will)(?: ?not|n't) (?:\w+ ){0,4}(?:deliver|reach|send|sent"
    r"|collect)|couldn't be (?:found|delivered)|(?:un|not )able to deliver|not delivered|undeliver(?:able"
    r"|ed)|delivery (?:\w+ ){0,9}(?:failed|failure|has been delayed|was aborted)|delevery to the"
    r"|failed permanently|permanent (?:fatal )?(?:error|failure|delivery)"
    r"|(?:the )?following (?:\w+ ){0,2}(?:address|recipient"
    r"|destination)(?:\(?e?s\)?)? (?:\w+ ){0,3}(?:failed|had|were affected|was rejected|could not|did not)"
    r"|failed (?:addresses|recipients?)|failure reasons?"
    r"|error (?:occurred |was detected )?(?:while |during |in |delivering )|rejected by"
    r"|returned (?:because|to sender|mail)|no longer (?:valid|available|exist)|user (?:unknown|not known"
    r"|not found)|unknown user|no such user|mailbox (?:is )?(?:full|unavailable)|mailbox exceeds"
    r"|user's mailbox"
    r"|quota (?:exceeded|violation)|did not reach|addresses had|not accepting mail|transcript of session"
    r"|was not (?:delivered|accepted)|automatically rejected|message delayed|delayed for more"
    r"|not yet been delivered|were? (?:rejected|not)|was rejected|giving up|(?:host|address) (?:unknown"
    r"|not found)"
    r"|invalid final delivery|no such user here|not exist|no mailbox|delivery failed|failed with"
    r"|mail could not|delivery problems|wrong or no longer|not a member of this mailing list"
    r"|duplicated message|loop alert|does not have a final|not delivered to|has been (?:delayed|postponed"
    r"|returned)"
    r"|無法|无法|邮件无法|配信でき|送信でき|配送でき|送信に失敗|配信に失敗|送信できませんでした|エラーのため|存在しない|届きませんでした|見つかりません|ディレクトリ"
    r"|не может быть доставлено|невозможно доставить"
    r"|rejected recipient|trouble delivering|error sending|nicht erreicht|n'a pas atteint"
    r"|no (?:ha )?lleg[óo] a|non ha raggiunto|n[ãa]o (?:chegou|alcan[çc]ou)|niet bereikt|传输失败|退回"
    r"|配信されませんでした|配信に失敗|受信者に(?:配信|到達)|konnte nicht (?:zugestellt|gesendet)|nicht zugestellt"
    r"|n'a (?:pas )?pu|n'a pas pu etre|no pudo ser|no se ha podido|não pôde|non è stato (?:possibile"
    r"|recapitato)|kon niet worden"
)
_REPLIED = re.compile(
    r"(?:^|[\s:<(\"])(?:4[25]\d|5[0-7]\d)(?:[ -]\#?[45]\.\d{1,3}\.\d{1,3})?[ :-][ \w<\"#(]", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Signs:
    """`notice`: enough tells of a notice to look for recipients; `certain`: it is one even if it names none."""

    notice: bool
    certain: bool
    machine: bool


def signs_of(mail: ParsedMail, notice: Notice) -> Signs:
    daemon = _from_daemon(mail)
    null = is_null_return_path(mail)
    told = mail.header("X-Failed-Recipients") != ""
    report = mail.content_type == "multipart/report"
    about = mail.subject[:SUBJECT_LIMIT]
    subject = _SUBJECT.search(about) is not None and not _REPLY.match(about)
    robot = _is_robot(mail)
    if not (daemon or null or told or robot or subject):
        return Signs(notice=False, certain=False, machine=report)  # nearly every mail: its words need no look
    failed = _FAILED.search(notice.flat) is not None
    replied = _REPLIED.search("\n".join(notice.lines)) is not None
    came_back = _came_back(mail, notice)
    automatic = mail.header("Auto-Submitted").strip().lower() not in ("", "no")
    robot = robot and came_back and failed
    machine = daemon or null or told or robot
    points = (
        3 * (daemon or robot)
        + 2 * null
        + 4 * told
        + 2 * subject
        + 2 * failed
        + replied
        + came_back
        + report
        + automatic
    )
    words = failed or replied or came_back or told
    return Signs(
        notice=points >= MACHINE_POINTS and (words or subject)
        if machine
        else _is_unsigned_notice(mail, subject and failed),
        certain=(daemon or told or null) and subject and words,
        machine=machine or report,
    )


def _is_unsigned_notice(mail: ParsedMail, says_so: bool) -> bool:
    """A notice whose sender does not look like a machine: subject and words must both say so, and it answers nothing
    (people answer, servers seldom do). A customer who only *tells* of a failed mail must stay a person."""
    if mail.in_reply_to or mail.references or mail.content_type == "multipart/alternative":
        return False
    return says_so and not any(mail.header(name) for name in ("User-Agent", "X-Mailer"))


def _is_robot(mail: ParsedMail) -> bool:
    """Some carriers send their notices from an address that takes no answer."""
    return any(re.match(r"(?:no|do[-_.]?not)[-_.]?reply\b", one.address, re.IGNORECASE) for one in mail.from_[:1])


def is_null_return_path(mail: ParsedMail) -> bool:
    """The envelope sender is empty (RFC 5321 §4.5.5), or the server wrote MAILER-DAEMON in its place."""
    paths = mail.header_all("Return-Path")
    return bool(paths) and re.match(r"^\s*(?:<\s*>\s*$|<?mailer-daemon\b)", paths[0], re.IGNORECASE) is not None


def _from_daemon(mail: ParsedMail) -> bool:
    for one in mail.from_[:5]:
        local = one.address.rpartition("@")[0] or one.address
        if _DAEMON.match(local[:200].strip("\"'<>")) or _DAEMON_NAME.search(one.name[:200].strip()):
            return True
    value = mail.header("From")[:200].strip()
    return (
        not mail.from_
        and bool(value)
        and (_DAEMON.match(value.strip('"<>')) is not None or _DAEMON_NAME.search(value) is not None)
    )


def _came_back(mail: ParsedMail, notice: Notice) -> bool:
    if notice.returned.strip():
        return True
    return any(
        part.content_type in ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers")
        for part in mail.parts[1:PARTS_LIMIT]
    )
