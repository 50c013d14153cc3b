"""Names the cause of a failure from the server's words, its enhanced status code (RFC 3463) and its reply (RFC 5321).

The codes are the short words that bounce readers commonly use: userunknown, mailboxfull, hostunknown, hasmoved,
filtered, rejected, policyviolation, blocked, badreputation, requireptr, authfailure, spamdetected, virusdetected,
toomanyconn, speeding, networkerror, expired, mesgtoobig, exceedlimit, systemerror, systemfull, mailererror,
securityerror, norelaying, notaccept, notcompliantrfc, syntaxerror, contenterror, suspend, onhold.
"""

from __future__ import annotations

import re

WORDS_LIMIT = 4_000  # characters of a diagnostic that are looked at

_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_REPLY = re.compile(
    r"(?:^|[<>]{3}|\bsaid|\breplied|\breturned|\bresponse(?:code)?|\bcommand|\berror|_code|\bfailure"
    r"|\bsmtp|\bstatus|[:;(\[\"])"
    r"[\s:;<\"]{0,4}([45]\d\d)(?=[\s:;,.\]\"-]|$)",
    re.IGNORECASE | re.MULTILINE,
)

# The first pattern that is found names the reason; the specific stand before the general.
_WORDS = tuple(
    (reason, re.compile(pattern, re.IGNORECASE))
    for reason, pattern in (
        ("virusdetected", r"virus|malware|trojan|infected|dangerous (?:content|attachment)"),
        (
            "authfailure",
            r"dmarc|dkim|\bspf\b|unauthenticated (?:email|mail)|sender is unauthenticated"
            r"|authentication information or fails|fails? to pass authentication",
        ),
        (
            "requireptr",
            r"\bptr\b|reverse dns|reverse lookup|rdns|ip name lookup failed|cannot find your (?:reverse )?hostname"
            r"|unverifiable sending ip|cannot resolve your (?:ip|address)|without a valid sender domain",
        ),
        (
            "mesgtoobig",
            r"\b(?:message|mail|e-mail|size)\b[^.;]{0,30}(?:too (?:big|large)|exceeds?[^.;]{0,30}(?:size|limit"
            r"|maximum))|size limit exceeded|(?:message|mail) (?:size|length) (?:exceeds?|limit|is (?:over|too))"
            r"|exceeds? (?:the )?(?:maximum|max|fixed maximum|allowed) (?:message )?size|(?:header"
            r"|body)s? too large\b.{0,20}byte",
        ),
        (
            "mailboxfull",
            r"mailbox[^.;:]{0,30}\bfull\b|full mailbox|over ?quota|quota ?(?:exceed|violation|full|limit)"
            r"|exceed(?:s|ed|ing)? (?:\w+ ){0,3}(?:quota|storage|allocat)|mail ?folder is full"
            r"|over (?:the )?(?:disk )?(?:quota|storage)|out of storage|insufficient (?:disk|system) (?:quota"
            r"|storage)|inbox is full|exceeds allowed size|too much mail stored|too many messages (?:in|on)"
            r"|account is full|メールボックスが(?:一杯|いっぱい)|容量(?:が|を)|占有量|邮箱(?:已满|空间)",
        ),
        (
            "hasmoved",
            r"has moved|no longer on server|no longer (?:employed|works|available|with)|address (?:has )?changed"
            r"|has been replaced|user has left",
        ),
        (
            "norelaying",
            r"relay(?:ing)? (?:access )?(?:denied|not (?:permitted|allowed))|no relaying|not (?:configured to"
            r"|a) relay|unable to relay|relaying denied|not permitted to relay|we do not relay|rcpthosts"
            r"|insecure mail relay",
        ),
        (
            "notaccept",
            r"no smtp service|does(?:n't| not) (?:receive|accept) (?:e-?)?mail|null ?mx"
            r"|host/domain does not accept|smtp protocol returned a permanent|not accepting (?:mail|connections)",
        ),
        (
            "suspend",
            r"(?:account|mailbox|user|recipient|address)[^.;]{0,40}(?:disabled|suspend|inactive|blocked"
            r"|discontinued|terminated|deactivated|locked|expired account|bloque)|(?:inactive|disabled"
            r"|suspended) (?:e-?mail )?(?:user|account|address|mailbox|recipient)",
        ),
        (
            "spamdetected",
            r"\bspam|unsolicited|\bube\b|\buce\b|junk mail|blacklisted url|spamassassin|looks like"
            r"|high probability of spam|bulk e?-?mail",
        ),
        (
            "toomanyconn",
            r"(?:too many|concurrent|simultaneous) (?:concurrent |simultaneous )?(?:connection|session)"
            r"|connection (?:rate|frequency)|connections? limit",
        ),
        (
            "speeding",
            r"rate limit(?:ed|ing)?|too (?:many|fast) (?:mails|messages|requests)|sending (?:too|rate)|throttl"
            r"|too frequent|slow down",
        ),
        (
            "exceedlimit",
            r"too many recipients|recipients? (?:this hour|limit)|limit set by recipient|hop count limit"
            r"|exceed(?:s|ed)? (?:\w+ ){0,3}limit",
        ),
        ("badreputation", r"reputation|unexpected volume or user complaints|senderbase|talos"),
        (
            "blocked",
            r"(?:client host|\bip\b|host|connection|address|network|sender)[^.;]{0,40}(?:block|black ?list|ban"
            r"|bloqu|denied|listed)|banned sending|blocked (?:using|by|ip|for)|block ?list|black ?list|\brbl\b"
            r"|dnsbl|spamhaus|spamcop|client host rejected|messages from .{0,60} weren't sent"
            r"|please use the smtp server|not allowed to (?:send|connect)|refused by .{0,30}policy",
        ),
        (
            "notcompliantrfc",
            r"(?:not|non).{0,3}(?:rfc|compliant)|rfc ?\d{3,4} (?:compliant|violation)|multiple (?:addresses"
            r"|subject|from)|duplicate header|does not comply|missing (?:a )?(?:valid )?(?:message-id|from|date)",
        ),
        (
            "filtered",
            r"recipient preferences|message filtered|domain[ -]filter|due to (?:the )?recipient|filtered"
            r"|rejected by the (?:recipient|domain)",
        ),
        (
            "userunknown",
            r"(?:user|recipient|mailbox|account|address|alias|addressee|userid|local-part"
            r"|mailhost)[^.;]{0,60}(?:unknown|not (?:known|found|exist|listed|recogni[sz]ed|a valid|valid)"
            r"|does(?:n't| not) exist|no longer exist|invalid|undeliverable|rejected: user|is not (?:a )?regist"
            r"|unavailable)|(?:unknown|no such|invalid|not our|bad|illegal|undefined|non-?existent) (?:local "
            r"|or illegal |final delivery |e-?mail |destination )*(?:user|recipient|mailbox|account|address|alias"
            r"|person|name|userid|addressee)|no mailbox here|user not (?:known|found)|not (?:listed in"
            r"|in the) (?:the )?(?:domino |public )?(?:name|directory|address)|doesn't have a .{1,80} account"
            r"|no valid recipients?|(?:is )?not (?:an? )?(?:\S+ )?(?:e-?mail )?users?\b|destinataire invalide"
            r"|no matches|recipientnotfound|宛先|あて先(?:が|メールアドレスが)"
            r"|見つかりません|存在しません|ディレクトリ|用户不存在|收件人",
        ),
        (
            "hostunknown",
            r"(?:host|domain)(?: name)?[^.;]{0,40}(?:unknown|not (?:found|exist)|does(?:n't| not) exist|invalid)"
            r"|(?:unknown|no such|invalid|bad) (?:host|domain)|couldn't find any host|nxdomain|name service error"
            r"|no mx record|could not find a gateway|unrouteable|unroutable mail domain"
            r"|domain or (?:may )?not exist|domain may not exist|couldn't find a mail exchanger",
        ),
        (
            "expired",
            r"expired|retry time(?:out)? ?(?:exceeded|not reached)|queue too long|too long (?:in"
            r"|on) (?:the )?queue|could not be delivered (?:for|within|after) \d|not (?:delivered"
            r"|collected) (?:within|after)|delivery (?:failed|attempts?) \d+ |time(?:d)?[ -]?out|still undelivered"
            r"|has been delayed|not yet been delivered|unable to deliver in|aborted after|was not delivered within",
        ),
        (
            "networkerror",
            r"connection (?:refused|reset|lost|timed|was|failed|to)|network (?:error|unreachable)"
            r"|host not reachable|not reachable|no route|routing loop|loop(?:ing|s back)?\b|too many hops"
            r"|hop count|establish an smtp connection|unreachable|socket error|dns error"
            r"|host .{0,60}not responding|did not accept our requests|mx .{0,40}(?:points|invalid)",
        ),
        (
            "rejected",
            r"sender (?:address )?(?:rejected|denied|was rejected|unknown|verify|domain)|sender was rejected"
            r"|(?:domain of )?sender address|mail from.{0,80}(?:reject|denied|not accepted)|not (?:a )?member"
            r"|not allowed to (?:post|send)|unroutable sender|purported responsible|my name was rejected"
            r"|permission to post|group",
        ),
        (
            "policyviolation",
            r"polic(?:y|ies)|content (?:rejected|presents|not allowed)|header error|prohibited"
            r"|message (?:content )?rejected|attachment",
        ),
        (
            "securityerror",
            r"security|(?:requires?|turn on) (?:smtp )?auth|authentication (?:required|failed)"
            r"|must issue a starttls|tls|encryption|certificate|access denied|unauthori[sz]ed",
        ),
        (
            "mailererror",
            r"command (?:died|failed|output)|mailer error|pipe|procmail|x-unix|exit (?:status|code)"
            r"|died with (?:status|signal)",
        ),
        (
            "systemerror",
            r"system (?:error|not|config)|internal (?:error|server)|temporary failure|temporarily (?:unavailable"
            r"|deferred|rejected)|server (?:error|busy|configuration)|local (?:error|configuration|problem)"
            r"|resources? (?:temporarily )?unavailable|ldap|service (?:currently |temporarily )?unavailable"
            r"|try again later|could not load|duplicated message|i/o error",
        ),
        (
            "syntaxerror",
            r"syntax error|improper (?:sequence|use)|protocol (?:error|violation)|bad sequence|command (?:not|un)"
            r"|unrecogni[sz]ed command|invalid (?:command|parameter)",
        ),
        ("contenterror", r"media error|header|mime|charset|content|8bit|line too long"),
        ("onhold", r"on hold|held for|awaits? moderat"),
    )
)

# RFC 3463 and the IANA registry of enhanced status codes, without the class digit.
_BY_STATUS = {
    "1.1": "userunknown",
    "1.0": "userunknown",
    "1.3": "userunknown",
    "1.10": "userunknown",
    "1.2": "hostunknown",
    "1.4": "userunknown",
    "1.6": "hasmoved",
    "1.7": "rejected",
    "1.8": "rejected",
    "1.9": "systemerror",
    "2.0": "filtered",
    "2.1": "suspend",
    "2.2": "mailboxfull",
    "2.3": "exceedlimit",
    "2.4": "filtered",
    "3.0": "systemerror",
    "3.1": "systemfull",
    "3.2": "notaccept",
    "3.3": "systemerror",
    "3.4": "mesgtoobig",
    "3.5": "systemerror",
    "4.0": "networkerror",
    "4.1": "networkerror",
    "4.2": "networkerror",
    "4.3": "systemerror",
    "4.4": "hostunknown",
    "4.5": "toomanyconn",
    "4.6": "networkerror",
    "4.7": "expired",
    "5.0": "syntaxerror",
    "5.1": "syntaxerror",
    "5.2": "syntaxerror",
    "5.3": "exceedlimit",
    "6.0": "contenterror",
    "6.1": "contenterror",
    "6.3": "contenterror",
    "6.6": "contenterror",
    "6.9": "contenterror",
    "7.0": "securityerror",
    "7.1": "rejected",
    "7.2": "filtered",
    "7.5": "securityerror",
    "7.7": "securityerror",
    "7.8": "securityerror",
    "7.9": "policyviolation",
    "7.13": "suspend",
    "7.20": "authfailure",
    "7.21": "authfailure",
    "7.22": "authfailure",
    "7.23": "authfailure",
    "7.24": "authfailure",
    "7.25": "requireptr",
    "7.26": "authfailure",
    "7.27": "notaccept",
    "7.28": "speeding",
}

_SURE = ("1.6", "2.2", "3.4", "7.13", "7.25", "7.26")  # codes that servers use for nothing else


def reason_of(diagnostic: str, *, status: str = "") -> str:
    """A short code for the cause, "" when nothing is told."""
    subject = status.partition(".")[2]
    if subject in _SURE:
        return _BY_STATUS[subject]
    words = " ".join(diagnostic[:WORDS_LIMIT].split())
    for reason, pattern in _WORDS:
        if pattern.search(words):
            return reason
    return _BY_STATUS.get(subject, "")


def status_in(words: str) -> str:
    """The first enhanced status code of a text (addresses of the internet protocol are not mistaken for one)."""
    match = next((match for match in _STATUS.finditer(words[:WORDS_LIMIT]) if match.group(1) != "2"), None)
    return match.group(0) if match else ""


def reply_in(words: str) -> str:
    """The first negative reply code of a text where a server's reply can stand, "" when there is none."""
    match = _REPLY.search(words[:WORDS_LIMIT])
    return match.group(1) if match else ""


def permanent_by(status: str, reply: str = "") -> bool | None:
    """What the class digit says: 5 permanent, 4 not; the enhanced code before the reply. None when nothing is told."""
    for code in (status, reply):
        if code[:1] in ("4", "5"):
            return code[0] == "5"
    return None
