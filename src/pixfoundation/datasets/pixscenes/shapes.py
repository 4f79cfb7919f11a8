"""How each kind of thing is drawn. One function a kind; all coordinates in [-1, 1]."""

from __future__ import annotations

import math
from collections.abc import Callable

from pixfoundation.datasets.pixscenes.canvas import (
    COFFEE,
    DARK,
    GLASS,
    LEAF,
    LIGHT,
    SLATE,
    STEEL,
    WOOD,
    Brush,
    Point,
    shade,
)

STROKES: dict[str, tuple[tuple[Point, ...], ...]] = {
    "H": (((-1, -1), (-1, 1)), ((1, -1), (1, 1)), ((-1, 0), (1, 0))),
    "K": (((-1, -1), (-1, 1)), ((1, -1), (-1, 0.1), (1, 1))),
    "L": (((-0.8, -1), (-0.8, 1), (1, 1)),),
    "T": (((-1.1, -1), (1.1, -1)), ((0, -1), (0, 1))),
    "X": (((-1, -1), (1, 1)), ((1, -1), (-1, 1))),
    "4": (((0.5, 1), (0.5, -1), (-1, 0.4), (1.1, 0.4)),),
    "5": (((1, -1), (-0.8, -1), (-0.8, -0.1), (0.6, -0.1), (1, 0.4), (0.6, 1), (-0.9, 1)),),
    "7": (((-1, -1), (1, -1), (-0.3, 1)),),
}


def draw_house(b: Brush) -> None:
    """House with a door, a window, a roof and perhaps a chimney."""
    if b.thing.trait("chimney") == "yes":
        top = -0.98 if b.thing.trait("roof") == "pointed" else -0.8
        b.polygon([(0.32, top), (0.7, top), (0.7, -0.2), (0.32, -0.2)], (176, 92, 78), "chimney")
    b.polygon([(-0.78, -0.25), (0.78, -0.25), (0.78, 0.96), (-0.78, 0.96)], b.colour)
    if b.thing.trait("roof") == "pointed":
        b.polygon([(-0.98, -0.2), (0, -0.98), (0.98, -0.2)], SLATE, "roof")
    else:
        b.polygon([(-0.94, -0.52), (0.94, -0.52), (0.94, -0.18), (-0.94, -0.18)], SLATE, "roof")
    door = [(-0.6, 0.08), (-0.06, 0.08), (-0.06, 0.96), (-0.6, 0.96)]
    if b.thing.trait("door") == "closed":
        b.polygon(door, WOOD, "door")
        b.ellipse((-0.18, 0.54), (0.06, 0.06), LIGHT, None, outline=False)
    else:
        b.polygon(door, (40, 32, 40), "door")
        b.polygon([(-0.6, 0.08), (-0.42, 0.2), (-0.42, 1.0), (-0.6, 0.96)], WOOD, "door")
    b.polygon([(0.16, 0.12), (0.62, 0.12), (0.62, 0.58), (0.16, 0.58)], GLASS, "window")
    b.stroke([(0.39, 0.12), (0.39, 0.58)], 0.07, shade(GLASS, 0.6), None)


def draw_car(b: Brush) -> None:
    """Car from the side (driving to the right unless mirrored) or from the front."""
    if b.thing.trait("view") == "side":
        b.polygon(
            [(-0.96, 0.5), (-0.96, -0.02), (-0.76, -0.08), (-0.56, -0.58), (0.16, -0.58),
             (0.46, -0.06), (0.9, 0.06), (0.98, 0.5)],
            b.colour,
        )  # fmt: skip
        b.polygon([(-0.56, -0.06), (-0.44, -0.44), (0.1, -0.44), (0.3, -0.06)], GLASS, "window")
        b.ellipse((0.9, 0.18), (0.09, 0.09), LIGHT, None)
        b.polygon([(-0.97, 0.08), (-0.86, 0.08), (-0.86, 0.24), (-0.97, 0.24)], (170, 40, 40), None)
        for x in (-0.54, 0.54):
            b.ellipse((x, 0.52), (0.27, 0.27), DARK, "wheels")
            b.ellipse((x, 0.52), (0.11, 0.11), STEEL, None, outline=False)
        return
    for x in (-0.58, 0.58):
        b.polygon(
            [(x - 0.2, 0.3), (x + 0.2, 0.3), (x + 0.2, 0.86), (x - 0.2, 0.86)], DARK, "wheels"
        )
    b.polygon(
        [(-0.84, 0.62), (-0.84, 0.02), (-0.56, -0.66), (0.56, -0.66), (0.84, 0.02), (0.84, 0.62)],
        b.colour,
    )
    b.polygon([(-0.6, -0.04), (-0.42, -0.5), (0.42, -0.5), (0.6, -0.04)], GLASS, "window")
    for x in (-0.6, 0.6):
        b.ellipse((x, 0.26), (0.16, 0.16), LIGHT, None)
    b.polygon([(-0.32, 0.24), (0.32, 0.24), (0.32, 0.46), (-0.32, 0.46)], DARK, None)


def draw_fish(b: Brush) -> None:
    """Fish that swims to the right unless mirrored."""
    b.polygon(
        [(-0.46, 0), (-0.98, -0.52), (-0.86, 0), (-0.98, 0.52)], shade(b.colour, 0.84), "tail"
    )
    b.polygon([(-0.2, -0.38), (0.05, -0.76), (0.36, -0.36)], shade(b.colour, 0.84))
    b.ellipse((0.2, 0), (0.76, 0.48), b.colour)
    if b.thing.trait("stripes") == "yes":
        dark = shade(b.colour, 0.5)
        for x, h in ((-0.18, 0.34), (0.1, 0.42), (0.38, 0.4)):
            b.stroke([(x, -h), (x, h)], 0.13, dark, None)
    b.ellipse((0.66, -0.12), (0.13, 0.13), (255, 255, 255), None)
    b.ellipse((0.69, -0.12), (0.07, 0.07), DARK, None, outline=False)


def draw_butterfly(b: Brush) -> None:
    """Butterfly with spread wings, or from the side with its wings folded together."""
    pale = shade(b.colour, 1.4)
    if b.thing.trait("wings") == "open":
        for s in (-1, 1):
            b.ellipse((0.5 * s, -0.36), (0.5, 0.46), b.colour, "wings", tilt=-24 * s)
            b.ellipse((0.42 * s, 0.42), (0.38, 0.4), b.colour, "wings", tilt=20 * s)
            b.ellipse((0.54 * s, -0.38), (0.2, 0.2), pale, None, outline=False)
        b.ellipse((0, 0.04), (0.11, 0.62), DARK)
        for s in (-1, 1):
            b.stroke([(0, -0.5), (0.26 * s, -0.94)], 0.07, DARK)
        return
    b.ellipse((0.24, -0.36), (0.62, 0.42), b.colour, "wings", tilt=-38)
    b.ellipse((0.14, 0.4), (0.46, 0.36), b.colour, "wings", tilt=30)
    b.ellipse((0.34, -0.42), (0.26, 0.18), pale, None, outline=False, tilt=-38)
    b.ellipse((-0.34, 0.06), (0.12, 0.66), DARK, tilt=-6)
    b.stroke([(-0.4, -0.5), (-0.66, -0.92)], 0.08, DARK)
    b.stroke([(-0.36, -0.5), (-0.34, -0.98)], 0.08, DARK)


def draw_tree(b: Brush) -> None:
    """Tree with a round or a pointed crown, perhaps with fruit."""
    b.polygon([(-0.17, 0.2), (0.17, 0.2), (0.22, 0.98), (-0.22, 0.98)], WOOD, "trunk")
    if b.thing.trait("crown") == "round":
        b.ellipse((0, -0.3), (0.78, 0.68), b.colour, "crown")
        spots = ((-0.36, -0.46), (0.3, -0.56), (0.36, -0.06), (-0.2, 0.02))
    else:
        b.polygon([(0, -0.98), (0.76, 0.36), (-0.76, 0.36)], b.colour, "crown")
        spots = ((0, -0.5), (0.22, -0.1), (-0.26, 0.0), (0.1, 0.2))
    if b.thing.trait("fruit") == "yes":
        for spot in spots:
            fill = (250, 210, 90) if b.thing.colour in {"red", "pink", "orange"} else (206, 48, 52)
            b.ellipse(spot, (0.14, 0.14), fill, None)


def draw_umbrella(b: Brush) -> None:
    """Umbrella, spread or rolled up."""
    if b.thing.trait("canopy") == "open":
        b.stroke([(0, -0.3), (0, 0.86)], 0.15, WOOD, "handle")
        b.stroke([(0, 0.82), (0.32, 0.9), (0.36, 0.62)], 0.15, WOOD, "handle")
        b.ellipse((0, 0.1), (0.96, 0.96), b.colour, arc=(180, 360))
        for x in (-0.64, 0.0, 0.64):
            b.ellipse((x, 0.1), (0.32, 0.14), shade(b.colour, 0.72), None, arc=(180, 360))
        b.stroke([(0, -0.84), (0, -0.98)], 0.1, DARK)
        return
    b.stroke([(0, 0.4), (0, 0.84)], 0.15, WOOD, "handle")
    b.stroke([(0, 0.8), (0.3, 0.9), (0.36, 0.6)], 0.15, WOOD, "handle")
    b.polygon([(-0.08, -0.9), (0.08, -0.9), (0.28, 0.42), (-0.28, 0.42)], b.colour)
    b.stroke([(0.02, -0.7), (0.12, 0.38)], 0.06, shade(b.colour, 0.7), None)
    b.stroke([(-0.22, 0.06), (0.22, 0.06)], 0.12, shade(b.colour, 0.7), None)
    b.stroke([(0, -0.86), (0, -1.0)], 0.1, DARK)


def draw_cup(b: Brush) -> None:
    """Cup from the side or from above, full or empty; the handle is on the right."""
    filling = COFFEE if b.thing.trait("content") == "full" else (250, 246, 232)
    if b.thing.trait("view") == "side":
        ring = [(0.74 + 0.26 * math.sin(t), 0.1 - 0.36 * math.cos(t))
                for t in [math.pi * i / 8 for i in range(9)]]  # fmt: skip
        b.stroke([(0.4, -0.26), *ring, (0.4, 0.46)], 0.19, shade(b.colour, 0.86), "handle")
        b.polygon([(-0.74, -0.5), (0.62, -0.5), (0.46, 0.86), (-0.58, 0.86)], b.colour)
        b.ellipse((-0.06, -0.5), (0.68, 0.26), b.colour)
        b.ellipse((-0.06, -0.49), (0.56, 0.18), filling, None)
        return
    b.stroke([(0.3, 0), (0.96, 0)], 0.34, shade(b.colour, 0.86), "handle", outline=True)
    b.ellipse((-0.2, 0), (0.76, 0.76), b.colour)
    b.ellipse((-0.2, 0), (0.56, 0.56), filling, None)


def draw_lamp(b: Brush) -> None:
    """Table lamp; when on, its bulb and rays of light show below the shade."""
    on = b.thing.trait("light") == "on"
    b.stroke([(0, 0), (0, 0.8)], 0.15, STEEL, "base")
    b.ellipse((0, 0.86), (0.52, 0.13), STEEL, "base")
    if on:
        for s in (-1, 1):
            b.stroke([(0.34 * s, 0.24), (0.46 * s, 0.5)], 0.13, LIGHT, None)
            b.stroke([(0.66 * s, 0.22), (0.92 * s, 0.44)], 0.13, LIGHT, None)
        b.ellipse((0, 0.14), (0.24, 0.24), LIGHT)
    b.polygon([(-0.42, -0.96), (0.42, -0.96), (0.84, 0.12), (-0.84, 0.12)], b.colour, "shade")
    if on:
        glow = shade(LIGHT, 1.3)
        b.polygon(
            [(-0.2, -0.7), (0.2, -0.7), (0.46, 0.02), (-0.46, 0.02)], glow, None, outline=False
        )


def draw_sign(b: Brush) -> None:
    """Sign on a pole with one character on its board."""
    b.polygon([(-0.16, 0.3), (0.16, 0.3), (0.16, 0.98), (-0.16, 0.98)], STEEL, "pole")
    if b.thing.trait("board") == "round":
        b.ellipse((0, -0.26), (0.74, 0.72), b.colour, "board")
    else:
        b.polygon([(-0.72, -0.96), (0.72, -0.96), (0.72, 0.42), (-0.72, 0.42)], b.colour, "board")
    ink = DARK if b.thing.colour in {"white", "yellow", "orange", "pink"} else (255, 255, 255)
    for line in STROKES[b.thing.trait("text") or "T"]:
        b.stroke([(x * 0.3, -0.27 + y * 0.42) for x, y in line], 0.17, ink, None)


def draw_ball(b: Brush) -> None:
    """Ball, plain or with stripes."""
    b.ellipse((0, 0), (0.9, 0.9), b.colour)
    if b.thing.trait("surface") == "striped":
        dark = shade(b.colour, 0.5)
        for y, h in ((-0.42, 0.74), (0.0, 0.86), (0.42, 0.74)):
            b.stroke([(-h, y), (h, y)], 0.2, dark, None)
    else:
        b.ellipse((-0.3, -0.34), (0.2, 0.16), shade(b.colour, 1.6), None, outline=False)


def draw_boat(b: Brush) -> None:
    """Boat with a mast; the sail is raised or lowered, a flag may fly."""
    b.stroke([(0, -0.92), (0, 0.4)], 0.12, WOOD)
    if b.thing.trait("sail") == "raised":
        b.polygon([(0.08, -0.66), (0.84, 0.26), (0.08, 0.26)], (250, 246, 232), "sail")
        b.polygon([(-0.08, -0.5), (-0.66, 0.26), (-0.08, 0.26)], (250, 246, 232), "sail")
    else:
        b.polygon([(-0.66, 0.08), (0.84, 0.08), (0.84, 0.3), (-0.66, 0.3)], (250, 246, 232), "sail")
    if b.thing.trait("flag") == "yes":
        b.polygon([(0.04, -1.0), (0.5, -0.86), (0.04, -0.7)], (206, 48, 52), "flag")
    b.polygon([(-0.96, 0.36), (0.96, 0.36), (0.62, 0.9), (-0.62, 0.9)], b.colour, "hull")


def draw_bird(b: Brush) -> None:
    """Bird that looks to the right unless mirrored; wing raised or folded."""
    dark = shade(b.colour, 0.68)
    b.polygon([(-0.4, 0.1), (-0.98, -0.02), (-0.9, 0.34), (-0.4, 0.42)], dark)
    b.ellipse((-0.02, 0.24), (0.58, 0.4), b.colour)
    b.polygon([(0.7, -0.3), (0.99, -0.14), (0.7, 0.0)], (246, 166, 46))
    b.ellipse((0.46, -0.16), (0.33, 0.32), b.colour)
    b.ellipse((0.54, -0.22), (0.08, 0.08), DARK, None, outline=False)
    for x in (-0.06, 0.16):
        b.stroke([(x, 0.6), (x, 0.92)], 0.08, (246, 166, 46))
    if b.thing.trait("wings") == "raised":
        b.polygon([(-0.34, 0.2), (-0.6, -0.8), (-0.28, -0.92), (0.2, 0.16)], dark, "wing")
    else:
        b.polygon([(-0.62, 0.42), (-0.1, 0.0), (0.24, 0.14), (0.1, 0.4)], dark, "wing")


def draw_flower(b: Brush) -> None:
    """Flower with round or pointed petals, perhaps with leaves at its stem."""
    b.stroke([(0, 0.1), (0, 0.98)], 0.2, LEAF, "stem")
    if b.thing.trait("leaf") == "yes":
        b.ellipse((0.3, 0.62), (0.3, 0.14), LEAF, "stem", tilt=-28)
        b.ellipse((-0.3, 0.72), (0.3, 0.14), LEAF, "stem", tilt=28)
    middle = (0.0, -0.3)
    for k in range(6):
        t = math.tau * k / 6
        if b.thing.trait("petals") == "round":
            centre = (middle[0] + 0.4 * math.cos(t), middle[1] + 0.4 * math.sin(t))
            b.ellipse(centre, (0.26, 0.26), b.colour, "petals")
        else:
            tip = (middle[0] + 0.7 * math.cos(t), middle[1] + 0.7 * math.sin(t))
            sides = [(middle[0] + 0.26 * math.cos(t + d), middle[1] + 0.26 * math.sin(t + d))
                     for d in (-0.7, 0.7)]  # fmt: skip
            b.polygon([sides[0], tip, sides[1], middle], b.colour, "petals")
    fill = (250, 250, 240) if b.thing.colour in {"yellow", "orange"} else (248, 200, 70)
    b.ellipse(middle, (0.2, 0.2), fill, "petals")


DRAWERS: dict[str, Callable[[Brush], None]] = {
    "house": draw_house,
    "car": draw_car,
    "fish": draw_fish,
    "butterfly": draw_butterfly,
    "tree": draw_tree,
    "umbrella": draw_umbrella,
    "cup": draw_cup,
    "lamp": draw_lamp,
    "sign": draw_sign,
    "ball": draw_ball,
    "boat": draw_boat,
    "bird": draw_bird,
    "flower": draw_flower,
}
