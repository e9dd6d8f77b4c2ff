# The image of one training stage. CUDA comes with torch's own wheel; the compiler is there because DeepSpeed builds
# its operators at run time.
#   docker build --file images/train.Dockerfile --build-arg STAGE=sft .
FROM python:3.11-bookworm

RUN apt-get update && apt-get install --yes --no-install-recommends g++ ninja-build numactl \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 1000 --create-home rewatch \
 && python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/rewatch PYTHONDONTWRITEBYTECODE=1 HOME=/tmp \
    MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=1

COPY images/rewatch.lock /tmp/rewatch.lock
RUN pip install --no-cache-dir --quiet "$(grep '^torch==' /tmp/rewatch.lock)" \
 && DS_BUILD_OPS=0 pip install --no-cache-dir --quiet -r /tmp/rewatch.lock

COPY components/__init__.py /opt/rewatch/components/__init__.py
COPY components/core /opt/rewatch/components/core
ARG STAGE
COPY components/${STAGE} /opt/rewatch/components/${STAGE}
USER 1000
WORKDIR /tmp
