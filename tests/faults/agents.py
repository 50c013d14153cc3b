"""Agents who answer through the web as a browser does, and try again until told that the answer is on its way."""

from __future__ import annotations

import html
import http.client
import queue
import random
import re
import threading
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

PATIENCE = 120.0  # for one answer, over any number of restarts
PAUSE = 0.05  # between two tries
TIMEOUT = 10.0  # of one request
DOUBLE_CLICKS = 0.2  # of all answers

Cookies = dict[str, str]


@dataclass
class Told:
    """What agents were told, by draft: the truth that the queue is held to."""

    accepted: dict[int, int] = field(default_factory=dict)  # draft → conversation
    refused: int = 0  # "somebody was faster": the words are kept
    gone: list[str] = field(default_factory=list)  # what no patience helped against
    retries: int = 0


class Gone(Exception):
    """The web did not give a clear answer for PATIENCE seconds."""


class Agent(threading.Thread):
    """One signed-in person who takes conversations from a queue and answers each; None ends the working day."""

    def __init__(self, port: int, email: str, password: str, work: queue.Queue[int | None], *, seed: int) -> None:
        super().__init__(name=f"agent-{email}", daemon=True)
        self.told = Told()
        self._port, self._email, self._password = port, email, password
        self._work = work
        self._chance = random.Random(seed)
        self._cookies: Cookies = {}
        self._token = ""

    def run(self) -> None:
        try:
            self._sign_in()
        except Gone as error:
            self.told.gone.append(str(error))
            return
        while (conversation_id := self._work.get()) is not None:
            try:
                self._answer(conversation_id)
            except Gone as error:
                self.told.gone.append(f"conversation {conversation_id}: {error}")

    # -- one answer

    def _answer(self, conversation_id: int) -> None:
        composer = self._composer(conversation_id)
        if composer is None:
            return
        draft_id, fields = composer
        fields["text"] = f"{self._email} answers conversation {conversation_id}.\nThank you."
        for _ in range(2):
            status = self._patiently("POST", f"/drafts/{draft_id}/replies", fields)[0]
            if status == 303:
                self.told.accepted[draft_id] = conversation_id
                if self._chance.random() < DOUBLE_CLICKS:
                    again = self._patiently("POST", f"/drafts/{draft_id}/replies", fields)[0]
                    if again != 303:
                        self.told.gone.append(f"the second click for draft {draft_id} was answered with {again}")
                return
            if status != 409:
                raise Gone(f"sending was answered with {status}")
            self.told.refused += 1
            if self._somebody_answered(conversation_id):
                return
            composer = self._composer(conversation_id)  # a mail came in: read it, then send
            if composer is None:
                return
            fields |= {name: composer[1][name] for name in ("rev", "seen_version")}

    def _composer(self, conversation_id: int) -> tuple[int, dict[str, str]] | None:
        """The draft's id and the fields of its form; None for what cannot be answered."""
        asked = {"kind": "reply", "conversation_id": str(conversation_id)}
        status, page = self._patiently("POST", "/drafts", asked, headers={"HX-Request": "true"})
        if status in (400, 404):
            return None
        if status != 200:
            raise Gone(f"the composer was answered with {status}")
        draft = re.search(r'data-draft="(\d+)"', page)
        fields = {name: _value(page, name) for name in ("rev", "seen_version", "to", "subject")}
        if draft is None:
            raise Gone("the page holds no composer")
        return int(draft[1]), fields

    def _somebody_answered(self, conversation_id: int) -> bool:
        """Whether the last words in the conversation are a colleague's: then there is nothing more to say."""
        _, page = self._patiently("GET", f"/conversations/{conversation_id}")
        return "answers conversation" in page

    # -- HTTP

    def _sign_in(self) -> None:
        _, page = self._patiently("GET", "/sign-in")
        self._token = _value(page, "csrf_token")
        status, _ = self._patiently("POST", "/sign-in", {"email": self._email, "password": self._password})
        if status != 303:
            raise Gone(f"{self._email} could not sign in: {status}")
        _, page = self._patiently("GET", "/preferences")
        self._token = _value(page, "csrf_token")

    def _patiently(
        self,
        method: str,
        path: str,
        fields: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        """Asks until there is an answer below 500. A broken connection says nothing of what became of the request."""
        until = time.monotonic() + PATIENCE
        last = ""
        while time.monotonic() < until:
            try:
                status, page = self._ask(method, path, fields, headers or {})
                if status < 500:
                    return status, page
                last = f"{status} {' '.join(re.sub(r'<[^>]*>', ' ', page).split())[-300:]}"
            except (OSError, http.client.HTTPException) as error:
                last = f"{type(error).__name__}: {error}"
            self.told.retries += 1
            time.sleep(PAUSE)
        raise Gone(f"{method} {path}: {last}")

    def _ask(
        self, method: str, path: str, fields: Mapping[str, str] | None, headers: Mapping[str, str]
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT)
        try:
            body = None
            sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items()), **headers}
            if fields is not None:
                body = urllib.parse.urlencode({**fields, "csrf_token": self._token})
                sent["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            page = response.read().decode("utf-8", "replace")
            for name, value in response.getheaders():
                if name.lower() == "set-cookie":
                    cookie, _, content = value.partition(";")[0].partition("=")
                    self._cookies[cookie.strip()] = content
            return response.status, page
        finally:
            connection.close()


def _value(page: str, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]*?value="([^"]*)"', page)
    if found is None:
        return ""
    return html.unescape(found[1])
