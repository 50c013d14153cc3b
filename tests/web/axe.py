"""axe-core in the page that stands before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

AXE = (Path(__file__).resolve().parents[1] / "vendor" / "axe.min.js").read_text("utf-8")

# A colour on its way from one look to the next is on no page for longer than a blink: axe waits for the last of it.
# Two frames let what was just changed start to move; what turns for ever (a spinner) is not waited for.
AT_REST = """async () => {
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  const ending = document.getAnimations().filter((one) => one.effect.getComputedTiming().endTime !== Infinity);
  await Promise.allSettled(ending.map((one) => one.finished));
}"""
RUN = "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"


def violations(page: Any) -> list[str]:
    """What keeps somebody out: rule, elements and what is wrong with the first, one line each."""
    page.evaluate(AT_REST)
    page.evaluate(AXE)
    return [
        f"{one['id']}: {[node['html'][:160] for node in one['nodes']][:3]} {one['nodes'][0]['failureSummary'][:300]}"
        for one in page.evaluate(RUN)["violations"]
    ]
