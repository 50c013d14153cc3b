"""Saved views: a list under a name, at the side of every page."""

from __future__ import annotations

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from inbox import views
from web import edge
from web.inbox import Wanted
from web.language import gettext

pages = Blueprint("views", __name__)


@pages.get("/views")
def show() -> str:
    return render_template("views/show.html", found=views.all_of(g.session, g.who))


@pages.post("/views")
def create() -> AnyResponse:
    """{name, shared, box} and the parts of the list's address under way_…."""
    form = request.form
    given = {name.removeprefix("way_"): value for name, value in form.items() if name.startswith("way_")}
    wanted = Wanted.of(form.get("box", ""), given)
    query = {name: str(value) for name, value in wanted.query.items() if name != "view"}
    made = views.keep(
        g.session,
        g.who,
        name=form.get("name", ""),
        wanted={"box": wanted.box, **query},
        shared="shared" in form,
        now=g.now,
    )
    edge.tell(gettext("The view is kept at the side."), undo=url_for("views.remove", view_id=made))
    return redirect(url_for("inbox.show", box=wanted.box, **query, view=made), 303)


@pages.post("/views/<int:view_id>")
def change(view_id: int) -> AnyResponse:
    """{name, shared}."""
    views.change(g.session, g.who, view_id, name=request.form.get("name", ""), shared="shared" in request.form)
    edge.tell(gettext("Saved."))
    return redirect(url_for("views.show"), 303)


@pages.post("/views/<int:view_id>/removal")
def remove(view_id: int) -> AnyResponse:
    was = views.remove(g.session, g.who, view_id)
    fields = {"name": was.name, "box": was.box, **{f"way_{name}": value for name, value in was.query.items()}}
    edge.tell(
        gettext("The view is gone."),
        undo=url_for("views.create"),
        fields=fields | ({"shared": "1"} if was.shared else {}),
    )
    return redirect(url_for("views.show"), 303)
