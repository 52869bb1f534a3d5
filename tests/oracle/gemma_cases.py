"""The tiny Gemmas that are compared with PyTorch, as the fields of their configs, and their texts.

make_gemma_values.py builds each in PyTorch and stores what comes out; test_gemma_values.py builds
it here. This file imports neither PyTorch nor tinyvlm.
"""

import numpy as np

DECODER = {"vocab_size": 13, "width": 8, "depth": 2, "head_width": 6, "mlp_width": 10}
CASES = {
    "multi_query": {**DECODER, "heads": 4, "kv_heads": 1},
    "grouped": {**DECODER, "heads": 4, "kv_heads": 2, "eps": 1e-3},
    "multi_head": {**DECODER, "heads": 2, "kv_heads": 2, "theta": 100.0},
}
IMAGE_TOKENS = 4  # N, given as numbers: no tower and no projector

# Prompts and answers of different lengths; 0 is padding, on either side.
IDS = np.array(
    [
        [5, 7, 1, 9, 2, 0, 0, 0],
        [5, 1, 3, 3, 4, 12, 2, 0],
        [0, 0, 0, 6, 8, 1, 11, 2],
        [6, 8, 9, 10, 1, 3, 7, 2],
    ]
)
FIRST_OF_SUFFIX = [3, 2, 6, 5]
SUFFIX = (np.arange(IDS.shape[1]) >= np.array(FIRST_OF_SUFFIX)[:, None]) & (IDS != 0)
