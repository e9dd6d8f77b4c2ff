from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from components.core.students.samplers.own import sample
from components.core.students.samplers.sampler import Decoding
from components.core.students.student import Ask, load_student
from tests.components.pretrained_world import pretrained_folder
from tests.components.training_world import frames, tiny_student


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder built here and one of the official shape, each with what `save` makes of it, twice over."""
    root = tmp_path_factory.mktemp("folders")
    tiny_student(root / "built")
    pretrained_folder(root / "official")
    for name in ("built", "official"):
        load_student(root / name, device="cpu").save(root / f"{name} trained")
        load_student(root / f"{name} trained", device="cpu").save(root / f"{name} trained again")
    return {path.name: path for path in root.iterdir()}


ALL = [f"{name}{trained}" for name in ("built", "official") for trained in ("", " trained", " trained again")]


@pytest.mark.parametrize("name", ALL)
def test_the_ordinary_classes_load_a_folder_and_generate_from_an_image_and_from_frames(
    name: str, folders: dict[str, Path]
) -> None:
    """The parts of AutoProcessor that need no torchvision, put together by hand."""
    from transformers import AutoImageProcessor, AutoTokenizer, Qwen2_5_VLForConditionalGeneration

    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folders[name])
    tokenizer = AutoTokenizer.from_pretrained(folders[name])
    shown = [Image.fromarray(frame.pixels) for frame in frames(2)]
    images = AutoImageProcessor.from_pretrained(folders[name])(images=shown, return_tensors="pt")
    content = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "What colour is the shape at [00:03]?"}]
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    assert asked.count("<|image_pad|>") == 2 and images["image_grid_thw"].tolist() == [[1, 4, 4]] * 2
    ids = tokenizer(asked.replace("<|image_pad|>", "<|image_pad|>" * 4), return_tensors="pt")["input_ids"]
    pads = (ids == model.config.image_token_id).int()
    assert pads.sum() == 8
    said = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=pads, max_new_tokens=4, **images
    )
    assert said.shape[1] > ids.shape[1]


@pytest.mark.parametrize("name", ALL)
def test_auto_processor_loads_a_folder(name: str, folders: dict[str, Path]) -> None:
    pytest.importorskip("torchvision", reason="transformers' video processors need torchvision")
    from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor

    processor = AutoProcessor.from_pretrained(folders[name])
    assert isinstance(processor, Qwen2_5_VLProcessor)
    content = [{"type": "video"}, {"type": "text", "text": "What?"}]
    asked = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    video = np.stack([frame.pixels for frame in frames(4)])
    inputs = processor(text=[asked], videos=[video], return_tensors="pt", do_sample_frames=False, fps=2.0)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folders[name])
    assert inputs["video_grid_thw"].tolist() == [[2, 4, 4]]
    assert model.generate(**inputs, max_new_tokens=4).shape[1] > inputs["input_ids"].shape[1]


@pytest.mark.parametrize("name", ALL)
def test_a_folder_names_the_classes_that_a_processor_is_made_of(name: str, folders: dict[str, Path]) -> None:
    """What AutoProcessor reads where torchvision is."""
    image = json.loads((folders[name] / "preprocessor_config.json").read_text())
    video = json.loads((folders[name] / "video_preprocessor_config.json").read_text()) if "built" in name else image
    assert (
        image["processor_class"] == "Qwen2_5_VLProcessor" and image["image_processor_type"] == "Qwen2VLImageProcessor"
    )
    assert video.get("video_processor_type", "Qwen2VLVideoProcessor") == "Qwen2VLVideoProcessor"
    for side in ("patch_size", "merge_size", "temporal_patch_size", "image_mean", "image_std"):
        assert image[side] == video[side]


def test_what_stands_beside_pretrained_weights_is_kept_byte_for_byte(folders: dict[str, Path]) -> None:
    base, trained = folders["official"], folders["official trained again"]
    beside = {path.name for path in base.iterdir() if "model" not in path.name and path.name != "config.json"}
    assert {"tokenizer.json", "preprocessor_config.json", "chat_template.json", "merges.txt"} <= beside
    assert all((trained / name).read_bytes() == (base / name).read_bytes() for name in beside)


def test_trained_weights_keep_their_official_names(folders: dict[str, Path]) -> None:
    official = json.loads((folders["official"] / "model.safetensors.index.json").read_text())["weight_map"]
    with safe_open(folders["official trained"] / "model.safetensors", "pt") as trained:
        assert set(trained.keys()) == set(official)


def test_a_folder_of_an_older_version_is_completed_when_it_is_saved_again(tmp_path: Path) -> None:
    student = tiny_student(tmp_path / "old")
    for name in ("preprocessor_config.json", "video_preprocessor_config.json"):
        (tmp_path / "old" / name).unlink()
    student.save(tmp_path / "new")
    assert (tmp_path / "new" / "preprocessor_config.json").is_file()
    assert (tmp_path / "new" / "video_preprocessor_config.json").is_file()


def test_generation_settings_that_break_a_rule_do_not_lose_a_trained_model(tmp_path: Path) -> None:
    base = pretrained_folder(tmp_path / "base")
    stated = json.loads((base / "generation_config.json").read_text())
    (base / "generation_config.json").write_text(json.dumps({**stated, "do_sample": False, "temperature": 0.3}))
    load_student(base, device="cpu").save(tmp_path / "trained")
    assert (tmp_path / "trained" / "generation_config.json").read_bytes() == (
        base / "generation_config.json"
    ).read_bytes()


def test_a_reply_ends_at_any_token_the_base_ends_at(folders: dict[str, Path]) -> None:
    student = load_student(folders["official trained"], device="cpu")
    token_id = student.tokenizer.convert_tokens_to_ids
    assert set(student.ends) == {token_id("<|im_end|>"), token_id("<|endoftext|>")}
    request = student.request(Ask(student.prefix(frames(4), 2.0), "think", "What?"), replies=40)
    decoding = Decoding(40, temperature=3.0, never=student.never)
    (replies,) = sample(student.packed, [request], decoding, student.ends, torch.Generator().manual_seed(0))
    last = {reply.token_ids[-1] for reply in replies if reply.ended}
    assert last == set(student.ends)
    for reply in replies:
        assert not set(reply.token_ids[:-1]) & set(student.ends)
        assert "<|endoftext|>" not in student.text(reply) and "<|im_end|>" not in student.text(reply)


def test_rows_of_the_vocabulary_that_are_no_token_are_never_sampled(folders: dict[str, Path]) -> None:
    student = load_student(folders["official"], device="cpu")
    rows = student.model.get_input_embeddings().num_embeddings
    assert set(range(len(student.tokenizer), rows)) <= set(student.never) and len(student.tokenizer) < rows


WRITE_TOO_MUCH = """
import resource, sys
from pathlib import Path
from components.core.errors import TrainingError
from components.core.students.student import load_student

student = load_student(sys.argv[1], device="cpu")
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    student.save(Path(sys.argv[2]))
except TrainingError as error:
    sys.exit(str(error))
"""


def test_a_model_that_does_not_fit_on_the_disk_leaves_the_folder_as_it_was(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    target = tmp_path / "model"
    load_student(folders["built"], device="cpu").save(target)
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    command = [sys.executable, "-c", WRITE_TOO_MUCH, str(folders["built"]), str(target)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1 and "The model could not be written to" in ended.stderr and "Make room" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
