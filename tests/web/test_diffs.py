"""Two versions side by side: nothing of either is lost, and what did not change is not marked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from web.diffs import side_by_side

TEXTS = st.lists(st.text("あい漢 ab1\t。", max_size=8), max_size=8).map("\n".join)


@given(TEXTS, TEXTS)
def test_each_side_joined_again_is_its_text(before: str, after: str) -> None:
    rows = side_by_side(before, after)
    old = ["".join(text for _, text in row.before) for row in rows if row.kind != "new"]
    new = ["".join(text for _, text in row.after) for row in rows if row.kind != "gone"]
    assert ("\n".join(old), "\n".join(new)) == (before, after)


@given(TEXTS)
def test_the_same_text_has_no_marks(text: str) -> None:
    rows = side_by_side(text, text)
    assert not any(differs for row in rows for differs, _ in (*row.before, *row.after))


def test_inside_a_changed_line_only_the_words_that_differ_are_marked() -> None:
    [row] = side_by_side("昨日 Tokyo へ発送", "本日 Tokyo へ発送")
    assert [text for differs, text in row.before if differs] == ["昨"]
    assert [text for differs, text in row.after if differs] == ["本"]
