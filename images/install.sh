#!/bin/sh
# Installs what an image's packages.lock pins, and what its Dockerfile adds as arguments, into /opt/venv.
set -eu
cd "$(dirname "$0")"
# The authority of a private package index, where `make images` was given one (CA=file).
for authority in *.crt; do
  if [ -f "$authority" ]; then export PIP_CERT="$PWD/$authority"; fi
done
# Python looks a numeric user up by name, and so do libraries that keep caches in its home.
useradd --uid 1000 --home-dir /tmp --no-create-home rewatch
python3 -m venv /opt/venv
# DeepSpeed's operators are built where they run.
DS_BUILD_OPS=0 /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --progress-bar off \
  --requirement packages.lock "$@"
/opt/venv/bin/pip check
