"""Changes of an image, each with what it does to a mask of that image.

Frames: boxes are (x0, y0, x1, y1) in whole pixels of the image before the change, x1 and y1
exclusive; sizes are (height, width).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from pixfoundation.errors import DataError
from pixfoundation.masks import Mask

if TYPE_CHECKING:
    from PIL import Image

Box = tuple[int, int, int, int]


class ImageChange(Protocol):
    """A change of an image and of the masks that lie on it."""

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the changed RGB image."""
        ...

    def apply_to_mask(self, mask: Mask) -> Mask:
        """Return the mask on the changed image."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return the change as plain JSON data, which `image_change` reads."""
        ...


@dataclass(frozen=True, slots=True)
class Crop:
    """Keep a box of the image.

    Attributes:
        box: The box that is kept.
    """

    box: Box

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the part of the image in the box."""
        return image.crop(self.box)

    def apply_to_mask(self, mask: Mask) -> Mask:
        """Return the part of the mask in the box."""
        x0, y0, x1, y1 = self.box
        return Mask.from_array(mask.decode()[y0:y1, x0:x1])

    def to_json(self) -> dict[str, Any]:
        """Return the change as plain JSON data."""
        return {"crop": list(self.box)}


@dataclass(frozen=True, slots=True)
class Hide:
    """Blacken a box of the image; hidden pixels leave the mask.

    Attributes:
        box: The box that is hidden.
    """

    box: Box

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the image with the box in black."""
        changed = image.copy()
        changed.paste((0, 0, 0), self.box)
        return changed

    def apply_to_mask(self, mask: Mask) -> Mask:
        """Return the mask without the pixels in the box."""
        array = mask.decode()
        x0, y0, x1, y1 = self.box
        array[y0:y1, x0:x1] = False
        return Mask.from_array(array)

    def to_json(self) -> dict[str, Any]:
        """Return the change as plain JSON data."""
        return {"hide": list(self.box)}


@dataclass(frozen=True, slots=True)
class Flip:
    """Mirror the image, left to right."""

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the mirrored image."""
        from PIL import Image

        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)

    def apply_to_mask(self, mask: Mask) -> Mask:
        """Return the mirrored mask."""
        return Mask.from_array(mask.decode()[:, ::-1])

    def to_json(self) -> dict[str, Any]:
        """Return the change as plain JSON data."""
        return {"flip": "horizontal"}


@dataclass(frozen=True, slots=True)
class Rotate:
    """Rotate the image about its centre; its size stays and uncovered corners are black.

    Attributes:
        degrees: The angle, counter-clockwise.
    """

    degrees: float

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the rotated image, interpolated bilinearly."""
        from PIL import Image

        return image.rotate(self.degrees, Image.Resampling.BILINEAR)

    def apply_to_mask(self, mask: Mask) -> Mask:
        """Return the rotated mask, by nearest neighbour."""
        from PIL import Image

        picture = Image.fromarray(np.uint8(255) * mask.decode())
        return Mask.from_array(np.asarray(picture.rotate(self.degrees, Image.Resampling.NEAREST)))

    def to_json(self) -> dict[str, Any]:
        """Return the change as plain JSON data."""
        return {"rotate": self.degrees}


@dataclass(frozen=True, slots=True)
class Compress:
    """Compress the image as JPEG; the mask stays.

    Attributes:
        quality: Quality of the JPEG encoder, 1..95.
    """

    quality: int

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the image as a JPEG decoder gives it back."""
        from PIL import Image

        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=self.quality)
        buffer.seek(0)
        with Image.open(buffer) as decoded:
            return decoded.convert("RGB")

    def apply_to_mask(self, mask: Mask) -> Mask:
        """Return the mask as it is."""
        return mask

    def to_json(self) -> dict[str, Any]:
        """Return the change as plain JSON data."""
        return {"jpeg": self.quality}


@dataclass(frozen=True, slots=True)
class PublishedColours:
    """Change the colours as the published generator of image variants does, then the image.

    The generator normalises an image to floats and back, which makes about half of the levels one
    darker, and writes its channels in the wrong order, so that red and blue change places. What it
    changes besides (`change`) is drawn on the image between the two.

    Source: `data/prompts_visual_variations.py` of MSiam/PixFoundation at a34aee2.

    Attributes:
        change: The crop or hidden box; None if the generator gave up on the image.
    """

    change: Crop | Hide | None = None

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the image that the generator hands to its JPEG encoder."""
        from PIL import Image

        levels = _published_levels()
        pixels = np.asarray(image.convert("RGB"))
        darker = np.stack([levels[c][pixels[..., c]] for c in range(3)], axis=-1)
        swapped = Image.fromarray(np.ascontiguousarray(darker[..., ::-1]))
        return swapped if self.change is None else self.change.apply(swapped)

    def apply_to_mask(self, mask: Mask) -> Mask:
        """Return the mask after the crop or the hidden box."""
        return mask if self.change is None else self.change.apply_to_mask(mask)

    def to_json(self) -> dict[str, Any]:
        """Return the change as plain JSON data."""
        return {"published_colours": {} if self.change is None else self.change.to_json()}


MEAN = (123.675, 116.28, 103.53)
SCALE = (58.395, 57.12, 57.375)
"""What the published generator normalises values of 0..1 with."""


def _published_levels() -> NDArray[np.uint8]:
    """Return the level that each level of 0..255 becomes, uint8 [channel, level]."""
    unit = np.arange(256, dtype=np.float32) / np.float32(255)
    table = np.empty((3, 256), dtype=np.uint8)
    for channel, (mean, scale) in enumerate(zip(MEAN, SCALE, strict=True)):
        mean32, scale32 = np.float32(mean), np.float32(scale)
        restored = (unit - mean32) / scale32 * scale32 + mean32
        table[channel] = (restored * np.float32(255)).astype(np.uint8)
    return table


def image_change(data: Mapping[str, Any]) -> ImageChange:
    """Read what `to_json` of a change wrote.

    Raises:
        DataError: If it is not a known change.
    """
    try:
        (name, value), *rest = data.items()
        if not rest:
            match name:
                case "crop":
                    return Crop(_box(value))
                case "hide":
                    return Hide(_box(value))
                case "flip":
                    return Flip()
                case "rotate":
                    return Rotate(float(value))
                case "jpeg":
                    return Compress(int(value))
                case "published_colours":
                    inner = image_change(value) if value else None
                    return PublishedColours(cast("Crop | Hide | None", inner))
                case _:
                    pass
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"Not a change of an image: {data!r}.") from error
    raise DataError(f"Not a change of an image: {data!r}.")


def _box(value: Any) -> Box:
    x0, y0, x1, y1 = (int(v) for v in value)
    return (x0, y0, x1, y1)
