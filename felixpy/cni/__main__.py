"""The Python twin as a program: `python3 -I -S FOLDER/felixpy/cni/__main__.py`, or `python3 -m felixpy.cni`.

By its own name: for the folder Python imports what finds programs in folders, which takes as long as all of this.
Without the site's packages (-S) this is where Python learns where felixpy is.
"""

import sys

sys.path.insert(0, __file__.rpartition("/felixpy/cni/")[0] or ".")

from felixpy.cni.twin import main

main()
