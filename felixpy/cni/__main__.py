"""The Python twin as a program of its own: `python3 -I -S FOLDER/felixpy/cni`, or `python3 -m felixpy.cni`.

Without the site's packages (-S) this is where Python learns where felixpy is.
"""

import sys

sys.path[0] = __file__.rpartition("/felixpy/cni/")[0] or "."

from felixpy.cni.twin import main  # noqa: E402

main()
