#!/usr/bin/env python3
"""Makes .venv from the lock file and runs a command in it: `python3 bootstrap.py [--tests] -m inbox run`.

Standard library only. Packages are checked against their hashes. uv is used when it is there, pip otherwise. A second
start only compares a stamp.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)
READ_ONLY = "The folder %s cannot be written (%s). Copy Madoguchi to a folder of your own."
NETWORK = (  # what pip and uv say when they reach nobody
    "name resolution",
    "connection",
    "network",
    "no matching distribution",
    "timed out",
    "dns error",
    "error sending request",
)


def main(arguments):
    tests = arguments[:1] == ["--tests"]
    arguments = arguments[1:] if tests else arguments
    if sys.version_info < OLDEST:
        give_up(
            "Python %d.%d or newer is needed; this is %s (%s). Name another one: make run PYTHON=/path/to/python3.11"
            % (*OLDEST, sys.version.split()[0], sys.executable)
        )
    lock = ROOT / ("requirements-test.lock" if tests else "requirements.lock")
    if not is_installed(lock):
        install(lock)
    if arguments:
        os.chdir(str(ROOT))
        os.execv(str(PYTHON), [str(PYTHON), *arguments])


def is_installed(lock):
    """Whether this lock file, or the one for the tests that holds all of it, was installed with this Python."""
    locks = {lock, ROOT / "requirements-test.lock"}
    return PYTHON.exists() and any(stamp(one).exists() and stamp(one).read_text() == wanted(one) for one in locks)


def stamp(lock):
    return VENV / (".installed-" + lock.stem)


def wanted(lock):
    return hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()


def install(lock):
    print("Installing (once, about a minute) ...", file=sys.stderr, flush=True)
    uv = shutil.which("uv")
    try:
        make_environment(uv)
        if uv:
            command = [uv, "pip", "install", "--quiet", "--require-hashes", "--python", PYTHON, "-r", lock]
        else:
            command = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
            command += ["-r", lock]
        call(command)
        stamp(lock).write_text(wanted(lock))
    except OSError as error:
        give_up(READ_ONLY % (ROOT, error.strerror))
    except subprocess.CalledProcessError as error:
        explain(error.output or "")


def make_environment(uv):
    if (VENV / "pyvenv.cfg").exists() and works():
        return
    VENV.mkdir(exist_ok=True)  # a folder that cannot be written shows itself here
    if uv:
        call([uv, "venv", "--quiet", "--clear", "--python", sys.executable, VENV])
    else:
        call([sys.executable, "-m", "venv", "--clear", VENV])


def works():
    """Whether the environment's Python runs and is the one that we were started with."""
    try:
        answer = subprocess.run([str(PYTHON), "-c", "import sys; print(sys.version)"], capture_output=True, text=True)
    except OSError:
        return False
    return answer.stdout.strip() == sys.version.strip()


def call(command):
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    environment.pop("VIRTUAL_ENV", None)
    subprocess.run(
        [str(part) for part in command],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


def explain(output):
    """Ends with one sentence for what pip, venv or uv said, and their words below it."""
    said = output.lower()
    if "ensurepip" in said or "no module named venv" in said:
        sentence = "Python's venv module is missing. On Debian and Ubuntu: apt install python3-venv"
    elif any(words in said for words in NETWORK):
        sentence = "The packages could not be downloaded. Check the network (or pip's configuration) and start again."
    elif "hash" in said and "match" in said:
        sentence = "A downloaded package is not the one that was checked (its hash differs). Nothing was started."
    elif "no space left" in said:
        sentence = "The disk is full: about 400 MB are needed in %s." % ROOT
    elif "permission denied" in said or "read-only file system" in said:
        sentence = READ_ONLY % (ROOT, "permission denied")
    else:
        sentence = "The packages could not be installed."
    give_up(sentence + "\n\n" + "\n".join(output.strip().splitlines()[-8:]))


def give_up(sentence):
    print(sentence, file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
