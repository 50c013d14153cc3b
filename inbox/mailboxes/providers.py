"""Common mail providers' settings, so that a person types an address and a password and no more."""

from __future__ import annotations

from dataclasses import dataclass

from inbox.errors import N_

APP_PASSWORD = N_("Sign in with an app password, made in the account's security settings; two-step sign-in must be on.")
OAUTH = N_(
    "This provider lets programs sign in by OAuth only. That is not supported yet, so this mailbox cannot be connected."
)
IMAP_ON = N_("IMAP must be switched on in the settings of the webmail first.")
HOST_IN_CONTRACT = N_("The server name stands in the provider's set-up letter or control panel.")
MAIL_PASSWORD = N_("The password is that of the mail account, not that of the customer portal.")


@dataclass(frozen=True)
class Provider:
    """Settings of one provider. `user` is what to sign in with: the whole address, or the part before the @."""

    key: str
    name: str
    domains: tuple[str, ...]
    imap_host: str
    smtp_host: str
    imap_port: int = 993
    imap_security: str = "tls"
    smtp_port: int = 465
    smtp_security: str = "tls"
    user: str = "address"  # address, local
    server_files_sent: bool = False
    oauth_only: bool = False
    hint: str = ""  # an English msgid
    suffix: bool = False  # `domains` also cover their sub-domains

    def user_for(self, address: str) -> str:
        return address.partition("@")[0] if self.user == "local" else address


PROVIDERS = (
    Provider("gmail", "Gmail", ("gmail.com", "googlemail.com"), "imap.gmail.com", "smtp.gmail.com",
             server_files_sent=True, hint=APP_PASSWORD),
    Provider("workspace", "Google Workspace", (), "imap.gmail.com", "smtp.gmail.com", server_files_sent=True,
             hint=APP_PASSWORD),
    Provider("outlook", "Outlook.com", ("outlook.com", "outlook.jp", "hotmail.com", "hotmail.co.jp", "live.com",
             "live.jp", "msn.com"), "outlook.office365.com", "smtp-mail.outlook.com", smtp_port=587,
             smtp_security="starttls", server_files_sent=True, oauth_only=True, hint=OAUTH),
    Provider("m365", "Microsoft 365", ("onmicrosoft.com",), "outlook.office365.com", "smtp.office365.com",
             smtp_port=587, smtp_security="starttls", server_files_sent=True, oauth_only=True, hint=OAUTH, suffix=True),
    Provider("yahoo_jp", "Yahoo! JAPAN", ("yahoo.co.jp", "ymail.ne.jp"), "imap.mail.yahoo.co.jp",
             "smtp.mail.yahoo.co.jp", user="local", hint=IMAP_ON),
    Provider("yahoo", "Yahoo Mail", ("yahoo.com", "ymail.com", "rocketmail.com", "yahoo.de", "yahoo.fr", "yahoo.co.uk"),
             "imap.mail.yahoo.com", "smtp.mail.yahoo.com", hint=APP_PASSWORD),
    Provider("aol", "AOL", ("aol.com", "aim.com"), "imap.aol.com", "smtp.aol.com", hint=APP_PASSWORD),
    Provider("icloud", "iCloud", ("icloud.com", "me.com", "mac.com"), "imap.mail.me.com", "smtp.mail.me.com",
             smtp_port=587, smtp_security="starttls", hint=APP_PASSWORD),
    Provider("docomo", "docomo", ("docomo.ne.jp",), "imap.spmode.ne.jp", "smtp.spmode.ne.jp", hint=MAIL_PASSWORD),
    Provider("au", "au / UQ mobile", ("au.com", "ezweb.ne.jp", "uqmobile.jp"), "imap.ezweb.ne.jp", "smtp.ezweb.ne.jp",
             smtp_port=587, smtp_security="starttls", hint=MAIL_PASSWORD),
    Provider("softbank", "SoftBank", ("i.softbank.jp", "softbank.ne.jp"), "imap.softbank.jp", "smtp.softbank.jp",
             hint=MAIL_PASSWORD),
    Provider("ocn", "OCN", ("ocn.ne.jp",), "imap.ocn.ne.jp", "smtp.ocn.ne.jp", hint=MAIL_PASSWORD, suffix=True),
    Provider("biglobe", "BIGLOBE", ("biglobe.ne.jp", "biglobe.jp"), "mail.biglobe.ne.jp", "mail.biglobe.ne.jp",
             hint=MAIL_PASSWORD, suffix=True),
    Provider("nifty", "@nifty", ("nifty.com", "nifty.ne.jp"), "imap.nifty.com", "smtp.nifty.com", hint=MAIL_PASSWORD,
             suffix=True),
    Provider("sonet", "So-net", ("so-net.ne.jp", "so-net.jp"), "imap.so-net.ne.jp", "mail.so-net.ne.jp",
             hint=MAIL_PASSWORD, suffix=True),
    Provider("sakura", "さくらのメールボックス", ("sakura.ne.jp",), "example.sakura.ne.jp", "example.sakura.ne.jp",
             smtp_port=587, smtp_security="starttls", hint=HOST_IN_CONTRACT, suffix=True),
    Provider("xserver", "エックスサーバー", ("xserver.jp", "xsrv.jp"), "sv0000.xserver.jp", "sv0000.xserver.jp",
             hint=HOST_IN_CONTRACT, suffix=True),
    Provider("lolipop", "ロリポップ!", ("lolipop.jp",), "imap.lolipop.jp", "smtp.lolipop.jp", suffix=True),
    Provider("kagoya", "KAGOYA", ("kagoya.net",), "imap.kagoya.net", "smtp.kagoya.net", hint=HOST_IN_CONTRACT,
             suffix=True),
    Provider("muumuu", "ムームーメール", (), "imap4.muumuu-mail.com", "smtp.muumuu-mail.com"),
    Provider("fastmail", "Fastmail", ("fastmail.com", "fastmail.fm"), "imap.fastmail.com", "smtp.fastmail.com",
             hint=APP_PASSWORD),
    Provider("zoho", "Zoho Mail", ("zoho.com", "zohomail.com"), "imap.zoho.com", "smtp.zoho.com", hint=IMAP_ON),
    Provider("zoho_jp", "Zoho Mail Japan", ("zoho.jp", "zohomail.jp"), "imap.zoho.jp", "smtp.zoho.jp", hint=IMAP_ON),
    Provider("gmx", "GMX (.net, .de)", ("gmx.net", "gmx.de", "gmx.at", "gmx.ch"), "imap.gmx.net", "mail.gmx.net",
             hint=IMAP_ON),
    Provider("gmx_com", "GMX (.com)", ("gmx.com", "gmx.us"), "imap.gmx.com", "mail.gmx.com", hint=IMAP_ON),
    Provider("webde", "WEB.DE", ("web.de",), "imap.web.de", "smtp.web.de", smtp_port=587, smtp_security="starttls",
             hint=IMAP_ON),
    Provider("ionos", "IONOS", (), "imap.ionos.com", "smtp.ionos.com"),
    Provider("ovh", "OVH", (), "ssl0.ovh.net", "ssl0.ovh.net"),
)  # fmt: skip

_BY_KEY = {provider.key: provider for provider in PROVIDERS}


def provider(key: str) -> Provider | None:
    return _BY_KEY.get(key)


def suggest(address: str) -> Provider | None:
    """The provider of an address's domain; None for a domain that could be hosted anywhere."""
    domain = address.rpartition("@")[2].strip().lower().rstrip(".")
    for one in PROVIDERS:
        if domain in one.domains or (one.suffix and any(domain.endswith("." + known) for known in one.domains)):
            return one
    return None


def files_sent_itself(smtp_host: str) -> bool:
    """Whether the provider behind this server lays a copy of every sent mail into the Sent folder by itself."""
    host = smtp_host.strip().lower().rstrip(".")
    return any(one.server_files_sent and one.smtp_host == host for one in PROVIDERS) or host.endswith(".office365.com")
