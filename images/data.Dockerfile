# The image of one data stage: decoding, teachers, gates, reports. No CUDA: torch is the CPU build where the index has it.
#   docker build --file images/data.Dockerfile --build-arg STAGE=captioning .
FROM python:3.11-slim-bookworm

RUN useradd --uid 1000 --create-home rewatch \
 && python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/rewatch PYTHONDONTWRITEBYTECODE=1 HOME=/tmp \
    MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=1 GX_ANALYTICS_ENABLED=false

# The lock first: this layer is built once for all stages.
COPY images/rewatch.lock /tmp/rewatch.lock
RUN pip install --no-cache-dir --quiet "$(grep '^torch==' /tmp/rewatch.lock)" \
 && DS_BUILD_OPS=0 pip install --no-cache-dir --quiet -r /tmp/rewatch.lock

COPY components/__init__.py /opt/rewatch/components/__init__.py
COPY components/core /opt/rewatch/components/core
ARG STAGE
COPY components/${STAGE} /opt/rewatch/components/${STAGE}
USER 1000
WORKDIR /tmp
