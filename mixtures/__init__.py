"""The mixtures: who trains and who is held out, named by cluster."""
