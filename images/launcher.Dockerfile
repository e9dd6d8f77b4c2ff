# The `rewatch` command for schedules, triggers and pollers in a cluster: pipelines, components, and the recipes of all
# images, whose tags it computes.
#   docker run IMAGE submit --profile cluster
ARG BASE_IMAGE=python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b
FROM ${BASE_IMAGE}

ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
COPY install.sh packages.lock ca/ /opt/setup/
RUN sh /opt/setup/install.sh
RUN printf '#!/bin/sh\nexec python3 -m pipelines.cli "$@"\n' > /opt/venv/bin/rewatch \
 && chmod 755 /opt/venv/bin/rewatch
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/rewatch PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HOME=/tmp USER=rewatch \
    MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=1 GX_ANALYTICS_ENABLED=false

COPY code/ /opt/rewatch/
USER 1000:1000
WORKDIR /tmp
ENTRYPOINT ["rewatch"]
