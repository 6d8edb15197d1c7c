"""The import of SciPy's reader of MATLAB files."""

import subprocess
import sys


def test_readers_of_other_formats_do_not_wait_for_it() -> None:
    program = "import sys, clmot.data.readers; sys.exit('scipy.io' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
