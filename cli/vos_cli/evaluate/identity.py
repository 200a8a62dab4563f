"""What a finished video was made of, so that it is never taken for another of the same name."""

from __future__ import annotations

import hashlib
import json

from vos_eval.data_sets.base import Video
from vos_eval.data_sets.folders import image_files


def video_sha256(video: Video) -> str:
    """Return the SHA-256 of a video's frames, by name and length, and of the masks it begins with.

    Raises OSError where a mask is gone.
    """
    files = image_files(video.image_dir)
    frames = [(frame, files[frame].stat().st_size) for frame in video.frames if frame in files]
    objects = [
        (
            one.object_id,
            one.label,
            [
                (index, hashlib.sha256(one.path(video.frames[index]).read_bytes()).hexdigest())
                for index in one.prompted
            ],
        )
        for one in video.objects
    ]
    return hashlib.sha256(json.dumps([frames, objects]).encode()).hexdigest()
