"""`python -m tinyvlm`: one command a file in cli/."""

import sys

from tinyvlm.allocator import keep_freed_memory
from tinyvlm.cli import main

keep_freed_memory()  # this process is ours: training is about 1.4 times faster
sys.exit(main())
