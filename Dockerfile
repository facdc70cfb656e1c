# The gateway in an image: docker build -t fanin .   docs/deploying.md
FROM python:3.13-slim AS build
ARG EXTRAS=clickhouse,jwt,redis
WORKDIR /src
COPY . .
RUN python -m venv /opt/fanin \
 && /opt/fanin/bin/pip install --no-cache-dir --disable-pip-version-check ".[$EXTRAS]"

FROM python:3.13-slim
COPY --from=build /opt/fanin /opt/fanin
RUN useradd --system --uid 10001 --home-dir /data --create-home fanin
ENV PATH=/opt/fanin/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FANIN_WAREHOUSE=duckdb:////data/fanin.duckdb \
    FANIN_HOST=0.0.0.0 \
    FANIN_PORT=8000 \
    FANIN_DRAIN_SECONDS=2
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["python", "-S", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['FANIN_PORT'] + '/readyz', timeout=2)"]
ENTRYPOINT ["fanin"]
CMD ["serve"]
