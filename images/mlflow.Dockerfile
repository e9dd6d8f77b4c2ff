# The MLflow server, with what it needs to keep runs in PostgreSQL and artifacts in S3. It holds no code of ours.
#   docker run --publish 127.0.0.1:5000:5000 IMAGE --host 0.0.0.0 --backend-store-uri postgresql://… \
#     --artifacts-destination s3://…
ARG BASE_IMAGE=python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b
FROM ${BASE_IMAGE}

ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
COPY install.sh packages.lock ca/ /opt/setup/
RUN sh /opt/setup/install.sh psycopg2-binary==2.9.13
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp USER=rewatch \
    MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=1 MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false

USER 1000:1000
WORKDIR /tmp
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["python3", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:5000/health', timeout=4)"]
ENTRYPOINT ["mlflow", "server"]
CMD ["--host", "0.0.0.0", "--port", "5000"]
