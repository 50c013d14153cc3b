"""Fetches the vendored front-end libraries anew and cuts the icon sprite: `python web/static/vendor/vendor.py`.

Needs npm. The results are committed, so that nobody else does. To use one more icon, add its name to ICONS and run this.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[2] / "tests" / "vendor"
PACKAGES = (
    "@tabler/core@1.6.1",
    "@tabler/icons@3.51.0",
    "htmx.org@4.0.1",
    "axe-core@4.14.1",
    "squire-rte@2.4.8",
    "dompurify@3.4.18",
)
ICONS = """
activity adjustments alarm alert-circle alert-triangle archive arrow-back-up arrow-back-up-double arrow-forward-up arrow-left
arrow-right arrows-diff at ban bell bold book building calendar chart-bar check checkbox checks chevron-down chevron-left
chevron-right chevron-up circle-check circle-x clear-formatting clock clock-hour-4 code command copy corner-up-left database
device-floppy device-mobile dots dots-vertical download edit external-link eye eye-off file file-spreadsheet file-text
file-type-pdf file-zip filter flag folder folder-open forms git-merge h-1 hand-stop hash heart heading help history home hourglass
inbox info-circle italic key keyboard language link list list-details list-numbers loader-2 lock lock-open logout mail mail-check
mail-fast mail-forward mail-off mail-opened mail-plus mail-question menu-2 message message-circle message-2-question minus moon
moon-stars note notes paperclip pencil photo player-pause player-play plug-connected plug-connected-x plus power progress quote
refresh robot rotate search send send-2 server settings shield shield-check shield-lock shield-x sign-right star strikethrough
sun tag tags template tool trash trending-up underline unlink upload user user-check user-circle user-minus user-plus users
volume-off webhook wifi-off world writing x zzz alert-hexagon brightness-auto inbox-off mailbox mood-empty target stack-2
""".split()


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folders = {package: unpack(package, Path(scratch)) for package in PACKAGES}
        core, icons, htmx, axe, squire, purify = (folders[package] for package in PACKAGES)
        # what only helps debuggers is left out; the source map would point to nothing
        css = (core / "dist/css/tabler.min.css").read_text()
        (HERE / "tabler.min.css").write_text(re.sub(r"\s*/\*# sourceMappingURL=.*?\*/\s*", "\n", css))
        (HERE / "icons.svg").write_text(sprite(icons / "icons/outline"))
        # one file: as two deferred ones, htmx starts before its extension in one of three page loads
        parts = [(htmx / "dist" / name).read_text() for name in ("htmx.min.js", "ext/hx-sse.min.js")]
        (HERE / "htmx.min.js").write_text(";\n".join(re.sub(r"//# sourceMappingURL=.*", "", part).strip() for part in parts) + "\n")
        # one file: the editor must not start before the sanitiser of what is pasted is there
        parts = [(purify / "dist/purify.min.js").read_text(), (squire / "dist/squire.js").read_text()]
        (HERE / "editor.min.js").write_text(";\n".join(re.sub(r"//# sourceMappingURL=.*", "", part).strip() for part in parts) + "\n")
        TESTS.mkdir(exist_ok=True)
        shutil.copyfile(axe / "axe.min.js", TESTS / "axe.min.js")


def unpack(package: str, scratch: Path) -> Path:
    folder = scratch / re.sub(r"\W", "-", package)
    folder.mkdir()
    subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def sprite(source: Path) -> str:
    """One SVG with a symbol for every icon that the pages use."""
    symbols = []
    for name in sorted(set(ICONS)):
        inner = re.search(r"<svg[^>]*>(.*)</svg>", (source / f"{name}.svg").read_text(), re.S).group(1)
        drawing = "".join(line.strip() for line in inner.splitlines())
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{drawing}</symbol>')
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


if __name__ == "__main__":
    main()
