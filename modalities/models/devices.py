"""Choose the device and the dtype that a model runs on."""

from typing import Literal

from modalities.contract import ModelSpec
from modalities.errors import InvalidRequest

DeviceName = Literal["cpu", "cuda", "mps"]
DtypeName = Literal["float32", "bfloat16", "float16", "int8"]


def choose_device(spec: ModelSpec) -> DeviceName:
    """Return the device of the catalogue entry; for `auto`, the first available one of CUDA, MPS and the CPU.

    Raises InvalidRequest if this machine lacks the device that the entry names.
    """
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
    """Return the dtype of the catalogue entry; for `auto`, half precision on a GPU and the faster format on a CPU."""
    if spec.dtype != "auto":
        return spec.dtype
    if computes_bfloat16(device):
        return "bfloat16"
    return "float32" if device == "cpu" else "float16"


def computes_bfloat16(device: DeviceName) -> bool:
    """Whether the device multiplies bfloat16 in hardware (CPU: AVX512-BF16 or AMX); emulation is far slower."""
    import torch

    if device != "cpu":
        return device == "cuda" and torch.cuda.is_bf16_supported()
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
