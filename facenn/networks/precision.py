"""Which arithmetic a device is fast in."""

import torch


def computes_in_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is the device's own arithmetic, and therefore faster than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
