"""What can be told from the journal alone and is kept beside it for quick answers. Any of it can be thrown away."""
