# The teacher on a cluster: vLLM as its project publishes it. Its dependencies clash with ours (another transformers,
# another protobuf), so nothing of rewatch is in this image; a pipeline knows it by its address alone. BASE_IMAGE may
# add the digest, which was not to be had where this was written: …:v0.32.0@sha256:….
#   docker run --gpus all --shm-size 16g IMAGE --model Qwen/Qwen2.5-VL-72B-Instruct --tensor-parallel-size 4
# Without Docker: serving.lock.
ARG BASE_IMAGE=vllm/vllm-openai:v0.32.0
FROM ${BASE_IMAGE}
ENV HOME=/tmp USER=rewatch HF_HOME=/tmp/huggingface VLLM_CACHE_ROOT=/tmp/vllm VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1
USER 1000:1000
WORKDIR /tmp
EXPOSE 8000
# Weights of a large model take many minutes to load.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30m \
  CMD ["python3", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health', timeout=4)"]
