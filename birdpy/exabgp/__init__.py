"""Edge: the only code that speaks with ExaBGP. What the router uses:

    from birdpy.exabgp.process import Place
    from birdpy.exabgp.supervisor import ExaBGP

    exabgp = ExaBGP(Place(run_dir() / "exabgp"))
    exabgp.warm()                                # before anything else: its imports take 0.1 s
    left_out = await exabgp.configure(speaker)   # {session name: reason}; again at every change, no-op when equal
    async for events in exabgp.events():         # one task only; birdpy.rib.events, all of one wake-up together
        ...                                      # Down(ours=True): our ExaBGP died, keep the routes
    table = exabgp.advertised                    # Table[AdvertisementKey, Advertisement]
    sessions = table.sessions()                  # {peer: session number} of those up
    await reconcile(advertisements(sessions), table, may_erase=True)   # returns after the last acknowledgement
    await table.end_of_rib(sessions)             # only when the RIB is complete; each session is told once
    await exabgp.refresh(peer, [4, 6])           # ask for everything again
    exabgp.close()                               # peers keep our routes (graceful restart)

`Unreachable` from `apply`, `end_of_rib` or `refresh` means that ExaBGP has just died: go on, it is being restarted.
`exabgp.trouble` says why it does not run, None when it does.

A line's walk: ExaBGP -> `bridge` -> `process` -> `decode` -> `supervisor`. An advertisement's: `advertised` ->
`encode` -> `commands` -> `process` -> `bridge` -> ExaBGP. A configuration: `configfile` -> `supervisor` -> `reload`.
"""
