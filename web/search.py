"""Searching mail and people."""

from __future__ import annotations

from flask import Blueprint, g, render_template, request, url_for

from inbox import search
from inbox.lists import ListPage
from web.inbox import shown

pages = Blueprint("search", __name__)

PAGE_SIZE = 50
LONGEST_QUERY = 200  # characters


@pages.get("/search")
def show() -> str:
    query = " ".join(request.args.get("q", "").split())[:LONGEST_QUERY]
    page = ListPage(rows=(), older=None, newer=None)
    if query:
        page = search.search(g.session, g.who, query, now=g.now, after=request.args.get("after"), size=PAGE_SIZE)
    return render_template(
        "search/show.html",
        query=query,
        page=page,
        shown=shown(),
        older=url_for("search.show", q=query, after=page.older) if page.older else "",
        newer=url_for("search.show", q=query, after=page.newer) if page.newer else "",
    )
