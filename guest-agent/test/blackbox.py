"""Black-box tests of the agent over a Unix socket: python3 test/blackbox.py PATH-OF-AGENT [MODULE.CLASS.TEST …]"""

import os
import sys
import unittest

MODULES = ["test_requests", "test_sessions", "test_files"]

if __name__ == "__main__":
    os.environ["KELPIE_AGENT"] = os.path.abspath(sys.argv[1])
    verbosity = int(os.environ.get("VERBOSITY", "1"))
    unittest.main(module=None, argv=[sys.argv[0], *(sys.argv[2:] or MODULES)], verbosity=verbosity)
