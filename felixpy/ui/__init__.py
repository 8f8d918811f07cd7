"""The page of `felixpy ui`: what is drawn and said (pure), and the server that hands it to a browser (edge)."""
