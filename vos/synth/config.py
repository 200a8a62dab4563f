"""How hard generated clips are: `ClipConfig`, whose defaults and `RICH` are in use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClipConfig:
    """How hard the clips are.

    Shares and probabilities are in [0, 1]; areas are fractions of the frame; speeds are frame
    widths per frame. The defaults are used for training and for the fixed held-out set: they never
    change, and a new field's default adds nothing.

    min_area: smallest area of a target as it is drawn.
    max_area: largest area of a target as it is drawn.
    visible_area: least area of the target that the first frame shows.
    target_speed: about how fast targets and distractors move.
    thin: share of bodies that are thin structures.
    camera: share of clips with a moving camera.
    camera_speed: about how fast it pans.
    scenery: at most so many bodies of scenery.
    distractors: at most so many look-alikes and other moving bodies.
    twin_shape: share of distractors with the target's shape.
    twin_texture: share of distractors with the target's paint.
    camouflage: share of targets in colours of the backdrop.
    occluder: share of the other clips in which something stands or passes in front of the target.
    disappear: share of clips whose target vanishes for some frames.
    motion_blur: share of clips with motion blur.
    defocus: share of clips out of focus.
    compression: share of clips with block compression.
    noise: share of clips with sensor noise.
    colour_shift: share of clips with a shift of colour and tone.
    texture: factor of the strength of all textures.
    shading: factor of the shading of bodies.
    natural: so many textures of `natural_pool` join the pool of 16.
    clutter: at most so many bodies stand on the backdrop.
    pace: at most every so many-th moment is shown.
    small: share of clips whose target has an area in `small_area`.
    small_area: smallest and largest area of such a target.
    approach: share of clips in which the target comes nearer or goes away.
    patches: share of targets some of whose colours are the backdrop's.
    turning: share of bodies whose paint changes as they turn.
    twin: share of distractors with the target's shape and paint.
    crowd: share of clips with three to six such twins.
    shadow: share of clips with cast shadows.
    veil: share of clips with poles, fences or twigs in front.
    returns: share of the vanishing targets that come back well before the end.
    parallax: how much faster than the middle the lower edge of the backdrop may move.
    lighting: share of clips under a changing light.
    chroma: share of compressed clips with colours of half the resolution.
    blur_steps: moments per blurred frame.
    """

    min_area: float = 0.006
    max_area: float = 0.4
    visible_area: float = 0.004
    target_speed: float = 0.03
    thin: float = 0.08
    camera: float = 0.75
    camera_speed: float = 0.02
    scenery: int = 4
    distractors: int = 3
    twin_shape: float = 0.3
    twin_texture: float = 0.2
    camouflage: float = 0.2
    occluder: float = 0.45
    disappear: float = 0.2
    motion_blur: float = 0.2
    defocus: float = 0.12
    compression: float = 0.3
    noise: float = 0.5
    colour_shift: float = 0.5
    texture: float = 1.0
    shading: float = 1.0
    natural: int = 0
    clutter: int = 0
    pace: float = 1.0
    small: float = 0.0
    small_area: tuple[float, float] = (0.004, 0.025)
    approach: float = 0.0
    patches: float = 0.0
    turning: float = 0.0
    twin: float = 0.0
    crowd: float = 0.0
    shadow: float = 0.0
    veil: float = 0.0
    returns: float = 0.0
    parallax: float = 0.0
    lighting: float = 0.0
    chroma: float = 0.0
    blur_steps: int = 3


RICH = ClipConfig(
    visible_area=0.0015,
    target_speed=0.02,
    camera_speed=0.012,
    scenery=2,
    twin_shape=0.2,
    twin_texture=0.15,
    camouflage=0.3,
    occluder=0.35,
    disappear=0.3,
    motion_blur=0.12,
    blur_steps=5,
    compression=0.5,
    texture=1.3,
    natural=16,
    clutter=12,
    pace=2.5,
    small=0.12,
    approach=0.3,
    patches=0.35,
    turning=0.4,
    twin=0.25,
    crowd=0.12,
    shadow=0.5,
    veil=0.3,
    returns=0.8,
    parallax=0.6,
    lighting=0.3,
    chroma=0.5,
)
"""For training, not for scoring: what the defaults lack (docs/models/training-data.md)."""
