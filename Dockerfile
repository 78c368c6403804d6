# One image for every process: `gridpulse run api`, `writer`, `detect`, `rollup`, and `gridpulse migrate`.
# Health checks stand in docker-compose.yml, since each process has its own.

FROM python:3.12.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_LINK_MODE=copy UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1
COPY requirements/uv.lock /build/requirements/
RUN pip install --no-deps --require-hashes --requirement /build/requirements/uv.lock
RUN python -m venv --without-pip /opt/gridpulse
COPY requirements/run.lock /build/requirements/
RUN uv pip install --python /opt/gridpulse/bin/python --require-hashes --requirement /build/requirements/run.lock
# The packages change seldom and the project often, so it has a layer of its own; setuptools is in the lock.
COPY pyproject.toml README.md LICENSE /build/
COPY schemas /build/schemas
COPY detectors /build/detectors
COPY projections /build/projections
COPY streams /build/streams
COPY replay /build/replay
COPY api /build/api
COPY benchmarks /build/benchmarks
COPY gridpulse /build/gridpulse
RUN uv pip install --python /opt/gridpulse/bin/python --no-deps --no-build-isolation /build

FROM python:3.12.12-slim-bookworm
ENV PATH=/opt/gridpulse/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A named volume takes over the owner of the folder that it is mounted on, so the folder must exist with its owner.
RUN groupadd --system --gid 10001 gridpulse \
    && useradd --system --uid 10001 --gid gridpulse --no-create-home --shell /usr/sbin/nologin gridpulse \
    && install -d -o gridpulse -g gridpulse -m 0750 /var/lib/gridpulse
COPY --from=build /opt/gridpulse /opt/gridpulse
USER 10001:10001
WORKDIR /var/lib/gridpulse
STOPSIGNAL SIGTERM
EXPOSE 8080
ENTRYPOINT ["gridpulse"]
CMD ["--help"]
