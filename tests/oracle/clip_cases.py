"""The tiny CLIPs that are compared with PyTorch, as the fields of their configs.

make_clip_values.py builds each in PyTorch and stores what comes out; test_clip_values.py builds it
here. Together they use every part that the museum's, OpenAI's and SigLIP's towers are made of.
This file imports neither PyTorch nor tinyvlm.
"""

import numpy as np

TOWER = {"width": 8, "heads": 2, "mlp_width": 12}
TEXT = {**TOWER, "vocab_size": 12, "eos_id": 9, "length": 6, "depth": 1}
VISION = {**TOWER, "image_size": 8, "patch_size": 4, "depth": 1}
PATCH = {**VISION, "stem": "patch"}

CASES = {
    "museum": {
        "vision": {**VISION, "stem": "conv", "pool": "max", "activation": "gelu_tanh"},
        "text": {**TEXT, "activation": "gelu_tanh"},
    },
    "openai": {
        "vision": {
            **PATCH,
            "depth": 2,
            "patch_bias": False,
            "pool": "class",
            "norm_before": True,
            "activation": "quick_gelu",
        },
        "text": {**TEXT, "depth": 2, "activation": "quick_gelu"},
    },
    "map": {
        "vision": {**PATCH, "pool": "map", "activation": "gelu_erf", "eps": 1e-3},
        "text": {**TEXT, "activation": "gelu_erf", "eps": 1e-3},
    },
}
EMBED_WIDTH = 6

# Ends at different places, one text with a second end behind the first, one id above the end's.
IDS = np.array([[3, 11, 9, 0, 0, 0], [1, 9, 4, 9, 10, 9], [8, 7, 6, 5, 4, 9], [3, 2, 2, 9, 0, 0]])

# Texts 0 and 3 are true of pictures 0 and 3 alike.
POSITIVES = np.eye(4, dtype=bool)
POSITIVES[[0, 3], [3, 0]] = True
