"""Addresses of pages: `url_for` straight from the rule of a page, because a page asks for forty of them."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from urllib.parse import quote

from flask import Flask, has_request_context, request
from werkzeug.routing import Rule

ANCHOR = "%!#$&'()*+,/:;=?@"  # what may stand in one as it is, as Flask has it
OUTSIDE = ("_external", "_scheme", "_method")  # asks of Flask for more than an address within the house


class Madoguchi(Flask):
    """Flask, whose own way to an address takes ten times as long."""

    @cached_property
    def _rules(self) -> dict[str, Rule]:
        """Every page has one rule."""
        return {rule.endpoint: rule for rule in self.url_map.iter_rules()}

    def url_for(self, endpoint: str, *, _anchor: str | None = None, **values: Any) -> str:  # type: ignore[override]
        """Like Flask's, for addresses within the house; `values` that are None stand in none."""
        given = {name: value for name, value in values.items() if value is not None}
        rule = self._rules.get(endpoint) if has_request_context() else None
        if rule is None or not rule.arguments <= given.keys() or not given.keys().isdisjoint(OUTSIDE):
            return super().url_for(endpoint, _anchor=_anchor, **values)
        built = rule.build(given)
        if built is None:  # a value that does not fit: Flask says what is wrong
            return super().url_for(endpoint, _anchor=_anchor, **values)
        address = request.script_root + built[1]
        return f"{address}#{quote(_anchor, safe=ANCHOR)}" if _anchor is not None else address
