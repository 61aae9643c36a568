"""Speaker embeddings by the GE2E model of Resemblyzer: a mel spectrogram of 1.6 s to a vector of 256 numbers."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from media.audio.channels import Samples

if TYPE_CHECKING:
    import torch

Vectors = NDArray[np.float32]
WINDOW_SECONDS, HOP_SECONDS = 1.6, 0.4
_RATE, _MELS, _HIDDEN = 16_000, 40, 256
_FFT, _STEP = 400, 160
"""Samples of a spectrum, 25 ms, and from one to the next, 10 ms."""
_FRAMES, _HOP_FRAMES = 160, 40
_LOUDNESS = 10 ** (-30 / 20)
"""Root mean square to which quieter sound is raised, as in the training of the model."""
_BATCH = 256


class VoiceEncoder:
    """Three LSTM layers and a linear one with ReLU, whose output is L2-normalised: cosines are between 0 and 1."""

    def __init__(self, weights: Path) -> None:
        """Read the tensors of `pretrained.pt`; nothing else in a pickle is loaded. Raises as torch.load does."""
        import torch
        import torchaudio

        state: dict[str, Any] = torch.load(weights, map_location="cpu", weights_only=True)["model_state"]
        self._lstm = torch.nn.LSTM(_MELS, _HIDDEN, num_layers=3, batch_first=True)
        self._linear = torch.nn.Linear(_HIDDEN, _HIDDEN)
        for name, layer in {"lstm.": self._lstm, "linear.": self._linear}.items():
            layer.load_state_dict({key[len(name) :]: each for key, each in state.items() if key.startswith(name)})
        self._filters = torchaudio.functional.melscale_fbanks(
            _FFT // 2 + 1, 0.0, _RATE / 2, _MELS, _RATE, norm="slaney", mel_scale="slaney"
        )

    def embed(self, samples: Samples) -> tuple[Vectors, NDArray[np.float32]]:
        """Embed sound at 16 kHz, window by window; return vectors of shape (n, 256) and the windows' energies, (n,).

        Sound shorter than a window is one window with silence after it; the last window may leave out 0.4 s.
        """
        import torch

        with torch.inference_mode():
            mel = self._spectrogram(torch.from_numpy(samples))
            if len(mel) < _FRAMES:
                mel = torch.nn.functional.pad(mel, (0, 0, 0, _FRAMES - len(mel)))
            windows = mel.unfold(0, _FRAMES, _HOP_FRAMES).transpose(1, 2)
            vectors = torch.cat([self._forward(part) for part in windows.split(_BATCH)])
            return vectors.numpy(), windows.sum((1, 2)).numpy()

    def _spectrogram(self, samples: "torch.Tensor") -> "torch.Tensor":
        """The energies of 40 mel bands (not their logarithms), of shape (frames, 40)."""
        import torch

        gain = max(_LOUDNESS / max(float(samples.square().mean().sqrt()), 1e-6), 1.0)
        spectra = torch.stft(
            samples * gain,
            _FFT,
            _STEP,
            window=torch.hann_window(_FFT),
            center=True,
            pad_mode="constant",
            return_complex=True,
        )
        return spectra.abs().square().T @ self._filters

    def _forward(self, windows: "torch.Tensor") -> "torch.Tensor":
        import torch

        _, (hidden, _) = self._lstm(windows.contiguous())
        raw = torch.relu(self._linear(hidden[-1]))
        return torch.nn.functional.normalize(raw, dim=1)
