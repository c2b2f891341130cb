"""The experiments, in layers; docs/extending.md says what each may import."""
