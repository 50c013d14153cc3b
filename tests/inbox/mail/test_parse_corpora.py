"""Mails of other projects' test suites, where they are at hand: every one is read, and quickly."""

import base64
import json
import os
import time
from pathlib import Path

import pytest

from inbox.mail.understand import understand

HERE = Path(__file__).parents[3]
CORPORA = Path(os.environ.get("MADOGUCHI_CORPORA", HERE.parent / "shared" / "corpora"))
SETS = sorted(path.stem for path in (CORPORA / "cases").glob("*.jsonl"))


def mails(name: str):
    with (CORPORA / "cases" / f"{name}.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            case = json.loads(line)
            for encoded in [case.get("raw_b64"), *case.get("messages_b64", ())]:
                if encoded:
                    yield case["id"], base64.b64decode(encoded)


@pytest.mark.skipif(not SETS, reason="no corpora here (MADOGUCHI_CORPORA)")
@pytest.mark.parametrize("name", SETS)
def test_every_mail_is_understood_and_quickly(name):
    for case, raw in mails(name):
        start = time.process_time()
        understand(raw)
        assert time.process_time() - start < 5, case
