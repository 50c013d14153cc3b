"""Installs the Debian packages that the tests need, where it may; says plainly what stays untested elsewhere."""

import os
import pathlib
import shutil
import subprocess
import sys

# package, a file that shows it is there, what is not tested without it
NEEDED = (
    ("dovecot-imapd", "/usr/lib/dovecot/imap", "reading mail from a real IMAP server"),
    ("dovecot-lmtpd", "/usr/lib/dovecot/lmtp", "reading mail from a real IMAP server"),
    ("postgresql", "/usr/lib/postgresql/*/bin/initdb", "everything on PostgreSQL"),
    ("chromium", "/usr/bin/chromium", "the pages in a real browser"),
    ("fonts-noto-cjk", "/usr/share/fonts/opentype/noto/NotoSansCJK-*", "Japanese in screenshots"),
)


def main():
    missing = [row for row in NEEDED if not is_there(row[1])]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        install([package for package, _, _ in missing])
        missing = [row for row in NEEDED if not is_there(row[1])]
    for package, _, untested in missing:
        print("NOT tested here, for want of the Debian package %s: %s" % (package, untested), file=sys.stderr)
    if missing and os.environ.get("CI"):
        sys.exit("In CI nothing may be missing.")


def is_there(pattern):
    return any(pathlib.Path("/").glob(pattern.lstrip("/")))


def install(packages):
    print("Installing Debian packages for the tests: " + " ".join(packages), file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", *command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            print("apt-get %s failed:\n%s" % (command[0], done.stdout[-2000:]), file=sys.stderr)
            return


if __name__ == "__main__":
    main()
