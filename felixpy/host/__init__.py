"""What felixpy puts on a machine: the CNI files and, without Kubernetes, units of systemd.

    machine = Machine(Path("/"), Path("/var/lib/felixpy"))
    for path, outcome in put(machine, files): ...   # whole files by rename; what a user changed stays
    for path, outcome in take(machine): ...         # removes exactly what was put there

One piece of code serves `felixpy install`, `felixpy cni install` and the DaemonSet. `units` and `conflist` are pure,
`files` and `plugin` edges, `cni` and `systemd` join them.
"""
