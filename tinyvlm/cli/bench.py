"""`bench`: a training step against PyTorch's, or the time of `import tinyvlm`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tinyvlm.cli.arguments import add_command, positive

EXAMPLES = """\
  python -m tinyvlm bench cpu
  python -m tinyvlm bench cpu --rows clip-step-64 --json bench.json
  python -m tinyvlm bench import                  import tinyvlm against import numpy"""


def add(commands: Any) -> None:
    parser = add_command(
        commands, "bench", "time training steps and decoding against PyTorch", EXAMPLES
    )
    parser.add_argument("subject", choices=["cpu", "import"], help="what to measure")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows here")
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="only these (default: all)")
    parser.add_argument("--rounds", type=positive, default=20, help="interleaved (default: 20)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from tinyvlm.bench import cpu, imports, table

    if arguments.subject == "import":
        imports.run(arguments.json, arguments.rounds)
        return
    table.print_table(cpu.run(arguments.json, arguments.rows, arguments.rounds))
