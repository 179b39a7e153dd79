"""Scripts and manifests that run a command on other machines."""
