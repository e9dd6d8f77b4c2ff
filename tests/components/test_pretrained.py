"""A pretrained Qwen2.5-VL on its whole way: supervised, reinforced, evaluated, put up for promotion, loaded by anyone.

The base has the shape of the official repositories, with their vocabulary of 152,064 and their ids; only the layers are
few and narrow, and the weights random. Settings are those of a real job but for sizes: bfloat16 arithmetic, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from components.core.data.datasets import Dataset
from components.core.data.manifest import read_manifest
from components.core.students.student import load_student
from components.evaluation.evaluate import STAGE as EVALUATION
from components.grpo import rollouts
from components.grpo.train import STAGE as GRPO
from components.promotion.decision import Decision
from components.promotion.promote import STAGE as PROMOTION
from components.sandbox.teacher.launch import running_teacher
from components.sft.train import STAGE as SFT
from tests.components.core.judging.stages import run_stage
from tests.components.mlflow_store import new_store
from tests.components.pretrained_world import pretrained_folder
from tests.components.training_world import frames, training_data

FRAMES = {"fps": 1.0, "max_frames": 4, "width": 0, "height": 0, "min_pixels": 0, "max_pixels": 4 * 28 * 28}
SFT_SETTINGS: dict[str, Any] = {
    "student": {"style": "full", "frames": FRAMES},
    "phases": [{"steps": 3, "videos": 2, "caption": 1, "direct": 1, "think": 1}],
    "forms": ["open", "multiple_choice"],
    "rows_per_forward": 1,
    "gradient_checkpointing": True,
    "arithmetic": "bfloat16",  # as a large student on a GPU
}
GRPO_SETTINGS: dict[str, Any] = {
    "steps": 2,
    "videos": 2,
    "questions_per_video": 1,
    "replies": 4,
    "max_tokens": 12,
    "temperature": 0.8,
    "top_p": 0.9,
    "updates": 2,
    "kl": 0.01,
    "replay_videos": 2,
    "rows_per_forward": 1,
    "gradient_checkpointing": True,
    "arithmetic": "bfloat16",  # as a large student on a GPU
}
EVALUATION_SETTINGS: dict[str, Any] = {"max_tokens": 12, "max_caption_tokens": 8, "videos_per_chunk": 2}


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The folders of the way: base, sft_model, grpo_model, evaluation, promotion, and the datasets."""
    root = tmp_path_factory.mktemp("way")
    base = pretrained_folder(root / "base", official_ids=True)
    data = training_data(root, 4, held_out=2)
    with pytest.MonkeyPatch.context() as environment, running_teacher(workers=1) as url:
        environment.setenv("MLFLOW_TRACKING_URI", new_store(root, "pretrained"))
        environment.setenv("MLFLOW_EXPERIMENT_NAME", "pretrained")
        run_stage(SFT, url, root / "sft", data, {"base": str(base), **SFT_SETTINGS})
        made = data | {"base": base, "sft_model": root / "sft" / "output"}
        # random weights earn nothing: rewards that differ, so that there is something to reinforce
        environment.setitem(rollouts.REWARDS, "oar", lambda terms: [float(place) for place in range(len(terms))])
        run_stage(GRPO, url, root / "grpo", {name: made[name] for name in GRPO.inputs}, GRPO_SETTINGS)
        made["grpo_model"] = root / "grpo" / "output"
        run_stage(
            EVALUATION, url, root / "evaluation", {name: made[name] for name in EVALUATION.inputs}, EVALUATION_SETTINGS
        )
        made["evaluation"] = root / "evaluation" / "output"
        rivals = {name: made[name] for name in PROMOTION.inputs}
        run_stage(PROMOTION, url, root / "promotion", rivals, {"registered_model": "student"})
        made["promotion"] = root / "promotion" / "output"
        yield made


def curve(model: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (model / "training.jsonl").read_text().splitlines()]


def test_a_pretrained_base_is_trained_in_its_own_style_with_its_own_optimiser(way: dict[str, Path]) -> None:
    steps = curve(way["sft_model"])
    assert [line["step"] for line in steps] == [0, 1, 2]  # no first lessons: the tower knows words already
    assert steps[0]["loss"] == pytest.approx(12, abs=2)  # ln 152,064: nothing is known
    assert steps[-1]["loss"] < steps[0]["loss"]
    for task in ("caption", "direct", "think"):
        assert all(line[f"share_{task}"] > 0.2 for line in steps)
    profile = json.loads((way["sft_model"] / "student.json").read_text())
    assert profile["style"] == "full" and profile["frames"]["max_pixels"] == 4 * 28 * 28
    assert not (way["sft_model"] / "untrained").exists()
    assert load_student(way["sft_model"], device="cpu").prompter.style == "full"


def test_reinforcement_draws_and_scores_with_the_official_vocabulary(way: dict[str, Path]) -> None:
    steps = curve(way["grpo_model"])
    assert [line["step"] for line in steps] == [0, 1]
    for line in steps:
        assert (line["judge_failures"], line["groups_without_variance"], line["clipped"]) == (0, 0, 0)
        assert line["rollout_ratio_mean"] == pytest.approx(1, abs=0.01) and line["rollout_kl"] < 1e-3
        assert line["loss"] == pytest.approx(line["policy_loss"] + 0.01 * line["kl"] + line["loss_replay"], abs=1e-4)
    manifest = read_manifest(way["grpo_model"])
    assert manifest.metrics["parity_mean"] <= 0.02 and manifest.metrics["rollout_alarms"] == 0
    assert {source.name for source in manifest.upstream} == {"captions", "questions", "sft_model"}


@pytest.mark.parametrize(("stage", "start"), [("sft_model", "base"), ("grpo_model", "sft_model")])
def test_every_part_of_the_model_moves_and_what_was_trained_is_what_is_written(
    stage: str, start: str, way: dict[str, Path]
) -> None:
    checkpoint = sorted((way[stage].parent / "state" / "checkpoints").rglob("step-*"))[-1]
    trained = load_file(checkpoint / "weights.safetensors")
    before = dict(load_student(way[start], device="cpu").model.named_parameters())
    written = dict(load_student(way[stage], device="cpu").model.named_parameters())
    moved = [name for name, value in trained.items() if not torch.equal(value, before[name])]
    for part in ("visual", "layers", "embed_tokens", "lm_head"):
        assert any(part in name for name in moved)
    assert all(torch.equal(value.bfloat16(), written[name].bfloat16()) for name, value in trained.items())


def test_every_row_of_the_table_is_there_the_untrained_base_too(way: dict[str, Path]) -> None:
    scores = {(row.system, row.metric, row.group): row for row in Dataset(way["evaluation"]).rows("scores")}
    for system in ("untrained", "sft_direct", "sft_think", "grpo_direct", "grpo_think", "wrong_video"):
        row = scores[system, "accuracy", "all"]
        assert row.value is not None and row.clusters == 2
    assert "3136 in all" in row.protocol.pixels


def test_promotion_decides_on_it_and_says_why(way: dict[str, Path]) -> None:
    decision = Decision.model_validate_json((way["promotion"] / "decision.json").read_bytes())
    asked = {row.question_id for row in Dataset(way["evaluation"]).rows("predictions") if row.system == "grpo_think"}
    assert (decision.verdict, decision.n) == ("refused", len(asked))
    assert asked
    assert f"{len(asked)} questions in common" in decision.text and f"min_questions={len(asked)}" in decision.text


@pytest.mark.parametrize("stage", ["sft_model", "grpo_model"])
def test_anyone_loads_the_result_with_the_ordinary_classes_and_it_generates(stage: str, way: dict[str, Path]) -> None:
    from transformers import AutoImageProcessor, AutoTokenizer, GenerationConfig, Qwen2_5_VLForConditionalGeneration

    folder = way[stage]
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.config.video_token_id == 151_656 and model.get_input_embeddings().num_embeddings == 152_064
    assert tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|im_end|>"]) == [151_643, 151_645]
    assert GenerationConfig.from_pretrained(folder).eos_token_id == [151_645, 151_643]
    shown = [Image.fromarray(frame.pixels) for frame in frames(2)]
    images = AutoImageProcessor.from_pretrained(folder)(images=shown, return_tensors="pt")
    content = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "What colour is the shape at [00:03]?"}]
    messages = [{"role": "user", "content": content}]
    asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(asked.replace("<|image_pad|>", "<|image_pad|>" * 4), return_tensors="pt")["input_ids"]
    pads = (ids == model.config.image_token_id).int()
    said = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=pads, max_new_tokens=4, **images
    )
    assert pads.sum() == 8 and said.shape[1] > ids.shape[1]


@pytest.mark.parametrize("stage", ["sft_model", "grpo_model"])
def test_auto_processor_loads_the_result_and_it_generates_from_a_video(stage: str, way: dict[str, Path]) -> None:
    pytest.importorskip("torchvision", reason="transformers' video processors need torchvision")
    from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor

    processor = AutoProcessor.from_pretrained(way[stage])
    assert isinstance(processor, Qwen2_5_VLProcessor)
    content = [{"type": "video"}, {"type": "text", "text": "What colour is the shape at [00:03]?"}]
    asked = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    video = np.stack([frame.pixels for frame in frames(4)])
    inputs = processor(text=[asked], videos=[video], return_tensors="pt", do_sample_frames=False, fps=2.0)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(way[stage])
    assert inputs["video_grid_thw"].tolist() == [[2, 4, 4]]
    assert model.generate(**inputs, max_new_tokens=4).shape[1] > inputs["input_ids"].shape[1]
