"""What single kinds are built from, one package each."""
