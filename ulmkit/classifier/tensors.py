"""The arrays in a classifier's folder, read and not run."""

from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from ulmkit.artifacts.atomic import read_regular
from ulmkit.artifacts.manifest import Manifest
from ulmkit.errors import ArtifactError

LARGEST = 1e9  # of weights: no fit comes near, and no sum of such leaves what numbers can hold
LEAST_SIZE = 1e-9  # of what is divided by


def tensors_of(folder: Path, name: str, manifest: Manifest) -> dict[str, np.ndarray]:
    """The tensors in the safetensors file `name` of a classifier's folder, which its manifest has to name."""
    path = folder / name
    if name not in manifest.files:
        raise ArtifactError(f"{path}: not named in the manifest. Use another copy, or train again.")
    try:
        return {name: value.copy() for name, value in safetensors.numpy.load(read_regular(path)).items()}
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: not a safetensors file ({error}).") from error
