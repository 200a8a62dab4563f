"""Blender: an EXR export of vos as an Image node whose layers cut the clip out.

In the Scripting workspace: open this file, set the two paths below, run it.
From a shell: blender --python blender_vos.py -- first.exr clip.mov
"""

import re
import sys
from pathlib import Path

import bpy

FIRST_EXR = ""
CLIP = ""  # may stay empty: then the mattes alone come in
STEP = 300  # between two nodes, in the editor's pixels


def find_run(first):
    """Return the number of the first frame of a sequence and how many frames it has."""
    first = Path(first)
    match = re.fullmatch(r"(.*?)\d+\.exr", first.name)
    if match is None:
        raise ValueError(f"{first.name} has no frame number before .exr")
    form = re.compile(re.escape(match.group(1)) + r"(\d+)\.exr")
    found = [form.fullmatch(one.name) for one in first.parent.iterdir()]
    numbers = [int(one.group(1)) for one in found if one]
    return min(numbers), len(numbers)


def get_tree(scene):
    """Return the compositor's nodes of a scene, made where there are none."""
    if hasattr(scene, "compositing_node_group"):  # Blender 5
        if scene.compositing_node_group is None:
            scene.compositing_node_group = bpy.data.node_groups.new("vos", "CompositorNodeTree")
        return scene.compositing_node_group
    scene.use_nodes = True
    return scene.node_tree


def add_image(tree, path, start, frames, place):
    """Add an Image node that plays a sequence or movie from frame 1 of the scene."""
    node = tree.nodes.new("CompositorNodeImage")
    node.image = bpy.data.images.load(path, check_existing=True)
    if path.lower().endswith(".exr"):
        node.image.source = "SEQUENCE"
        node.image.colorspace_settings.is_data = True  # mattes are numbers, not colours
    node.frame_start, node.frame_offset, node.frame_duration = 1, start - 1, frames
    node.location = (0, -STEP * place)
    return node


def import_vos(first, clip=""):
    """Make an Image node of the mattes and, of the clip, a Set Alpha node per layer."""
    scene = bpy.context.scene
    tree = get_tree(scene)
    start, frames = find_run(first)
    mattes = add_image(tree, first, start, frames, 0)
    scene.frame_start, scene.frame_end = 1, frames
    layers = [one for one in mattes.outputs if one.name not in ("Image", "Alpha", "Combined")]
    if not clip:
        return mattes, []
    pixels = add_image(tree, clip, 1, frames, 1)
    cut = []
    for place, layer in enumerate(layers):
        node = tree.nodes.new("CompositorNodeSetAlpha")
        node.label = layer.name
        node.location = (2 * STEP, -STEP * place)
        tree.links.new(pixels.outputs["Image"], node.inputs["Image"])
        tree.links.new(layer, node.inputs["Alpha"])
        cut.append(node)
    return mattes, cut


if __name__ == "__main__":
    given = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else [FIRST_EXR, CLIP]
    import_vos(*given)
