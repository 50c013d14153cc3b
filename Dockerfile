# Madoguchi as one image; compose.yaml runs it with PostgreSQL and Valkey. glibc is needed (no Alpine).
FROM python:3.12-slim-bookworm

RUN useradd --create-home --uid 1000 madoguchi \
    && mkdir /data && chown madoguchi:madoguchi /data
WORKDIR /app

COPY requirements.lock ./
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

COPY --chown=root:root . .

USER madoguchi
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 DATA_DIR=/data HOST=0.0.0.0 PORT=8025
VOLUME /data
EXPOSE 8025
STOPSIGNAL SIGTERM
HEALTHCHECK --start-period=60s --interval=30s CMD python -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8025/readyz', timeout=5)"
CMD ["python", "-m", "inbox", "run"]
