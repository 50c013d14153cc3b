# make run    start Madoguchi (first start: makes .venv, about a minute); settings can follow: make run PORT=8026
# make test   install what the tests need, then run them; RACES=1000 runs each race a thousand times instead of 150
# make bench  measure, on throwaway servers
# make catalogs  bring the translation catalogs up to date with the texts in the code
# make lock   write the lock files anew after a change of pyproject.toml (needs uv)
PYTHON ?= python3
PYTEST_ARGS ?=

.PHONY: run test bench lint lock catalogs clean

run:
	@exec $(PYTHON) bootstrap.py -m inbox run

test:
	@$(PYTHON) tests/debian.py
	@$(PYTHON) bootstrap.py --tests -m pytest $(PYTEST_ARGS)

bench:
	@$(PYTHON) tests/debian.py
	@$(PYTHON) bootstrap.py --tests -m bench

lint:
	@$(PYTHON) bootstrap.py --tests -m ruff check .

catalogs:
	@$(PYTHON) bootstrap.py -m web.catalogs

lock:
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --all-extras pyproject.toml -o requirements-test.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header -c requirements-test.lock pyproject.toml -o requirements.lock

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis test-results
