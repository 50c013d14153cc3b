"""The page to compare with: bare Flask and SQLAlchemy, fifty rows by one index, padded to the size of the real page."""

from __future__ import annotations

import os

from flask import Flask
from sqlalchemy import select

from inbox import db
from inbox.models import Conversation

PAGE = """<!doctype html><html><head><title>Inbox</title></head><body><table>{% for c in rows %}<tr><td>
<a href="/c/{{ c.id }}">{{ c.subject }}</a></td><td>{{ c.people }}</td><td>{{ c.snippet }}</td><td>{{ c.status }}</td>
<td>{{ c.owner_id }}</td><td>{{ c.activity_at }}</td></tr>{% endfor %}</table><p>{{ padding }}</p></body></html>"""

app = Flask(__name__)
template = app.jinja_env.from_string(PAGE)
wanted = int(os.environ.get("PAGE_BYTES", "0"))


@app.get("/")
def page() -> str:
    c = Conversation
    with db.reading() as session:
        rows = session.execute(
            select(c.id, c.subject, c.people, c.snippet, c.status, c.owner_id, c.activity_at)
            .where(c.mailbox_id == 1, c.status == "open")
            .order_by(c.activity_at.desc(), c.id.desc())
            .limit(50)
        ).all()
    bare = template.render(rows=rows, padding="")
    return bare if len(bare) >= wanted else bare + " " * (wanted - len(bare.encode()))
