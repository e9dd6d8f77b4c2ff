"""Frames for the teacher's tests, drawn with PIL from polygons: another hand than the corpus generator's."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

RGB = {
    "red": (220, 30, 35),
    "green": (50, 190, 80),
    "blue": (40, 80, 225),
    "yellow": (235, 225, 60),
    "purple": (150, 50, 190),
    "white": (238, 240, 242),
}
Placed = tuple[str, str, tuple[float, float], float]
"""Colour, shape, centre (x, y) in pixels, side in pixels."""


def picture(*things: Placed, size: tuple[int, int] = (112, 112), noise: float = 3.0, ground: int = 50) -> np.ndarray:
    """Shapes on a grey ground with sensor noise: uint8 RGB (height, width, 3)."""
    image = Image.new("RGB", (size[0] * 4, size[1] * 4), (ground, ground, ground + 4))
    draw = ImageDraw.Draw(image)
    for colour, shape, (x, y), side in things:
        left, top, right, bottom = ((v) * 4 for v in (x - side / 2, y - side / 2, x + side / 2, y + side / 2))
        third = (right - left) / 3
        if shape == "circle":
            draw.ellipse((left, top, right, bottom), fill=RGB[colour])
        elif shape == "square":
            draw.rectangle((left, top, right, bottom), fill=RGB[colour])
        elif shape == "triangle":
            draw.polygon(((left, bottom), (right, bottom), ((left + right) / 2, top)), fill=RGB[colour])
        else:
            draw.rectangle((left + third, top, right - third, bottom), fill=RGB[colour])
            draw.rectangle((left, top + third, right, bottom - third), fill=RGB[colour])
    pixels = np.asarray(image.resize(size, Image.Resampling.BOX)).astype(np.float32)
    pixels += np.random.default_rng(size[0]).normal(0, noise, pixels.shape)
    return pixels.clip(0, 255).astype(np.uint8)


def jpeg(pixels: np.ndarray, quality: int = 80) -> str:
    """A data URI, with the chroma halved as cameras do."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=2)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def still(colour: str, shape: str, x: float = 56, y: float = 56, side: float = 50) -> str:
    """A 112-pixel frame with one shape."""
    return jpeg(picture((colour, shape, (x, y), side)))


def chat(schema: str, payload: dict[str, Any], frames: list[tuple[float, str]] | None = None) -> dict[str, Any]:
    """The keyword arguments of `client.chat.completions.create` for one request."""
    content: list[dict[str, Any]] = [{"type": "text", "text": json.dumps(payload)}]
    for time_s, image in frames or []:
        content.append({"type": "text", "text": f"t={time_s:.2f}s"})
        content.append({"type": "image_url", "image_url": {"url": image}})
    return {
        "messages": [{"role": "system", "content": "Do as told."}, {"role": "user", "content": content}],
        "response_format": {"type": "json_schema", "json_schema": {"name": schema, "strict": True, "schema": {}}},
    }
