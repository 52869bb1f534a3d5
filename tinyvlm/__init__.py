"""tinyvlm: vision-language models from scratch.

Axis letters, used in every shape comment of this project:
B batch · N image tokens · T text tokens · S keys/values · D model width · H heads · K width of a
head (D = H*K) · G key/value heads · V vocabulary · P patch side · C channels · E shared embedding
width · L labels or texts to choose from · M images per sample · Q texts a picture · R resampler
latents, or query heads of a key head · I, J inputs and outputs of a linear layer, O outputs of a
convolution · Y, X pixel rows, columns.
Images are (B, Y, X, C) uint8 on disk and (B, C, Y, X) float inside a model.
"""

from tinyvlm.errors import InputError
from tinyvlm.tensor import Tensor, no_grad

__version__ = "0.1.0"
__all__ = ["InputError", "Tensor", "no_grad"]
