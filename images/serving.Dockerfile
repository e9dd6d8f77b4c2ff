# The teacher on a cluster: vLLM as its project publishes it. Its dependencies clash with ours (another transformers,
# another protobuf), so nothing of rewatch is in this image; a pipeline knows it by its address alone.
# Without Docker: serving.lock.
#   docker build --file images/serving.Dockerfile --tag rewatch-serving .
#   docker run --gpus all --shm-size 16g rewatch-serving --model Qwen/Qwen2.5-VL-72B-Instruct --tensor-parallel-size 4
FROM vllm/vllm-openai:v0.32.0
EXPOSE 8000
