"""Which arithmetic a device is fast in."""

from typing import Literal

import torch

Precision = Literal["fp32", "bf16", "auto"]


def computes_in_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is the device's own arithmetic, and therefore faster than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def wants_bf16(precision: Precision, device: torch.device) -> bool:
    """Whether to compute in bfloat16; ``auto`` does where it is the device's own arithmetic."""
    return precision == "bf16" or (precision == "auto" and computes_in_bf16(device))
