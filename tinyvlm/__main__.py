"""`python -m tinyvlm`: one command a file in cli/."""

import sys

from tinyvlm.cli import main

sys.exit(main())
