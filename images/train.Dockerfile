# The image of a training stage. CUDA comes with torch's own wheel; the compiler is there because DeepSpeed and Triton
# build operators at run time.
ARG BASE_IMAGE=python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b
FROM ${BASE_IMAGE}

# A base that brings its own compiler needs no package mirror.
RUN command -v g++ \
 || (apt-get update && apt-get install --yes --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*)
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
COPY install.sh packages.lock ca/ /opt/setup/
RUN sh /opt/setup/install.sh
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/rewatch PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HOME=/tmp USER=rewatch \
    MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=1

COPY code/ /opt/rewatch/
USER 1000:1000
WORKDIR /tmp
