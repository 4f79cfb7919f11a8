"""Points and the masks that they mean."""

import numpy as np
import pytest
from recipes.point_masks import (
    BACKGROUND,
    PART,
    TRAIN_NAMESPACE,
    VALIDATION_NAMESPACE,
    WHOLE,
    PointMaskSteps,
    augmented,
    background_of,
    draw_scene,
    random_pixel,
    sample_points,
)

from pixfoundation.datasets.pixscenes.drawing import Drawing


@pytest.fixture(scope="module")
def drawing():
    return draw_scene(VALIDATION_NAMESPACE, 3)


def test_a_random_pixel_lies_in_its_mask():
    mask = np.zeros((5, 7), bool)
    mask[4, 1] = True
    assert random_pixel(np.random.default_rng(0), mask) == (1, 4)


def test_every_point_means_what_is_drawn_under_it(drawing):
    batch = sample_points(np.random.default_rng(1), drawing, 64)
    background = background_of(drawing)
    assert set(batch.under) == {BACKGROUND, WHOLE, PART}
    for (x, y), under, whole, part in zip(
        batch.points.astype(int), batch.under, batch.whole, batch.part, strict=True
    ):
        covering = [name for name, mask in drawing.masks.items() if mask[y, x]]
        assert bool(background[y, x]) == (under == BACKGROUND) == (not covering)
        assert any("/" in name for name in covering) == (under == PART)
        assert whole[y // 2, x // 2] > 0
        assert part[y // 2, x // 2] > 0
        assert (part <= whole).all()
        assert (part.sum() < whole.sum()) == (under == PART)


def test_targets_count_the_pixels_of_each_block(drawing):
    batch = sample_points(np.random.default_rng(2), drawing, 32)
    areas = {int(mask.sum()) for mask in drawing.masks.values()}
    areas.add(int(background_of(drawing).sum()))
    assert {int(target.sum()) for target in batch.whole} <= areas
    assert {int(target.sum()) for target in batch.part} <= areas


def test_mirroring_moves_image_and_masks_together():
    image = np.zeros((4, 6, 3), np.uint8)
    image[1, 0] = 200
    drawing = Drawing(image=image, masks={"0": image[..., 0] > 0})
    seen = set()
    for seed in range(8):
        made = augmented(np.random.default_rng(seed), drawing)
        column = int(np.flatnonzero(made.masks["0"][1])[0])
        brightest = int(made.image[1].astype(int).sum(axis=-1).argmax())
        assert column == brightest
        seen.add(column)
    assert seen == {0, 5}


def test_a_step_always_gives_the_same_batch_and_steps_differ():
    steps = PointMaskSteps(seed=5, images=2, points=3)
    first, again, other = steps[7], steps[7], steps[8]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first.images, other.images)
    assert first.images.shape == (2, 160, 160, 3)
    assert first.points.shape == (2, 3, 2)
    assert first.whole.shape == first.part.shape == (2, 3, 80, 80)


def test_training_and_validation_scenes_differ():
    train, held_out = draw_scene(TRAIN_NAMESPACE, 0), draw_scene(VALIDATION_NAMESPACE, 0)
    assert not np.array_equal(train.image, held_out.image)
