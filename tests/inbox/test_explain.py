"""`python -m inbox explain` says what is understood of mails, one JSON object each."""

import base64
import json
import mailbox
import os
import subprocess
import sys
from pathlib import Path

import pytest

from inbox.explain import explain, explain_all, explain_stream, mails_in

HOME = Path(__file__).parents[2]
FIELDS = {
    "subject", "from", "to", "cc", "reply_to", "message_id", "in_reply_to", "references", "date", "text", "html",
    "safe_html", "new_text", "attachments", "kind", "bounce", "warnings", "quarantine", "conversation",
}  # fmt: skip
QUESTION = (
    b"From: =?utf-8?B?6Iqx5a2Q?= <hanako@customer.example>\nTo: support@shop.example\nSubject: Where is it?\n"
    b"Message-ID: <q@customer.example>\nDate: Fri, 1 Mar 2024 10:00:00 +0900\n"
    b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html; charset=utf-8\n\n"
    b"<p onclick=x()>Where?</p><script>x()</script>\n--b\nContent-Type: a/b; name=n.bin\n"
    b"Content-Transfer-Encoding: base64\n\naGVsbG8=\n--b--\n"
)
ANSWER = (
    b"From: support@shop.example\nTo: hanako@customer.example\nSubject: Re: Where is it?\n"
    b"Message-ID: <a@shop.example>\n"
    b"In-Reply-To: <q@customer.example>\n\nOn its way.\n"
)
OTHER = b"From: b@c.example\nSubject: Where is it?\nMessage-ID: <o@c.example>\n\nAnother question.\n"
BOMB = b"X: y\n" * 2000 + b"\n"


def test_every_field_of_a_mail_is_there():
    told = explain(QUESTION, with_data=True)
    assert set(told) == FIELDS
    assert told["from"] == [{"name": "花子", "address": "hanako@customer.example"}]
    assert told["date"] == "2024-03-01T10:00:00+09:00"
    assert told["new_text"].strip() == "Where?"
    assert "script" not in told["safe_html"]
    assert "onclick" not in told["safe_html"]
    assert told["kind"] == "person"
    (attachment,) = told["attachments"]
    assert attachment["name"] == "n.bin"
    assert attachment["size"] == 5
    assert base64.b64decode(attachment["data"]) == b"hello"
    assert "data" not in explain(QUESTION)["attachments"][0]


def test_a_mail_beyond_the_limits_names_the_cause():
    told = explain(BOMB)
    assert set(told) == FIELDS
    assert told["quarantine"] == "more than 1000 headers"


def test_conversations_are_numbered_as_the_mails_arrived():
    mails = [QUESTION, OTHER, ANSWER, BOMB, BOMB]
    assert [told["conversation"] for told in explain_all(mails)] == [1, 2, 1, 3, 4]
    assert [told["conversation"] for told in explain_stream(mails)] == [1, 2, 1, 3, 4]


def test_mails_are_found_in_files_mboxes_and_folders(tmp_path):
    (tmp_path / "1.eml").write_bytes(QUESTION)
    box = mailbox.mbox(tmp_path / "2.mbox")
    box.add(ANSWER)
    box.add(OTHER + b"\nFrom now on all is well.\n")
    box.close()
    (tmp_path / ".hidden").write_bytes(b"no mail")
    assert list(mails_in(tmp_path / "1.eml")) == [QUESTION]
    found = list(mails_in(tmp_path))
    assert len(found) == 3
    assert explain(found[1])["text"].strip() == "On its way."
    assert explain(found[2])["text"].strip().endswith("\nFrom now on all is well.")


def run(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "inbox", "explain", *arguments]
    return subprocess.run(command, cwd=HOME, input=given, capture_output=True, timeout=60, check=False)


def test_the_command_prints_one_object_a_line(tmp_path):
    (tmp_path / "1.eml").write_bytes(QUESTION)
    (tmp_path / "2.eml").write_bytes(ANSWER)
    done = run(str(tmp_path), "--bytes")
    assert done.returncode == 0
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["conversation"] for one in told] == [1, 1]
    assert told[0]["attachments"][0]["data"] == "aGVsbG8="


def test_wrong_usage_has_its_exit_code(tmp_path):
    assert run().returncode == 2
    assert run(str(tmp_path / "missing")).returncode == 2


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may read everything")
def test_an_unreadable_file_has_its_exit_code(tmp_path):
    (tmp_path / "1.eml").write_bytes(QUESTION)
    (tmp_path / "1.eml").chmod(0)
    assert run(str(tmp_path / "1.eml")).returncode == 1


def test_the_stream_answers_each_mail_before_the_next_is_given():
    command = [sys.executable, "-m", "inbox", "explain", "--stream"]
    with subprocess.Popen(command, cwd=HOME, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for mail, conversation in ((QUESTION, 1), (OTHER, 2), (ANSWER, 1)):
            child.stdin.write(base64.b64encode(mail) + b"\n")
            child.stdin.flush()
            assert json.loads(child.stdout.readline())["conversation"] == conversation
        child.stdin.write(b"abcde\n" + base64.b64encode(OTHER) + b"\n")
        child.stdin.flush()
        assert json.loads(child.stdout.readline())["quarantine"] == "line 4 is not base64"
        assert json.loads(child.stdout.readline())["quarantine"] is None
        child.stdin.close()
        assert child.wait(timeout=30) == 0


def test_explaining_starts_without_database_and_web():
    code = "import sys, inbox.cli.explain; print({'sqlalchemy', 'flask', 'redis', 'imapclient'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=HOME, capture_output=True, timeout=60, check=True)
    assert done.stdout.strip() == b"set()"
