"""Devices and number formats: what the machine has, unless the model's entry says otherwise."""

from typing import Literal

from modalities.contract import ModelSpec
from modalities.errors import InvalidRequest

DeviceName = Literal["cpu", "cuda", "mps"]
DtypeName = Literal["float32", "bfloat16", "float16", "int8"]


def choose_device(spec: ModelSpec) -> DeviceName:
    """CUDA, then Apple's MPS, then the CPU; or what the entry asks for, if it is there."""
    import torch

    available: dict[str, bool] = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if spec.device == "auto":
        return "cuda" if available["cuda"] else "mps" if available["mps"] else "cpu"
    if not available[spec.device]:
        raise InvalidRequest(f"The model {spec.name} asks for {spec.device}, which this machine does not have.")
    return spec.device


def choose_dtype(spec: ModelSpec, device: DeviceName) -> DtypeName:
    """Half precision on a GPU; bfloat16 on a CPU that computes in it; float32 otherwise."""
    if spec.dtype != "auto":
        return spec.dtype
    if computes_bfloat16(device):
        return "bfloat16"
    return "float32" if device == "cpu" else "float16"


def computes_bfloat16(device: DeviceName) -> bool:
    """Whether it has instructions for bfloat16 products (a CPU: AVX512-BF16 or AMX); without, they take far longer."""
    import torch

    if device != "cpu":
        return device == "cuda" and torch.cuda.is_bf16_supported()
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
