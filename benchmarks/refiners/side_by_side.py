"""Draw what a refiner changes: held-out stills of thin structures, from a tight box.

    python -m benchmarks.refiners.side_by_side --out docs/models/refiner.jpg

Columns: the image, the base's mask, the refined mask, the truth. Rows are the first held-out
stills of `benchmarks.refiners.ablation` whose target is a thin structure; none is chosen.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from vos.loading import load
from vos.model.preprocess import normalise
from vos.refine.base import NoRefiner
from vos.synth.thin.stills import FineConfig, generate_fine
from vos.track.engine import Engine, look_at
from vos.track.policy import Fifo, StreamPosition
from vos.train.refiner.evaluate import EVAL_SEED
from vos.train.refiner.forward import decode_prompt
from vos.train.refiner.prompts import at_model_size, tight_box

TINT, STRENGTH = (255, 40, 90), 0.6


def tint(images: Tensor, masks: Tensor) -> Tensor:
    """Lay masks over images.

    images: float (b, 3, s, s) in [0, 255].
    masks: bool (b, s, s).
    """
    colour = torch.tensor(TINT, dtype=torch.float32)[:, None, None]
    return torch.where(masks[:, None], torch.lerp(images, colour, STRENGTH), images)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--refiner", default="auto")
    parser.add_argument("--rows", type=int, default=6)
    args = parser.parse_args()
    tracker = load(args.model, refiner=args.refiner, device="cpu")
    model, size = tracker.model, tracker.model.image_size
    stills = generate_fine(args.rows, size, EVAL_SEED, config=FineConfig(ordinary=0))
    images = stills.images.float()
    features = model.encode_image(normalise(images / 255))
    prompt = at_model_size(tight_box(stills.labels), stills.labels.shape[-1], size)
    truth = F.avg_pool2d(stills.labels[:, None].float(), 2)[:, 0] > 0.5
    columns = [images]
    for refiner in (NoRefiner(), tracker.refiner):
        engine = Engine(model, refiner, Fifo())
        frame = look_at(engine, features, StreamPosition(0))
        logits = decode_prompt(engine, frame, prompt).output_logits
        full = F.interpolate(logits.float(), size=(size, size), mode="bilinear")
        columns.append(tint(images, full[:, 0] > 0))
    columns.append(tint(images, truth))
    rows = torch.cat(columns, dim=3).unbind()
    sheet = torch.cat(list(rows), dim=1).permute(1, 2, 0).round().byte().numpy()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(args.out, quality=75)


if __name__ == "__main__":
    main()
