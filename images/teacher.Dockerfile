# The built-in teacher as a server, for clusters and machines without a GPU.
#   docker run --publish 127.0.0.1:8000:8000 IMAGE --workers 4
ARG BASE_IMAGE=python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b
FROM ${BASE_IMAGE}

ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
COPY install.sh packages.lock ca/ /opt/setup/
RUN sh /opt/setup/install.sh
# One thread per worker: numpy's own would only compete with the other workers.
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/rewatch PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HOME=/tmp USER=rewatch OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

COPY code/ /opt/rewatch/
USER 1000:1000
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["python3", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["python3", "-m", "components.sandbox.teacher", "--host", "0.0.0.0", "--port", "8000"]
