"""What a program runs on, in words."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch


def describe_machine(device: torch.device) -> str:
    """Return the GPU, where `device` is one, then the processor and how many cores there are."""
    gpu = f"{torch.cuda.get_device_name(device)}; " if device.type == "cuda" else ""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        processor = next(named, processor)
    return f"{gpu}{processor}, {os.cpu_count()} cores"
