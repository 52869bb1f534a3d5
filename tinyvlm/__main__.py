"""`python -m tinyvlm`: one command a file in cli/."""

import signal
import sys

from tinyvlm.allocator import keep_freed_memory
from tinyvlm.cli import main

if hasattr(signal, "SIGPIPE"):
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `... | head` ends us quietly
keep_freed_memory()  # this process is ours: training is about 1.4 times faster
sys.exit(main())
