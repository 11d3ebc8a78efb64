"""One standalone script per stage of dvc.yaml. Stages never import each other: they hand on files."""
